"""A database that writes and does not say so, at any moment: every word is there once, no reply is the worse
for it, and nothing was shown that is not stored."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any, Literal
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, make_url, select

from backends.echo import EchoBackend
from backends.types import Request
from tests.cutting_relay import CuttingRelay
from tests.postgres import PostgresServer, postgres
from tests.turns.conftest import MakeBench, until
from webchat.store import Store, StoreUnavailable
from webchat.store.database.codec import clean
from webchat.store.database.tables.conversations import JournalRow
from webchat.store.records import FinishedTurn, JournalEntry, Message, NewTurn
from webchat.turns import Delta
from webchat.turns.journal import Journal, JournalFailed

__all__ = ["postgres"]

Outcome = Literal["written", "lost", "away"]
"""`lost`: it was written, and the answer is lost. `away`: nothing was written."""

OUTCOMES = st.lists(st.sampled_from(["written", "lost", "away"]), max_size=24)
PIECES = st.lists(
    st.tuples(st.sampled_from(["text", "reasoning"]), st.text("ab 你\0", min_size=1, max_size=4))
)
REPLIES = st.lists(PIECES, min_size=1, max_size=4)


class Line:
    """Writes to a store; what becomes of each write, and of its answer, is drawn."""

    def __init__(self, store: Store, outcomes: Sequence[Outcome]) -> None:
        self.store = store
        self.outcomes: Iterator[Outcome] = iter(outcomes)

    async def write(
        self, entries: Sequence[JournalEntry], finished: Sequence[FinishedTurn], *rest: Any
    ) -> list[Message]:
        await asyncio.sleep(0)
        outcome = next(self.outcomes, "written")
        if outcome == "away":
            raise StoreUnavailable("It is away.")
        messages = self.store.write_batch(entries, finished, *rest)
        if outcome == "lost":
            raise StoreUnavailable("The line is dead.")
        return messages


async def play(
    store: Store, replies: Sequence[Sequence[tuple[str, str]]], outcomes: Sequence[Outcome], *, patient: bool
) -> None:
    owner = store.local_owner().id
    line = Line(store, outcomes)
    journal = Journal(
        line.write, settled=lambda _: None, flush_seconds=0.0, patience_seconds=3600.0 if patient else 0.0
    )
    journal.open()

    async def reply(pieces: Sequence[tuple[str, str]]) -> None:
        new = NewTurn(None, None, "question", uuid.uuid4().hex, "m")
        message_id = store.begin_turn(owner, new).reply.id
        shown: list[Delta] = []
        failed: list[bool] = []
        channel = journal.channel(message_id, shown.extend, lambda: failed.append(True))
        for kind, piece in pieces:
            channel.add(kind, piece)  # type: ignore[arg-type]
            await asyncio.sleep(0)
        try:
            stored = await channel.finish(FinishedTurn(message_id, "complete", "stop"))
        except JournalFailed:
            failed.append(True)
            journal.owe(FinishedTurn(message_id, "failed"))
            await until(lambda: not journal.owes(message_id))
            stored = store.message(owner, message_id)
        assert stored == store.message(owner, message_id)
        assert [delta.seq for delta in shown] == list(range(1, len(shown) + 1))
        for kind, whole in (("text", stored.text), ("reasoning", stored.reasoning)):
            said = clean("".join(piece for its, piece in pieces if its == kind))
            seen = "".join(delta.text for delta in shown if delta.kind == kind)
            assert whole.startswith(seen)
            assert said.startswith(whole)
            if not failed:
                assert seen == whole == said
        if patient:
            assert (stored.state, failed) == ("complete", [])
        else:
            assert stored.state in ("complete", "failed")

    await asyncio.gather(*(reply(pieces) for pieces in replies))
    await journal.aclose()
    with store.transaction(write=False) as connection:
        assert connection.scalar(select(func.count()).select_from(JournalRow)) == 0


def _check(store: Store, replies: Any, outcomes: Any, patient: bool) -> None:
    with patch("webchat.turns.journal.RETRY_SECONDS", (0.0,)):
        asyncio.run(play(store, replies, outcomes, patient=patient))


LAW = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@settings(LAW, max_examples=60)
@given(REPLIES, OUTCOMES, st.booleans())
def test_whatever_answers_are_lost_every_word_is_stored_once(
    store: Store, replies: Any, outcomes: Any, patient: bool
) -> None:
    _check(store, replies, outcomes, patient)


@pytest.mark.slow
@settings(LAW, max_examples=1000)
@given(REPLIES, OUTCOMES, st.booleans())
def test_whatever_answers_are_lost_every_word_is_stored_once_at_length(
    store: Store, replies: Any, outcomes: Any, patient: bool
) -> None:
    _check(store, replies, outcomes, patient)


@pytest.mark.parametrize("table", ["journal", "turns"])
async def test_replies_go_on_when_postgresql_is_cut_off_at_its_commit(
    bench: MakeBench, postgres: PostgresServer, table: str
) -> None:
    relay = CuttingRelay(make_url(postgres.fresh()))
    said: dict[str, list[str]] = {}

    def words(request: Request) -> Iterator[str]:
        """Until the line is cut: on a busy machine a whole reply may be written at once."""
        mine = said[request.messages[-1].text] = []
        while len(mine) < 10 or not relay.cuts:
            mine.append(f"w{len(mine)} ")
            yield mine[-1]

    with closing(relay), closing(Store.open(relay.url)) as store:
        async with bench(EchoBackend(script=words, rate=20), store=store) as at:
            if table == "turns":
                relay.cut_next(table)
            begun = [await at.ask(text=f"question {n}") for n in range(3)]
            async for event in at.turns.follow(at.owner, begun[0].reply.id):
                if isinstance(event, Delta):
                    break
            if table == "journal":
                relay.cut_next(table)
            replies = await asyncio.gather(*(at.end(one) for one in begun))
            assert relay.cuts == 1
            whole = ["".join(said[f"question {n}"]) for n in range(3)]
            assert [(reply.state, reply.text) for reply in replies] == [("complete", text) for text in whole]
            assert len(store.list_conversations(at.owner).items) == 3
