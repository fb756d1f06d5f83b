"""The tab of moderation: which rules are active, what they would do, and what they did."""

from webchat.console.moderation.tab import create_moderation

__all__ = ["create_moderation"]
