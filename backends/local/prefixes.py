"""Prefixes of conversations the engine has read: their ids, and the position of their keys and values.

Ids are compared rather than trusting a conversation's name: a cache of other ids silently gives wrong text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from backends.local.regions import Region, Regions

SHORTEST = 8
"""In tokens: a shorter common prefix is computed again, which costs less than managing it."""


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
    """Ids whose keys and values are in `region`, one position each from its start, computed under
    `adapter`."""

    ids: tuple[int, ...]
    region: Region
    adapter: str | None


@dataclass(frozen=True, slots=True)
class Start:
    """Where a row starts: in `region`, whose first `known` tokens are already computed.

    copy_from: position to copy those from before anything else; `None` if they are already in place.
    """

    region: Region
    known: int
    copy_from: int | None = None


class Prefixes:
    """Kept prefixes, least recently used first. Allocates and frees the regions of `regions`."""

    def __init__(self, regions: Regions) -> None:
        self._regions = regions
        self._kept: list[Prefix] = []

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, ids: Sequence[int], region: Region, adapter: str | None) -> None:
        """Store what was computed; an existing prefix of it is dropped."""
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
        """A region of `size` positions for a row with these ids, reusing as many of them as are cached
        anywhere.

        The last id never counts as cached: the model must read it to predict what comes next. `None` if there
        is no room, in which case nothing useful was evicted.
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
        """A region for any purpose, evicting the least recently used prefixes if necessary."""
        return self._room(size, spare=None)

    def grow(self, region: Region, size: int) -> bool:
        """Extend a running row's region in place, if necessary by evicting what follows it."""
        while not self._regions.grow(region, size):
            behind = [p for p in self._kept if region.end <= p.region.start < region.start + size]
            if not behind:
                return False
            self._drop(behind[0])
        return True

    def clear(self) -> None:
        """Drop everything."""
        for prefix in list(self._kept):
            self._drop(prefix)

    def forget(self, adapter: str) -> None:
        """Drop what was computed under an adapter."""
        for prefix in [p for p in self._kept if p.adapter == adapter]:
            self._drop(prefix)

    def _continue(self, prefix: Prefix, known: int, size: int) -> Start | None:
        """Continue in the region of a kept prefix, or move it where there is room."""
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
    """Length of the common prefix; at most all of `ids` but the last."""
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
