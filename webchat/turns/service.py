"""The turn service: accepts requests, owns the running turns, lets anyone follow them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from backends.errors import BackendError
from webchat.models import Models
from webchat.moderation import GateFactory
from webchat.prompts import Renderer
from webchat.store import NotFound, Store, StoreError, StoreUnavailable
from webchat.store.records import (
    BegunTurn,
    FinishedTurn,
    JournalEntry,
    Message,
    Orphan,
)
from webchat.turns.ask import Ask
from webchat.turns.asking import Asking
from webchat.turns.comparing.pacing import Pair
from webchat.turns.errors import NotAccepting, SlowReader, TurnError
from webchat.turns.events import Done, Gone, News, TurnEvent
from webchat.turns.following import Follower
from webchat.turns.gates.review import Review
from webchat.turns.generating.pipeline import Pipeline
from webchat.turns.journal import PATIENCE_SECONDS, SERVER_PATIENCE_SECONDS, Journal
from webchat.turns.measured import Activity, Report
from webchat.turns.places import UNLIMITED, Most, Party
from webchat.turns.replicas.elsewhere import Elsewhere, TurnCopy
from webchat.turns.replicas.left import LeaseFile
from webchat.turns.replicas.replica import Replica
from webchat.turns.titles.making import Titles
from webchat.turns.turn import EndedBy, RunningTurn
from webchat.turns.waiting.queue import Queue

log = logging.getLogger(__name__)

FIND_SECONDS = 2.0
"""Seconds a message that the store reports as running may be unknown here: between its beginning and its
task."""

END_SECONDS = 10.0
"""Seconds a shutdown waits for turns that were asked to end, and for reviews of requests."""

CANCEL_SECONDS = 1.0
"""Seconds it then waits for cancelled tasks."""


class Turns:
    """Accepts requests and produces replies; each turn is a task of this service and outlives the request.

    flush_seconds: least time between two commits of one reply. most: replies running and in line.
    message_chars: longest message. titles: ask models for titles. cuts: leave out the oldest turns of a
    conversation that is too long for its model, instead of refusing it. inspect: keep what each reply's model
    was sent. compare_wait: seconds for which a side of a comparison waits for the other one. routing: as of
    `Pipeline`. full: why the machine has no room for another reply. report: called with each reply that has
    ended, in numbers; it must be quick. about: what all servers of the database must have in common.
    lease_file: where this one remembers its lease. Not thread-safe: use it on one event loop, between `open`
    and `aclose`.
    """

    def __init__(
        self,
        store: Store,
        models: Models,
        *,
        renderer: Renderer,
        gates: GateFactory,
        flush_seconds: float = 0.1,
        most: Most = UNLIMITED,
        message_chars: int = 100_000,
        titles: bool = True,
        cuts: bool = True,
        inspect: bool = True,
        compare_wait: float = 60.0,
        routing: Callable[[str], str] = lambda _: "",
        full: Callable[[], TurnError | None] = lambda: None,
        report: Report | None = None,
        about: str = "",
        lease_file: Path | None = None,
    ) -> None:
        self._store = store
        self._models = models
        self._message_chars = message_chars
        self._journal = Journal(
            self._write,
            settled=self._settled,
            flush_seconds=flush_seconds,
            patience_seconds=SERVER_PATIENCE_SECONDS if store.shared else PATIENCE_SECONDS,
        )
        queue = Queue()
        self._pipeline = Pipeline(
            store,
            models,
            renderer,
            gates,
            self._journal,
            queue,
            cuts=cuts,
            inspect=inspect,
            routing=routing,
            report=report,
        )
        self._titles = Titles(store, models, gates, queue, self.changed) if titles else None
        self._turns: dict[str, RunningTurn] = {}
        self._pairs: dict[str, Pair] = {}
        """Comparisons of which a side still runs, by the ids of both."""
        self._compare_wait = compare_wait
        self._followers: dict[str, set[Follower]] = {}
        self._tasks: set[asyncio.Task[object]] = set()
        self._finding: set[asyncio.Task[object]] = set()
        review = Review(gates, models)
        self._asking = Asking(store, models, review, self._turns, self._began, most=most, full=full)
        file = LeaseFile(lease_file) if lease_file is not None and store.shared else None
        self.replica = Replica(store, about, file=file, lost=self._lost, interrupted=self._interrupted)
        self._elsewhere = Elsewhere(store, self._turns, self._tell_here) if store.shared else None
        self._accepting = self._ending = self._closed = False

    @property
    def accepting(self) -> bool:
        """Whether `start` accepts requests: from `open` until `aclose`, while this process may write."""
        return self._accepting and self.replica.held and not self.replica.outdated

    @property
    def closing(self) -> bool:
        """Whether it accepts no request any more, however long one waits."""
        return not self._accepting

    def activity(self) -> dict[str, Activity]:
        """What goes on now, by model."""
        found: dict[str, Activity] = {}
        for turn in self._turns.values():
            if turn.message is None:
                now = found.setdefault(turn.model, Activity())
                now.pieces += turn.gaps.count + bool(turn.entries)
                if turn.status.state == "queued":
                    now.queued += 1
                else:
                    now.running += 1
        return found

    async def open(self) -> list[str]:
        """Mark what an earlier server left running as interrupted, with all its text; then take asks.

        Returns the ids of those replies. Raises `StoreError`.
        """
        orphans = await self.replica.open()
        if orphans:
            log.info("%d replies were interrupted when the server last stopped", len(orphans))
        self._journal.open()
        if self._elsewhere is not None:
            self._elsewhere.open()
        self._accepting, self._ending, self._closed = True, False, False
        return [orphan.message_id for orphan in orphans]

    async def aclose(self, grace_seconds: float = 0.0) -> None:
        """Accept no more requests, let replies run for `grace_seconds`, then mark the rest as interrupted
        with their text.

        A request under review is included: it is accepted and its reply finished or marked. One whose review
        takes even longer is rejected with `NotAccepting`.
        """
        self._accepting = False
        if self._titles is not None:
            await self._titles.aclose()
        await self._quiet(grace_seconds)
        self._ending = True
        for turn in self._turns.values():
            turn.end("interrupted")
        for task in await self._quiet(END_SECONDS):
            task.cancel()
        await self._quiet(CANCEL_SECONDS)
        for finding in self._finding:
            finding.cancel()
        self._asking.aclose()
        await self._pipeline.aclose()
        self._closed = True
        for follower in [follower for mine in self._followers.values() for follower in mine]:
            follower.end()
        await self._journal.aclose()
        if self._elsewhere is not None:
            await self._elsewhere.aclose()
        await self.replica.aclose()

    def _lost(self) -> None:
        """Other servers have ended what runs here, and nothing more of it may be written."""
        for turn in self._turns.values():
            turn.end("interrupted")

    def _interrupted(self, orphans: Sequence[Orphan]) -> None:
        """Another server has died."""
        for orphan in orphans:
            if self._elsewhere is not None:
                self._elsewhere.wrote(orphan.message_id)
            news = News("ended", orphan.conversation_id, orphan.message_id, "interrupted")
            self._tell(orphan.owner_id, news)

    async def _quiet(self, seconds: float) -> set[asyncio.Task[Any]]:
        """Wait until nothing is being accepted or generated; returns what is still going on."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while (tasks := self._tasks | self._asking.tasks) and loop.time() < deadline:
            await asyncio.wait(tasks, timeout=deadline - loop.time())
        return tasks

    async def start(self, owner: str | Party, ask: Ask) -> BegunTurn:
        """Store the request and begin the reply. Returns once both are stored; the reply continues on its
        own.

        owner: as a `Party` where the places of their link and network are counted, too.

        Asking again with the same client key gives the first turn with `created` false. Cancelling the caller
        leaves the turn going. Raises `TurnError` and `StoreError`.
        """
        if not self.accepting:
            raise NotAccepting
        ask.check(self._message_chars)
        return await self._asking.start(owner if isinstance(owner, Party) else Party(owner), ask)

    @asynccontextmanager
    async def call(self, party: Party, ask: Ask) -> AsyncIterator[BegunTurn]:
        """A program's call, to be followed within the block. Leaving the block, or being cancelled, stops the
        reply; of a call that is not to be kept, nothing is left afterwards. Raises what `start` raises."""
        starting = asyncio.create_task(self.start(party, ask), name="begin call")
        try:
            yield await asyncio.shield(starting)
        finally:
            self._keep(asyncio.create_task(self._call_over(starting), name="end call"))

    async def _call_over(self, starting: asyncio.Task[BegunTurn]) -> None:
        """Nobody waits for a call any more."""
        try:
            begun = await starting
        except (TurnError, StoreError, BackendError):
            return  # told to whoever asked; nothing was begun
        turn = self._turns.get(begun.reply.id)
        if turn is not None and turn.message is None:
            turn.end("stopped")
            async for _ in self.follow(turn.owner, turn.id, len(turn.entries)):
                pass
        if not self._journal.owes(begun.reply.id):
            self._turns.pop(begun.reply.id, None)
        if turn is not None and turn.fleeting:
            try:
                erase = partial(self._store.call, self._store.erase_call, turn.owner, turn.conversation_id)
                while not await erase():
                    pass
            except StoreError:  # the store's log says it; the next start deletes the call's messages
                pass

    async def follow(
        self, owner: str, message_id: str, after_seq: int = 0, *, returns: bool = False
    ) -> AsyncGenerator[TurnEvent]:
        """The events of a reply after `after_seq`; only `Done` for one that has ended. returns: as of
        `Follower`.

        The first event comes at once. Raises `NotFound` before it for what the owner may not see, and
        `SlowReader` where the rest was dropped, as nobody read it and the reader does not return.
        """
        found = await self._find(owner, message_id)
        if isinstance(found, Message):
            yield Done(found)
            return
        follower = Follower(returns=returns)
        follower.follow(found.face, after_seq)
        del found  # a reader that does not read keeps nothing of it
        try:
            while batch := await follower.batch():
                for _, event in batch:
                    if not isinstance(event, Gone | News):
                        yield event
                    if isinstance(event, Done):
                        return
            if follower.cut and not returns:
                raise SlowReader
        finally:
            follower.close()

    def watch(self, owner: str, replies: Mapping[str, int]) -> Follower:
        """All news of an owner, and the events of these replies after the entries that were seen.

        A reply that the owner may not see is `Gone`, others go on. Close the follower at the end. Raises
        `NotAccepting` once the server ends.
        """
        if self._closed:
            raise NotAccepting
        follower = Follower(lambda follower: self._left(owner, follower), returns=True)
        self._followers.setdefault(owner, set()).add(follower)
        unknown = []
        for message_id, after_seq in replies.items():
            turn = self._turns.get(message_id)
            if turn is not None and turn.owner == owner:
                follower.follow(turn.face, after_seq)
            else:
                unknown.append((message_id, after_seq))
        if unknown:
            finding = asyncio.create_task(self._look_up(owner, follower, unknown), name="find replies")
            self._finding.add(finding)
            finding.add_done_callback(self._finding.discard)
        return follower

    async def _look_up(self, owner: str, follower: Follower, wanted: Sequence[tuple[str, int]]) -> None:
        """Report to a follower on replies that were not running when it connected: one at a time as it reads
        them, since each may be long."""
        for message_id, after_seq in wanted:
            await follower.taken()
            try:
                found = await self._find(owner, message_id)
            except NotFound:
                follower.tell(message_id, Gone())
                continue
            except StoreError:  # the store's log says it
                follower.end()  # who reads it comes back
                return
            if follower.closed:
                return
            if isinstance(found, Message):
                follower.tell(message_id, Done(found))
            else:
                follower.follow(found.face, after_seq)

    def _left(self, owner: str, follower: Follower) -> None:
        mine = self._followers.get(owner, set())
        mine.discard(follower)
        if not mine:
            self._followers.pop(owner, None)

    def changed(self, owner: str, conversation_id: str = "") -> None:
        """Notify the owner's followers that a conversation now shows something else; without an id, that any
        of them may."""
        self._tell(owner, News("changed", conversation_id))

    def _tell(self, owner: str, news: News) -> None:
        self._tell_here(owner, news)
        if self._elsewhere is not None:
            self._elsewhere.news(owner, news)

    def _tell_here(self, owner: str, news: News) -> None:
        """owner: empty for all."""
        for one in [owner] if owner else list(self._followers):
            for follower in list(self._followers.get(one, ())):
                follower.news(news)

    def repeats(self, message_id: str) -> None:
        """End a reply of this server that only repeats itself: it is whole, with `REPEATED` as its reason."""
        if (turn := self._turns.get(message_id)) is not None:
            turn.end("repeating")

    async def stop(self, owner: str, message_id: str) -> None:
        """Stop a reply and its model, keeping the text, and with a side of a comparison the other one; does
        nothing if it has ended. Raises `NotFound`."""
        if await self._ask_others(owner, message_id=message_id):
            return
        turn = await self._find(owner, message_id)
        if isinstance(turn, RunningTurn):
            pair = self._pairs.get(turn.id)
            for one in (turn,) if pair is None else pair.turns:
                one.end("stopped")

    def stop_all(self, owner: str, conversation_id: str | None = None) -> None:
        """Stop all replies of an owner, or those of one deleted conversation."""
        self._end(owner, "stopped", conversation_id)
        if self._elsewhere is not None:
            asking = self._ask_others(owner, conversation_id=conversation_id)
            self._keep(asyncio.create_task(asking, name="stop elsewhere"))

    async def _ask_others(
        self, owner: str, *, message_id: str | None = None, conversation_id: str | None = None
    ) -> bool:
        """Ask other servers to stop replies of an owner that they run. Returns whether they run any."""
        if self._elsewhere is None or (message_id is not None and message_id in self._turns):
            return False
        ask = self._store.ask_to_end
        try:
            asked = await self._store.call(
                ask, owner, "stopped", message_id=message_id, conversation_id=conversation_id
            )
        except StoreUnavailable:
            if message_id is not None:
                raise
            return False  # they go on; the store's log says it
        if asked:
            self._elsewhere.asked_to_end()
        return bool(asked)

    def link_ended(self, owner: str, why: str = "") -> None:
        """End all replies of an owner whose link has ended, with that as the reason, or with `why` if that is
        `link_paused`."""
        self._end(owner, "link_paused" if why == "link_paused" else "link_ended")

    def _end(self, owner: str, by: EndedBy, conversation_id: str | None = None) -> None:
        for turn in self._turns.values():
            if turn.owner == owner and conversation_id in (None, turn.conversation_id):
                turn.end(by)

    def running(self, owner: str) -> tuple[str, ...]:
        """Ids of the owner's replies that run in this process, as far as the owner can see them."""
        mine = (turn for turn in self._turns.values() if turn.owner == owner and not turn.fleeting)
        return tuple(turn.id for turn in mine if turn.face.message is None)

    async def running_anywhere(self, owner: str) -> tuple[str, ...]:
        """The same, with those that other servers run. Raises `StoreError`."""
        ids = self.running(owner)
        if self._elsewhere is None:
            return ids
        others = await self._store.call(self._store.running_turns, owner)
        return (*ids, *(id for id in others if id not in self._turns))

    def _began(self, *turns: RunningTurn) -> None:
        """Run a turn, or the two sides of a comparison."""
        if len(turns) == 2:
            pair = Pair(*turns, wait_seconds=self._compare_wait, ended=self._compared)
            self._pairs.update({turn.id: pair for turn in turns})
        for turn in turns:
            self._turns[turn.id] = turn
            if self._ending:
                turn.end("interrupted")
            self._keep(asyncio.create_task(self._run(turn), name=f"turn {turn.id}"))
            if turn.in_chat and not turn.fleeting:
                self._tell(turn.owner, News("begun", turn.conversation_id, turn.id))

    def _compared(self, pair: Pair) -> None:
        """Both sides have ended, for whoever follows."""
        for side in pair.sides:
            self._pairs.pop(side.id, None)
            if not self._journal.owes(side.id):
                self._turns.pop(side.id, None)
            self._tell(side.turn.owner, News("ended", side.turn.conversation_id, side.id))

    async def _run(self, turn: RunningTurn) -> None:
        if self._titles is not None:
            self._titles.give_way(turn.model)
        try:
            await self._pipeline.run(turn)
        finally:
            compared = turn.face is not turn
            # A turn whose end is owed stays, so that followers get its end from here until the store has it.
            # And a call, until whoever asked has its end.
            if not self._journal.owes(turn.id) and turn.id not in self._pairs and turn.called is None:
                self._turns.pop(turn.id, None)
            if turn.message is not None and not compared and turn.in_chat and not turn.fleeting:
                self._tell(turn.owner, News("ended", turn.conversation_id, turn.id, turn.message.state))
        busy = any(t.model == turn.model and t.message is None for t in self._turns.values())
        # A title of a side's model could tell which one it is.
        titles = None if compared or turn.called is not None or not turn.in_chat else self._titles
        if titles is not None and turn.message is not None and self._accepting and not busy:
            titles.consider(turn, turn.message)

    async def _find(self, owner: str, message_id: str) -> RunningTurn | TurnCopy | Message:
        """The turn in memory, what is known of one that another server runs, or the finished message. Raises
        `NotFound`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + FIND_SECONDS
        while True:
            turn = self._turns.get(message_id)
            if turn is not None and turn.owner == owner:
                return turn
            message = await self._store.call(self._store.message, owner, message_id)
            # Of a comparison, neither side has ended for its person while the other one runs.
            compared = message.compared is not None and message.compared.running
            if not (message.running or compared):
                return message
            if self._elsewhere is not None and await self._store.call(self._store.runs_elsewhere, message_id):
                return self._elsewhere.turn(message)
            if not message.running:
                return message
            if message_id not in self._turns and loop.time() > deadline:
                # Nobody writes it: only a crash inside the server leaves such a message.
                log.error("reply %s has no turn; marked interrupted", message_id)
                (message,) = await self._write((), (FinishedTurn(message_id, "interrupted"),))
                return message
            await asyncio.sleep(0.05)

    async def _write(
        self, entries: Sequence[JournalEntry], finished: Sequence[FinishedTurn]
    ) -> list[Message]:
        return await self._store.call(self._store.write_batch, entries, finished)

    def _settled(self, message_id: str) -> None:
        if message_id not in self._pairs:
            self._turns.pop(message_id, None)

    def _keep(self, task: asyncio.Task[object]) -> None:
        """Hold a task until it is done; its failure is logged if nobody else retrieves it."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
