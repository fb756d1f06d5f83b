"""Markers in what models read and write: tags around reasoning, stop strings and control tokens."""
