"""Files that trainers load."""
