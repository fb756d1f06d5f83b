"""The shared writer: pieces of all running replies go to the store together, and are shown only from there.

One task commits for all turns. A reply's first entry and its end are committed at once; everything else
waits for a common tick, `flush_seconds` apart and twice that where many write, so 200 replies make five
commits a second and not two thousand. Between ticks the pieces of one kind are joined into one entry.
`publish` is called after the commit, never before.

When the store fails, the batch is tried again for `patience_seconds`; a batch that the store refuses for
another reason is tried turn by turn, so that one bad row does not take the others with it. A turn that
cannot be written is given up: nothing that was not committed is ever shown, and its end is written when the
store is back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from webchat.store import LeaseLost, StoreUnavailable
from webchat.store.database.codec import clean
from webchat.store.records import FinishedTurn, JournalEntry, JournalKind, Message
from webchat.turns.events import Delta

log = logging.getLogger(__name__)

WAITING_CHARS = 256 * 1024
"""Characters of one reply that may wait for the store before its model has to wait too."""

MANY_REPLIES = 100
"""With more replies at once the ticks are further apart, up to twice as far."""

RETRY_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
"""Pauses between attempts while the store fails; the last one repeats."""

PATIENCE_SECONDS = 5.0
SERVER_PATIENCE_SECONDS = 12.0
"""For a database that has a server of its own, which takes some seconds to restart; less than a lease."""

Write = Callable[[Sequence[JournalEntry], Sequence[FinishedTurn]], Awaitable[list[Message]]]


class JournalFailed(Exception):
    """The store could not write a turn's entries, or its end."""


class Channel:
    """One running reply on its way to the journal. Ends with `finish`; anything added later is dropped.

    publish: called with entries once they are committed. fail: called once if the reply cannot be stored.
    """

    __slots__ = (
        "_closed",
        "_journal",
        "_parts",
        "_room",
        "_runs",
        "ended",
        "fail",
        "failed",
        "finished",
        "kind",
        "message_id",
        "publish",
        "seq",
        "waiting_chars",
    )

    def __init__(
        self,
        journal: Journal,
        message_id: str,
        publish: Callable[[Sequence[Delta]], None],
        fail: Callable[[], None],
    ) -> None:
        self._journal = journal
        self.message_id = message_id
        self.publish = publish
        self.fail = fail
        self.seq = 0
        self.kind: JournalKind | None = None
        self.waiting_chars = 0
        self.failed = False
        self.finished: FinishedTurn | None = None
        self.ended: asyncio.Future[Message] | None = None
        self._runs: list[tuple[JournalKind, list[str]]] = []
        self._parts: list[str] = []
        self._room = asyncio.Event()
        self._closed = False

    @property
    def full(self) -> bool:
        """Whether the model should wait for `room` before adding more."""
        return self.waiting_chars > WAITING_CHARS

    def add(self, kind: JournalKind, text: str) -> None:
        """Add a piece. It is committed and published soon."""
        if self._closed or self.failed or not (text or kind == "moved"):
            return
        if kind != self.kind:
            self.kind = kind
            self._parts = []
            self._runs.append((kind, self._parts))
        self._parts.append(text)
        if not self.waiting_chars:
            self._journal.enqueue(self, urgent=self.seq == 0)
        self.waiting_chars += len(text)

    async def room(self) -> None:
        """Wait until the store has caught up."""
        while self.full and not self.failed:
            self._room.clear()
            await self._room.wait()

    async def finish(self, finished: FinishedTurn) -> Message:
        """Commit what is pending and the end in one transaction, and return the stored message.

        Raises `JournalFailed` if the store accepts neither; then leave the end to `Journal.owe`.
        """
        self._closed = True
        if self.failed:
            raise JournalFailed
        self.finished = finished
        self.ended = asyncio.get_running_loop().create_future()
        self._journal.enqueue(self, urgent=True)
        return await self.ended

    def take(self) -> list[JournalEntry]:
        """Everything pending, as entries: the caller commits them."""
        runs, self._runs = self._runs, []
        self.kind, self.waiting_chars = None, 0
        self._room.set()
        entries = []
        for kind, parts in runs:
            self.seq += 1
            entries.append(JournalEntry(self.message_id, self.seq, kind, clean("".join(parts))))
        return entries

    def give_up(self) -> None:
        """The store rejects the reply: drop what is pending, wake the model's side, notify the turn."""
        self.failed = True
        self._runs, self.kind, self.waiting_chars = [], None, 0
        self._room.set()
        if self.ended is None:
            self.fail()
        elif not self.ended.done():
            self.ended.set_exception(JournalFailed())


@dataclass(frozen=True, slots=True)
class _Part:
    """The part of one turn in a batch."""

    channel: Channel
    entries: list[JournalEntry]
    finished: FinishedTurn | None


class Journal:
    """See the module. `settled(message_id)`: an owed end is now stored, or can never be."""

    def __init__(
        self,
        write: Write,
        *,
        settled: Callable[[str], None],
        flush_seconds: float = 0.1,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._write = write
        self._settled = settled
        self._flush_seconds = flush_seconds
        self._patience_seconds = patience_seconds
        self._waiting: dict[Channel, None] = {}
        self._urgent: dict[Channel, None] = {}
        self._owed: dict[str, FinishedTurn] = {}
        self._owed_tries = 0
        self._owed_timer: asyncio.TimerHandle | None = None
        self._tick: asyncio.TimerHandle | None = None
        self._tick_at = 0.0
        self._due = False
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Start the writer."""
        self._task = asyncio.create_task(self._run(), name="journal")

    async def aclose(self) -> None:
        """Write what is pending, retry the owed ends once, stop. Call it when all turns have ended."""
        if self._task is None:
            return
        self._closing, self._due = True, True
        self._wake.set()
        await self._task
        self._task = None
        for timer in (self._tick, self._owed_timer):
            if timer is not None:
                timer.cancel()
        await self._pay()
        if self._owed:
            log.error(
                "the ends of %d replies could not be stored; the next start marks them interrupted",
                len(self._owed),
            )

    def channel(
        self, message_id: str, publish: Callable[[Sequence[Delta]], None], fail: Callable[[], None]
    ) -> Channel:
        """The channel of one reply into this journal."""
        return Channel(self, message_id, publish, fail)

    def enqueue(self, channel: Channel, *, urgent: bool) -> None:
        """Add a channel with something to commit to the next batch, or with `urgent` to an immediate one."""
        self._waiting[channel] = None
        if urgent:
            self._urgent[channel] = None
            self._wake.set()
        elif self._tick is None:
            loop = asyncio.get_running_loop()
            self._tick = loop.call_at(max(self._tick_at, loop.time()), self._on_tick)

    def owe(self, finished: FinishedTurn) -> None:
        """Remember an end to write as soon as the store is available."""
        self._owed[finished.message_id] = finished
        self._schedule_payment()

    def owes(self, message_id: str) -> bool:
        """Whether the end of that reply is still to be written."""
        return message_id in self._owed

    def _on_tick(self) -> None:
        self._tick, self._due = None, True
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._flush()  # which keeps no reply until the next
            if self._closing and not self._waiting:
                return

    async def _flush(self) -> None:
        if self._due:
            self._due = False
            many = min(2.0, max(1.0, len(self._waiting) / MANY_REPLIES))
            self._tick_at = asyncio.get_running_loop().time() + self._flush_seconds * many
            chosen, self._waiting, self._urgent = list(self._waiting), {}, {}
        else:
            chosen, self._urgent = list(self._urgent), {}
            for channel in chosen:
                self._waiting.pop(channel, None)
        batch = [_Part(channel, channel.take(), channel.finished) for channel in chosen if not channel.failed]
        try:
            if batch:
                await self._commit(batch)
        except Exception:
            # Without its writer every reply would hang for ever.
            log.exception("the journal's writer failed")
            for part in batch:
                part.channel.give_up()

    async def _commit(self, batch: list[_Part]) -> None:
        """Write a batch and publish it; for failures see the module."""
        entries = [entry for part in batch for entry in part.entries]
        finished = [part.finished for part in batch if part.finished is not None]
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience_seconds
        tries = 0
        while True:
            try:
                messages = await self._write(entries, finished)
                break
            except LeaseLost:
                for part in batch:
                    part.channel.give_up()
                return
            except StoreUnavailable:  # the store's log says it
                pause = RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)]
                tries += 1
                if loop.time() + pause < deadline:
                    await asyncio.sleep(pause)
                    continue
                for part in batch:
                    part.channel.give_up()
                return
            except Exception:
                if len(batch) == 1:
                    log.exception("the store rejected reply %s", batch[0].channel.message_id)
                    batch[0].channel.give_up()
                else:
                    for part in batch:
                        await self._commit([part])
                return
        ended = {message.id: message for message in messages}
        for part in batch:
            if part.entries:
                shown = [Delta(e.message_id, e.seq, e.kind, e.text) for e in part.entries]
                part.channel.publish(shown)
            future = part.channel.ended
            if part.finished is not None and future is not None and not future.done():
                future.set_result(ended[part.channel.message_id])

    def _schedule_payment(self) -> None:
        if self._owed and self._owed_timer is None and not self._closing:
            pause = RETRY_SECONDS[min(self._owed_tries, len(RETRY_SECONDS) - 1)]
            self._owed_timer = asyncio.get_running_loop().call_later(pause, self._start_payment)

    def _start_payment(self) -> None:
        task = asyncio.get_running_loop().create_task(self._pay(), name="owed ends")
        task.add_done_callback(self._payment_over)

    def _payment_over(self, task: asyncio.Task[None]) -> None:
        self._owed_timer = None
        self._owed_tries = self._owed_tries + 1 if self._owed else 0
        if not task.cancelled() and task.exception() is not None:
            log.error("writing owed ends", exc_info=task.exception())
        self._schedule_payment()

    async def _pay(self) -> None:
        """Write the owed ends one by one; those the store rejects for good (purged messages) are dropped."""
        for message_id, finished in list(self._owed.items()):
            try:
                await self._write((), (finished,))
            except StoreUnavailable:
                return
            except Exception:
                log.exception("the store rejected the end of reply %s", message_id)
            self._owed.pop(message_id, None)
            self._settled(message_id)
