"""Which pages may send requests to this server: pure decisions based on headers."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def host_name(host: str) -> str:
    """The name in a `Host` header, without port and brackets, in lower case."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") <= 1 else host


def is_loopback(host: str) -> bool:
    """Whether a `Host` header names this machine itself. Any other name on a loopback address is a page whose
    own name was made to resolve here (DNS rebinding)."""
    name = host_name(host)
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def may_be_tls_only(host: str) -> bool:
    """Whether a browser that used TLS may be told to use only TLS from now on. That applies to all ports
    of the name: a name with a port in its address, and this machine itself, may also serve plain HTTP on
    others."""
    name = host_name(host)
    return host.strip().lower() in (name, f"{name}:443") and not is_loopback(host)


def surely_https(host: str, fetch_site: str | None) -> bool:
    """Whether a browser reaches this server over https, whatever its proxies report: `Sec-Fetch-*` headers
    are sent only to trustworthy addresses, those with https and this machine's own (Fetch Metadata, 2.3)."""
    return fetch_site is not None and not is_loopback(host)


def by_own_https_page(host: str, origin: str | None) -> bool:
    """Whether a request comes from a page of this server opened over https."""
    return origin is not None and origin.lower() == f"https://{host.strip().lower()}"


def may_change(*, host: str, origin: str | None, fetch_site: str | None, trusted: frozenset[str]) -> bool:
    """Whether a request that changes something comes from our own page, or from no page at all.

    The order follows the cross-origin protection of Go's net/http: an allow-listed origin, else what the
    browser itself says (`Sec-Fetch-Site`), else `Origin` against `Host`. Requests without either come from
    programs, which carry no ambient cookies. `Origin: null` (sandboxed frames, data: pages) is never ours.
    """
    if origin == "null":
        return False
    if origin is not None and origin.lower() in trusted:
        return True
    if fetch_site is not None:
        return fetch_site in ("same-origin", "none")
    if origin is None:
        return True
    try:
        netloc = urlsplit(origin).netloc
    except ValueError:
        return False
    return bool(netloc) and netloc.lower() == host.strip().lower()
