"""HTTP beside the page: JSON routes, the events of a running reply, downloads, health.

A route is a row of the table in `routes`, a method with a typed signature (`endpoint`), and a model for its
body and answer (`wire`).
"""

from webchat.api.routes import body_limit, key_scope, routes
from webchat.api.services import PageEntry, Services
from webchat.api.v1.edge import Edge

__all__ = ["Edge", "PageEntry", "Services", "body_limit", "key_scope", "routes"]
