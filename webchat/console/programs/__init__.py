"""The tabs of other programs: the keys with which they use the server, and the webhooks that notify them."""

from webchat.console.programs.keys import create_keys
from webchat.console.programs.webhooks import create_webhooks

__all__ = ["create_keys", "create_webhooks"]
