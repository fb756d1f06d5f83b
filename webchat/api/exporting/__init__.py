"""Downloads of conversations, and their formats."""
