"""Conversations that are no chats: stored like them, and shown nowhere as a chat."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.store.talk import Talk
from webchat.store import Store
from webchat.store.records import BegunTurn, ConversationKind, NewTurn


@pytest.mark.parametrize("of_kind", ["call", "replay"])
def test_only_chats_are_listed_searched_exported_counted_and_put_into_the_trash(
    store: Store, talk: Talk, of_kind: ConversationKind
) -> None:
    chat = talk.say("a zebra", "is striped").conversation.id
    hidden = _begun(store, talk, of_kind)

    assert store.conversation(talk.owner, hidden.conversation.id).kind == of_kind
    assert talk.shown(hidden.conversation.id) == ["another zebra", "and its stripes"]
    assert [one.id for one in store.list_conversations(talk.owner).items] == [chat]
    assert talk.found("zebra") == talk.found("striped") == [chat]
    assert talk.found("stripes") == []
    assert store.conversation_ids(talk.owner) == [chat]
    assert store.count_chats("visitor") == {talk.owner: 1}
    assert store.count_person_chats(talk.owner) == 1
    store.delete_conversation(talk.owner, hidden.conversation.id)
    assert store.list_trash(talk.owner).items == ()


def test_deleting_all_chats_leaves_other_kinds_and_deleting_for_good_takes_them(
    store: Store, talk: Talk
) -> None:
    talk.say("a zebra", "is striped")
    hidden = _begun(store, talk, "replay").conversation.id
    assert store.delete_conversations(talk.owner).conversations == 1
    assert store.conversation(talk.owner, hidden).id == hidden
    assert store.delete_conversations(talk.owner, for_good=True).conversations == 1
    store.purge(datetime.now(UTC) + timedelta(days=1))
    assert not store.owns_anything(talk.owner)


def test_what_is_no_chat_stays_with_its_owner_when_chats_move(store: Store) -> None:
    local = Talk(store, store.local_owner().id)
    operator = store.create_owner("operator", "Ada").id
    chat = local.say("a zebra", "is striped").conversation.id
    hidden = _begun(store, local, "replay").conversation.id
    assert store.move_chats(operator, local.owner) == 1
    assert store.conversation_ids(operator) == [chat]
    assert store.conversation(local.owner, hidden).owner_id == local.owner


def _begun(store: Store, talk: Talk, kind: ConversationKind) -> BegunTurn:
    """A whole turn in a new conversation of this kind."""
    begun = store.begin_turn(
        talk.owner, NewTurn(None, None, "another zebra", f"key of {kind}", "echo", kind=kind)
    )
    talk.finish(begun.reply.id, "and its stripes")
    return begun
