"""The signed cookie that names an owner, and the secret it is signed with.

Any page of the domain can set cookies next to ours: a page of another subdomain for the whole domain, a page
on another port for this host. So the name starts with `__Host-` whenever the page is served over https (only
this host can set such a cookie, and it wins over all others), and if two cookies name two owners, neither is
trusted.
"""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path

from itsdangerous import BadSignature

from webchat.auth.origin import host_name
from webchat.auth.sessions import is_token
from webchat.signing import Signer

MAX_AGE = timedelta(days=180)
RENEW_AFTER = timedelta(days=7)
MOST_OWNERS = 8
"""Earlier owners that one browser remembers."""

OLD_NAME = "webchat_owner"
"""The cookie name of all installations, before names distinguished them."""

_SECRET_BYTES = 32
_MOST_READ = 32
"""Cookies of one name whose signatures are checked: a request has room for thousands. If there are more, none
is trusted, because another owner may be among the rest."""
_MOST_CLEARED = 24
"""`Set-Cookie` lines in one response that delete cookies: proxies accept only some kilobytes of headers."""


def load_or_make_secret(path: Path) -> str:
    """Read the signing secret at `path`, or create one there, readable by this user only.

    Two servers starting at once agree on one secret: the first to link the file wins. Raises `OSError` if the
    folder cannot be written, `ValueError` if the file is too short to sign with.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(_SECRET_BYTES))
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(fresh, path)
            except FileExistsError:
                pass
            except OSError:  # a file system without hard links
                if not path.exists():
                    os.replace(fresh, path)
        finally:
            fresh.unlink(missing_ok=True)
    secret = path.read_text(encoding="ascii").strip()
    if len(secret) < _SECRET_BYTES:
        raise ValueError(f"the signing secret in {path} is too short; delete the file to create a new one")
    return secret


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie with a valid signature. owners: the current one's id, or the token of their session, then
    earlier ones, the latest first. made: when it was signed. `stale` requests a new cookie, so that it never
    expires while in use."""

    owners: tuple[str, ...] = field(repr=False)
    made: datetime
    stale: bool

    @property
    def owner_id(self) -> str:
        return self.owners[0]


@dataclass(frozen=True, slots=True)
class SignIn:
    """What the cookies of one request say.

    cookie: the valid one. older: the one owner named by cookies that any page of the domain can set, if a
    safer one is missing; trusted only after the person has confirmed it. conflict: two owners are named.
    given: whether there is any cookie of ours, valid or not. clear: `Set-Cookie` headers that delete cookies
    others may have set. secure: whether new cookies are for https. host_only: whether no other page can have
    set the valid one.
    """

    cookie: Cookie | None = None
    older: Cookie | None = None
    conflict: bool = False
    given: bool = False
    clear: tuple[str, ...] = ()
    secure: bool = False
    host_only: bool = False

    @property
    def earlier(self) -> tuple[str, ...]:
        """Ids of this browser's earlier owners."""
        return () if self.cookie is None else self.cookie.owners[1:]


class Cookies:
    """Signs and reads the owner cookie.

    embedded: the page may be in another site's frame (a Space), which needs `SameSite=None; Secure;
    Partitioned`. Otherwise `SameSite=Lax`, and `Secure` if the request came over https. root_path: the path
    under which a proxy serves the app; it distinguishes installations with the same secret on one host.
    """

    def __init__(self, secret: str, *, embedded: bool = False, root_path: str = "") -> None:
        self._signer = Signer(secret, salt="webchat.owner")
        self._embedded = embedded
        digest = sha256(f"webchat.cookie-name\0{secret}\0{root_path}".encode()).hexdigest()
        self.name = f"webchat_{digest[:8]}"
        self.host_name = f"__Host-{self.name}"

    def read(
        self,
        headers: Iterable[tuple[bytes, bytes]],
        *,
        by_https: bool = False,
        secure: bool = False,
        host: str = "",
        path: str = "/",
    ) -> SignIn:
        """What a request's cookies say. by_https: the page is certainly reached over https, so a cookie that
        others can set is not trusted by itself. secure: new cookies are for https. host, path: of the
        request, as its browser sees them."""
        found: dict[str, list[Cookie]] = {self.host_name: [], self.name: [], OLD_NAME: []}
        counts = Counter[str]()
        for key, value in headers:
            for part in value.split(b";") if key == b"cookie" else ():
                raw, _, signed = part.strip().partition(b"=")
                held = found.get(name := raw.decode("latin-1"))
                if held is not None:
                    counts[name] += 1
                    cookie = self._check(signed) if counts[name] <= _MOST_READ else None
                    held += [] if cookie is None else [cookie]
        safe = by_https or self._embedded
        believed = self.host_name if safe or found[self.host_name] else self.name
        strong = found[believed]
        weak = [] if strong else found[self.name] + found[OLD_NAME]
        conflict = len({cookie.owner_id for cookie in strong}) > 1 or counts[believed] > _MOST_READ
        sure = len({cookie.owner_id for cookie in weak}) == 1 and max(counts.values()) <= _MOST_READ
        older = weak[0] if sure else None
        clear: tuple[str, ...] = ()
        if conflict and found[self.host_name]:
            clear = (self._cleared(self.host_name, partitioned=not self._embedded),)
        elif conflict:
            clear = self._cleared_everywhere((self.name,), host, path, own=True)
        elif weak:
            clear = self._cleared_everywhere((self.name, OLD_NAME), host, path, own=False)
        return SignIn(
            cookie=strong[0] if strong and not conflict else None,
            older=older,
            conflict=conflict,
            given=bool(counts),
            clear=clear,
            secure=secure or safe,
            host_only=bool(strong) and believed == self.host_name,
        )

    def _check(self, signed: bytes) -> Cookie | None:
        try:
            value, made = self._signer.unsign(
                signed, max_age=int(MAX_AGE.total_seconds()), return_timestamp=True
            )
        except BadSignature:
            return None
        owners = tuple(value.decode("ascii", "replace").split("."))
        return Cookie(owners, made, abs(datetime.now(UTC) - made) > RENEW_AFTER)

    def header(
        self, bearer: str, earlier: Sequence[str] = (), *, secure: bool, instead: Cookie | None = None
    ) -> str:
        """The value of a `Set-Cookie` header that signs a browser in: as the owner with this id, or with the
        token of a session. earlier: the same of previous sign-ins, the latest first. instead: of this one."""
        owners = list(dict.fromkeys((bearer, *earlier)))[:MOST_OWNERS]
        value = ".".join(owners)
        signed = self._signer.sign(value) if instead is None else self._signer.sign_again(value, instead.made)
        return self._set(signed.decode("ascii"), MAX_AGE, secure=secure)

    def cleared(self, *, secure: bool) -> str:
        """The value of a `Set-Cookie` header that takes back what `header` set."""
        return self._set("", timedelta(0), secure=secure)

    def _set(self, value: str, age: timedelta, *, secure: bool) -> str:
        secure = secure or self._embedded
        parts = [
            f"{self.host_name if secure else self.name}={value}",
            "HttpOnly",
            f"Max-Age={int(age.total_seconds())}",
            "Path=/",
            f"SameSite={'None' if self._embedded else 'Lax'}",
            *(["Secure"] if secure else []),
            *(["Partitioned"] if self._embedded else []),
        ]
        return "; ".join(parts)

    def _cleared(self, name: str, *, partitioned: bool) -> str:
        return f"{name}=; Max-Age=0; Path=/; Secure{'; Partitioned; SameSite=None' if partitioned else ''}"

    def _cleared_everywhere(
        self, names: Iterable[str], host: str, path: str, *, own: bool
    ) -> tuple[str, ...]:
        """Headers that delete every cookie of these names that a browser sends with this request: for each
        path above it and each domain above the host. own: keep the one this server sets."""
        places = [(at, domain) for at in _paths_above(path) for domain in ("", *_domains_above(host))]
        return tuple(
            f"{name}=; Max-Age=0; Path={at}{f'; Domain={domain}' if domain else ''}"
            for at, domain in places
            for name in names
            if not (own and at == "/" and not domain)
        )[:_MOST_CLEARED]


def guests_of(sign_in: SignIn) -> list[str]:
    """Whoever this browser was without signing in."""
    entries = () if sign_in.cookie is None else sign_in.cookie.owners
    return [entry for entry in entries if not is_token(entry)]


def _paths_above(path: str) -> list[str]:
    """The `Path` of every cookie sent with a request for this path, the shortest first."""
    found = ["/"]
    for at, char in enumerate(path):
        if at and char == "/":
            found += [path[:at], path[: at + 1]]
    if path not in found:
        found.append(path)
    return [one for one in dict.fromkeys(found) if one.isascii() and one.isprintable() and ";" not in one]


def _domains_above(host: str) -> list[str]:
    """The `Domain` of every cookie sent to this host, its own name first."""
    name = host_name(host)
    try:
        ip_address(name)
    except ValueError:
        labels = name.split(".")
        return [".".join(labels[at:]) for at in range(len(labels) - 1)] if _is_name(name) else []
    return []


def _is_name(host: str) -> bool:
    return host.isascii() and host.replace(".", "").replace("-", "").isalnum()
