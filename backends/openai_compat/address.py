"""The address of an endpoint: parsed once from what people type, and every URL built from its parts.

    address = Address.parse("http://127.0.0.1:8000")
    address.chat    # http://127.0.0.1:8000/v1/chat/completions, where a conversation is posted
    address.completions  # http://127.0.0.1:8000/v1/completions, where a bare prompt is
    address.models  # http://127.0.0.1:8000/v1/models, the list of models
    address.server("/props")  # http://127.0.0.1:8000/props, for routes that servers have beside /v1
    address.headers(key)  # the header that carries the key
    address.shown(address.chat)  # one of them without secrets, for Inspect and logs
    address.identity  # localhost:8000/v1, the same for every spelling
    address.place  # 127.0.0.1:8000, for messages

A query (`?api-version=...`) is appended to each. Independent of any HTTP library.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import SplitResult, quote, unquote, urlsplit

import idna

from backends.errors import BadRequest

_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_.-])?")
_ROUTES = ("/chat/completions", "/completions", "/models")
"""People paste the whole address of a route."""

_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_DEPLOYMENT = re.compile(r"/openai/deployments/([^/]+)$")
_PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".home.arpa")
_AZURE = (".azure.com", ".azure.us", ".azure.cn", ".azure-api.net")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_PATH_SAFE = "/%:@!$&'()*+,;=~-._"
_QUERY_SAFE = _PATH_SAFE + "?"
_SELF = frozenset({"localhost", "127.0.0.1", "::1", "::ffff:7f00:1", "::ffff:127.0.0.1", "0.0.0.0", "::"})
_PLAIN_QUERY = frozenset({"api-version", "version"})


@dataclass(frozen=True, slots=True)
class Address:
    """scheme: `http` or `https`. host: in lower case and ASCII, an IPv6 address without brackets.
    path: ends without a slash; `/v1` where none was given. query: without its `?`, or empty.
    place: host and port as people write them."""

    scheme: str
    host: str
    port: int | None
    path: str
    query: str
    place: str

    @classmethod
    def parse(cls, url: str) -> Address:
        """Raises `BadRequest`, whose cure says what is missing or superfluous."""
        parts = _split(url.strip())
        if parts.username is not None or parts.password is not None:
            raise BadRequest(
                "The endpoint's address contains a user name or password.",
                cure="Remove it from the address and set it as the endpoint's API key.",
            )
        try:
            host, port = _ascii_host(parts.hostname or ""), parts.port
        except ValueError:
            raise _no_address() from None
        literal = f"[{host}]" if ":" in host else host
        if port == _DEFAULT_PORTS[parts.scheme]:
            port = None
        named = literal if literal.startswith("[") else (parts.hostname or "")
        return cls(
            scheme=parts.scheme,
            host=host,
            port=port,
            path=_base_path(parts.path),
            query=quote(parts.query, safe=_QUERY_SAFE),
            place=named if port is None else f"{named}:{port}",
        )

    @property
    def base(self) -> str:
        """The address without its query, as other clients expect it."""
        return self._at(self.path, query="")

    @property
    def chat(self) -> str:
        return self._at(f"{self.path}/chat/completions", self.query)

    @property
    def completions(self) -> str:
        return self._at(f"{self.path}/completions", self.query)

    @property
    def models(self) -> str:
        return self._at(f"{self.path}/models", self.query)

    def shown(self, url: str) -> str:
        """One of its URLs with the values of the query hidden, since some servers take their key there."""
        query = "&".join(map(_hidden, _pairs(self.query)))
        return url.partition("?")[0] + (f"?{query}" if query else "")

    @property
    def identity(self) -> str:
        """The same text for every spelling of a server, without secrets: query values are hashed, and the API
        version and the scheme do not count."""
        told = sorted(
            pair if len(pair) == 1 else [pair[0], sha256(pair[1].encode()).hexdigest()[:10]]
            for pair in (one.split("=", 1) for one in _pairs(self.query))
            if pair[0].lower() not in _PLAIN_QUERY
        )
        host = _one_spelling(self.host.rstrip("."))
        host = "localhost" if host in _SELF else host
        port = "" if self.port is None else f":{self.port}"
        return f"{host}{port}{_one_path(self.path)}" + ("?" + "&".join(map("=".join, told)) if told else "")

    @property
    def root(self) -> str:
        """The address without its `/v1`, where servers have their own routes."""
        return self._at(self.path.removesuffix("/v1"), query="")

    def server(self, route: str) -> str:
        """The URL of a route beside `/v1`, such as `/props`."""
        return self._at(self.path.removesuffix("/v1") + route, self.query)

    @property
    def deployment(self) -> str | None:
        """The one model behind an address that names it, as Azure's do (`/openai/deployments/NAME`)."""
        found = _DEPLOYMENT.search(self.path)
        return None if found is None else unquote(found[1])

    @property
    def loopback(self) -> bool:
        """Whether it is this machine."""
        try:
            return ipaddress.ip_address(self.host.partition("%")[0]).is_loopback
        except ValueError:
            return self.host.rstrip(".") == "localhost" or self.host.rstrip(".").endswith(".localhost")

    @property
    def remote(self) -> bool:
        """Whether data sent there leaves this machine and private networks; see `leaves_the_house`."""
        return leaves_the_house(self.host)

    def headers(self, key: str | None) -> dict[str, str]:
        """The header that carries the key: Azure has its own."""
        if not key:
            return {}
        return {"api-key": key} if self.host.endswith(_AZURE) else {"Authorization": f"Bearer {key}"}

    def _at(self, path: str, query: str) -> str:
        host = f"[{self.host.replace('%', '%25')}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        return f"{self.scheme}://{host}{port}{path}" + (f"?{query}" if query else "")


def leaves_the_house(host: str) -> bool:
    """Whether a host is neither this machine nor in a private network, judged by its address or by a name
    that only resolves locally."""
    host = host.rstrip(".").lower()
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_global
    except ValueError:
        return "." in host and not host.endswith(_PRIVATE_SUFFIXES)


def _split(url: str) -> SplitResult:
    """Adds a missing `http://` only for a machine nearby: anything further away would be reached unencrypted.
    Raises `BadRequest`."""
    if not url or any(char.isspace() or not char.isprintable() for char in url):
        raise _no_address()
    try:
        if "://" not in url:
            return _schemeless(url)
        parts = urlsplit(url)
    except ValueError:  # brackets that do not close, and the like
        raise _no_address() from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise _no_address()
    return parts


def _schemeless(url: str) -> SplitResult:
    bare = url.removeprefix("//")
    parts = urlsplit(f"http://{bare}")
    host = parts.hostname or ""
    word = ":" not in bare and "/" not in bare and "." not in bare and host != "localhost"
    if word or host.lower() in _DEFAULT_PORTS:  # no address at all, `http:host`, `https:/host`
        raise _no_address()
    if leaves_the_house(host):
        behind = bare.rpartition("@")[2]
        raise BadRequest(
            "The endpoint's address must start with https:// or http://.", cure=f"Write https://{behind}"
        )
    return parts


def _ascii_host(host: str) -> str:
    """Raises `ValueError`."""
    if ":" in host:
        return str(ipaddress.IPv6Address(host.replace("%25", "%")))
    if not host.isascii():
        host = idna.encode(host, uts46=True).decode()  # its errors are `ValueError`s
    if not _HOST.fullmatch(host):
        raise ValueError
    return host


def _base_path(path: str) -> str:
    """A path without one of our routes at its end; `/v1` if nothing is left."""
    path = quote(path, safe=_PATH_SAFE).rstrip("/")
    route = next((route for route in _ROUTES if path.endswith(route)), "")
    return path.removesuffix(route).rstrip("/") or "/v1"


def _pairs(query: str) -> list[str]:
    return query.split("&") if query else []


def _hidden(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return pair if name.lower() in _PLAIN_QUERY or not equals else f"{name}=***"


def _no_address() -> BadRequest:
    return BadRequest(
        "The endpoint's address is not a valid URL.", cure="Use one such as http://127.0.0.1:8000/v1."
    )


def _one_spelling(host: str) -> str:
    """The canonical spelling of an address that has several: `127.1`, or IPv4 inside IPv6."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if not re.fullmatch(r"[0-9a-fx.]+", host):
            return host
        try:
            return socket.inet_ntoa(socket.inet_aton(host))
        except OSError:
            return host
    return str(getattr(address, "ipv4_mapped", None) or address)


def _one_path(path: str) -> str:
    """Without redundant segments, and with unnecessary escapes decoded."""
    steps = [step for step in path.split("/") if step not in ("", ".")]
    plain = _ESCAPE.sub(lambda found: _unescaped(found[0]), "/".join(steps))
    return f"/{plain}" if steps else ""


def _unescaped(escape: str) -> str:
    char = chr(int(escape[1:], 16))
    return char if char.isascii() and (char.isalnum() or char in "-._~") else escape.upper()
