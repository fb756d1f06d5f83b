"""An hour of the server's numbers, a sample every ten seconds, for the console's plots."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from webchat.histogram import percentile
from webchat.monitoring.live import SECONDS, Live
from webchat.turns.measured import GAP_BOUNDS, Activity

SAMPLE_SECONDS = 10.0
MOST_SAMPLES = 360
_BEAT = 0.5


@dataclass(frozen=True, slots=True)
class Sample:
    """at: from `time.time`. pieces, failed, first_token, gaps: counted since the start."""

    at: float
    running: int
    queued: int
    pieces: int
    failed: int
    first_token: tuple[int, ...]
    gaps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """What happened between two samples. rate: pieces a second, of all replies. first_token, gap: seconds
    that half and 95 % of them did not exceed; `None` where there were none."""

    at: float
    running: int
    queued: int
    rate: float
    failed: int
    first_token: tuple[float | None, float | None]
    gap: tuple[float | None, float | None]


class Sampler:
    """Takes samples while `serve` runs. activity: what goes on now, by model."""

    def __init__(self, live: Live, activity: Callable[[], Mapping[str, Activity]]) -> None:
        self._live = live
        self._activity = activity
        self.samples: deque[Sample] = deque(maxlen=MOST_SAMPLES)

    async def serve(self) -> None:
        """Never returns."""
        loop = asyncio.get_running_loop()
        while True:
            self.samples.append(self.sample())
            due, longest = loop.time() + SAMPLE_SECONDS, 0.0
            while loop.time() < due:
                before = loop.time()
                await asyncio.sleep(_BEAT)
                longest = max(longest, loop.time() - before - _BEAT)
            self._live.lag = longest

    def sample(self) -> Sample:
        """How it is now."""
        now, tallies = self._activity(), list(self._live.models.values())
        return Sample(
            at=time.time(),
            running=sum(one.running for one in now.values()),
            queued=sum(one.queued for one in now.values()),
            pieces=sum(one.pieces for one in now.values()) + sum(one.pieces for one in tallies),
            failed=sum(one.states["failed"] for one in tallies),
            first_token=_sum([one.first_token.counts for one in tallies], len(SECONDS) + 1),
            gaps=_sum([one.gaps.counts for one in tallies], len(GAP_BOUNDS) + 1),
        )

    def points(self) -> list[Point]:
        """What happened between the samples, the oldest first, up to now."""
        samples = [*self.samples, self.sample()]
        return [point(before, after) for before, after in pairwise(samples)]


def point(before: Sample, after: Sample) -> Point:
    """The difference of two samples."""
    first = [new - old for old, new in zip(before.first_token, after.first_token, strict=True)]
    gaps = [new - old for old, new in zip(before.gaps, after.gaps, strict=True)]
    return Point(
        at=after.at,
        running=after.running,
        queued=after.queued,
        # A reply that stood for more pieces while it ran than it counted for at its end is no negative rate.
        rate=max(0, after.pieces - before.pieces) / max(0.001, after.at - before.at),
        failed=after.failed - before.failed,
        first_token=percentile_of(SECONDS, first),
        gap=percentile_of(GAP_BOUNDS, gaps),
    )


def percentile_of(bounds: Sequence[float], counts: Sequence[int]) -> tuple[float | None, float | None]:
    """What half and 95 % did not exceed."""
    return percentile(bounds, counts, 0.5), percentile(bounds, counts, 0.95)


def _sum(counts: Sequence[Sequence[int]], size: int) -> tuple[int, ...]:
    return tuple(map(sum, zip(*counts, strict=True))) if counts else (0,) * size
