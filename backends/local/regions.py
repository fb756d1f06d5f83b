"""Allocates regions of a row of positions: the engine's memory, counted in tokens. Independent of torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Region:
    """Positions from `start` up to `start + size`, contiguous. Changed only by its `Regions`."""

    start: int
    size: int

    @property
    def end(self) -> int:
        return self.start + self.size


class Regions:
    """`size` positions; allocates contiguous regions that never overlap."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._taken: list[Region] = []  # by their place

    @property
    def free(self) -> int:
        """Unallocated positions, wherever they are."""
        return self.size - sum(region.size for region in self._taken)

    def take(self, size: int) -> Region | None:
        """The smallest gap of at least `size` positions, cut to that size; `None` if there is none."""
        best: tuple[int, int, int] | None = None  # room, start, index
        for index, (start, room) in enumerate(self._gaps()):
            if room >= size and (best is None or room < best[0]):
                best = (room, start, index)
        if best is None:
            return None
        region = Region(best[1], size)
        self._taken.insert(best[2], region)
        return region

    def grow(self, region: Region, size: int) -> bool:
        """Extend a region in place, if the positions after it are free."""
        index = self._taken.index(region)
        limit = self._taken[index + 1].start if index + 1 < len(self._taken) else self.size
        if region.start + size > limit:
            return False
        region.size = max(region.size, size)
        return True

    def shrink(self, region: Region, size: int) -> None:
        """Free the end of a region."""
        region.size = min(region.size, size)

    def release(self, region: Region) -> None:
        """Free a region."""
        self._taken.remove(region)

    def _gaps(self) -> list[tuple[int, int]]:
        """(start, room) before each allocated region and after the last, including empty gaps."""
        starts = [0, *(region.end for region in self._taken)]
        ends = [*(region.start for region in self._taken), self.size]
        return [(start, end - start) for start, end in zip(starts, ends, strict=True)]
