"""Shares in the store: stored whole in slices, their owner's alone, and gone with their chat."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.store.talk import Talk, later
from webchat.store import NotFound, Store
from webchat.store.errors import ShareTooLong, TooManyShares
from webchat.store.records import BegunTurn
from webchat.store.share_records import NewShare, Share, SharedMessage
from webchat.store.shares import verbs

NOW = datetime.now(UTC)


def new(turn: BegunTurn, id: str = "a" * 32, count: int = 3) -> NewShare:
    messages = tuple(SharedMessage("user", f"word {n}", "complete", NOW) for n in range(count))
    return NewShare(id, turn.conversation.id, "Title", messages)


def made(talk: Talk, id: str = "a" * 32) -> Share:
    return talk.store.create_share(talk.owner, new(talk.say("secret", "hush"), id))


def test_it_is_stored_whole_however_many_slices_it_takes(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verbs, "SLICE_MESSAGES", 2)
    wanted = new(talk.say("secret", "hush"), count=7)
    share = talk.store.create_share(talk.owner, wanted)
    assert (share.messages, share.chars, share.ended_at) == (7, 7 * 6, None)
    assert tuple(talk.store.shared_messages(share.id, 0, 100)) == wanted.messages
    assert talk.store.shared_messages(share.id, 5, 1) == [wanted.messages[5]]


def test_a_branch_that_is_too_long_is_refused(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    turn = talk.say("secret", "hush")
    conversation, messages = talk.store.branch(talk.owner, turn.conversation.id)
    assert [message.text for message in messages] == ["secret", "hush"]
    monkeypatch.setattr(verbs, "MOST_CHARS", 5)
    with pytest.raises(ShareTooLong):
        talk.store.branch(talk.owner, conversation.id)
    monkeypatch.setattr(verbs, "MOST_CHARS", 100)
    monkeypatch.setattr(verbs, "MOST_MESSAGES", 1)
    with pytest.raises(ShareTooLong):
        talk.store.branch(talk.owner, conversation.id)


def test_its_owner_alone_changes_and_ends_it(talk: Talk, stranger: Talk) -> None:
    share, store = made(talk), talk.store
    assert [one.id for one in store.list_shares(talk.owner).items] == [share.id]
    for owner in (stranger.owner, "nobody"):
        assert store.list_shares(owner).items == ()
        with pytest.raises(NotFound):
            store.change_share(owner, share.id, {"allow_copy": True})
        with pytest.raises(NotFound):
            store.end_share(owner, share.id)
    assert store.change_share(talk.owner, share.id, {"allow_copy": True}).allow_copy
    store.end_share(talk.owner, share.id)
    store.end_share(talk.owner, share.id)
    assert store.share(share.id).ended(NOW)
    assert store.list_shares(talk.owner).items == ()
    with pytest.raises(NotFound):
        store.change_share(talk.owner, share.id, {"expires_at": None})


def test_views_add_up(talk: Talk) -> None:
    share = made(talk)
    talk.store.add_views({share.id: 2, "nothing": 1})
    talk.store.add_views({share.id: 3})
    assert talk.store.share(share.id).views == 5


def test_one_owner_has_so_many(talk: Talk, stranger: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verbs, "MOST_SHARES", 2)
    store, first, _ = talk.store, made(talk, "a" * 32), made(talk, "b" * 32)
    made(stranger, "x" * 32)
    with pytest.raises(TooManyShares):
        made(talk, "c" * 32)
    store.change_share(talk.owner, first.id, {"expires_at": NOW - timedelta(days=1)})
    made(talk, "d" * 32)
    with pytest.raises(TooManyShares):
        store.change_share(talk.owner, first.id, {"expires_at": None})


def test_one_owner_has_so_much(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    share = made(talk, "a" * 32)
    monkeypatch.setattr(verbs, "MOST_BYTES", 2 * (share.chars + verbs._MESSAGE_BYTES * share.messages))
    made(talk, "b" * 32)
    talk.store.end_share(talk.owner, share.id)
    with pytest.raises(TooManyShares):
        made(talk, "c" * 32)
    talk.store.purge(later())
    made(talk, "d" * 32)


@pytest.mark.parametrize("way", ["ended", "expired", "chat"])
def test_a_purge_takes_what_is_over_and_nothing_else(talk: Talk, store: Store, way: str) -> None:
    gone, kept = made(talk, "a" * 32), made(talk, "b" * 32)
    if way == "ended":
        store.end_share(talk.owner, gone.id)
    elif way == "expired":
        store.change_share(talk.owner, gone.id, {"expires_at": NOW - timedelta(days=1)})
    else:
        store.delete_conversation(talk.owner, gone.conversation_id)
        store.discard_conversation(talk.owner, gone.conversation_id)
    store.purge(later())
    assert store.shared_messages(gone.id, 0, 10) == []
    with pytest.raises(NotFound):
        store.share(gone.id)
    assert store.share(kept.id).messages == len(store.shared_messages(kept.id, 0, 10))


def test_a_copy_is_a_chat_like_any_other(talk: Talk, stranger: Talk) -> None:
    share = made(talk)
    first, second, _ = talk.store.shared_messages(share.id, 0, 3)
    said = [first, replace(second, role="assistant")]
    copy = talk.store.copy_share(stranger.owner, share.id, share.title, said)
    thread = talk.store.thread(stranger.owner, copy.id).items
    assert [message.text for message in thread] == ["word 0", "word 1"]
    assert [message.author_id for message in thread] == [stranger.owner, None], "a reply has no author"
    assert talk.store.search(stranger.owner, "word").items
    assert not talk.store.search(talk.owner, "word").items
    talk.store.delete_conversation(talk.owner, share.conversation_id)
    talk.store.purge(later())
    assert talk.store.thread(stranger.owner, copy.id).items == thread


def test_shares_move_with_their_chats(store: Store) -> None:
    local = Talk(store, store.local_owner().id)
    share = made(local)
    operator = store.create_owner("operator", "Op").id
    store.move_chats(operator, local.owner)
    assert [one.id for one in store.list_shares(operator).items] == [share.id]
    assert store.list_shares(local.owner).items == ()
