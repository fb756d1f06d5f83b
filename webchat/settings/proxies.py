"""Proxy variables for libraries in this process that read them on their own.

httpx, which Gradio and the hub's client use, configures its clients from the environment, even while being
imported, and fails on values it cannot parse: SOCKS without an extra package, and some entries of `NO_PROXY`.
So each variable is rewritten for this process in a form that httpx accepts, or removed; the original value is
kept next to it for our own requests (`backends._proxies`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, MutableMapping
from importlib.util import find_spec
from ipaddress import ip_address

from backends._proxies import ASIDE, NO_PROXY_VARIABLES, PROXY_VARIABLES, entries, read_proxy, unquoted
from backends.errors import BadProxy

_HERE = ("localhost", "127.0.0.1", "0.0.0.0", "::1")
_PLAIN_ENTRY = re.compile(r"[\w.*-]+(?::\d+)?(?:/\d+)?|[a-z]+://[\w.-]+(?::\d+)?")


def make_readable(
    environ: MutableMapping[str, str], *, has_socks: Callable[[], bool] = lambda: bool(find_spec("socksio"))
) -> Iterator[str]:
    """Rewrite the proxy variables in `environ`. Yields a sentence for each proxy that httpx cannot use.

    has_socks: whether httpx supports SOCKS proxies.
    """
    found = [name for name in PROXY_VARIABLES if unquoted(environ.get(name, ""))]
    for name in found:
        value = environ[name]
        try:
            proxy = read_proxy(name, unquoted(value)).url
        except BadProxy as error:
            _replace(environ, name, None)
            yield f"{error} Until then it is ignored."
            continue
        scheme = proxy.partition("://")[0]
        if scheme in ("http", "https") or (scheme.startswith("socks5") and has_socks()):
            _replace(environ, name, proxy)
        else:
            _replace(environ, name, None)
            yield f"{name} is used for endpoints only. {_without(scheme)}"
    exempt = next((environ[name] for name in NO_PROXY_VARIABLES if environ.get(name)), "")
    if found or exempt:
        readable = ",".join(dict.fromkeys((*filter(None, map(_entry, entries(exempt))), *_HERE)))
        for name in NO_PROXY_VARIABLES:
            _replace(environ, name, readable)


def _without(scheme: str) -> str:
    if scheme.startswith("socks5"):
        return "Model downloads bypass it; `pip install socksio` enables it for them."
    return "Model downloads bypass it: they support only http and SOCKS 5 proxies."


def _replace(environ: MutableMapping[str, str], name: str, value: str | None) -> None:
    before = environ.get(name)
    if before == value:
        return
    environ.setdefault(ASIDE + name, before or "")
    if value is None:
        del environ[name]
    else:
        environ[name] = value


def _entry(entry: str) -> str:
    """An entry of `no_proxy` in httpx's syntax; empty if httpx has none for it."""
    entry = entry.removeprefix("*.") if len(entry) > 2 else entry
    try:
        return str(ip_address(entry.strip("[]")))
    except ValueError:
        return entry if _PLAIN_ENTRY.fullmatch(entry) else ""
