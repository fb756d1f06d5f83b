"""How many turns, or open event streams, are allowed: per person, per link, and per network.

Opening one link fifty times makes fifty people, so the link is counted as well; and without links, the
network. A class of a hundred uses one link from one network, so both limits are high.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from backends.types import Caller
from webchat.store.link_records import NO_TERMS, LinkTerms
from webchat.store.records import TemplateUse

Group = Literal["owner", "link", "network", "all"]


@dataclass(frozen=True, slots=True)
class Party:
    """Whom a turn or a stream counts for. link, network: `None` if not counted. key: id of the API key they
    came with. terms: of the link they came by, or of that key. prompt: the only system prompt they may use,
    if there is one. background: nobody waits for the reply: it counts for nobody, and models write it when
    no person wants them. caller: who asks, for a function."""

    owner: str
    link: str | None = None
    network: str | None = None
    key: str | None = None
    terms: LinkTerms = field(default=NO_TERMS, repr=False, compare=False)
    prompt: LinkPrompt | None = field(default=None, repr=False, compare=False)
    background: bool = False
    caller: Caller | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class LinkPrompt:
    """The system prompt of a link's template; `None`: the model's own."""

    text: str | None
    persona: TemplateUse | None


@dataclass(frozen=True, slots=True)
class Most:
    """Maximum turns or streams of one owner, one link, one network, and in total; `None` for no limit."""

    owner: int | None = None
    link: int | None = None
    network: int | None = None
    all: int | None = None

    def reached(self, party: Party, taken: Iterable[Party]) -> tuple[Group, int] | None:
        """The first limit that one more of this party would exceed, and its value."""
        if party.background:
            return None
        others = [one for one in taken if not one.background]
        link = party.link and sum(one.link == party.link for one in others)
        network = party.network and sum(one.network == party.network for one in others)
        counts: tuple[tuple[Group, int | None, int | str | None], ...] = (
            ("owner", self.owner, sum(one.owner == party.owner for one in others)),
            ("link", self.link, link),
            ("network", self.network, network),
            ("all", self.all, len(others)),
        )
        for group, most, count in counts:
            if most is not None and isinstance(count, int) and count >= most:
                return group, most
        return None


UNLIMITED = Most()
