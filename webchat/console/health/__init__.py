"""The tab that shows how the server does: live numbers, plots of the last hour, who used what, and checks."""

from webchat.console.health.tab import create_health

__all__ = ["create_health"]
