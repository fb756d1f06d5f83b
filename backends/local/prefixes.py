"""What the engine remembers of conversations it has read: their ids and where their keys and values lie.

Ids are compared, no name of a conversation is trusted: a cache of other ids silently gives wrong text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from backends.local.regions import Region, Regions

SHORTEST = 8
"""Tokens: a shorter common beginning is read again, which costs less than to look after it."""


class Owner(Protocol):
    """A running row, whose beginning others may copy."""

    @property
    def ids(self) -> Sequence[int]: ...

    @property
    def computed(self) -> int: ...

    @property
    def region(self) -> Region | None: ...

    @property
    def adapter(self) -> str | None: ...


@dataclass(frozen=True, slots=True, eq=False)
class Prefix:
    """Ids whose keys and values lie in `region`, one place each from its start, computed under `adapter`."""

    ids: tuple[int, ...]
    region: Region
    adapter: str | None


@dataclass(frozen=True, slots=True)
class Start:
    """Where a row begins: in `region`, whose first `known` tokens are there already.

    copy_from: place to copy those from before anything else is done; `None` where they lie there.
    """

    region: Region
    known: int
    copy_from: int | None = None


class Prefixes:
    """Kept prefixes, least recently used first. Takes and gives back the regions of `regions`."""

    def __init__(self, regions: Regions) -> None:
        self._regions = regions
        self._kept: list[Prefix] = []

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, ids: Sequence[int], region: Region, adapter: str | None) -> None:
        """Remember what was computed; one that begins it is not kept beside it."""
        if len(ids) < SHORTEST:
            self._regions.release(region)
            return
        self._regions.shrink(region, len(ids))
        whole = tuple(ids)
        for old in [p for p in self._kept if p.adapter == adapter and whole[: len(p.ids)] == p.ids]:
            self._drop(old)
        self._kept.append(Prefix(whole, region, adapter))

    def start(
        self, ids: Sequence[int], adapter: str | None, size: int, running: Sequence[Owner]
    ) -> Start | None:
        """A region of `size` places for a row with these ids, with as much of them in it as is known
        anywhere.

        The last id is never counted as known: the model must read it to say what comes next. `None` when
        there is no room, with nothing of use given up for it.
        """
        best, known = self._longest(ids, adapter)
        if best is not None and known == len(best.ids):
            # The next turn of a conversation: it goes on where it lies.
            return self._continue(best, known, size)
        copied = None if best is None else best.region.start
        for row in running:
            if row.adapter == adapter and row.region is not None:
                common = _common(ids, row.ids[: row.computed])
                if common > known and common >= SHORTEST:
                    best, known, copied = None, common, row.region.start
        region = self._room(size, spare=best)
        if region is not None:
            if best is not None:
                self._use(best)
            return Start(region, known, copied if known else None)
        if best is None:
            return None
        # No room for both: the new row takes the place of the one it begins like.
        return self._continue(best, known, size)

    def room(self, size: int) -> Region | None:
        """A region for anything, for which the least recently used are given up."""
        return self._room(size, spare=None)

    def grow(self, region: Region, size: int) -> bool:
        """Make a running row's region longer where it lies, if need be at the cost of what is kept behind
        it."""
        while not self._regions.grow(region, size):
            behind = [p for p in self._kept if region.end <= p.region.start < region.start + size]
            if not behind:
                return False
            self._drop(behind[0])
        return True

    def clear(self) -> None:
        """Forget everything."""
        for prefix in list(self._kept):
            self._drop(prefix)

    def forget(self, adapter: str) -> None:
        """Forget what was computed under an adapter."""
        for prefix in [p for p in self._kept if p.adapter == adapter]:
            self._drop(prefix)

    def _continue(self, prefix: Prefix, known: int, size: int) -> Start | None:
        """Go on in the region of a kept prefix, or move it to where there is room."""
        region = prefix.region
        if self._regions.grow(region, size):
            self._kept.remove(prefix)
            return Start(region, known)
        moved = self._room(size, spare=prefix)
        if moved is not None:
            self._drop(prefix)
            return Start(moved, known, region.start)
        if self.grow(region, size):
            self._kept.remove(prefix)
            return Start(region, known)
        return None

    def _room(self, size: int, *, spare: Prefix | None) -> Region | None:
        if size > self._regions.size:
            return None
        region = self._regions.take(size)
        for prefix in list(self._kept):
            if region is not None:
                break
            if prefix is not spare:
                self._drop(prefix)
                region = self._regions.take(size)
        return region

    def _longest(self, ids: Sequence[int], adapter: str | None) -> tuple[Prefix | None, int]:
        best, known = None, SHORTEST - 1
        for prefix in self._kept:
            if prefix.adapter == adapter and (common := _common(ids, prefix.ids)) > known:
                best, known = prefix, common
        return best, known if best is not None else 0

    def _use(self, prefix: Prefix) -> None:
        self._kept.remove(prefix)
        self._kept.append(prefix)

    def _drop(self, prefix: Prefix) -> None:
        self._kept.remove(prefix)
        self._regions.release(prefix.region)


def _common(ids: Sequence[int], known: Sequence[int]) -> int:
    """How many ids both begin with; at most all of `ids` but the last."""
    most = min(len(ids) - 1, len(known))
    low, high = 0, most
    if tuple(ids[:most]) == tuple(known[:most]):
        return most
    while low < high:  # the first place where they differ, by halves: slices compare at the speed of C
        middle = (low + high + 1) // 2
        if tuple(ids[low:middle]) == tuple(known[low:middle]):
            low = middle
        else:
            high = middle - 1
    return low
