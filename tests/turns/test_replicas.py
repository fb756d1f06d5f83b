"""Two servers on one PostgreSQL: a turn runs on one, is followed and stopped from any, and another ends it if
its server is gone."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from backends.base import Backend
from backends.errors import Unavailable
from tests.postgres import PostgresServer, postgres
from tests.store.test_replicas import expire
from tests.turns.conftest import Bench, MakeBench, until
from tests.turns.held import Held, Stepped
from webchat.store import LeaseLost, Store
from webchat.store.database import codec
from webchat.store.database import postgres as postgres_dialect
from webchat.store.errors import LinkMessagesUsed
from webchat.store.link_records import LinkTerms
from webchat.store.records import BegunTurn, JournalEntry
from webchat.store.replicas.signals import Signals
from webchat.turns import Ask, Delta, Done, Followed, News, Party, Status
from webchat.turns.ask import Against
from webchat.turns.replicas import left, replica

__all__ = ["postgres"]

BEAT = 0.1


@dataclass
class Servers:
    """Starts servers of one database."""

    url: str
    make: MakeBench
    stack: AsyncExitStack

    async def start(self, *backends: Backend, lease_file: Path | None = None) -> Bench:
        store = self.stack.enter_context(closing(Store.open(self.url)))
        return await self.stack.enter_async_context(self.make(*backends, store=store, lease_file=lease_file))


@pytest.fixture
async def servers(
    postgres: PostgresServer, bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Servers]:
    monkeypatch.setattr(replica, "BEAT_SECONDS", BEAT)
    async with AsyncExitStack() as stack:
        yield Servers(postgres.fresh(), bench, stack)


@asynccontextmanager
async def paused(at: Bench, by: Bench) -> AsyncIterator[None]:
    """As by SIGSTOP, as far as others see it: its lease is not renewed, and they end it."""
    ours = at.turns.replica
    assert ours._beating is not None
    ours._beating.cancel()
    expire(by.store, at.store.replica)
    await until(lambda: len(by.store.replicas()) == 1)
    yield
    ours._beating = asyncio.create_task(ours._beat())


async def words(at: Bench, begun: BegunTurn) -> tuple[str, Done]:
    """What a follower reads as it comes, and the end."""
    events = await at.events(begun.reply.id)
    assert isinstance(events[-1], Done)
    return "".join(event.text for event in events if isinstance(event, Delta)), events[-1]


@pytest.mark.parametrize("deaf", [False, True])
async def test_a_reply_is_followed_and_stopped_from_another_server(
    servers: Servers, deaf: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if deaf:
        monkeypatch.setattr(Signals, "open", lambda self: None)
    steps = Stepped(["one ", "two ", "three"])
    one, other = await servers.start(steps), await servers.start()
    begun = await one.ask(text="go")
    events = other.turns.follow(other.owner, begun.reply.id)
    await anext(events)
    steps.go(2)
    seen = ""
    async for event in events:
        seen += event.text if isinstance(event, Delta) else ""
        if seen == "one two ":
            break
    await other.turns.stop(other.owner, begun.reply.id)
    async for event in events:
        assert not isinstance(event, Delta)
        last = event
    assert isinstance(last, Done)
    assert (last.message.state, last.message.text) == ("stopped", "one two ")
    assert steps.live == 0
    assert await other.turns.running_anywhere(other.owner) == ()


async def test_asked_again_at_another_server_it_is_the_same_turn(servers: Servers) -> None:
    backends = Held(), Held()
    one, other = [await servers.start(backend) for backend in backends]
    ask = Ask(kind="send", text="go", client_key="once")
    first, again = await asyncio.gather(*(at.turns.start(at.owner, ask) for at in (one, other)))
    assert first.reply.id == again.reply.id
    assert [first.created, again.created].count(True) == 1
    assert await other.turns.running_anywhere(other.owner) == (first.reply.id,)
    for at in (one, other):
        await at.turns.stop(at.owner, first.reply.id)
        assert (await at.end(first)).state == "stopped"
    assert sum(len(backend.order) for backend in backends) <= 1


async def test_other_pages_of_a_person_learn_of_it_at_every_server(servers: Servers) -> None:
    one, other = await servers.start(), await servers.start()
    await until(lambda: one.turns._elsewhere is not None and one.turns._elsewhere._signals.arrive)
    await until(lambda: other.turns._elsewhere is not None and other.turns._elsewhere._signals.arrive)
    follower = other.turns.watch(other.owner, {})
    begun = await one.ask(text="go")
    kinds: list[str] = []
    while kinds[-1:] != ["ended"]:
        kinds += [event.kind for _, event in await follower.batch() if isinstance(event, News)]
    follower.close()
    assert kinds == ["begun", "ended"]
    assert (await words(other, begun))[1].message.text == "go"


async def test_a_paused_servers_turn_ends_interrupted_everywhere_and_it_goes_on_with_a_new_lease(
    servers: Servers,
) -> None:
    steps = Stepped(["one ", "two ", "three"])
    one, other = await servers.start(steps), await servers.start()
    begun = await one.ask(text="go")
    own, theirs = (asyncio.create_task(words(at, begun)) for at in (one, other))
    steps.go(2)
    await until(lambda: one.store.message(one.owner, begun.reply.id).text == "one two ")
    async with paused(one, other):
        said, end = await theirs
        # What it had not read by then comes with the end.
        assert "one two ".startswith(said)
        assert (end.message.state, end.message.text) == ("interrupted", "one two ")
        steps.go(9)
    said, end = await own
    assert (said, end.message.state, end.message.text) == ("one two ", "interrupted", "one two ")
    assert other.store.message(other.owner, begun.reply.id) == end.message
    await until(lambda: one.turns.accepting)
    steps.go(9)
    assert (await one.say("again")).state == "complete"


async def test_a_start_interrupts_only_what_nobody_runs(servers: Servers) -> None:
    held = Held()
    one = await servers.start(held)
    living = await one.ask(text="go")
    dead = await servers.start(gone := Held())
    left = await dead.ask(text="stay")
    await gone.writes("stay")
    assert dead.turns.replica._beating is not None
    dead.turns.replica._beating.cancel()
    expire(one.store, dead.store.replica)
    await servers.start()
    assert (await words(one, left))[1].message.state == "interrupted"
    held.go["go"].set()
    assert (await one.end(living)).state == "complete"


async def test_a_server_that_starts_again_ends_what_its_killed_process_left_at_once(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "lease"
    dead = await servers.start(gone := Held(), lease_file=file)
    begun = await dead.ask(text="stay")
    await gone.writes("stay")
    # Neither beside a process that lives,
    await servers.start(lease_file=file)
    assert dead.store.message(dead.owner, begun.reply.id).running
    ours = dead.turns.replica
    assert ours._beating is not None
    assert ours._file is not None
    ours._beating.cancel()
    ours._file._lock.release()
    # nor from a copy of its folder, on another machine or on this one.
    with monkeypatch.context() as patch:
        patch.setattr(left, "_machine", lambda: "elsewhere")
        assert left.LeaseFile(file).open() is None
    copy = shutil.copytree(tmp_path, tmp_path.with_name("copy"))
    assert left.LeaseFile(copy / "lease").open() is None
    again = await servers.start(lease_file=file)
    assert (await words(again, begun))[1].message.state == "interrupted"
    with pytest.raises(LeaseLost):
        dead.store.write_batch([JournalEntry(begun.reply.id, 2, "text", "late")])
    assert left.LeaseFile(tmp_path / "no folder" / "lease").open() is None


async def test_a_server_starts_beside_a_statement_that_its_killed_process_left(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds the lease until PostgreSQL has ended it."""
    monkeypatch.setattr(postgres_dialect, "WAIT_MS", 100)
    dead = await servers.start(lease_file=(file := tmp_path / "lease"))
    ours = dead.turns.replica
    assert ours._beating is not None
    assert ours._file is not None
    ours._beating.cancel()
    ours._file._lock.release()
    with dead.store.transaction(write=True):
        again = await servers.start(lease_file=file)
        assert len(again.store.replicas()) == 2
    assert (await again.say("words=1")).state == "complete"


async def test_a_model_that_dies_in_mid_reply_is_told_at_every_server(servers: Servers) -> None:
    held = Held()
    held.errors["go"] = Unavailable("The endpoint is gone.", cure="Start it.")
    one, other = await servers.start(held), await servers.start()
    begun = await one.ask(text="go")
    theirs = asyncio.create_task(words(other, begun))
    await until(lambda: other.store.message(other.owner, begun.reply.id).text == "begun ")
    held.go["go"].set()
    said, end = await theirs
    assert "begun ".startswith(said)
    assert (end.message.state, end.message.text) == ("failed", "begun ")
    assert end.message.failure is not None
    assert end.message.failure.cure
    # It goes on at whichever server, once the endpoint is back.
    again = await other.ask("continue", message_id=begun.reply.id)
    assert (await words(one, again))[1].message.state == "complete"
    assert other.store.orphans() == []


@pytest.mark.parametrize("minutes", [-10, 10])
async def test_a_clock_that_jumps_ends_no_lease_and_no_reply(
    servers: Servers, minutes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held()
    one, other = await servers.start(held), await servers.start()
    begun = await one.ask(text="go")
    theirs = asyncio.create_task(words(other, begun))
    await held.writes("go")

    class Jumped(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(minutes=minutes)

    monkeypatch.setattr(codec, "datetime", Jumped)
    assert other.store.end_lapsed_leases() == 0
    lease = one.store.renew_lease()
    assert lease is not None
    assert not lease.late
    held.go["go"].set()
    assert (await theirs)[1].message.text == "begun go"
    held.go["more"].set()
    place = {"conversation_id": begun.conversation.id, "parent_id": begun.reply.id}
    await one.say("more", **place)
    _, branch = one.store.branch(one.owner, begun.conversation.id)
    assert [message.text for message in branch] == ["go", "begun go", "more", "begun more"]


async def test_a_links_quota_holds_across_servers(servers: Servers) -> None:
    one, other = await servers.start(), await servers.start()
    link = one.store.create_link("testers", "hash", None, terms=LinkTerms(messages=3))
    guest = one.store.create_owner("guest", "Tess", link.id).id
    asks = [
        at.turns.start(Party(guest, link=link.id), Ask(kind="send", text="hi", client_key=f"{number}"))
        for number, at in enumerate([one, other] * 4)
    ]
    done = await asyncio.gather(*asks, return_exceptions=True)
    assert sum(isinstance(one, BegunTurn) for one in done) == 3
    assert sum(isinstance(one, LinkMessagesUsed) for one in done) == 5


async def test_one_leads_and_the_next_when_it_is_gone(servers: Servers) -> None:
    async with AsyncExitStack() as first:
        one = await Servers(servers.url, servers.make, first).start()
        other = await servers.start()
        worked: list[str] = []

        async def work(name: str) -> None:
            worked.append(name)
            await asyncio.Event().wait()

        tasks = [
            asyncio.create_task(at.turns.replica.lead(lambda name=name: work(name)))  # type: ignore[misc]
            for name, at in (("one", one), ("other", other))
        ]
        await until(lambda: worked == ["one"])
    await until(lambda: worked == ["one", "other"])
    for task in tasks:
        task.cancel()


async def test_who_leads_works_whatever_became_of_it_before(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica, "BEAT_SECONDS", 0.0)
    alone = replica.Replica(store, lost=lambda: None, interrupted=lambda _: None)
    await alone.open()
    worked: list[str] = []
    ending = asyncio.Event()

    async def work() -> None:
        worked.append("begun")
        if len(worked) == 1:
            raise RuntimeError("a bug")
        try:
            await asyncio.Event().wait()
        finally:
            await ending.wait()

    task = asyncio.create_task(alone.lead(work))
    await until(lambda: len(worked) == 2)
    alone._lead(False)
    await asyncio.sleep(0.01)
    alone._lead(True)  # before what it did has ended
    ending.set()
    await until(lambda: len(worked) == 3)
    task.cancel()
    await alone.aclose()


async def test_a_lease_waits_for_nothing_that_the_store_is_busy_with(servers: Servers) -> None:
    at = await servers.start()
    free = threading.Event()
    busy = [at.store._threads[kind].submit(free.wait) for kind in ("long", "long", "long", "write")]
    try:
        for _ in range(5):
            renewed = at.turns.replica._until
            await until(lambda: at.turns.replica._until > renewed)  # noqa: B023
    finally:
        free.set()
    assert all(one.result() for one in busy)


async def test_no_message_that_is_lost_or_not_understood_ends_what_others_hear(servers: Servers) -> None:
    one, other = await servers.start(), await servers.start()
    for at in (one, other):
        await until(lambda: at.turns._elsewhere is not None and at.turns._elsewhere._signals.arrive)  # noqa: B023
    follower = other.turns.watch(other.owner, {})
    with one.store.unfenced(write=True) as connection:
        for said in ("5", "no JSON", '["other","wrote",["x"]]'):
            connection.execute(text("SELECT pg_notify('webchat', :said)"), {"said": said})
    # Its connection for speaking ends, and with it what it says next.
    speaking = "query LIKE '%unnest%' AND datname = current_database() AND pid <> pg_backend_pid()"
    with one.store.unfenced(write=True) as connection:
        connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {speaking}"))
    one.turns.changed(one.owner, "chat")
    assert all(isinstance(event, News) for _, event in await follower.batch())
    follower.close()


async def test_at_another_server_the_sides_of_a_comparison_tell_nothing_until_both_have_ended(
    servers: Servers,
) -> None:
    sides = Stepped(["one ", "two"]), Stepped(["1 ", "2"])
    sides[0].model, sides[1].model = "first", "second"
    one, other = await servers.start(*sides), await servers.start()
    ask = Ask(kind="send", text="go", client_key="k", model="first", against=Against("second"))
    begun = await one.turns.start(one.owner, ask)
    assert begun.sides is not None
    ids = [side.reply.id for side in begun.sides]
    early, late = other.turns.watch(other.owner, dict.fromkeys(ids, 0)), None
    seen: list[Followed] = []
    sides[0].go(9)
    await until(lambda: any(not m.running for m in (one.store.message(one.owner, id) for id in ids)))
    assert other.turns._elsewhere is not None
    late = other.turns.watch(other.owner, dict.fromkeys(ids, 0))
    while not set(ids) <= {id for id, _ in seen}:
        seen += await late.batch()
    await other.turns._elsewhere._look()
    seen += early.at_once() + late.at_once()
    states = {event for _, event in seen if not isinstance(event, News)}
    assert states == {Status("queued")}
    sides[1].go(9)
    done: dict[str, Done] = {}
    while len(done) < 2:
        done |= {id: event for id, event in await late.batch() if isinstance(event, Done)}
    assert {event.message.text for event in done.values()} == {"one two", "1 2"}
    early.close()
    late.close()


async def test_an_older_version_finishes_what_runs_and_begins_nothing(servers: Servers) -> None:
    at = await servers.start(held := Held())
    begun = await at.ask(text="go")
    with at.store.unfenced(write=True) as connection:
        connection.execute(text("UPDATE webchat_schema SET version_num = '9999'"))
    await until(lambda: not at.turns.accepting)
    held.go["go"].set()
    assert (await at.end(begun)).state == "complete"
