"""Counting what happened lately, to slow down who does it too often."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable

NEW_PEOPLE_PER_HOUR = 300
"""By one link, and from one network: a school opens its link within the same hour."""

_MOST_KEYS = 10_000


class Recent:
    """Counts what happened lately, by a key. most: within `seconds`."""

    def __init__(self, most: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()

    def full(self, key: str) -> bool:
        times = self._seen.get(key)
        if times is None:
            return False
        while times and self._clock() - times[0] >= self._seconds:
            times.popleft()
        if not times:
            del self._seen[key]
        return len(times) >= self._most

    def add(self, key: str) -> None:
        self._seen.setdefault(key, deque(maxlen=self._most)).append(self._clock())
        self._seen.move_to_end(key)
        while len(self._seen) > _MOST_KEYS:
            self._seen.popitem(last=False)


def new_people() -> Recent:
    """For new owners, by the link or the network they come by."""
    return Recent(NEW_PEOPLE_PER_HOUR, 3600)
