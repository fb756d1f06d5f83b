"""What is kept of placeholders: by conversation, replaced by name, gone with the conversation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.store.talk import Talk
from webchat.store import NotFound, Store


def test_they_are_kept_by_conversation_and_a_name_has_one_value(store: Store, talk: Talk) -> None:
    one, other = (talk.say("a", "b").conversation.id for _ in range(2))
    store.keep_placeholders(talk.owner, one, {"PHONE_1": b"x", "EMAIL_1": b"\0y"})
    store.keep_placeholders(talk.owner, one, {"PHONE_1": b"z"})
    assert store.placeholders(talk.owner, one) == {"PHONE_1": b"z", "EMAIL_1": b"\0y"}
    assert store.placeholders(talk.owner, other) == {}
    store.keep_placeholders(talk.owner, one, {"NAME_1": b"n"}, True)
    assert store.placeholders(talk.owner, one) == {"NAME_1": b"n"}


def test_they_go_with_their_conversation(store: Store, talk: Talk) -> None:
    conversation = talk.say("a", "b").conversation.id
    store.keep_placeholders(talk.owner, conversation, {"PHONE_1": b"x"})
    store.delete_conversation(talk.owner, conversation)
    with pytest.raises(NotFound):
        store.placeholders(talk.owner, conversation)
    assert store.purge(datetime.now(UTC) + timedelta(seconds=1))
