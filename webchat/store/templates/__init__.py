"""What is asked of a database about prompt templates, and about the chat templates of models."""
