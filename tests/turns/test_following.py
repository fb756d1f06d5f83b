"""A follower of many replies is told all of each, in order and once, wherever it begins, and costs the turns
nothing."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.echo import EchoBackend
from tests.turns.conftest import Bench, MakeBench, until
from tests.turns.held import Gated
from webchat.store.records import Message
from webchat.turns import Delta, Done, Followed, Follower, Gone, News, NotAccepting, Status, following
from webchat.turns.errors import SlowReader
from webchat.turns.following import BATCH, FAR_BEHIND, STALLED, WAITING_NEWS, Reader

WORDS = " ".join(f"w{i}" for i in range(40))


@dataclass(eq=False)
class Script:
    """A turn that goes on when the test says so."""

    id: str
    entries: list[Delta] = field(default_factory=list)
    status: Status = field(default_factory=lambda: Status("streaming"))
    version: int = 0
    message: Message | None = None
    readers: set[Reader] = field(default_factory=set)

    def write(self) -> None:
        seq = len(self.entries) + 1
        self.entries.append(Delta(self.id, seq, "text", f"{self.id} {seq} "))
        self._changed()

    def show(self) -> None:
        self.version += 1
        self._changed()

    def end(self) -> None:
        at = datetime.now(UTC)
        self.message = Message(self.id, "c", None, "assistant", None, "", "", "complete", at)
        self._changed()

    def _changed(self) -> None:
        for reader in tuple(self.readers):
            reader.changed()


def _told(batches: list[list[Followed]]) -> dict[str, list[object]]:
    told: dict[str, list[object]] = defaultdict(list)
    for batch in batches:
        for message_id, event in batch:
            told[message_id].append(event)
    return told


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["write", "show", "end"]), st.integers(0, 2)),
        st.tuples(st.sampled_from(["read", "again"]), st.just(0)),
    ),
    max_size=60,
)


@given(STEPS)
def test_whatever_happens_when_each_piece_is_told_once_and_in_order(steps: list[tuple[str, int]]) -> None:
    """`again`: the connection is lost and taken up from where its reader was."""

    async def run() -> None:
        turns = [Script(f"m{number}") for number in range(3)]
        seen = dict.fromkeys((turn.id for turn in turns), 0)
        ended: set[str] = set()

        def begin() -> Follower:
            follower = Follower()
            for turn in turns:
                if turn.id not in ended:
                    follower.follow(turn, seen[turn.id])
            return follower

        def read() -> None:
            for message_id, event in follower.at_once():
                assert message_id not in ended
                if isinstance(event, Delta):
                    assert event.seq == seen[message_id] + 1
                    seen[message_id] = event.seq
                elif isinstance(event, Done):
                    ended.add(message_id)

        follower = begin()
        for step, index in steps:
            turn = turns[index]
            if step == "read":
                read()
            elif step == "again":
                follower.close()
                assert not any(turn.readers for turn in turns)
                follower = begin()
            elif turn.message is None:
                getattr(turn, step)()
        for turn in turns:
            if turn.message is None:
                turn.end()
        read()
        assert seen == {turn.id: len(turn.entries) for turn in turns}
        assert ended == {turn.id for turn in turns}
        assert not any(turn.readers for turn in turns)

    asyncio.run(run())


async def test_one_far_behind_does_not_keep_the_others_waiting() -> None:
    follower, long, short = Follower(), Script("long"), Script("short")
    for _ in range(10 * BATCH):
        long.write()
    short.write()
    follower.follow(long)
    follower.follow(short)
    batches = [follower.at_once(), follower.at_once()]
    assert all(len(batch) <= BATCH for batch in batches)
    assert [event for event in _told(batches)["short"] if isinstance(event, Delta)] == short.entries


async def test_a_reader_ahead_of_the_turn_waits_for_it() -> None:
    """A number from elsewhere, or made up, is no reason to end."""
    follower, turn = Follower(), Script("m")
    follower.follow(turn, after_seq=5)
    assert _told([await follower.batch()]) == {"m": [turn.status]}
    waiting = asyncio.create_task(follower.batch())
    for _ in range(6):
        turn.write()
        await asyncio.sleep(0)
    assert await waiting == [("m", turn.entries[5])]


async def test_news_nobody_reads_end_the_follower() -> None:
    follower = Follower()
    for _ in range(2 * WAITING_NEWS):
        follower.news(News("changed", "c"))
    told = 0
    while batch := await follower.batch():
        told += len(batch)
    assert told == WAITING_NEWS


def _cpu(work: Callable[[], None]) -> float:
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


@pytest.mark.parametrize("many", ["replies", "pieces"])
async def test_a_piece_costs_the_same_however_many_are_followed_and_however_long_they_are(many: str) -> None:
    def cost(count: int) -> float:
        follower = Follower()
        turns = [Script(f"m{number}") for number in range(count if many == "replies" else 1)]
        for _ in range(count if many == "pieces" else 1):
            turns[0].write()
        for turn in turns:
            follower.follow(turn)
        while follower.at_once():
            pass

        def work() -> None:
            for _ in range(2000):
                turns[0].write()
                assert len(follower.at_once()) == 1

        return _cpu(work)

    assert cost(1000) < 2.5 * cost(1)


async def _read(at: Bench, follower: Follower, wanted: int) -> dict[str, list[object]]:
    """What is told until `wanted` replies have ended."""
    batches: list[list[Followed]] = []
    ends = 0
    while ends < wanted:
        batches.append(await follower.batch())
        ends += sum(isinstance(event, Done | Gone) for _, event in batches[-1])
    return _told(batches)


async def test_many_turns_on_one_follower(bench: MakeBench) -> None:
    backend = Gated(rate=300)
    async with bench(backend) as at:
        begun = [await at.ask(text=f"{number} {WORDS}") for number in range(5)]
        follower = at.turns.watch(at.owner, {one.reply.id: 0 for one in begun})
        backend.open.set()
        told = await _read(at, follower, 5)
        follower.close()
        for number, one in enumerate(begun):
            events = [event for event in told[one.reply.id] if not isinstance(event, News)]
            assert isinstance(events[0], Status)
            deltas = [event for event in events if isinstance(event, Delta)]
            assert [delta.seq for delta in deltas] == list(range(1, len(deltas) + 1))
            assert "".join(delta.text for delta in deltas) == f"{number} {WORDS}"
            last = events[-1]
            assert isinstance(last, Done)
            assert last.message == at.store.message(at.owner, one.reply.id)


async def test_what_has_ended_and_what_is_not_theirs_do_not_hold_up_the_rest(bench: MakeBench) -> None:
    async with bench(EchoBackend(rate=300)) as at:
        ended = await at.say("Hi")
        other = at.store.create_owner("visitor", "Ada").id
        begun = await at.ask(text=WORDS)
        mine = at.turns.watch(at.owner, {"nothing": 0, ended.id: 99, begun.reply.id: 0})
        told = await _read(at, mine, 3)
        assert told["nothing"] == [Gone()]
        assert told[ended.id] == [Done(ended)]
        assert isinstance(told[begun.reply.id][-1], Done)
        theirs = at.turns.watch(other, {ended.id: 0, begun.reply.id: 0})
        assert await _read(at, theirs, 2) == {ended.id: [Gone()], begun.reply.id: [Gone()]}
        mine.close()
        theirs.close()


async def test_nothing_is_looked_up_for_a_reader_who_takes_nothing(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(EchoBackend(rate=0)) as at:
        ended = [(await at.say("Hi")).id for _ in range(5)]
        asked: list[str] = []
        look = at.store.message

        def noted(owner: str, id: str) -> Message:
            asked.append(id)
            return look(owner, id)

        monkeypatch.setattr(at.store, "message", noted)
        follower = at.turns.watch(at.owner, dict.fromkeys(ended, 99))
        await until(lambda: bool(asked))
        assert len(await follower.batch()) == 1
        await until(lambda: len(asked) == 2)
        for _ in range(20):
            await asyncio.sleep(0)
        assert asked == ended[:2]
        told = await _read(at, follower, 4)
        assert list(told) == ended[1:]
        at.turns.watch(at.owner, dict.fromkeys(ended, 99))  # which the end of the server does not wait for


async def test_an_owner_hears_of_all_their_turns_and_of_no_others(bench: MakeBench) -> None:
    async with bench() as at:
        other = at.store.create_owner("visitor", "Ada").id
        mine, theirs = at.turns.watch(at.owner, {}), at.turns.watch(other, {})
        reply = await at.say("Hi")
        at.turns.changed(at.owner, reply.conversation_id)
        place = reply.conversation_id, reply.id
        news = [event for _, event in mine.at_once()]
        assert news == [
            News("begun", *place),
            News("ended", *place, "complete"),
            News("changed", reply.conversation_id),
        ]
        assert theirs.at_once() == []
        mine.close()
        at.turns.changed(at.owner, reply.conversation_id)
        assert mine.at_once() == []
        theirs.close()


async def test_a_title_is_news(bench: MakeBench) -> None:
    async with bench(EchoBackend(script=["A good title"]), titles=True) as at:
        follower = at.turns.watch(at.owner, {})
        reply = await at.say("Hello")
        await until(lambda: at.store.conversation(at.owner, reply.conversation_id).title_by == "model")
        told: list[object] = []
        while News("changed", reply.conversation_id) not in told:
            told += [event for _, event in await follower.batch()]
        follower.close()


async def test_a_follower_that_reads_nothing_keeps_nothing_of_ended_turns(bench: MakeBench) -> None:
    """It is ended, and finds the newest state when it comes back; one that only reads late is told all."""
    async with bench(EchoBackend(script=["x" * (FAR_BEHIND + 1)])) as at:
        begun = await at.ask(text="x")
        unread = at.turns.watch(at.owner, {begun.reply.id: 0})
        alone: Any = at.turns.follow(at.owner, begun.reply.id, returns=True)
        seen = [await anext(alone)]
        late = Follower()
        late.follow(at.turns._turns[begun.reply.id].face)
        turn = at.turns._turns[begun.reply.id].face
        reply = await at.end(begun)
        assert [reader._turn for reader in turn.readers] == [turn]
        assert await unread.batch() == []
        assert turn not in alone.ag_frame.f_locals.values()
        seen += [event async for event in alone]
        assert {type(event) for event in seen} == {Status}
        back = at.turns.watch(at.owner, {begun.reply.id: 0})
        ends = [event for _, event in await back.batch() if isinstance(event, Done)]
        assert [done.message.text for done in ends] == [reply.text]
        told = [event for _, event in late.at_once()]
        assert "".join(event.text for event in told if isinstance(event, Delta)) == reply.text
        back.close()
        late.close()


async def test_followers_end_with_the_server_and_none_come_after(bench: MakeBench) -> None:
    async with bench(EchoBackend(rate=5)) as at:
        begun = await at.ask(text=WORDS)
        follower = at.turns.watch(at.owner, {begun.reply.id: 0})
        await at.turns.aclose()
        batches = []
        while batch := await follower.batch():
            batches.append(batch)
        last = [event for event in _told(batches)[begun.reply.id] if isinstance(event, Done)]
        assert [done.message.state for done in last] == ["interrupted"]
        with pytest.raises(NotAccepting):
            at.turns.watch(at.owner, {})


async def test_a_reply_of_somebody_elses_turn_is_looked_for_with_pauses(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(Gated()) as at:
        begun = await at.ask(text="x")
        at.turns._turns[begun.reply.id].owner = "another"
        order: list[str] = []
        read, sleep = at.store.message, asyncio.sleep

        def noted(*args: str) -> Message:
            order.append("read")
            return read(*args)

        async def pause(seconds: float) -> None:
            order.append("pause")
            await sleep(seconds)

        monkeypatch.setattr(at.store, "message", noted)
        monkeypatch.setattr("webchat.turns.service.asyncio.sleep", pause)
        looking = asyncio.create_task(at.turns.stop(at.owner, begun.reply.id))
        while order.count("read") < 4:
            await sleep(0.01)
        looking.cancel()
        assert "readread" not in "".join(order)


async def test_who_stopped_reading_and_cannot_come_back_is_told_so_and_keeps_nothing(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "STALLED", 0)
    monkeypatch.setattr(following, "FAR_BEHIND", 10)
    async with bench(EchoBackend(rate=0)) as at:
        begun = await at.ask(text=WORDS)
        slow = at.turns.follow(at.owner, begun.reply.id)
        await anext(slow)
        turn = at.turns._turns[begun.reply.id]
        await until(lambda: turn.message is not None)
        assert not turn.readers
        with pytest.raises(SlowReader):
            [event async for event in slow]
        assert WORDS in (await at.end(begun)).text, "it was stored"


def test_only_who_reads_nothing_for_long_is_cut_off() -> None:
    """Not who reads, nor who is sent a long reply at once."""
    stalled, reading, late = Follower(), Follower(), Follower()
    turn = Script("m")
    stalled.follow(turn)
    reading.follow(turn)

    def write() -> None:
        turn.entries.append(Delta("m", len(turn.entries) + 1, "text", "word " * FAR_BEHIND))
        turn.show()

    for _ in range(STALLED):
        write()
        reading.at_once()
    late.follow(turn)
    write()
    turn.end()
    assert [one.cut for one in (stalled, reading, late)] == [True, False, False]
    assert not stalled.at_once()
    assert len(late.at_once()) == 2, "a status, and no more text than is taken soon"
    for one in (reading, late):
        read = [event for _ in range(STALLED + 1) for _, event in one.at_once()]
        assert isinstance(read[-1], Done)
        assert not one._readers, "one that goes on keeps nothing of what it has read"
    assert not turn.readers
