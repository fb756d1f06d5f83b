"""A running turn: what its followers see, and a handle to stop it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from backends.base import LoadProgress
from backends.errors import Loading, RateLimited
from backends.types import Options, Retrying
from webchat.histogram import Histogram
from webchat.store.records import BegunTurn, Message
from webchat.turns.ask import Called
from webchat.turns.events import Delta, Status, Wait, WaitReason
from webchat.turns.following import Readable, Reader
from webchat.turns.measured import GAP_BOUNDS
from webchat.turns.places import Party
from webchat.turns.spelled import Spelled

_WHY_AGAIN: Mapping[str, WaitReason] = {RateLimited.code: "rate_limited", Loading.code: "endpoint_loading"}

EndedBy = Literal["stopped", "interrupted", "unstored", "link_ended", "link_paused", "repeating"]
"""Who ended a turn before its model did: the person, the server's end, the store's failure, the end or a
pause of the link that its owner came by, or who asked for it and found that it only repeats itself."""


class RunningTurn:
    """One turn in memory, from its begin until its end is stored.

    Followers read the list of committed entries at their own pace (see `following`), so a slow or lost one
    costs the turn nothing. `version` counts the statuses. Lives on the event loop.
    """

    def __init__(
        self,
        party: Party,
        client_key: str,
        begun: BegunTurn,
        model: str,
        continues: Message | None,
        called: Called | None = None,
    ) -> None:
        self.party = party
        self.owner = party.owner
        self.client_key = client_key
        self.begun = begun
        self.id = begun.reply.id
        self.conversation_id = begun.conversation.id
        self.in_chat = begun.conversation.kind == "chat"
        self.model = model
        self.continues = continues
        self.called = called
        self.spelled = None if called is None or called.logprobs is None else Spelled()
        self.entries: list[Delta] = []
        self.gaps = Histogram(GAP_BOUNDS)
        """Seconds between the pieces that the model sent."""
        self.status = Status("queued")
        self.message: Message | None = None
        self.ended_by: EndedBy | None = None
        self.ending: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._since: dict[WaitReason, float] = {}
        self.version = 0
        self.readers: set[Reader] = set()
        self.face: Readable = self
        """What its owner follows in its place."""
        self._watched: Callable[[], None] | None = None

    @property
    def options(self) -> Options:
        return Options() if self.called is None else self.called.options

    @property
    def logprobs(self) -> int | None:
        return None if self.called is None else self.called.logprobs

    @property
    def fleeting(self) -> bool:
        """Whether nothing of it is kept."""
        return self.called is not None and not self.called.stored

    def shown_by(self, face: Readable, changed: Callable[[], None]) -> None:
        """Let followers read `face`, and call `changed` when this turn has something new."""
        self.face, self._watched = face, changed

    def publish(self, entries: Sequence[Delta]) -> None:
        """Show committed entries."""
        self.entries.extend(entries if self.spelled is None else map(self.spelled.with_logprobs, entries))
        self._changed()

    def loading(self, progress: LoadProgress, eta_seconds: float | None) -> None:
        """Show the model's loading progress."""
        self.show(Status("queued", progress, eta_seconds, wait=self._wait("loading")))

    def reviewing(self) -> None:
        """Show that moderators are checking the prompt."""
        self.show(Status("queued", wait=self._wait("review")))

    def in_line(self, place: int, wait_seconds: float | None) -> None:
        """Show the position in the queue."""
        wait = self._wait("queue")
        self.show(Status("queued", place=place, wait_seconds=wait_seconds, wait=wait))

    def asked(self) -> None:
        """Show that the model has the request."""
        self.show(Status("streaming", wait=self._wait("first_token")))

    def retrying(self, retrying: Retrying) -> None:
        """Show why and when the model is asked again."""
        reason = _WHY_AGAIN.get(retrying.code, "unavailable")
        since = self._wait("first_token").since
        retry_at = time.monotonic() + retrying.seconds
        self.show(Status("streaming", wait=Wait(reason, since, retry_at, retrying.attempt)))

    def answering(self) -> None:
        """The first words are on their way: who follows sees them, and only who comes later needs this."""
        self.status = Status("streaming")

    def _wait(self, reason: WaitReason) -> Wait:
        return Wait(reason, self._since.setdefault(reason, time.monotonic()))

    def show(self, status: Status) -> None:
        """Show another status."""
        if status != self.status:
            self.status = status
            self.version += 1
            self._changed()

    def done(self, message: Message) -> None:
        """Show the end."""
        self.message = message
        self._changed()

    def end(self, by: EndedBy) -> None:
        """Ask the turn to end soon. The first reason is kept."""
        if self.ended_by is None:
            self.ended_by = by
        if not self.ending.done():
            self.ending.set_result(None)

    def _changed(self) -> None:
        for reader in tuple(self.readers):  # one far behind leaves
            reader.changed()
        if self._watched is not None:
            self._watched()
