"""HTTP beside the page: JSON routes, the events of a running reply, downloads, health. Starlette, no
framework."""

from webchat.api.routes import body_limit, routes
from webchat.api.services import Services

__all__ = ["Services", "body_limit", "routes"]
