"""Who is next when a model is at capacity: fair between people, with a known position for everyone.

One lane per engine. Whoever has the fewest running replies is next, so a person with ten tabs waits like a
person with one; ties are broken by rotation (see `rotation`). Replies in the background begin only while no
person waits, and leave one slot free if there are several: so a person waits for one of them at most, and
only where there is a single slot. Deferrable work, such as titles, takes a slot only while nobody wants it,
and gives it back. A lane is touched when a reply begins and when it ends, never per token.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from webchat.turns.waiting.rotation import Rotation

REFRESH_SECONDS = 5.0
"""How often people whose position is unchanged get a new estimate."""

PACE_SECONDS = 0.25
"""Least time between two rounds of telling: not every short reply of many people wakes the whole line."""

WEIGHT = 0.3
"""Of the newest reply in the average length of one. The first few all count the same."""

LEFT = 0.25
"""What a reply is taken to need still, at least: this part of the average, or of what it has run if that is
more. One that is longer than others were may be much longer."""

KEPT_LANES = 16
"""Lanes without anybody in them that are remembered for how long their replies take. Engines come and go."""

Report = Callable[[int, float | None], None]
"""Called with the position in the queue, from 1, and the estimated seconds; `None` if unknown."""


@dataclass(eq=False, slots=True)
class Ticket:
    """One reply in a lane: queued until `began`, a time of the loop, then holding a slot."""

    owner: str
    report: Report
    granted: asyncio.Future[None]
    number: int
    background: bool = False
    began: float | None = None
    place: int = 0
    wait: float | None = None
    told_at: float = 0.0


@dataclass(eq=False, slots=True)
class Lane:
    """The people waiting for one engine that has `slots` slots."""

    slots: int = 1
    average: float | None = None
    _ended: int = 0
    rotation: Rotation[Ticket] = field(default_factory=Rotation)
    running: dict[Ticket, None] = field(default_factory=dict)
    behind: deque[Ticket] = field(default_factory=deque)
    """Those in the background that wait."""
    guests: list[Callable[[], None]] = field(default_factory=list)
    _told_at: float = float("-inf")
    _telling: asyncio.TimerHandle | None = None

    @property
    def free(self) -> int:
        """Free slots; negative while more replies are running than an engine that shrank has slots."""
        return self.slots - len(self.running) - len(self.guests)

    @property
    def idle(self) -> bool:
        """Whether no slot is taken and nobody waits."""
        return not (self.rotation or self.behind or self.running or self.guests)

    def join(self, ticket: Ticket) -> None:
        """Join the queue; a free slot is granted at once."""
        if ticket.background:
            self.behind.append(ticket)
        else:
            self.rotation.join(ticket.owner, ticket)
        self.move()

    def leave(self, ticket: Ticket, *, wrote: bool) -> None:
        """Release a slot, or leave the queue. Only a reply that `wrote` counts for the average."""
        if ticket.began is None and ticket.background:
            self.behind.remove(ticket)
        elif ticket.began is None:
            self.rotation.leave(ticket.owner, ticket)
        else:
            del self.running[ticket]
            if not ticket.background:
                self.rotation.ended(ticket.owner)
            if wrote:
                self._learn(asyncio.get_running_loop().time() - ticket.began)
        self.move()

    def move(self) -> None:
        """Admit whoever there is room for; if there is none, ask deferrable work to yield. Notifies those who
        wait."""
        while self.rotation and self.free > 0:
            self._admit(self.rotation.next())
        while self.behind and self._has_room_behind():
            self._admit(self.behind.popleft())
        if self.rotation or self.behind:
            for give_way in self.guests:
                give_way()
        self._tell_within(PACE_SECONDS)

    def _admit(self, ticket: Ticket) -> None:
        ticket.began = asyncio.get_running_loop().time()
        self.running[ticket] = None
        if not ticket.granted.done():
            ticket.granted.set_result(None)

    def _has_room_behind(self) -> bool:
        """Whether a reply in the background may begin. One slot, if there are several, stays for people."""
        background = sum(ticket.background for ticket in self.running)
        return self.free > 0 and not self.rotation and background < max(1, self.slots - 1)

    def ahead(self) -> Iterable[tuple[Ticket, float | None]]:
        """All who wait, in the order they will be admitted if every reply takes the average time, and the
        seconds until then."""
        now = asyncio.get_running_loop().time()
        order, average = self.rotation.copy(), self._usual(now)
        numbers = itertools.count()
        ends: list[tuple[float, int, str | None]] = [(0.0, next(numbers), None) for _ in self.guests]
        for ticket in self.running:
            ran = now - (ticket.began or 0.0)
            owner = None if ticket.background else ticket.owner
            ends.append((max(LEFT * max(average, ran), average - ran), next(numbers), owner))
        heapq.heapify(ends)
        while order:
            at = 0.0
            while len(ends) >= self.slots:
                at, _, owner = heapq.heappop(ends)
                if owner is not None:
                    order.ended(owner)
            ticket = order.next()
            heapq.heappush(ends, (at + average, next(numbers), ticket.owner))
            yield ticket, None if self.average is None else at

    def _learn(self, took: float) -> None:
        self._ended += 1
        usual = self.average or 0.0
        self.average = usual + max(WEIGHT, 1 / self._ended) * (took - usual)

    def _usual(self, now: float) -> float:
        """The average length, counting replies that have run longer as if they ended now; 0 if unknown."""
        usual = self.average
        if usual is None:
            return 0.0
        for ticket in self.running:
            usual += WEIGHT * max(0.0, now - (ticket.began or 0.0) - usual)
        return usual

    def _tell_within(self, seconds: float) -> None:
        """Notify the queue of its positions, `seconds` after the last time: now, if that has passed."""
        if not self.rotation:
            if self._telling is not None:
                self._telling.cancel()
                self._telling = None
            return
        loop = asyncio.get_running_loop()
        due = max(loop.time(), self._told_at + seconds)
        if self._telling is not None:
            if self._telling.when() <= due:
                return
            self._telling.cancel()
        self._telling = loop.call_at(due, self._tell)

    def _tell(self) -> None:
        self._telling = None
        self._told_at = now = asyncio.get_running_loop().time()
        for place, (ticket, wait) in enumerate(self.ahead(), start=1):
            stale = now - ticket.told_at >= REFRESH_SECONDS and not _same(wait, ticket.wait)
            if place != ticket.place or stale:
                ticket.place, ticket.wait, ticket.told_at = place, wait, now
                ticket.report(place, wait)
        self._tell_within(REFRESH_SECONDS)


class Queue:
    """All lanes. Lives on one event loop."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}
        self._numbers = itertools.count(1)

    def slot(
        self, engine: str, slots: int | None, owner: str, report: Report
    ) -> AbstractAsyncContextManager[None]:
        """A slot of an engine that has `slots` of them, `None` for any number, for the duration of the block.

        Waits for it; `report` is called with the position in the queue. Leaving, even while waiting, admits
        the next one.
        """
        return self._held(engine, slots, owner, report, background=False)

    def background(
        self, engine: str, slots: int | None, owner: str, report: Report
    ) -> AbstractAsyncContextManager[None]:
        """The same for a reply that nobody waits for, behind all people. It is not told its position."""
        return self._held(engine, slots, owner, report, background=True)

    @asynccontextmanager
    async def _held(
        self, engine: str, slots: int | None, owner: str, report: Report, *, background: bool
    ) -> AsyncIterator[None]:
        if slots is None:
            yield
            return
        lane = self._lane(engine, slots)
        granted = asyncio.get_running_loop().create_future()
        ticket = Ticket(owner, report, granted, next(self._numbers), background)
        lane.join(ticket)
        wrote = False
        try:
            await granted
            wrote = True
            yield
        finally:
            lane.leave(ticket, wrote=wrote)

    @asynccontextmanager
    async def spare(
        self, engine: str, slots: int | None, give_way: Callable[[], None]
    ) -> AsyncIterator[bool]:
        """For deferrable work: true with a slot that nobody wants, false if there is none.

        `give_way` may be called several times when a person wants it after all: the block should end.
        """
        if slots is None:
            yield True
            return
        lane = self._lane(engine, slots)
        if lane.rotation or lane.behind or lane.free <= 0:
            yield False
            return
        lane.guests.append(give_way)
        try:
            yield True
        finally:
            lane.guests.remove(give_way)
            lane.move()

    def idle(self) -> bool:
        """Whether no slot is taken and nobody waits."""
        return all(lane.idle for lane in self._lanes.values())

    def _lane(self, engine: str, slots: int) -> Lane:
        """The lane of an engine; empty lanes that were used least recently are dropped."""
        lane = self._lanes.pop(engine, None) or Lane()
        if len(self._lanes) >= KEPT_LANES:
            idle = [name for name, other in self._lanes.items() if other.idle]
            for name in idle[: len(self._lanes) - KEPT_LANES + 1]:
                del self._lanes[name]
        self._lanes[engine] = lane
        lane.slots = max(1, slots)
        return lane


def _same(one: float | None, other: float | None) -> bool:
    """Whether two estimates look the same to a person."""
    if one is None or other is None:
        return one is other
    return abs(one - other) < 1.0
