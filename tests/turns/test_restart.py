"""What an earlier server left running is interrupted at the start, with all its text, and can go on."""

from __future__ import annotations

import pytest

from backends.echo import EchoBackend
from tests.turns.conftest import MakeBench
from webchat.store import Store
from webchat.store.records import JournalEntry, NewTurn


async def test_orphans_are_interrupted_and_can_be_continued(bench: MakeBench, store: Store) -> None:
    owner = store.local_owner().id
    left = store.begin_turn(owner, NewTurn(None, None, "Question", "k", "echo")).reply
    store.write_batch([JournalEntry(left.id, 1, "text", "Half an "), JournalEntry(left.id, 2, "text", "ans")])
    async with bench(EchoBackend(script=["wer"])) as at:
        orphan = store.message(owner, left.id)
        assert (orphan.state, orphan.text) == ("interrupted", "Half an ans")
        longer = await at.end(await at.ask("continue", message_id=left.id))
        assert (longer.text, longer.state) == ("Half an answer", "complete")


async def test_a_reply_without_a_turn_is_interrupted_when_somebody_follows_it(
    bench: MakeBench, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webchat.turns.service.FIND_SECONDS", 0.05)
    async with bench() as at:
        left = store.begin_turn(at.owner, NewTurn(None, None, "Question", "k", "echo")).reply
        (done,) = await at.events(left.id)
        assert done.message.state == "interrupted"  # type: ignore[union-attr]
