"""Who has which part of a row of places: memory of the engine, counted in tokens. Knows nothing of torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Region:
    """Places from `start` up to `start + size`, without gaps. Changed only by its `Regions`."""

    start: int
    size: int

    @property
    def end(self) -> int:
        return self.start + self.size


class Regions:
    """`size` places; hands out regions that lie in one piece and never overlap."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._taken: list[Region] = []  # by their place

    @property
    def free(self) -> int:
        """Places nobody has, wherever they lie."""
        return self.size - sum(region.size for region in self._taken)

    def take(self, size: int) -> Region | None:
        """The smallest gap that has `size` places, cut to it; `None` when there is none."""
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
        """Make a region longer where it lies, if what is behind it is free."""
        index = self._taken.index(region)
        limit = self._taken[index + 1].start if index + 1 < len(self._taken) else self.size
        if region.start + size > limit:
            return False
        region.size = max(region.size, size)
        return True

    def shrink(self, region: Region, size: int) -> None:
        """Give back the end of a region."""
        region.size = min(region.size, size)

    def release(self, region: Region) -> None:
        """Give back a region."""
        self._taken.remove(region)

    def _gaps(self) -> list[tuple[int, int]]:
        """(start, room) before each taken region and behind the last, also where there is no room."""
        starts = [0, *(region.end for region in self._taken)]
        ends = [*(region.start for region in self._taken), self.size]
        return [(start, end - start) for start, end in zip(starts, ends, strict=True)]
