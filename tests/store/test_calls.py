"""Calls of programs: one that is not to be kept is nowhere to be seen while it runs, and gone afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import func, select

from backends.types import Message, ToolCall
from tests.store.talk import Talk, exported, later
from webchat.store import NotFound, Store
from webchat.store.database.tables.base import Base
from webchat.store.records import BegunTurn, ConversationSettings, NewTurn
from webchat.store.verbs import calls
from webchat.store.verbs.trash import PURGE_DISCARDED

CALLS = (ToolCall("a", "look", "{}"),)
PATH = (
    Message("user", "the zebra question"),
    Message("assistant", "", CALLS),
    Message("tool", "the zebra answer", tool_call_id="a"),
)


@pytest.fixture(autouse=True, params=[100, 2])
def slice_messages(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each law holds for what is stored at once and for what is stored in slices."""
    monkeypatch.setattr(calls, "SLICE_MESSAGES", request.param)


def call(talk: Talk, *, stored: bool = False, key: str = "call", path: Any = PATH) -> BegunTurn:
    new = NewTurn(None, None, None, key, "echo", ConversationSettings(model="echo"))
    if not calls.is_long(path):
        return talk.store.begin_call(talk.owner, new, path, stored=stored)
    for step in steps(talk, new, path, stored=stored):
        begun = step
    return begun


def steps(talk: Talk, new: NewTurn, path: Any, *, stored: bool) -> Iterator[BegunTurn]:
    """Each slice of a long call."""
    brought = calls.brought(talk.owner, new, path)
    begun = talk.store.open_call(talk.owner, new, brought, stored=stored)
    yield begun
    if begun.conversation.id == brought.id:
        for rows in brought.slices():
            for _ in ("once", "again, as its answer was lost"):
                talk.store.add_to_call(talk.owner, brought, rows, stored=stored)
            yield begun
        talk.store.show_call(talk.owner, brought, stored=stored)
        yield begun


def rows(store: Store) -> dict[str, int]:
    """Rows of what people write, by table, without empty ones."""
    with store.transaction(write=False) as connection:
        counts = {
            name: connection.scalar(select(func.count()).select_from(table))
            for name, table in Base.metadata.tables.items()
            if name not in ("owners", "alembic_version")
        }
    return {name: count for name, count in counts.items() if count}


def test_a_call_that_is_not_kept_is_nowhere_to_be_seen(store: Store, talk: Talk) -> None:
    begun = call(talk)
    assert [(one.text, one.tool_call_id) for one in begun.path or ()] == [
        ("the zebra question", None),
        ("", None),
        ("the zebra answer", "a"),
    ]
    finished = talk.finish(begun.reply.id, "zebra", " reply")
    assert (finished.text, finished.state) == ("zebra reply", "complete")
    assert store.list_conversations(talk.owner).items == ()
    assert store.list_trash(talk.owner).items == ()
    assert talk.found("zebra") == []
    assert exported(store, talk.owner) == []
    for verb in (store.conversation, store.restore_conversation, store.delete_conversation, store.thread):
        with pytest.raises(NotFound):
            verb(talk.owner, begun.conversation.id)
    for message in (begun.reply.id, *(one.id for one in begun.path or ())):
        with pytest.raises(NotFound):
            store.message(talk.owner, message)


def test_erasing_a_call_leaves_nothing_of_it(store: Store, talk: Talk, stranger: Talk) -> None:
    begun = call(talk)
    talk.finish(begun.reply.id, "zebra")
    with pytest.raises(NotFound):
        store.erase_call(stranger.owner, begun.conversation.id)
    while not store.erase_call(talk.owner, begun.conversation.id):
        pass
    assert rows(store) == {}
    kept = talk.say("Hello", "Hi").conversation.id
    with pytest.raises(NotFound):
        store.erase_call(talk.owner, kept)


def test_a_purge_takes_what_a_killed_server_left_and_nothing_that_runs(store: Store, talk: Talk) -> None:
    call(talk)
    store.purge(later())
    assert rows(store)["messages"] == 4
    store.interrupt_orphans()
    store.discard_calls()
    store.purge(PURGE_DISCARDED)
    assert rows(store) == {}


def test_a_stored_call_is_a_conversation_like_any_other(store: Store, talk: Talk) -> None:
    begun = call(talk, stored=True)
    talk.finish(begun.reply.id, "A horse in stripes.")
    (listed,) = store.list_conversations(talk.owner).items
    assert (listed.id, listed.title) == (begun.conversation.id, "the zebra question")
    assert talk.shown(listed.id) == ["the zebra question", "", "the zebra answer", "A horse in stripes."]
    asked, calling, result, _ = store.path(talk.owner, begun.reply.id)
    assert (asked.tool_calls, calling.tool_calls, result.tool_call_id) == ((), CALLS, "a")
    store.index_owed()
    assert talk.found("zebra answer") == talk.found("stripes") == [listed.id]
    again = talk.say("And then?", "Then.", begun.reply)
    assert [one.id for one in store.path(talk.owner, again.reply.id)][-3:-1] == [
        begun.reply.id,
        again.reply.parent_id,
    ]
    store.discard_calls()
    assert store.conversation(talk.owner, listed.id).deleted_at is None


def test_the_same_call_again_begins_nothing(store: Store, talk: Talk) -> None:
    first = call(talk)
    again = call(talk)
    assert (first.created, again.created) == (True, False)
    assert again.reply.id == first.reply.id
    assert rows(store)["messages"] == 4


def test_a_last_message_of_the_assistant_is_continued(store: Store, talk: Talk) -> None:
    begun = call(talk, path=(Message("user", "Say on"), Message("assistant", "Well, ")))
    assert (begun.reply.text, [one.text for one in begun.path or ()]) == ("Well, ", ["Say on"])
    assert talk.finish(begun.reply.id, "well").text == "Well, well"


def test_nobody_unknown_calls(store: Store) -> None:
    with pytest.raises(NotFound):
        call(Talk(store, "nobody"))


def test_the_words_of_a_long_stored_call_come_after_it(
    store: Store, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(store, "index_soon", lambda: asked.append("soon"))
    begun = call(talk, stored=True, path=[Message("user", f"zebra {number}") for number in range(100)])
    assert (talk.found("zebra 77"), set(asked)) == ([], {"soon"})
    store.index_owed()
    assert talk.found("zebra 77") == [begun.conversation.id]


def test_a_call_that_was_cut_off_in_its_slices_is_never_seen(
    store: Store, talk: Talk, slice_messages: None
) -> None:
    new = NewTurn(None, None, None, "call", "echo", ConversationSettings(model="echo"))
    path = [Message("user", f"zebra {number}") for number in range(300)]
    written = steps(talk, new, path, stored=True)
    begun = next(written)
    next(written)
    assert talk.store.list_conversations(talk.owner).items == ()
    with pytest.raises(NotFound):
        store.conversation(talk.owner, begun.conversation.id)
    with pytest.raises(NotFound):
        store.message(talk.owner, begun.reply.id)
    store.index_owed()
    assert talk.found("zebra") == []
    store.interrupt_orphans()
    store.discard_calls()
    with pytest.raises(NotFound):
        next(written)
    store.purge(PURGE_DISCARDED)
    assert rows(store) == {}
