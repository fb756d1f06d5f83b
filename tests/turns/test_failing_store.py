"""A store that fails: nothing unsaved was shown, and the service goes on when it is back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from backends.echo import Delay, EchoBackend
from backends.types import Media, Options, Tool
from backends.types import Message as Said
from tests.turns.conftest import Bench, MakeBench, until
from webchat.moderation import Moderation
from webchat.moderation.kinds.personal import personal
from webchat.moderation.recording import Recorder
from webchat.privacy.keeping import Encrypted
from webchat.privacy.masking import Masking
from webchat.store import Store, StoreUnavailable
from webchat.store.database.tables.conversations import ConversationRow, MessageRow, TurnRow
from webchat.store.database.tables.search import SearchEntryRow
from webchat.turns import Called, Delta, Done
from webchat.turns.gates.masked import MaskedGates
from webchat.turns.places import Most

WORDS = " ".join(f"w{i}" for i in range(60))


class FailingStore:
    """The real store, whose batches fail while `failing` says so."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.failing: Callable[[Any, Any], Exception | None] = lambda entries, finished: None
        self.batches = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def call(self, verb: Any, *args: Any, **kwargs: Any) -> Any:
        if verb == self._store.write_batch:
            error = self.failing(*args)
            if error is not None:
                raise error
            self.batches += 1
        return await self._store.call(verb, *args, **kwargs)


def full(entries: Any, finished: Any) -> Exception:
    return StoreUnavailable("The disk is full.")


@pytest.fixture
def failing(store: Store) -> FailingStore:
    return FailingStore(store)


def impatient(at: Bench, seconds: float = 0.1) -> None:
    at.turns._journal._patience_seconds = seconds


async def test_a_short_failure_is_waited_out(bench: MakeBench, failing: FailingStore) -> None:
    async with bench(EchoBackend(rate=200), store=failing) as at:
        begun = await at.ask(text=WORDS)
        await asyncio.sleep(0.05)
        failing.failing = full
        await asyncio.sleep(0.2)
        failing.failing = lambda entries, finished: None
        assert (await at.end(begun)).text == WORDS


async def test_a_lasting_failure_fails_the_turn_with_all_that_was_shown(
    bench: MakeBench, failing: FailingStore
) -> None:
    backend = EchoBackend(rate=200)
    async with bench(backend, store=failing) as at:
        impatient(at)
        begun = await at.ask(text=WORDS)
        shown = ""
        async for event in at.turns.follow(at.owner, begun.reply.id):
            if isinstance(event, Delta):
                shown += event.text
                if event.seq == 3:
                    failing.failing = full
            if isinstance(event, Done):
                assert event.message.state == "failed"
                assert event.message.failure is not None
                assert event.message.failure.code == "store_unavailable"
                assert event.message.text == shown
        stored = at.store.message(at.owner, begun.reply.id)
        assert stored.running
        assert stored.text == shown
        assert backend.live == 0
        # Back again, without a restart: the end is stored and new turns work.
        failing.failing = lambda entries, finished: None
        await until(lambda: not at.store.message(at.owner, begun.reply.id).running)
        assert at.store.message(at.owner, begun.reply.id).text == shown
        assert isinstance((await at.events(begun.reply.id))[-1], Done)
        assert (await at.say("Next")).text == "Next"


async def test_an_end_that_cannot_be_stored_is_not_called_complete(
    bench: MakeBench, failing: FailingStore
) -> None:
    async with bench(EchoBackend(script=["a", Delay(0.05), "b"]), store=failing) as at:
        impatient(at)
        failing.failing = lambda entries, finished: full(entries, finished) if finished else None
        begun = await at.ask(text="x")
        assert (await at.end(begun)).state == "failed"
        failing.failing = lambda entries, finished: None
        await until(lambda: not at.store.message(at.owner, begun.reply.id).running)
        assert at.store.message(at.owner, begun.reply.id).state == "failed"


async def test_an_outage_is_one_line_in_the_log_however_many_replies_it_meets(
    bench: MakeBench, store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    away = False
    through = store.unfenced

    @contextmanager
    def unfenced(*, write: bool) -> Iterator[Connection]:
        if away:
            with store._outage.watching(write=write):
                raise StoreUnavailable("The database is away.")
        with through(write=write) as connection:
            yield connection

    monkeypatch.setattr(store, "unfenced", unfenced)
    recorder = Recorder(lambda decisions: store.call(store.add_decisions, decisions), gather_seconds=0)
    flags = personal("flag", stages=("input", "output"))
    masking = Masking(
        Encrypted(
            lambda owner, id: store.call(store.placeholders, owner, id),
            lambda owner, id, values, anew: store.call(store.keep_placeholders, owner, id, values, anew),
            "secret" * 6,
        )
    )
    backend = EchoBackend(script=["a", Delay(0.05), Media("a" * 16, "image/png", b"\x89PNG"), "b"], slots=4)
    recorder.open()
    async with bench(backend, gates=MaskedGates(Moderation([flags], recorder), masking, always=True)) as at:
        impatient(at)
        begun = await asyncio.gather(*(at.ask(text=f"Write to a{i}@example.org") for i in range(12)))
        away = True
        ends = [await at.end(one) for one in begun]
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await at.ask(text="x")
        assert {end.failure and end.failure.code for end in ends} == {"store_unavailable"}
    assert recorder._task is not None
    recorder._task.cancel()
    lines = [record.getMessage() for record in caplog.records]
    assert [line for line in lines if "works again" not in line] == [  # for what was under way
        "the database fails: The database is away.",
        "the ends of 12 replies could not be stored; the next start marks them interrupted",
    ]


async def test_one_refused_turn_does_not_take_the_others_with_it(
    bench: MakeBench, failing: FailingStore
) -> None:
    async with bench(EchoBackend(rate=300), store=failing) as at:
        begun = await asyncio.gather(*(at.ask(text=f"{WORDS} {i}") for i in range(4)))
        bad = begun[1].reply.id

        def refuse(entries: Any, finished: Any) -> Exception | None:
            return ValueError("no such row") if any(e.message_id == bad for e in entries) else None

        failing.failing = refuse
        ends = await asyncio.gather(*(at.end(b) for b in begun))
        assert [end.state for end in ends] == ["complete", "failed", "complete", "complete"]
        assert [end.text for end in ends if end.id != bad] == [f"{WORDS} {i}" for i in (0, 2, 3)]


async def test_an_ask_that_cannot_be_stored_is_refused(bench: MakeBench, store: Store) -> None:
    class Full(FailingStore):
        async def call(self, verb: Any, *args: Any, **kwargs: Any) -> Any:
            if verb == self._store.begin_turn:
                raise StoreUnavailable("The disk is full.")
            return await super().call(verb, *args, **kwargs)

    async with bench(store=Full(store), most=Most(owner=1)) as at:
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await at.ask(text="x")


async def test_a_model_faster_than_the_store_waits_for_it(
    bench: MakeBench, failing: FailingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webchat.turns.journal.WAITING_CHARS", 1000)
    told = 0

    class Flood(EchoBackend):
        async def stream(self, request):  # type: ignore[no-untyped-def]
            nonlocal told
            async for event in super().stream(request):
                told += 1
                yield event

    async with bench(Flood(script=["x" * 100] * 500), store=failing) as at:
        failing.failing = full
        begun = await at.ask(text="x")
        await asyncio.sleep(0.3)
        assert told < 30
        failing.failing = lambda entries, finished: None
        assert len((await at.end(begun)).text) == 50_000


async def test_replies_share_their_commits(bench: MakeBench, failing: FailingStore) -> None:
    async with bench(EchoBackend(rate=200), store=failing, flush_seconds=0.1) as at:
        begun = await asyncio.gather(*(at.ask(text=WORDS) for _ in range(20)))
        await asyncio.gather(*(at.end(b) for b in begun))
        # A reply lasts 0.3 s: its first entry, its end, some three ticks; 100 commits if none were shared.
        assert failing.batches < 60


@pytest.mark.parametrize("lost", ["open_call", "add_to_call", "show_call"])
async def test_a_long_call_is_whole_though_an_answer_of_the_store_is_lost(
    bench: MakeBench, store: Store, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    lose = [lost]

    class Unconfirmed(FailingStore):
        async def call(self, verb: Any, *args: Any, **kwargs: Any) -> Any:
            done = await super().call(verb, *args, **kwargs)
            if getattr(verb, "func", None) == getattr(self._store, lost) and lose:
                lose.clear()
                raise StoreUnavailable("The line is dead.")
            return done

    monkeypatch.setattr("webchat.turns.asking.RETRY_SECONDS", (0.01,) * 5)
    monkeypatch.setattr("webchat.store.verbs.calls.SLICE_MESSAGES", 2)
    path = tuple(Said("user" if at % 2 else "assistant", f"w{at}") for at in range(1, 8))
    echo = EchoBackend()
    async with bench(echo, store=Unconfirmed(store)) as at:
        for stored in (True, False):
            lose[:] = [lost]
            begun = await at.ask("call", called=Called(path, stored=stored))
            assert (await at.end(begun)).text == "w7"
            assert echo.requests[-1].messages == path
        (kept,) = at.store.list_conversations(at.owner).items
        assert kept.active_leaf_id is not None
        shown = at.store.path(at.owner, kept.active_leaf_id)
        assert [one.text for one in shown][: len(path)] == [one.text for one in path]


async def test_a_long_call_that_breaks_off_between_its_slices_leaves_nothing(
    bench: MakeBench, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = 8

    class Away(FailingStore):
        async def call(self, verb: Any, *args: Any, **kwargs: Any) -> Any:
            nonlocal away
            if getattr(verb, "func", None) == self._store.add_to_call and args[2][0]["text"] != "w1" and away:
                away -= 1
                raise StoreUnavailable("The line is dead.")
            return await super().call(verb, *args, **kwargs)

    monkeypatch.setattr("webchat.turns.asking.RETRY_SECONDS", (0.01,) * 5)
    monkeypatch.setattr("webchat.store.verbs.calls.SLICE_MESSAGES", 2)
    path = tuple(Said("user" if at % 2 else "assistant", f"w{at}") for at in range(1, 8))
    async with bench(EchoBackend(), store=Away(store)) as at:
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                await at.ask("call", called=Called(path, stored=True))
            await until(lambda: not at.turns._asking._settling)
            with store.transaction(write=False) as connection:
                for table in (TurnRow, MessageRow, ConversationRow, SearchEntryRow):
                    assert connection.scalar(select(func.count()).select_from(table)) == 0, table
        begun = await at.ask("call", called=Called(path, stored=True))
        assert (await at.end(begun)).text == "w7"


@pytest.mark.parametrize("stored", [True, False])
async def test_a_call_whose_beginning_is_confirmed_late_keeps_its_tools_or_never_runs(
    bench: MakeBench, store: Store, monkeypatch: pytest.MonkeyPatch, stored: bool
) -> None:
    class Unconfirmed(FailingStore):
        async def call(self, verb: Any, *args: Any, **kwargs: Any) -> Any:
            done = await super().call(verb, *args, **kwargs)
            if getattr(verb, "func", None) == self._store.begin_call:
                raise StoreUnavailable("The line is dead.")
            return done

    monkeypatch.setattr("webchat.turns.asking.RETRY_SECONDS", (0.01,) * 5)
    echo = EchoBackend(options=True)
    called = Called((Said("user", "Hello"),), Options((Tool("look", "", {}),)), stored=stored)
    async with bench(echo, store=Unconfirmed(store)) as at:
        with pytest.raises(StoreUnavailable):
            await at.ask("call", called=called)
        await until(lambda: not at.turns._asking._settling)
        if stored:
            (kept,) = at.store.list_conversations(at.owner).items
            await until(lambda: not at.store.conversation(at.owner, kept.id).running)
            assert [tool.name for tool in echo.requests[-1].options.tools] == ["look"]
        else:
            assert echo.requests == []
