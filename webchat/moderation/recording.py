"""Writes decisions to the log in the database: accepted at once, written together a moment later.

The caller never waits: a decision is put into a bounded queue, and one task writes its content. If the queue
is full because the database is unavailable, the oldest decisions are dropped and counted.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from backends.errors import ExplainedError
from webchat.moderation.moderation import Decision, log_decision
from webchat.store.decision_records import LoggedDecision

MOST_WAITING = 10_000
BATCH = 500
GATHER_SECONDS = 0.2
RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0)
"""Pauses between attempts while the database fails; the last one repeats."""

PATIENCE = 20
"""Attempts at one batch before it is given up, so that a row that is refused does not hold up the rest."""

_log = logging.getLogger(__name__)

Write = Callable[[Sequence[LoggedDecision]], Awaitable[None]]


class Recorder:
    """See the module. Called with each decision, in its event loop.

    write: stores a batch; may raise. `dropped`: how many decisions were lost.
    """

    def __init__(
        self,
        write: Write,
        *,
        most_waiting: int = MOST_WAITING,
        gather_seconds: float = GATHER_SECONDS,
    ) -> None:
        self._write = write
        self._waiting: deque[LoggedDecision] = deque(maxlen=most_waiting)
        self._gather_seconds = gather_seconds
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.dropped = 0

    def __call__(self, decision: Decision) -> None:
        """Accept a decision. Never raises, never waits."""
        log_decision(decision)
        if len(self._waiting) == self._waiting.maxlen:
            self.dropped += 1
        self._waiting.append(logged(decision))
        self._wake.set()

    def open(self) -> None:
        """Start the writer."""
        self._task = asyncio.create_task(self._run(), name="decisions")

    async def aclose(self) -> None:
        """Write what is pending, with one more attempt, and stop. Decisions that cannot be written are
        counted in the log."""
        if self._task is None:
            return
        self._closing.set()
        self._wake.set()
        await self._task
        self._task = None
        self.dropped += len(self._waiting)
        self._waiting.clear()
        if self.dropped:
            _log.warning("%d moderation decisions could not be stored", self.dropped)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            await self._pause(self._gather_seconds)
            self._wake.clear()
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
                if not await self._written(batch):
                    self.dropped += len(batch)
            if self._closing.is_set():
                return

    async def _written(self, batch: Sequence[LoggedDecision]) -> bool:
        """Store a batch, with retries within `PATIENCE`; while the server is stopping, only one attempt."""
        for attempt in range(PATIENCE):
            try:
                await self._write(batch)
            except Exception as error:
                if attempt == 0 and not isinstance(error, ExplainedError):  # the store's log says those
                    _log.error("moderation decisions cannot be stored yet: %s", error)
                if self._closing.is_set():
                    return False
                await self._pause(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
            else:
                return True
        return False

    async def _pause(self, seconds: float) -> None:
        """Wait, unless the server is stopping."""
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return


def logged(decision: Decision) -> LoggedDecision:
    context, finding = decision.context, decision.finding
    return LoggedDecision(
        at=datetime.now(UTC),
        moderator=decision.moderator,
        rule=finding.rule,
        stage=context.stage,
        action=finding.action,
        owner_id=context.owner or None,
        conversation_id=context.conversation_id,
        message_id=context.message_id,
        model=context.model or None,
        start=finding.start,
        end=finding.end,
        detail=finding.detail or None,
        content=decision.content or None,
    )
