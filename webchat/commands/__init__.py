"""The commands of the command line, one module each; `terminal` is what they share."""
