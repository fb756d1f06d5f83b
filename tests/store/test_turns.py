"""A turn begins once, loses nothing, and is whole at its end."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from backends.types import Sampling, ToolCall
from tests.store.talk import Talk
from webchat.store import NotFound, Store
from webchat.store.records import (
    BegunTurn,
    ConversationSettings,
    Failure,
    FinishedTurn,
    JournalEntry,
    NewTurn,
    Provenance,
    TurnState,
)


def _together(count: int, act: Callable[[], BegunTurn]) -> list[BegunTurn]:
    gate = threading.Barrier(count)

    def run(_: int) -> BegunTurn:
        gate.wait()
        return act()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_a_new_conversation_begins_once_for_one_key(store: Store, talk: Talk) -> None:
    begun = _together(8, lambda: talk.begin("hello", key="double"))
    assert sum(turn.created for turn in begun) == 1
    assert len({(turn.conversation.id, turn.user and turn.user.id, turn.reply.id) for turn in begun}) == 1
    assert len(store.list_conversations(talk.owner).items) == 1
    assert len(store.thread(talk.owner, begun[0].conversation.id).items) == 2


def test_a_second_turn_begins_once_for_one_key_and_place(store: Store, talk: Talk) -> None:
    first = talk.say("hello", "hi")
    assert first.user
    place = {"conversation": first.conversation.id, "parent": first.reply.id}
    begun = _together(8, lambda: talk.begin("and?", key="double", **place))
    assert sum(turn.created for turn in begun) == 1
    assert len({turn.reply.id for turn in begun}) == 1
    # Another place, another turn.
    again = talk.begin(None, conversation=first.conversation.id, parent=first.user.id, key="double")
    assert again.created


def test_a_regenerated_reply_begins_once_for_one_key(store: Store, talk: Talk) -> None:
    first = talk.say("hello", "hi")
    assert first.user
    place = {"conversation": first.conversation.id, "parent": first.user.id}
    begun = _together(8, lambda: talk.begin(None, key="again", **place))
    assert sum(turn.created for turn in begun) == 1
    assert store.message(talk.owner, first.reply.id).siblings == (first.reply.id, begun[0].reply.id)


def test_a_root_message_can_be_edited_and_each_key_counts_once(store: Store, talk: Talk) -> None:
    first = talk.say("hello", "hi")
    edited = [talk.begin("hullo", conversation=first.conversation.id, key="edit") for _ in range(2)]
    assert [turn.created for turn in edited] == [True, False]
    assert edited[0].user
    assert first.user
    assert edited[0].user.siblings == (first.user.id, edited[0].user.id)


def test_a_key_whose_messages_were_deleted_begins_nothing(store: Store, talk: Talk) -> None:
    first = talk.begin("hello", key="once")
    assert first.user
    store.delete_messages(talk.owner, first.user.id)
    with pytest.raises(NotFound):
        talk.begin("hello", key="once")


def test_a_turn_is_found_by_its_key_as_it_is_now(store: Store, talk: Talk) -> None:
    assert store.turn_by_key(talk.owner, "known") is None
    first = store.begin_turn(talk.owner, NewTurn(None, None, "hello", "known", "echo", asked="digest"))
    assert first.user
    done = talk.finish(first.reply.id, "hi")
    found = store.turn_by_key(talk.owner, "known")
    assert found is not None
    assert (found.reply, found.user, found.created, found.asked) == (done, first.user, False, "digest")
    assert found.conversation == store.conversation(talk.owner, first.conversation.id)
    place = {"conversation": first.conversation.id, "parent": first.user.id}
    again = talk.begin(None, key="another", **place)
    found = store.turn_by_key(talk.owner, "another")
    assert found is not None
    assert (found.reply, found.user, found.asked) == (again.reply, None, None)


@pytest.mark.parametrize("whole", [False, True])
def test_a_key_whose_turn_was_deleted_is_not_free(whole: bool, store: Store, talk: Talk) -> None:
    first = talk.begin("hello", key="once")
    assert first.user
    if whole:
        store.delete_conversation(talk.owner, first.conversation.id)
    else:
        store.delete_messages(talk.owner, first.user.id)
    with pytest.raises(NotFound):
        store.turn_by_key(talk.owner, "once")


@pytest.mark.parametrize("key", ["", "x" * 65])
def test_a_client_key_has_1_to_64_characters(key: str, store: Store, talk: Talk) -> None:
    with pytest.raises(ValueError, match="client key"):
        store.begin_turn(talk.owner, NewTurn(None, None, "hello", key, "echo"))
    assert not store.list_conversations(talk.owner).items


def test_a_new_turn_is_shown_and_moves_its_conversation_up(store: Store, talk: Talk) -> None:
    old = talk.say("first", "1")
    new = talk.say("second", "2")
    assert [c.id for c in store.list_conversations(talk.owner).items] == [
        new.conversation.id,
        old.conversation.id,
    ]
    more = talk.begin("third", conversation=old.conversation.id, parent=old.reply.id)
    newest = store.list_conversations(talk.owner).items[0]
    assert (newest.id, newest.running) == (old.conversation.id, True)
    assert newest.updated_at == more.conversation.updated_at
    assert more.conversation.active_leaf_id == more.reply.id
    assert more.conversation.running
    talk.finish(more.reply.id, "3")
    assert not store.conversation(talk.owner, old.conversation.id).running


def test_settings_come_back_as_given(store: Store, talk: Talk) -> None:
    settings = ConversationSettings("m", "Be kind.", Sampling(temperature=0.5, seed=7, stop=("\n",)))
    begun = store.begin_turn(talk.owner, NewTurn(None, None, "hi", "k", "echo", settings=settings))
    assert store.conversation(talk.owner, begun.conversation.id).settings == settings


def test_a_running_reply_is_its_journal_so_far(store: Store, talk: Talk) -> None:
    turn = talk.begin("hello")
    id = turn.reply.id
    store.write_batch([JournalEntry(id, 1, "reasoning", "hm"), JournalEntry(id, 2, "text", "h")])
    store.write_batch(
        [JournalEntry(id, 3, "tool", piece(0, "a", "look", "{")), JournalEntry(id, 4, "text", "i")]
    )
    for message in (
        store.message(talk.owner, id),
        store.thread(talk.owner, turn.conversation.id).items[-1],
    ):
        assert (message.state, message.text, message.reasoning, message.seq) == ("streaming", "hi", "hm", 4)
        assert message.tool_calls == (ToolCall("a", "look", "{"),)
    assert [entry.seq for entry in store.journal(talk.owner, id, after_seq=2)] == [3, 4]


def test_a_reply_streams_from_its_first_words_on(store: Store, talk: Talk) -> None:
    id, waits = talk.begin("hello").reply.id, talk.begin("hello").reply.id
    states = [store.message(talk.owner, id).state]
    store.write_batch([JournalEntry(id, 1, "text", "h")])
    states.append(store.message(talk.owner, id).state)
    store.write_batch([JournalEntry(id, 2, "text", "i")], [FinishedTurn(id, "complete")])
    states.append(store.message(talk.owner, id).state)
    assert states == ["queued", "streaming", "complete"]
    assert store.message(talk.owner, waits).state == "queued"


def test_a_finished_reply_is_folded_and_keeps_its_provenance(store: Store, talk: Talk) -> None:
    id = talk.begin("hello").reply.id
    store.write_batch([JournalEntry(id, 1, "text", "h")])
    provenance = Provenance(
        backend="echo",
        model_id="echo-1",
        revision="abc",
        sampling=Sampling(top_p=0.9, stop=("x",)),
        seed=2**40,
        prompt=({"role": "user", "content": "nul \0 and half \ud800"},),
        prompt_tokens=3,
        first_token_seconds=0.25,
        details={"n": 1},
    )
    failure = Failure("timeout", "Too slow.", "Wait.", {"seconds": 3}, retryable=True)
    last = [JournalEntry(id, 2, "text", "i")]
    (done,) = store.write_batch(last, [FinishedTurn(id, "failed", None, failure, 1.5, provenance)])
    assert (done.state, done.text, done.seq, done.failure, done.reasoning_seconds) == (
        "failed",
        "hi",
        2,
        failure,
        1.5,
    )
    assert done == store.message(talk.owner, id)
    assert done.finished_at is not None
    stored = store.provenance(talk.owner, id)
    assert stored.model == "echo"  # known since the turn began
    assert stored.details == {"n": 1}
    assert stored.prompt == ({"role": "user", "content": "nul \ufffd and half \ufffd"},)
    assert (stored.sampling, stored.seed) == (provenance.sampling, provenance.seed)
    assert store.journal(talk.owner, id) == []
    # Over is over.
    assert store.write_batch([], [FinishedTurn(id, "complete")]) == [done]


@pytest.mark.parametrize(("state", "kept"), [("complete", 3), ("interrupted", 1), ("stopped", 1)])
def test_tool_calls_that_were_cut_off_are_not_kept_and_it_is_said(
    state: TurnState, kept: int, store: Store, talk: Talk
) -> None:
    id = talk.begin("hello").reply.id
    pieces = (
        piece(0, "a", "look", '{"at": ') + piece(0, None, None, '"\\u6d77"}'),
        piece(1, "b", "read", '{"a'),
    )
    last = [
        JournalEntry(id, 1, "text", "I look."),
        *(JournalEntry(id, 2 + at, "tool", one) for at, one in enumerate(pieces)),
    ]
    last.append(JournalEntry(id, 4, "tool", piece(2, None, "wait", "")))
    (done,) = store.write_batch(last, [FinishedTurn(id, state, provenance=Provenance(details={"n": 1}))])
    calls = (
        ToolCall("a", "look", '{"at": "\\u6d77"}'),
        ToolCall("b", "read", '{"a'),
        ToolCall(f"call_{id.replace('-', '')[-12:]}_2", "wait", ""),
    )
    assert (done.tool_calls, done.cut_calls, done.text) == (calls[:kept], 3 - kept, "I look.")
    assert store.message(talk.owner, id) == done
    (_, reply) = store.path(talk.owner, id)
    assert reply.tool_calls == done.tool_calls
    assert store.provenance(talk.owner, id).details["n"] == 1


def test_a_killed_server_leaves_whole_tool_calls_once(store: Store, talk: Talk) -> None:
    id = talk.begin("hello").reply.id
    pieces = piece(0, "a", "look", "{}"), piece(1, "b", "read", '{"a')
    store.write_batch([JournalEntry(id, at, "tool", one) for at, one in enumerate(pieces, 1)])
    for _ in range(2):
        store.interrupt_orphans()
        left = store.message(talk.owner, id)
        assert (left.state, left.tool_calls, left.cut_calls) == (
            "interrupted",
            (ToolCall("a", "look", "{}"),),
            1,
        )
    assert store.journal(talk.owner, id) == []


def piece(index: int, id: str | None, name: str | None, arguments: str) -> str:
    """A line of a journal with a piece of a tool call."""
    return json.dumps({"index": index, "id": id, "name": name, "arguments": arguments}) + "\n"


def test_a_batch_is_written_whole_or_not_at_all(store: Store, talk: Talk) -> None:
    one, other = talk.begin("a").reply.id, talk.begin("b").reply.id
    store.write_batch([JournalEntry(one, 1, "text", "x")])
    again = [JournalEntry(other, 1, "text", "y"), JournalEntry(one, 1, "text", "z")]
    with pytest.raises(ValueError, match="its position is taken"):
        store.write_batch(again, [FinishedTurn(other, "complete")])
    assert [store.message(talk.owner, id).text for id in (one, other)] == ["x", ""]
    assert store.message(talk.owner, other).running


def test_a_batch_that_was_written_is_written_again_without_a_trace(store: Store, talk: Talk) -> None:
    ended, running = talk.begin("a").reply.id, talk.begin("b").reply.id
    store.write_batch([JournalEntry(ended, 1, "text", "so ")])
    batch = [
        JournalEntry(ended, 2, "text", "far\0"),
        JournalEntry(running, 1, "reasoning", "hm "),
        JournalEntry(running, 2, "text", "yes"),
    ]
    finished = [FinishedTurn(ended, "complete", "stop")]
    first = store.write_batch(batch, finished)
    assert store.write_batch(batch, finished) == first
    assert store.write_batch(batch[1:], finished) == first
    assert [message.text for message in first] == ["so far\ufffd"]
    assert store.journal(talk.owner, ended) == []
    assert [entry.seq for entry in store.journal(talk.owner, running)] == [1, 2]
    # With what was new in it, too.
    store.write_batch([*batch, JournalEntry(running, 3, "text", "!")])
    assert store.message(talk.owner, running).text == "yes!"


def test_a_turn_that_is_over_takes_no_more(store: Store, talk: Talk) -> None:
    ended = talk.say("a", "whole").reply.id
    for entry in (JournalEntry(ended, 2, "text", "more"), JournalEntry("nobody", 1, "text", "x")):
        with pytest.raises(ValueError, match="its turn has ended"):
            store.write_batch([entry])
    assert store.message(talk.owner, ended).text == "whole"


def test_what_is_new_is_appended_without_a_second_look(
    store: Store, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(*_: object) -> None:
        raise AssertionError("it was looked at")

    monkeypatch.setattr("webchat.store.verbs.turns._check_written", look)
    id = talk.begin("a").reply.id
    store.write_batch([JournalEntry(id, seq, "text", "x") for seq in range(1, 40)])
    assert store.message(talk.owner, id).seq == 39


def test_orphans_keep_all_their_text(store: Store, talk: Talk) -> None:
    queued, streaming = talk.begin("a").reply.id, talk.begin("b").reply.id
    done = talk.say("c", "whole").reply.id
    store.write_batch([JournalEntry(streaming, 1, "text", "so "), JournalEntry(streaming, 2, "text", "far")])
    assert [one.message_id for one in store.interrupt_orphans()] == sorted([queued, streaming])
    assert store.message(talk.owner, streaming).text == "so far"
    assert (
        store.message(talk.owner, streaming).state == store.message(talk.owner, queued).state == "interrupted"
    )
    assert store.message(talk.owner, done).state == "complete"
    assert [one.message_id for one in store.interrupt_orphans()] == []
    assert talk.found("far")


def test_a_continued_reply_begins_with_the_old_one(store: Store, talk: Talk) -> None:
    first = talk.begin("hello")
    assert first.user
    id = first.reply.id
    store.write_batch([JournalEntry(id, 1, "reasoning", "hm "), JournalEntry(id, 2, "text", "once ")])
    place = {"conversation": first.conversation.id, "parent": first.user.id}
    more = talk.begin(None, continues=id, **place).reply
    assert (more.text, more.reasoning, more.seq, more.continues) == ("once ", "hm ", 0, id)
    store.write_batch([JournalEntry(more.id, 1, "text", "upon ")])
    assert store.message(talk.owner, more.id).text == "once upon "
    assert talk.finish(more.id, "a time", first=2).text == "once upon a time"
    assert store.message(talk.owner, id).text == "once "


@pytest.mark.parametrize(
    ("given", "kept"),
    [("a\0b", "a\ufffdb"), ("half \ud800 pair", "half \ufffd pair"), ("\ud83d\ude00", "😀"), ("", "")],
)
def test_text_no_database_takes_is_mended(given: str, kept: str, store: Store, talk: Talk) -> None:
    turn = talk.begin(given)
    assert turn.user
    assert turn.user.text == kept
    assert talk.finish(turn.reply.id, given).text == kept


def test_errors_hold_no_text_of_anybody(store: Store, talk: Talk) -> None:
    id = talk.begin("a").reply.id
    store.write_batch([JournalEntry(id, 1, "text", "canary")])
    with pytest.raises(ValueError, match="position is taken") as refused:
        store.write_batch([JournalEntry(id, 1, "text", "canary two")])
    assert "canary" not in str(refused.value)


@pytest.mark.usefixtures("unused")
def test_the_running_flag_is_read_from_the_index_of_running_turns(store: Store, kind: str) -> None:
    explain = "EXPLAIN QUERY PLAN" if kind == "sqlite" else "EXPLAIN"
    query = "SELECT 1 FROM turns WHERE conversation_id = 'x' AND finished_at IS NULL"
    with store.transaction(write=False) as connection:
        if kind == "postgresql":
            connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = " ".join(str(row) for row in connection.execute(text(f"{explain} {query}")))
    assert "ix_turns_running" in plan


async def test_verbs_run_in_threads_of_the_store(store: Store, talk: Talk) -> None:
    turn = talk.begin("hello")
    assert (await store.call(store.conversation, talk.owner, turn.conversation.id)).title == "hello"
    await store.call(store.write_batch, [JournalEntry(turn.reply.id, 1, "text", "x")])
    with pytest.raises(NotFound):
        await store.call(store.conversation, talk.owner, "nothing")
