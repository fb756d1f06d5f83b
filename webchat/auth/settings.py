"""The settings of the door."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from webchat.settings.networks import Network

Access = Literal["local", "link", "open"]


@dataclass(frozen=True, slots=True)
class Ways:
    """How people come in. link: with a tester's or a printed link. anyone: also without. password: with a
    name and a password. providers: key and name of each place where they sign in. proxy: at one in front."""

    link: bool = True
    anyone: bool = False
    password: bool = False
    providers: tuple[tuple[str, str], ...] = ()
    proxy: bool = False

    @property
    def people(self) -> bool:
        """Whether anybody signs in."""
        return self.password or self.proxy or bool(self.providers)


@dataclass(frozen=True, slots=True)
class DoorSettings:
    """What the door goes by.

    access: `local` (loopback only: one local owner, no questions), `link` (whoever redeemed a link), or
    `open` (whoever opens the page becomes an owner of their own, stored with their first message).
    ways: how people come in, for whom the door has no owner.
    secret: signs cookies; see `load_or_make_secret`.
    embedded: the page may be shown inside another site's frame, so the cookie is `SameSite=None`.
    frame_ancestors: CSP sources of those sites; nobody may frame the page by default.
    trusted_origins: other origins (`https://chat.example.org`) whose pages count as ours.
    extra_hosts: names besides the loopback ones under which a loopback server may be addressed.
    trusted_networks: no limit by address holds for those within.
    trusted_proxies: networks of the proxies whose word on client and scheme counts.
    secure_cookies: people come by https although the last hop may be plain http.
    root_path: a path such as `/chat` under which a proxy serves the app. Whether the proxy takes it away or
    not, the app behind the door sees paths without it.
    """

    access: Access
    secret: str = field(repr=False)
    ways: Ways = field(default_factory=Ways)
    embedded: bool = False
    frame_ancestors: tuple[str, ...] = ()
    trusted_origins: frozenset[str] = frozenset()
    extra_hosts: frozenset[str] = frozenset()
    secure_cookies: bool = False
    root_path: str = ""
    trusted_networks: tuple[Network, ...] = ()
    trusted_proxies: tuple[Network, ...] = ()
