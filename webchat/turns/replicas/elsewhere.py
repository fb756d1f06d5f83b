"""Turns that other processes run, as their followers here see them: read from the store.

What others have written is looked for when they say so (see `Signals`), and every `LOOK_SECONDS` in any case;
where they can't be heard, every `DEAF_SECONDS`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from webchat.store import Store, StoreError
from webchat.store.records import Message
from webchat.store.replicas.signals import Signals
from webchat.turns.events import Delta, News, Status
from webchat.turns.following import Reader
from webchat.turns.turn import RunningTurn

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
DEAF_SECONDS = 0.5


class TurnCopy:
    """What is known here of a turn that another process runs; `Readable`."""

    def __init__(self, message: Message) -> None:
        self.begun = message
        self.id = message.id
        self.entries: list[Delta] = []
        # How far the sides of a comparison are would tell them apart.
        waits = message.state == "queued" or message.compared is not None
        self.status = Status("queued" if waits else "streaming")
        self.version = 0
        self.message: Message | None = None
        self.readers: set[Reader] = set()

    @property
    def face(self) -> TurnCopy:
        return self

    def changed(self) -> None:
        for reader in list(self.readers):
            reader.changed()


class Elsewhere:
    """Follows the turns of other processes, tells those how far its own are, and does what they ask of them.

    here: the turns of this process. tell: called with an owner and the news another process has of them; with
    an empty owner where news of anybody may have been missed.
    """

    def __init__(
        self, store: Store, here: Mapping[str, RunningTurn], tell: Callable[[str, News], None]
    ) -> None:
        self._store = store
        self._here = here
        self._tell = tell
        self._copies: dict[str, TurnCopy] = {}
        self._told: dict[str, Reader] = {}
        """Turns of this process that are followed elsewhere."""
        self._wake = asyncio.Event()
        self._signals = Signals(store, self._heard, lambda: tell("", News("changed", "")))
        self._looking: asyncio.Task[None] | None = None

    def open(self) -> None:
        self._signals.open()
        self._looking = asyncio.create_task(self._look_again(), name="turns elsewhere")

    async def aclose(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await self._signals.aclose()

    def turn(self, message: Message) -> TurnCopy:
        """The turn of a running reply, to be followed at once."""
        copy = self._copies.get(message.id)
        if copy is None:
            copy = self._copies[message.id] = TurnCopy(message)
            self._signals.send("follow", message.id)
            self._wake.set()
        return copy

    def asked_to_end(self) -> None:
        """Hurry others to look for turns that they were asked to end."""
        self._signals.send("end")

    def news(self, owner: str, news: News) -> None:
        """Tell the pages of an owner that are open elsewhere."""
        self._signals.send(
            "news", owner, news.kind, news.conversation_id, news.message_id or "", news.state or ""
        )

    def wrote(self, message_id: str) -> None:
        """Hurry others to look at a reply."""
        self._signals.send("wrote", message_id)
        self._wake.set()

    def _heard(self, words: list[str]) -> None:
        match words:
            case ["follow", id] if id in self._here and id not in self._told:
                turn = self._here[id]
                self._told[id] = Reader(turn, 0, lambda _: self._signals.send("wrote", id))
                self._signals.send("wrote", id)
            case ["wrote", id] if id in self._copies:
                self._wake.set()
            case ["end"] if self._here:
                self._wake.set()
            case ["news", owner, "begun" | "ended" | "changed" as kind, conversation, message, state]:
                self._tell(owner, News(kind, conversation, message or None, state or None))  # type: ignore[arg-type]
            case _:
                pass

    async def _look_again(self) -> None:
        while True:
            pause = LOOK_SECONDS if self._signals.arrive else DEAF_SECONDS
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                self._signals.send("here")
                for id in self._copies:  # it may not have been heard
                    self._signals.send("follow", id)
            self._wake.clear()
            try:
                await self._look()
            except StoreError:  # the store's log says it
                pass
            except Exception:
                log.exception("turns of other servers cannot be read")

    async def _look(self) -> None:
        for id in self._told.keys() - self._here.keys():
            del self._told[id]
        for id, copy in list(self._copies.items()):
            if not copy.readers:
                del self._copies[id]
        store = self._store
        if self._here:
            for id, by in (await store.call(store.asked_to_end)).items():
                if id in self._here:
                    self._here[id].end(by)
        if self._copies:
            await self._read(dict(self._copies))

    async def _read(self, copies: Mapping[str, TurnCopy]) -> None:
        after = {id: len(copy.entries) for id, copy in copies.items()}
        found = {turn.message_id: turn for turn in await self._store.call(self._store.turns_elsewhere, after)}
        for id, copy in copies.items():
            turn = found.get(id)
            if turn is None:  # purged
                copy.message = replace(copy.begun, state="interrupted")
            else:
                copy.entries += [Delta(e.message_id, e.seq, e.kind, e.text) for e in turn.entries]
                copy.message = turn.message
                if turn.state != copy.status.state and turn.message is None:
                    copy.status, copy.version = Status(turn.state), copy.version + 1
            if copy.message is not None:
                self._copies.pop(id, None)
            if turn is None or turn.entries or copy.message is not None or copy.version:
                copy.changed()
