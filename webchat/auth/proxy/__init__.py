"""People whom a proxy in front signs in, named by plain headers or by a signed one."""

from webchat.auth.proxy.proxied import Proxied
from webchat.auth.proxy.signed_header import SignedHeader
from webchat.auth.proxy.vouching import ProxyHeaders

__all__ = ["Proxied", "ProxyHeaders", "SignedHeader"]
