"""The order of KTO rows."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Kept(NamedTuple):
    """What is in memory of a row. place: a hash that orders rows."""

    place: int
    prompt: int
    label: bool
    row: int


def alternating(rows: Iterable[Kept]) -> Iterator[int]:
    """The rows with good and bad ones spread evenly, and no prompt beside itself unless counts leave no other
    way. Neighbours matter: KTO estimates the divergence from pairs of them, in file order.
    """
    left = _Left(rows)
    last: int | None = None
    while left.rows:
        label = left.behind()
        prompt = left.crowding(last)
        if prompt is None:
            prompt = left.first(label, last)
        if prompt is None:
            prompt = left.first(not label, last)
        if prompt is None:
            prompt = last  # nothing else is left
            assert prompt is not None
        yield left.take(prompt, label).row
        last = prompt


class _Left:
    """The rows that have no place yet."""

    def __init__(self, rows: Iterable[Kept]) -> None:
        self._queues: dict[tuple[int, bool], list[Kept]] = defaultdict(list)
        for row in sorted(rows, reverse=True):
            self._queues[row.prompt, row.label].append(row)
        self._by_prompt: Counter[int] = Counter()
        self._totals: Counter[bool] = Counter()
        # The next row of each prompt by label. Entries of rows taken because of `crowding` are stale.
        self._heads: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
        for (prompt, label), queue in self._queues.items():
            self._by_prompt[prompt] += len(queue)
            self._totals[label] += len(queue)
            self._heads[label].append((queue[-1].place, prompt))
        for heads in self._heads.values():
            heapq.heapify(heads)
        self._crowds = [(-count, prompt) for prompt, count in self._by_prompt.items() if count > 1]
        heapq.heapify(self._crowds)
        self._given: Counter[bool] = Counter()
        self.rows = sum(self._totals.values())

    def behind(self) -> bool:
        """The label of which the smaller share was taken."""
        return self._given[True] * self._totals[False] <= self._given[False] * self._totals[True]

    def crowding(self, last: int | None) -> int | None:
        """A prompt of more than half of the rows left: it comes now, or beside itself later."""
        while self._crowds:
            count, prompt = self._crowds[0]
            now = self._by_prompt[prompt]
            if -count == now:
                return prompt if 2 * now > self.rows and prompt != last else None
            heapq.heappop(self._crowds)
            if now > 1:
                heapq.heappush(self._crowds, (-now, prompt))
        return None

    def first(self, label: bool, last: int | None) -> int | None:
        """The prompt of the first row with this label, but not the last prompt again."""
        heads, again, found = self._heads[label], None, None
        while heads and found is None:
            place, prompt = heapq.heappop(heads)
            queue = self._queues[prompt, label]
            if not queue or queue[-1].place != place:
                continue
            if prompt == last:
                again = (place, prompt)
            else:
                found = (place, prompt)
        for entry in (again, found):
            if entry is not None:
                heapq.heappush(heads, entry)
        return None if found is None else found[1]

    def take(self, prompt: int, label: bool) -> Kept:
        """The next row of a prompt, with this label if it has one."""
        if not self._queues[prompt, label]:
            label = not label
        queue = self._queues[prompt, label]
        row = queue.pop()
        if queue:
            heapq.heappush(self._heads[label], (queue[-1].place, prompt))
        self._by_prompt[prompt] -= 1
        self._given[label] += 1
        self.rows -= 1
        return row
