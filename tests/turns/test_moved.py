"""Text that turns out to have been reasoning: stored before it is shown so, and the same for everybody."""

from __future__ import annotations

import asyncio

import pytest

from backends.echo import Delay, EchoBackend, Step
from backends.errors import Unavailable
from backends.types import ReasoningDelta, TextWasReasoning
from tests.turns.conftest import MakeBench
from tests.turns.test_failing_store import FailingStore, full, impatient
from webchat.store import Store
from webchat.store.records import JournalEntry, JournalKind, Message, NewTurn, fold
from webchat.turns import Delta, Done, TurnEvent

MOVED: list[Step] = ["Norway. ", "Its ", "capital?\n", TextWasReasoning(), "Oslo", "."]
THOUGHT = "Norway. Its capital?"


def seen(message: Message) -> tuple[str, str, str]:
    return message.reasoning, message.text, message.state


def shown(events: list[TurnEvent]) -> tuple[str, str]:
    return fold("", "", [event for event in events if isinstance(event, Delta)])


async def test_it_is_stored_as_reasoning_and_shown_so(bench: MakeBench) -> None:
    async with bench(EchoBackend(script=MOVED)) as at:
        begun = await at.ask(text="x")
        events = await at.events(begun.reply.id)
        reply = at.store.message(at.owner, begun.reply.id)
        assert seen(reply) == (THOUGHT, "Oslo.", "complete")
        assert events[-1] == Done(reply)
        assert shown(events) == ("Oslo.", THOUGHT)
        assert reply.reasoning_seconds is not None
        deltas = [event for event in events if isinstance(event, Delta)]
        assert [delta.seq for delta in deltas] == list(range(1, len(deltas) + 1))
        assert reply.seq == len(deltas)


async def test_it_comes_behind_the_reasoning_that_was_told(bench: MakeBench) -> None:
    script = [ReasoningDelta("Hm."), *MOVED, "\n", TextWasReasoning(), "So: Oslo"]
    async with bench(EchoBackend(script=script)) as at:
        assert seen(await at.say("x")) == (f"Hm.\n\n{THOUGHT}\n\nOslo.", "So: Oslo", "complete")


async def test_whoever_comes_at_any_moment_sees_the_same(bench: MakeBench) -> None:
    script = [step for one in MOVED for step in (one, Delay(0.02))]
    async with bench(EchoBackend(script=script), flush_seconds=0.001) as at:
        begun = await at.ask(text="x")
        late = []
        async for _ in at.turns.follow(at.owner, begun.reply.id):
            stored = at.store.message(at.owner, begun.reply.id)
            rest = asyncio.create_task(at.events(begun.reply.id, stored.seq))
            late.append((stored, rest))
        assert len({stored.seq for stored, _ in late}) > 3
        for stored, rest in late:
            entries = [event for event in await rest if isinstance(event, Delta)]
            assert fold(stored.text, stored.reasoning, entries) == ("Oslo.", THOUGHT)


async def test_the_next_question_is_sent_without_it(bench: MakeBench) -> None:
    backend = EchoBackend(script=MOVED)
    async with bench(backend) as at:
        first = await at.say("x")
        await at.say("y", conversation_id=first.conversation_id, parent_id=first.id)
        assert [message.text for message in backend.requests[-1].messages] == ["x", "Oslo.", "y"]


async def test_what_a_continued_reply_begins_with_is_reasoning_too(bench: MakeBench) -> None:
    script: list[Step] = ["Norway. ", Unavailable("gone")]
    backend = EchoBackend(script=lambda request: MOVED[1:] if request.continue_final else script)
    async with bench(backend) as at:
        broken = await at.say("x")
        assert seen(broken) == ("", "Norway. ", "failed")
        longer = await at.end(await at.ask("continue", message_id=broken.id))
        assert seen(longer) == (THOUGHT, "Oslo.", "complete")


@pytest.mark.parametrize(
    ("entries", "reasoning", "text"),
    [(2, "", "Norway. Its capital?\n"), (3, THOUGHT, ""), (4, THOUGHT, "Os")],
)
async def test_a_server_that_dies_leaves_what_was_shown(
    bench: MakeBench, store: Store, entries: int, reasoning: str, text: str
) -> None:
    owner = store.local_owner().id
    left = store.begin_turn(owner, NewTurn(None, None, "Question", "k", "echo")).reply
    journal: list[tuple[JournalKind, str]]
    journal = [("text", "Norway. "), ("text", "Its capital?\n"), ("moved", ""), ("text", "Os")]
    store.write_batch(
        [JournalEntry(left.id, at, *entry) for at, entry in enumerate(journal[:entries], start=1)]
    )
    assert seen(store.message(owner, left.id))[:2] == (reasoning, text)
    async with bench():
        assert seen(store.message(owner, left.id)) == (reasoning, text, "interrupted")


async def test_a_store_that_fails_leaves_what_was_shown(bench: MakeBench, store: Store) -> None:
    failing = FailingStore(store)
    async with bench(EchoBackend(script=[*MOVED, Delay(0.3), "never"]), store=failing) as at:
        impatient(at)
        begun = await at.ask(text="x")
        shown = ""
        async for event in at.turns.follow(at.owner, begun.reply.id):
            shown += event.text if isinstance(event, Delta) else ""
            if shown.endswith("Oslo."):
                failing.failing = full
            if isinstance(event, Done):
                assert seen(event.message) == (THOUGHT, "Oslo.", "failed")
        failing.failing = lambda entries, finished: None
