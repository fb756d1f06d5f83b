"""Doing the open runs of the store, in the background and behind people's own turns.

Each item becomes a turn like any other: the same prompt rendering and fitting, the same checks, the same
journal. What is done is read from the stored replies, so nothing is done twice: after the end of the process,
whoever serves the database next goes on with the items that have no whole reply.
"""

from __future__ import annotations

import asyncio
import logging

from backends.errors import BackendError, ExplainedError
from webchat.feedback.replay.judging import TAIL_CHARS, filled, repeats_itself
from webchat.feedback.replay.variants import settings_for
from webchat.store import NotFound, Store, StoreError
from webchat.store.errors import StoreUnavailable
from webchat.store.records import Failure, Message
from webchat.store.replay_records import OpenedReplay, ReplayRun
from webchat.turns import Ask, Delta, Done, NotAccepting, Party, TurnError, Turns
from webchat.turns.errors import ServerFull

log = logging.getLogger(__name__)

AT_ONCE = 4
"""Items of a run that are done at a time. Engines with fewer slots have the others wait in the queue."""

LOOK_SECONDS = 2.0
"""Between two looks for runs: commands open some in another process."""

RETRY_SECONDS = (2.0, 5.0, 15.0, 60.0)
"""Pauses after passes that the store broke off; the last one repeats. On a full disk a reply may begin that
then cannot be stored: its model was asked for nothing."""

FAILED_IN_A_ROW = 5
"""Replies that fail one after the other before their run is cancelled: its model is not to be had."""


class Replayer:
    """Does all open runs, one after the other, the oldest first. For the process that serves the database."""

    def __init__(self, store: Store, turns: Turns) -> None:
        self._store = store
        self._turns = turns

    async def serve(self) -> None:
        """Does what is opened, until cancelled."""
        broken = 0
        while True:
            pause = LOOK_SECONDS
            try:
                await self.do_open()
                broken = 0
            except NotAccepting:
                if self._turns.closing:
                    return
                log.warning("a replay waits until this server may write again")
            except StoreError:  # the store's log says it
                pause = RETRY_SECONDS[min(broken, len(RETRY_SECONDS) - 1)]
                broken += 1
            except Exception:
                log.exception("a replay stopped; will retry")
            await asyncio.sleep(pause)

    async def do_open(self) -> None:
        """Does what is open now. Raises what `do` does."""
        for run in await self._store.call(self._store.open_replays):
            await self.do(run)

    async def do(self, run: ReplayRun) -> None:
        """Does one run to its end, or until it is cancelled. Waits while memory or the disk are full. Raises
        NotAccepting where the server ends, and StoreUnavailable."""
        told = ""
        while True:
            try:
                whole = await _Pass(self._store, self._turns, run).do()
                break
            except ServerFull as error:
                if error.code != told:
                    told = error.code
                    log.warning("the replay %s waits: %s", run.name, error.message)
                await asyncio.sleep(LOOK_SECONDS)
        if whole:
            ended = await self._store.call(self._store.end_replay, run.id)
            if ended.state != "open":
                log.info("replay %s: %d done, %d failed", run.name, ended.done, ended.failed)


class _Pass:
    """One pass over the items of a run; each is tried once."""

    def __init__(self, store: Store, turns: Turns, run: ReplayRun) -> None:
        self._store = store
        self._turns = turns
        self._run = run
        self._tried: list[int] = []
        self._failed_in_a_row = 0

    async def do(self) -> bool:
        """Whether nothing is left to do. Raises NotAccepting, ServerFull and StoreUnavailable."""
        try:
            await self._all()
        except ExceptionGroup as errors:
            ending = errors.subgroup(NotAccepting) or errors
            raise ending.exceptions[0] from errors
        return not await self._store.call(self._store.replays_to_do, self._run.id, (), 1)

    async def _all(self) -> None:
        async with asyncio.TaskGroup() as group:
            room = asyncio.Semaphore(AT_ONCE)
            while True:
                await room.acquire()
                numbers = await self._store.call(self._store.replays_to_do, self._run.id, self._tried, 1)
                if not numbers:
                    break
                self._tried += numbers
                group.create_task(self._item(numbers[0], room))

    async def _item(self, number: int, room: asyncio.Semaphore) -> None:
        try:
            question = None
            if self._run.judges is not None:
                question = await self._question(number)
                if question is None:
                    return
            opened = await self._store.call(self._store.open_replay, self._run.id, number, question)
            if opened is not None:
                await self._answered(number, opened)
        finally:
            room.release()

    async def _question(self, number: int) -> str | None:
        """What a judge is asked about an item; `None` where that is not to be judged any more."""
        about = await self._store.call(self._store.replay_to_judge, self._run.id, number)
        return None if about is None else filled(about)

    async def _answered(self, number: int, opened: OpenedReplay) -> None:
        ask = Ask(
            "regenerate",
            # The same for an attempt of which it is not known whether its turn was begun.
            f"{opened.conversation_id}:{opened.attempt}",
            conversation_id=opened.conversation_id,
            message_id=opened.asked_id,
            model=self._run.variant.model,
            settings=settings_for(self._run.variant, opened.settings),
        )
        party = Party(self._run.owner_id, terms=opened.terms, background=True)
        try:
            begun = await self._turns.start(party, ask)
        except (NotAccepting, ServerFull, StoreUnavailable):
            raise
        except (TurnError, BackendError, StoreError) as error:
            await self._store.call(self._store.failed_replay, self._run.id, number, _as_failure(error))
            await self._count("failed")
            return
        remember = self._store.begun_replay
        await self._store.call(remember, self._run.id, number, opened.attempt, begun.reply.id)
        try:
            reply = await self._ended(begun.reply.id)
            if reply.failure is not None and reply.failure.code == StoreUnavailable.code:
                await self._store.call(self._store.message, self._run.owner_id, begun.reply.id)
        except NotFound:  # deleted meanwhile, with its set or by the person whose chat it is from
            return
        if reply.failure is not None and reply.failure.code == StoreUnavailable.code:
            raise StoreUnavailable(reply.failure.message, reply.failure.cure)  # it is begun again
        await self._count(reply.state)

    async def _ended(self, reply_id: str) -> Message:
        reply, said = None, ""
        async for event in self._turns.follow(self._run.owner_id, reply_id):
            if isinstance(event, Done):
                reply = event.message
            elif isinstance(event, Delta) and self._run.judges is not None:
                said = (said + event.text)[-TAIL_CHARS:]
                if repeats_itself(said):
                    self._turns.repeats(reply_id)
        if reply is None:
            raise NotAccepting
        return reply

    async def _count(self, state: str) -> None:
        self._failed_in_a_row = self._failed_in_a_row + 1 if state == "failed" else 0
        if self._failed_in_a_row == FAILED_IN_A_ROW:
            run = self._run
            await self._store.call(self._store.cancel_replay, run.owner_id, run.id)
            log.warning("replay %s was cancelled: %d replies in a row failed", run.name, FAILED_IN_A_ROW)


def _as_failure(error: ExplainedError) -> Failure:
    return Failure(error.code, str(error), error.cure, dict(error.params))
