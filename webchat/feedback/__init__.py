"""What becomes of judgements: results that say how sure they are, and files that trainers load."""
