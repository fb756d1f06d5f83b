"""The routes of prompt templates, and of the chat templates of models."""
