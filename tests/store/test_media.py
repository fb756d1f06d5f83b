"""Pictures and sounds of replies: whole, for their owner, as long as the message that brought them."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from backends.types import Media
from tests.store.talk import Talk, later
from webchat.store import NotFound, Store
from webchat.store.database.tables.conversations import MediaRow
from webchat.store.records import FinishedTurn, JournalEntry, TurnState
from webchat.store.verbs import media as verbs

PICTURE = Media("a" * 16, "image/png", bytes(range(256)) * 9)
OTHER = Media("b" * 16, "image/gif", b"GIF89a")
NAMED = f"![picture](data:image/png;size={len(PICTURE.data)};id={PICTURE.name},)"


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verbs, "PART_BYTES", 1000)


def rows(store: Store) -> int:
    with store.transaction(write=False) as connection:
        return connection.scalar(select(func.count()).select_from(MediaRow)) or 0


def draw(talk: Talk, text: str = NAMED, state: TurnState = "complete") -> str:
    begun = talk.begin("Draw")
    for media in (PICTURE, OTHER, PICTURE):
        talk.store.keep_media(begun.reply.id, media)
    entries = [JournalEntry(begun.reply.id, 1, "text", text)]
    talk.store.write_batch(entries, [FinishedTurn(begun.reply.id, state)])
    return begun.reply.id


def test_what_a_reply_names_is_kept_whole_and_what_it_does_not_name_is_not(talk: Talk) -> None:
    reply = draw(talk)
    assert talk.store.media(talk.owner, reply, PICTURE.name) == PICTURE
    assert rows(talk.store) == 3
    with pytest.raises(NotFound):
        talk.store.media(talk.owner, reply, OTHER.name)
    with pytest.raises(NotFound):
        talk.store.media(talk.store.create_owner("visitor", "Eve").id, reply, PICTURE.name)


def test_of_a_blocked_reply_nothing_is_kept(talk: Talk) -> None:
    reply = draw(talk, state="blocked")
    assert rows(talk.store) == 0
    with pytest.raises(NotFound):
        talk.store.media(talk.owner, reply, PICTURE.name)


def test_a_reply_that_is_over_brings_nothing_more(talk: Talk) -> None:
    reply = draw(talk, "no picture")
    talk.store.keep_media(reply, PICTURE)
    assert rows(talk.store) == 0


def test_what_was_named_before_the_server_was_killed_is_kept(talk: Talk) -> None:
    begun = talk.begin("Draw")
    for media in (PICTURE, OTHER):
        talk.store.keep_media(begun.reply.id, media)
    talk.store.write_batch([JournalEntry(begun.reply.id, 1, "text", NAMED)])
    talk.store.interrupt_orphans()
    assert talk.store.media(talk.owner, begun.reply.id, PICTURE.name) == PICTURE
    assert rows(talk.store) == 3


def test_a_version_and_a_continuation_that_name_it_have_it_too(talk: Talk) -> None:
    reply = draw(talk, state="interrupted")
    edited = talk.store.edit_reply(talk.owner, reply, f"Better: {NAMED}")
    assert talk.store.media(talk.owner, edited.id, PICTURE.name) == PICTURE
    elsewhere = talk.say("Hello", NAMED).reply
    with pytest.raises(NotFound):
        talk.store.media(talk.owner, elsewhere.id, PICTURE.name)


def test_it_goes_with_its_conversation_and_leaves_nothing(talk: Talk) -> None:
    reply = draw(talk)
    conversation = talk.store.message(talk.owner, reply).conversation_id
    talk.store.delete_conversation(talk.owner, conversation)
    with pytest.raises(NotFound):
        talk.store.media(talk.owner, reply, PICTURE.name)
    assert talk.store.purge(later()) > 0
    assert rows(talk.store) == 0


def test_it_goes_with_its_message(talk: Talk) -> None:
    talk.store.delete_messages(talk.owner, draw(talk))
    talk.store.purge(later())
    assert rows(talk.store) == 0


def test_an_export_tells_what_there_is(talk: Talk) -> None:
    reply = draw(talk)
    conversation = talk.store.message(talk.owner, reply).conversation_id
    (one,) = talk.store.export_conversation(talk.owner, conversation).media
    assert (one.message_id, one.name, one.media_type, one.size) == (
        reply,
        PICTURE.name,
        "image/png",
        len(PICTURE.data),
    )
