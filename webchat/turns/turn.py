"""A running turn: what its followers see, and the handle to stop it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Literal

from backends.base import LoadProgress
from webchat.store.records import BegunTurn, Message
from webchat.turns.events import Delta, Done, Status, TurnEvent

EndedBy = Literal["stopped", "interrupted", "unstored"]
"""Who ended a turn before its model did: the person, the server's end, the store's failure."""


class RunningTurn:
    """One turn in memory, from its begin until its end is stored.

    Followers read the list of committed entries at their own pace and are woken by futures, so a slow or lost
    follower costs the turn nothing. Lives on the event loop.
    """

    def __init__(
        self, owner: str, client_key: str, begun: BegunTurn, model: str, continues: Message | None
    ) -> None:
        self.owner = owner
        self.client_key = client_key
        self.begun = begun
        self.id = begun.reply.id
        self.conversation_id = begun.conversation.id
        self.model = model
        self.continues = continues
        self.entries: list[Delta] = []
        self.status = Status("queued")
        self.message: Message | None = None
        self.ended_by: EndedBy | None = None
        self.ending: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._version = 0
        self._waiters: list[asyncio.Future[None]] = []

    def publish(self, entries: Sequence[Delta]) -> None:
        """Show entries; they are committed."""
        self.entries.extend(entries)
        self._changed()

    def loading(self, progress: LoadProgress, eta_seconds: float | None) -> None:
        """Show how far the model's start is."""
        self.show(Status("queued", progress, eta_seconds))

    def in_line(self, place: int, wait_seconds: float | None) -> None:
        """Show the place in line before the model."""
        self.show(Status("queued", place=place, wait_seconds=wait_seconds))

    def show(self, status: Status) -> None:
        """Show another status."""
        if status != self.status:
            self.status = status
            self._version += 1
            self._changed()

    def done(self, message: Message) -> None:
        """Show the end."""
        self.message = message
        self._changed()

    def end(self, by: EndedBy) -> None:
        """Ask the turn to end soon. The first who asks is remembered."""
        if self.ended_by is None:
            self.ended_by = by
        if not self.ending.done():
            self.ending.set_result(None)

    async def follow(self, after_seq: int) -> AsyncIterator[TurnEvent]:
        """The status, the entries after `after_seq`, then what comes, and `Done`."""
        sent, version = max(0, after_seq), -1
        while True:
            if version != self._version:
                version = self._version
                yield self.status
            while sent < len(self.entries):
                sent += 1
                yield self.entries[sent - 1]
            if self.message is not None and sent >= len(self.entries):
                yield Done(self.message)
                return
            if version == self._version:
                waiter = asyncio.get_running_loop().create_future()
                self._waiters.append(waiter)
                await waiter

    def _changed(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
