"""The tab of judgements: what people thought of replies, and which of it may train models."""

from webchat.console.feedback.tab import create_feedback

__all__ = ["create_feedback"]
