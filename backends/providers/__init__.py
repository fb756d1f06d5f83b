"""Known providers and servers, and which servers run on this machine. The data is in `providers.toml`."""

from backends.providers.known import Provider, nearest, provider_at, provider_named, providers
from backends.providers.looking import Found, look

__all__ = ["Found", "Provider", "look", "nearest", "provider_at", "provider_named", "providers"]
