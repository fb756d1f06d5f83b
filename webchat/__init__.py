"""A browser chat app for your own model."""

__version__ = "0.1.0"
