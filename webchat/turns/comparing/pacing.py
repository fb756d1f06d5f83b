"""Shows the two sides of a comparison at one pace, so that neither speed nor the size of its pieces tells
which model writes which."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from webchat.store.records import Message
from webchat.turns.events import Delta, Status, Wait
from webchat.turns.following import Reader
from webchat.turns.turn import RunningTurn


class Side:
    """A running side as its followers see it: a `Readable` of its own, in pieces of its own."""

    def __init__(self, turn: RunningTurn) -> None:
        self.id = turn.id
        self.turn = turn
        self.entries: list[Delta] = []
        self.status = Status("queued", wait=Wait("first_token", time.monotonic()))
        self.version = 0
        self.message: Message | None = None
        self.readers: set[Reader] = set()
        self._taken = 0
        self._held: deque[tuple[Delta, float]] = deque()
        self.arrived = 0
        """Characters that are stored."""
        self._shown = 0

    @property
    def ended(self) -> bool:
        return self.turn.message is not None

    def take(self, moment: float) -> None:
        """Hold what is new."""
        for entry in self.turn.entries[self._taken :]:
            self._held.append((entry, moment))
            self.arrived += len(entry.text)
        self._taken = len(self.turn.entries)

    @property
    def waits_since(self) -> float | None:
        """When the first piece that is still held arrived."""
        return self._held[0][1] if self._held else None

    def show(self, characters: int, before: float) -> bool:
        """Show this many characters in all, and whatever arrived before a moment. Returns whether anything is
        new."""
        count = len(self.entries)
        while self._held:
            entry, moment = self._held[0]
            room = len(entry.text) if moment <= before else characters - self._shown
            if room <= 0 and entry.text:
                break
            if room < len(entry.text):
                self._held[0] = (replace(entry, text=entry.text[room:]), moment)
                entry = replace(entry, text=entry.text[:room])
            else:
                self._held.popleft()
            self._add(entry)
        return len(self.entries) > count

    def _add(self, entry: Delta) -> None:
        self.status = Status("streaming")  # who follows sees the words, only who comes later needs this
        self._shown += len(entry.text)
        self.entries.append(Delta(self.id, len(self.entries) + 1, entry.kind, entry.text))

    def changed(self) -> None:
        for reader in tuple(self.readers):
            reader.changed()


class Pair:
    """Two running sides. Neither shows more characters than the other has, unless that has ended, or the
    words have been waiting for `wait_seconds`; both end at once.

    ended: called then. Lives on the event loop.
    """

    def __init__(
        self, left: RunningTurn, right: RunningTurn, *, wait_seconds: float, ended: Callable[[Pair], None]
    ) -> None:
        self.sides = (Side(left), Side(right))
        self.ended = False
        self._wait_seconds = wait_seconds
        self._on_end = ended
        self._timer: asyncio.TimerHandle | None = None
        for side in self.sides:
            side.turn.shown_by(side, self._changed)

    @property
    def turns(self) -> tuple[RunningTurn, RunningTurn]:
        return self.sides[0].turn, self.sides[1].turn

    def _changed(self) -> None:
        if self.ended:
            return
        loop = asyncio.get_running_loop()
        moment = loop.time()
        for side in self.sides:
            side.take(moment)
        left, right = self.sides
        news = [
            side.show(
                side.arrived if other.ended else min(side.arrived, other.arrived),
                moment - self._wait_seconds,
            )
            for side, other in ((left, right), (right, left))
        ]
        self.ended = left.ended and right.ended
        if self.ended:
            for side in self.sides:
                side.message = _ended(side.turn)
        for side, new in zip(self.sides, news, strict=True):
            if new or self.ended:
                side.changed()
        self._look_again(loop)
        if self.ended:
            self._on_end(self)

    def _look_again(self, loop: asyncio.AbstractEventLoop) -> None:
        """At the time when the first held words have waited long enough."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting = [side.waits_since for side in self.sides if side.waits_since is not None]
        if waiting and not self.ended:
            self._timer = loop.call_at(min(waiting) + self._wait_seconds, self._changed)


def _ended(turn: RunningTurn) -> Message | None:
    """The reply of an ended turn, which may have ended before the other one."""
    message = turn.message
    if message is None or message.compared is None:
        return message
    return replace(message, compared=replace(message.compared, running=False))
