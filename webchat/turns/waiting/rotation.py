"""The order in which people are admitted: only the rule, without time, so that it can be copied to look
ahead.

Whoever has the fewest running is next; ties take turns: a newcomer joins at the back, and whoever was
admitted goes to the back. Only the person admitted last lets a newcomer ahead, since they just had their
turn. So as long as running replies end, nobody waits forever: a person is overtaken by others with fewer
running until their own have ended, and after that by everyone else at most once.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from typing import Generic, TypeVar

T = TypeVar("T")

Rank = tuple[int, int]


class Rotation(Generic[T]):
    """People by name, each with a queue of their own. True while somebody waits."""

    __slots__ = ("_came", "_heap", "_last", "_let_in", "_lines", "_ranks", "_running")

    def __init__(self) -> None:
        self._lines: dict[str, deque[T]] = {}
        self._ranks: dict[str, Rank] = {}
        self._running: Counter[str] = Counter()
        self._let_in = 0
        self._came = 0
        self._last: str | None = None
        # Everybody who waits, by running and rank. What has changed since is pushed anew; what no longer
        # holds is dropped when it comes up.
        self._heap: list[tuple[int, Rank, str]] = []

    def __bool__(self) -> bool:
        return bool(self._lines)

    def copy(self) -> Rotation[T]:
        """A copy of the order, for simulation."""
        other: Rotation[T] = Rotation()
        other._lines = {owner: deque(line) for owner, line in self._lines.items()}
        other._ranks = dict(self._ranks)
        other._running = self._running.copy()
        other._let_in, other._came, other._last = self._let_in, self._came, self._last
        other._heap = list(self._heap)
        return other

    def join(self, owner: str, item: T) -> None:
        """Join the queue, after the owner's own entries."""
        line = self._lines.get(owner)
        if line is not None:
            line.append(item)
            return
        self._lines[owner] = deque([item])
        self._came += 1
        self._ranks[owner] = (2 * self._let_in - (owner != self._last), self._came)
        self._push(owner)

    def leave(self, owner: str, item: T) -> None:
        """Leave the queue."""
        self._lines[owner].remove(item)
        self._forget_without_line(owner)

    def next(self) -> T:
        """Remove the next entry from the queue; it now counts as running. Somebody must be waiting."""
        while True:
            running, rank, owner = heapq.heappop(self._heap)
            if self._ranks.get(owner) == rank and self._running[owner] == running:
                break
        item = self._lines[owner].popleft()
        self._let_in += 1
        self._last = owner
        self._running[owner] += 1
        self._forget_without_line(owner)
        if owner in self._lines:
            self._ranks[owner] = (2 * self._let_in, 0)
            self._push(owner)
        return item

    def ended(self, owner: str) -> None:
        """A running entry has ended."""
        self._running[owner] -= 1
        if self._running[owner] <= 0:
            del self._running[owner]
        if owner in self._lines:
            self._push(owner)

    def _push(self, owner: str) -> None:
        if len(self._heap) > 4 * len(self._lines) + 64:  # mostly what no longer holds
            self._heap = [(self._running[name], self._ranks[name], name) for name in self._lines]
            heapq.heapify(self._heap)
            return
        heapq.heappush(self._heap, (self._running[owner], self._ranks[owner], owner))

    def _forget_without_line(self, owner: str) -> None:
        if not self._lines[owner]:
            del self._lines[owner], self._ranks[owner]
