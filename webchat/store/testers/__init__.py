"""What operators see of a link's testers."""
