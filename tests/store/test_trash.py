"""What was deleted is listed for its owner, comes back, or goes for good when its owner says so."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import event

from tests.store.talk import Talk
from webchat.store import NotFound, Store
from webchat.store.records import Deletion
from webchat.store.verbs.trash import PURGE_DISCARDED


def ids(store: Store, talk: Talk) -> list[str]:
    return [item.id for item in store.list_trash(talk.owner).items]


def test_deleted_conversations_and_messages_are_listed_last_deleted_first(store: Store, talk: Talk) -> None:
    first, second = talk.say("first", "x"), talk.say("second", "x")
    cut = talk.say("cut away", "x", after=second.reply)
    talk.say("below", "x", after=cut.reply)
    archived = talk.say("archived", "x").conversation.id
    store.update_conversation(talk.owner, archived, archived=True)
    assert cut.user
    before = datetime.now(UTC)
    store.delete_conversation(talk.owner, first.conversation.id)
    store.delete_messages(talk.owner, cut.user.id)
    store.delete_conversation(talk.owner, archived)
    newest, messages, oldest = store.list_trash(talk.owner).items
    assert (newest.kind, newest.id, newest.title) == ("conversation", archived, "archived")
    assert (messages.kind, messages.id, messages.title) == ("messages", cut.user.id, "second")
    assert messages.conversation_id == second.conversation.id
    assert (messages.role, messages.excerpt, messages.count) == ("user", "cut away", 4)
    assert (oldest.id, oldest.title) == (first.conversation.id, "first")
    assert before <= oldest.deleted_at <= messages.deleted_at <= newest.deleted_at
    # What was restored has left the list; what was archived comes back as that.
    assert store.restore_conversation(talk.owner, archived).archived
    store.restore_messages(talk.owner, cut.user.id)
    assert ids(store, talk) == [first.conversation.id]


def test_each_owner_sees_and_ends_only_their_own(store: Store, talk: Talk, stranger: Talk) -> None:
    place = talk.say("mine", "x")
    cut = talk.say("more", "x", after=place.reply)
    gone = talk.say("gone", "x").conversation.id
    assert cut.user
    store.delete_messages(talk.owner, cut.user.id)
    store.delete_conversation(talk.owner, gone)
    assert ids(store, stranger) == []
    with pytest.raises(NotFound):
        store.discard_conversation(stranger.owner, gone)
    with pytest.raises(NotFound):
        store.discard_messages(stranger.owner, cut.user.id)
    assert not store.discard_all(stranger.owner)
    assert ids(store, talk) == [gone, cut.user.id]


def test_what_is_not_deleted_cannot_be_discarded(store: Store, talk: Talk) -> None:
    turn = talk.say("here", "x")
    with pytest.raises(NotFound):
        store.discard_conversation(talk.owner, turn.conversation.id)
    with pytest.raises(NotFound):
        store.discard_messages(talk.owner, turn.reply.id)


def test_what_was_discarded_cannot_come_back_and_is_ended_alone(store: Store, talk: Talk) -> None:
    kept, gone = talk.say("kept", "x"), talk.say("gone", "x")
    cut = talk.say("cut", "x", after=kept.reply)
    lower = talk.say("lower", "x", after=cut.reply)
    other = talk.say("other", "x").conversation.id
    assert cut.user
    assert lower.user
    store.delete_messages(talk.owner, lower.user.id)
    store.delete_messages(talk.owner, cut.user.id)
    store.delete_conversation(talk.owner, gone.conversation.id)
    store.delete_conversation(talk.owner, other)
    assert lower.user.id not in ids(store, talk), "it comes back with what it hangs under"
    store.discard_conversation(talk.owner, gone.conversation.id)
    store.discard_messages(talk.owner, cut.user.id)
    assert ids(store, talk) == [other]
    with pytest.raises(NotFound):
        store.restore_conversation(talk.owner, gone.conversation.id)
    for message in (cut.user.id, lower.user.id):
        with pytest.raises(NotFound):
            store.restore_messages(talk.owner, message)
    assert store.purge(PURGE_DISCARDED) == 1 + 2 + 4
    assert store.purge(PURGE_DISCARDED) == 0
    assert ids(store, talk) == [other]
    assert talk.shown(kept.conversation.id) == ["kept", "x"]
    store.restore_conversation(talk.owner, other)


def test_emptying_takes_everything_deleted_and_nothing_else(store: Store, talk: Talk, stranger: Talk) -> None:
    kept = talk.say("kept", "x")
    cut = talk.say("cut", "x", after=kept.reply)
    gone = [talk.say(f"gone {number}", "x").conversation.id for number in range(3)]
    theirs = stranger.say("theirs", "x").conversation.id
    assert cut.user
    store.delete_messages(talk.owner, cut.user.id)
    for place in gone:
        store.delete_conversation(talk.owner, place)
    store.delete_conversation(stranger.owner, theirs)
    assert not store.discard_all(talk.owner)
    assert ids(store, talk) == []
    assert ids(store, stranger) == [theirs]
    assert store.purge(PURGE_DISCARDED) == 2 + 3 * 3
    assert talk.shown(kept.conversation.id) == ["kept", "x"]


def test_a_reply_that_still_runs_is_told_of(store: Store, talk: Talk) -> None:
    running = talk.begin("running")
    store.delete_conversation(talk.owner, running.conversation.id)
    assert store.discard_conversation(talk.owner, running.conversation.id)
    other = talk.begin("other")
    store.delete_messages(talk.owner, other.reply.id)
    assert store.discard_messages(talk.owner, other.reply.id)
    third = talk.begin("third")
    store.delete_conversation(talk.owner, third.conversation.id)
    assert store.discard_all(talk.owner)


def test_pages_go_through_both_kinds_once(store: Store, talk: Talk) -> None:
    place = talk.say("place", "x")
    deleted: list[str] = []
    for number in range(5):
        cut = talk.say(f"cut {number}", "x", after=place.reply)
        assert cut.user
        store.delete_messages(talk.owner, cut.user.id)
        gone = talk.say(f"gone {number}", "x").conversation.id
        store.delete_conversation(talk.owner, gone)
        deleted += [cut.user.id, gone]
    found: list[str] = []
    cursor = None
    while True:
        page = store.list_trash(talk.owner, cursor=cursor, limit=3)
        found += [item.id for item in page.items]
        if (cursor := page.next) is None:
            break
    assert found == deleted[::-1]


@pytest.mark.usefixtures("unused")
def test_listing_reads_no_more_than_its_owners_trash(store: Store, talk: Talk, kind: str) -> None:
    gone = talk.say("gone", "x").conversation.id
    store.delete_conversation(talk.owner, gone)
    plans: list[str] = []
    explain = "EXPLAIN QUERY PLAN " if kind == "sqlite" else "EXPLAIN "

    def explained(conn, cursor, statement, parameters, context, executemany):  # type: ignore[no-untyped-def]
        if statement.startswith("SELECT"):
            cursor.execute(explain + statement, parameters)
            plans.append("\n".join(str(row) for row in cursor.fetchall()))

    with store.transaction(write=False) as connection:
        engine = connection.engine
    event.listen(engine, "before_cursor_execute", explained)
    if kind == "postgresql":
        event.listen(
            engine, "begin", lambda connection: connection.exec_driver_sql("SET enable_seqscan = off")
        )
    store.list_trash(talk.owner)
    conversations, messages = plans
    assert "ix_conversations_trash" in conversations
    assert "TEMP B-TREE" not in conversations
    assert "ix_messages_trash" in messages
    assert "SCAN" not in conversations.upper().replace("INDEX ONLY SCAN", "").replace(
        "INDEX SCAN", ""
    ).replace("BITMAP HEAP SCAN", "")


def test_all_chats_go_to_the_trash_together_and_come_back_one_by_one(
    store: Store, talk: Talk, stranger: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webchat.store.verbs.trash.MARKED_ROWS", 2)
    chats = [talk.say(f"chat {n}", "x").conversation.id for n in range(5)]
    store.update_conversation(talk.owner, chats[0], archived=True)
    store.delete_conversation(talk.owner, chats[1])
    theirs = stranger.say("theirs", "x").conversation.id
    running = talk.begin("runs").conversation.id
    assert store.delete_conversations(talk.owner) == Deletion(5, running=True)
    assert store.conversation_ids(talk.owner) == []
    assert set(ids(store, talk)) == {*chats, running}
    assert store.conversation_ids(stranger.owner) == [theirs]
    assert store.restore_conversation(talk.owner, chats[0]).archived
    assert store.delete_conversations(stranger.owner) == Deletion(1, running=False)


def test_all_chats_deleted_for_good_take_the_trash_with_them(
    store: Store, talk: Talk, stranger: Talk
) -> None:
    kept = stranger.say("theirs", "x").conversation.id
    gone = talk.say("gone", "x").conversation.id
    talk.say("whole", "x")
    store.delete_conversation(talk.owner, gone)
    assert store.delete_conversations(talk.owner, for_good=True) == Deletion(1, running=False)
    assert ids(store, talk) == []
    with pytest.raises(NotFound):
        store.restore_conversation(talk.owner, gone)
    assert store.purge(PURGE_DISCARDED) == 6  # two conversations, four messages
    assert talk.found("whole") == []
    assert stranger.shown(kept) == ["theirs", "x"]
