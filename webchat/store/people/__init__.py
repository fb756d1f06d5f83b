"""What is asked of a database about people who sign in, and about their sessions."""
