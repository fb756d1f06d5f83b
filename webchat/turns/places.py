"""How many places somebody may take: by person, by the link they came by, by the network they write from.

Whoever opens one link fifty times is fifty people, so the link counts as well; and where there are no links,
the network. A class of a hundred comes by one link from one network, so both may have many.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Group = Literal["owner", "link", "network", "all"]


@dataclass(frozen=True, slots=True)
class Party:
    """For whom a place counts. link, network: `None` where none is to be counted."""

    owner: str
    link: str | None = None
    network: str | None = None


@dataclass(frozen=True, slots=True)
class Most:
    """Places that one owner, the people of one link, those of one network, and all together may have; `None`
    for any number."""

    owner: int | None = None
    link: int | None = None
    network: int | None = None
    all: int | None = None

    def reached(self, party: Party, taken: Iterable[Party]) -> tuple[Group, int] | None:
        """The first limit that one more place of this party would pass, and how much it is."""
        others = list(taken)
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
