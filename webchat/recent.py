"""Counts recent events, to slow down anyone who causes too many."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable

NEW_PEOPLE_PER_HOUR = 300
"""Per link and per network: a whole school may open its link within the same hour."""

_MOST_KEYS = 10_000


class Recent:
    """Counts recent events by key. most: allowed within `seconds`."""

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
        now = self._clock()
        self._seen.setdefault(key, deque(maxlen=self._most)).append(now)
        self._seen.move_to_end(key)
        while len(self._seen) > _MOST_KEYS or now - next(iter(self._seen.values()))[-1] >= self._seconds:
            self._seen.popitem(last=False)


def new_people() -> Recent:
    """The counter for new owners, by their link or network."""
    return Recent(NEW_PEOPLE_PER_HOUR, 3600)
