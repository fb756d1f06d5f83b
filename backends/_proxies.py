"""Which proxy to use for an address, according to environment variables.

The variables and their order are curl's (its manual, "ENVIRONMENT"): `http_proxy` or `https_proxy` after the
address's scheme, else `all_proxy`; `no_proxy` names what is reached without one. The lower case is looked at
before the upper case, and an empty value counts as not set. Where curl and what people expect differ:

- `HTTP_PROXY` is read too, as Python, Go and Docker do, unless `REQUEST_METHOD` says that this is a CGI
  program, where a request's `Proxy:` header arrives in it.
- A proxy without a port has the one of its scheme: 80, 443, or 1080 for SOCKS.
- `socks://`, which GNOME sets, is SOCKS 5, and the proxy looks names up.
- `*` in `no_proxy` may stand beside other entries and in the middle of one; an entry may have a port.
- This machine itself is never reached through a proxy: `localhost`, loopback addresses, `0.0.0.0` and `::`.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import quote, unquote, urlsplit

from backends.errors import BadProxy

ASIDE = "_WEBCHAT_"
"""Before the name of a variable: its value as it was set, where other libraries of this process could not
read it and were given another (`webchat.settings.proxies`)."""

PROXY_VARIABLES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
NO_PROXY_VARIABLES = ("no_proxy", "NO_PROXY")

_PORTS = {"http": 80, "https": 443, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080}
_SAME = {"socks": "socks5h"}

# A host, maybe with a port; an IPv6 address within brackets.
_HOST_PORT = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+(%[\w.]+)?\]|[^\s:/?#@\[\]\\]+)(?::(?P<port>\d*))?/*")
# An entry of `no_proxy`: a name or address, the bits or mask of a network, a port; maybe as a web address.
_ENTRY = re.compile(
    r"(?:[a-z][a-z0-9+.-]*://)?"
    r"(?:\[(?P<bracketed>[0-9a-f:.]+)(?:/(?P<inside>\d+))?\]|(?P<bare>[0-9a-f.]*:[0-9a-f:.]*:[0-9a-f:.]*|[^:/\[\]]+))"
    r"(?:/(?P<bits>\d[\d.]*))?(?::(?P<port>\d+))?/?"
)


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy and the variable that names it.

    url: `scheme://[user[:password]@]host:port`, scheme one of `http`, `https`, `socks4`, `socks4a`, `socks5`,
    `socks5h` (with the last letter the proxy looks names up); user and password are percent-encoded.
    """

    url: str
    variable: str

    @property
    def shown(self) -> str:
        """The address without user and password, safe to show."""
        scheme, _, rest = self.url.partition("://")
        return f"{scheme}://{rest.rpartition('@')[2]}"


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """`Proxy.url` of the proxy for `url`; `None` to connect directly.

    Raises `BadProxy` if the variable that applies cannot be parsed.
    """
    found = find_proxy(url, environ)
    return None if found is None else found.url


def find_proxy(url: str, environ: Mapping[str, str]) -> Proxy | None:
    """The proxy for `url`, an http or https address, and the variable that names it. Raises `BadProxy`."""
    parts = urlsplit(url)
    host, port = _plain_host(parts.hostname or ""), parts.port or _PORTS.get(parts.scheme)
    if is_this_machine(host):
        return None
    _, exempt = _first(environ, *NO_PROXY_VARIABLES)
    if any(_covers(entry, host, port) for entry in entries(exempt)):
        return None
    variable, value = _first(environ, *proxy_variables(parts.scheme, environ))
    return read_proxy(variable, value) if value else None


def entries(exempt: str) -> list[str]:
    """The entries of a `no_proxy` value, in lower case."""
    return [entry for entry in re.split(r"[\s,;]+", unquoted(exempt).lower()) if entry]


def proxy_variables(scheme: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The variables that may name a proxy for a scheme, `http` or `https`, in order of precedence."""
    large = () if scheme == "http" and "REQUEST_METHOD" in environ else (f"{scheme.upper()}_PROXY",)
    return (f"{scheme}_proxy", *large, "all_proxy", "ALL_PROXY")


def is_this_machine(host: str) -> bool:
    """Whether a host is this machine, by name or address, in any spelling."""
    host = _plain_host(host)
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = _address(host)
    if address is None and re.fullmatch(r"[0-9a-fx.]+", host):  # 127.1 and 0, as the system reads them
        try:
            address = IPv4Address(socket.inet_aton(host))
        except OSError:
            return False
    return address is not None and (address.is_loopback or address.is_unspecified)


def unquoted(value: str) -> str:
    """The value of a variable without surrounding blanks or the pair of quotes that some tools keep."""
    value = value.strip()
    quoted = len(value) >= 2 and value[0] in "\"'" and value.find(value[0], 1) == len(value) - 1
    return unquoted(value[1:-1]) if quoted else value


def _first(environ: Mapping[str, str], *names: str) -> tuple[str, str]:
    """The first non-empty variable, and its value."""
    for name in names:
        if value := unquoted(environ.get(ASIDE + name, environ.get(name, ""))):
            return name, value
    return "", ""


def read_proxy(variable: str, value: str) -> Proxy:
    """The proxy named by a variable's value, without quotes. Raises `BadProxy`."""
    scheme, found, rest = value.partition("://")
    if not found:
        scheme, rest = "http", value
    scheme = _SAME.get(scheme.lower(), scheme.lower())
    if scheme not in _PORTS:
        raise BadProxy(variable, f'"{_word(scheme)}" proxies are not supported')
    # Passwords are often written as they are, so only the last @ ends them.
    login, _, place = rest.rpartition("@")
    match = _HOST_PORT.fullmatch(place)
    if match is None:
        raise BadProxy(variable, "it has no valid host")
    port = int(match["port"] or _PORTS[scheme])
    if not 0 < port < 65536:
        raise BadProxy(variable, f"{port} is not a valid port")
    user, colon, password = login.partition(":")
    login = f"{_encoded(user)}{colon}{_encoded(password)}@" if login else ""
    return Proxy(f"{scheme}://{login}{match['host']}:{port}", variable)


def _encoded(text: str) -> str:
    """Percent-encoded exactly once, whether or not it already was."""
    return quote(unquote(text), safe="")


def _word(scheme: str) -> str:
    return re.sub(r"[^a-z0-9+.-]", "", scheme)[:20]


def _plain_host(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _covers(entry: str, host: str, port: int | None) -> bool:
    """Whether an entry of `no_proxy`, in lower case, applies to a host and port."""
    match = _ENTRY.fullmatch(entry)
    if match is None or (match["port"] and int(match["port"]) != port):
        return False
    name = match["bracketed"] or match["bare"]
    bits = match["inside"] or match["bits"]
    address = _address(host)
    try:
        network = ip_network(f"{name}/{bits}" if bits else name, strict=False)
    except ValueError:
        return not bits and _covers_name(name.rstrip("."), host, is_name=address is None)
    return address is not None and address in network


def _covers_name(name: str, host: str, *, is_name: bool) -> bool:
    """A name covers itself and all its subdomains; a leading dot or `*.` makes no difference."""
    name = name.removeprefix("*.").lstrip(".")
    if "*" in name:
        return fnmatchcase(host, name.replace("[", "[[]"))
    return bool(name) and (host == name or (is_name and host.endswith(f".{name}")))
