"""Which model is meant: its server and its id there, whichever endpoint answered first and whatever the
settings call it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

HERE = "here:"
"""Begins the identity of every model in this process."""

_KEY = re.compile(r"@([0-9a-f]{10})/(here|[0-9a-f]{6}|)/(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ModelKey:
    """How a chosen model is stored and sent: as the text `@SERVER/ENTRY/MODEL`.

    server: its id in `KnownServers`; reveals nothing about its address. entry: which entry of the settings,
    if several share a server, as `entry_mark`; `here` in this process. model: its id at the server; its name,
    in this process.
    """

    server: str
    entry: str
    model: str

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """`None` for a bare name, as people write it and older versions stored it."""
        found = _KEY.fullmatch(text)
        return None if found is None else cls(*found.groups())

    def __str__(self) -> str:
        return f"@{self.server}/{self.entry}/{self.model}"


def entry_mark(label: str) -> str:
    """A short text for the name of an entry in the settings, empty for one without a name."""
    return sha256(label.encode()).hexdigest()[:6] if label else ""


class KnownServers:
    """Current and earlier servers: `(id, identity)` of each.

    A server not among them gets an id derived from its identity.
    """

    def __init__(self, known: Iterable[tuple[str, str]] = ()) -> None:
        self._ids = {identity: id for id, identity in known}

    def id(self, identity: str) -> str:
        return self._ids.get(identity) or sha256(identity.encode()).hexdigest()[:10]
