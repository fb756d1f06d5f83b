"""Who writes next when a model writes as many replies as it can: fair between people, and everybody knows
their place.

One lane for each engine. Whoever has the fewest replies running is next; of those the one who was served
longest ago, or never; so a person with ten tabs waits like a person with one. Within one person the order is
theirs.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

REFRESH_SECONDS = 5.0
"""How often those who wait are told anew how long it may take."""

_WEIGHT = 0.3
"""Of the newest reply in the average length of one."""

Told = Callable[[int, float | None], None]
"""Called with the place in line, from 1, and about how many seconds that means; `None` when nothing is
known."""


@dataclass(eq=False, slots=True)
class _Ticket:
    owner: str
    told: Told
    granted: asyncio.Future[None]
    number: int
    began: float | None = None
    shown: tuple[int, int | None] = (0, None)


@dataclass(slots=True)
class _Order:
    """The rule of who is next, over state that can be copied to look ahead."""

    waiting: dict[str, deque[_Ticket]]
    running: Counter[str]
    served: dict[str, int]
    turn: int = 0

    def copy(self) -> _Order:
        lines = {owner: deque(line) for owner, line in self.waiting.items()}
        return _Order(lines, Counter(self.running), dict(self.served), self.turn)

    def next(self) -> _Ticket:
        """Take the next out of the line; it counts as running from now on."""
        owner = min(
            self.waiting,
            key=lambda name: (self.running[name], self.served.get(name, 0), self.waiting[name][0].number),
        )
        line = self.waiting[owner]
        ticket = line.popleft()
        if not line:
            del self.waiting[owner]
        self.turn += 1
        self.running[owner] += 1
        self.served[owner] = self.turn
        return ticket

    def ended(self, owner: str) -> None:
        self.running[owner] -= 1
        if self.running[owner] <= 0:
            del self.running[owner]


@dataclass(eq=False)
class _Lane:
    """The people before one engine."""

    slots: int = 1
    average: float | None = None
    order: _Order = field(default_factory=lambda: _Order({}, Counter(), {}))
    running: list[_Ticket] = field(default_factory=list)
    refresh: asyncio.TimerHandle | None = None

    def join(self, ticket: _Ticket) -> None:
        self.order.waiting.setdefault(ticket.owner, deque()).append(ticket)
        self.move()

    def leave(self, ticket: _Ticket) -> None:
        """Give back a slot, or step out of the line."""
        if ticket.began is not None:
            self.running.remove(ticket)
            self.order.ended(ticket.owner)
            took = asyncio.get_running_loop().time() - ticket.began
            self.average = took if self.average is None else self.average + _WEIGHT * (took - self.average)
        else:
            line = self.order.waiting[ticket.owner]
            line.remove(ticket)
            if not line:
                del self.order.waiting[ticket.owner]
        self.move()

    def move(self) -> None:
        """Let in whoever has room, and tell the others where they stand now."""
        now = asyncio.get_running_loop().time()
        while self.order.waiting and len(self.running) < self.slots:
            ticket = self.order.next()
            ticket.began = now
            self.running.append(ticket)
            if not ticket.granted.done():
                ticket.granted.set_result(None)
        if not self.order.waiting:
            self.order.served = {owner: self.order.served[owner] for owner in self.order.running}
        self._tell(now)

    def _tell(self, now: float) -> None:
        if self.refresh is not None:
            self.refresh.cancel()
            self.refresh = None
        for place, (ticket, wait) in enumerate(self._ahead(now), start=1):
            shown = (place, None if wait is None else round(wait))
            if shown != ticket.shown:
                ticket.shown = shown
                ticket.told(place, wait)
        if self.order.waiting:
            loop = asyncio.get_running_loop()
            self.refresh = loop.call_later(REFRESH_SECONDS, lambda: self._tell(loop.time()))

    def _ahead(self, now: float) -> list[tuple[_Ticket, float | None]]:
        """All who wait, in the order they will be served if every reply takes the average time."""
        order, average = self.order.copy(), self.average or 0.0
        numbers = itertools.count()
        ends = [
            (max(0.1 * average, average - (now - (ticket.began or now))), next(numbers), ticket.owner)
            for ticket in self.running
        ]
        heapq.heapify(ends)
        ahead: list[tuple[_Ticket, float | None]] = []
        while order.waiting:
            at = 0.0
            if len(ends) >= self.slots:
                at, _, owner = heapq.heappop(ends)
                order.ended(owner)
            ticket = order.next()
            heapq.heappush(ends, (at + average, next(numbers), ticket.owner))
            ahead.append((ticket, None if self.average is None else at))
        return ahead


class Queue:
    """All lanes. Lives on one event loop."""

    def __init__(self) -> None:
        self._lanes: dict[str, _Lane] = {}
        self._numbers = itertools.count(1)

    @asynccontextmanager
    async def slot(self, engine: str, slots: int | None, owner: str, told: Told) -> AsyncIterator[None]:
        """A slot of an engine that has `slots` of them, `None` for any number, for the time of the block.

        Waits for it; `told` hears where in line. Leaving, also while waiting, lets the next one in.
        """
        if slots is None:
            yield
            return
        lane = self._lanes.setdefault(engine, _Lane())
        lane.slots = max(1, slots)
        granted = asyncio.get_running_loop().create_future()
        ticket = _Ticket(owner, told, granted, next(self._numbers))
        lane.join(ticket)
        try:
            await granted
            yield
        finally:
            lane.leave(ticket)
