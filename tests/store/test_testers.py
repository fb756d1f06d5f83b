"""Operators read what testers agreed to show, and nothing else; each look is logged."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from backends.types import Media
from tests.store.talk import Talk
from webchat.store import NotFound, Store
from webchat.store.link_records import Link, LinkTerms
from webchat.store.testers import verbs

PICTURE = Media("a" * 16, "image/png", b"PNG")
CONSENT = "We read what you write."


@pytest.fixture
def operator(store: Store) -> str:
    return store.create_owner("operator", "Grace").id


@pytest.fixture
def link(store: Store) -> Link:
    return store.create_link("Beta", "hash-1", None, LinkTerms(consent=CONSENT))


@pytest.fixture
def tester(store: Store, link: Link) -> Talk:
    """Somebody who came by the link and accepted its consent sentence."""
    return accepted(store, link)


def accepted(store: Store, link: Link) -> Talk:
    owner = store.create_owner("guest", link.name, link.id)
    store.consent(owner.id, 1)
    return Talk(store, owner.id)


def test_operators_read_what_a_tester_wrote(store: Store, operator: str, link: Link, tester: Talk) -> None:
    begun = tester.say("How tall is it?", "Very tall.")
    listed = store.list_tester_chats(operator, link.id).items
    assert [chat.id for chat in listed] == [begun.conversation.id]
    read = store.read_tester_chat(operator, begun.conversation.id)
    assert [message.text for message in read.messages.items] == ["How tall is it?", "Very tall."]
    assert read.chat.tester == tester.owner[-4:]


def test_nobody_without_consent_is_shown(store: Store, operator: str, link: Link) -> None:
    silent = Talk(store, store.create_owner("guest", "Beta", link.id).id)
    begun = silent.say("mine alone", "yes")
    assert not store.list_tester_chats(operator, link.id).items
    assert not store.search_tester_chats(operator, link.id, "alone").items
    with pytest.raises(NotFound):
        store.read_tester_chat(operator, begun.conversation.id)
    with pytest.raises(NotFound):
        store.note_tester_chat(operator, begun.conversation.id, note="x", tags=())


def test_what_was_written_before_the_consent_is_not_shown(store: Store, operator: str) -> None:
    link = store.create_link("Later", "hash-9", None)
    tester = Talk(store, store.create_owner("guest", "Later", link.id).id)
    before = tester.say("written before", "ok").conversation.id
    store.change_link(link.id, terms=lambda terms: replace(terms, consent=CONSENT))
    store.consent(tester.owner, 1)
    after = tester.say("written after", "ok").conversation.id
    assert [chat.id for chat in store.list_tester_chats(operator, link.id).items] == [after]
    assert [hit.conversation_id for hit in store.search_tester_chats(operator, link.id, "written").items] == [
        after
    ]
    with pytest.raises(NotFound):
        store.read_tester_chat(operator, before)


def test_another_sentence_has_to_be_accepted_first(
    store: Store, operator: str, link: Link, tester: Talk
) -> None:
    chat = tester.say("hello", "hi").conversation.id
    store.change_link(link.id, terms=lambda terms: replace(terms, consent="We publish what you write."))
    assert not store.list_tester_chats(operator, link.id).items
    store.consent(tester.owner, 2)
    assert [one.id for one in store.list_tester_chats(operator, link.id).items] == [chat]
    store.change_link(link.id, terms=lambda terms: replace(terms, consent=""))
    assert not store.list_tester_chats(operator, link.id).items
    with pytest.raises(NotFound):
        store.read_tester_chat(operator, chat)


def test_nobody_elses_chats_are_shown(store: Store, operator: str, talk: Talk) -> None:
    begun = talk.say("a visitor's", "words")
    with pytest.raises(NotFound):
        store.read_tester_chat(operator, begun.conversation.id)


def test_what_a_tester_deleted_is_gone(store: Store, operator: str, link: Link, tester: Talk) -> None:
    begun = tester.say("regretted", "ok")
    store.delete_conversation(tester.owner, begun.conversation.id)
    assert not store.list_tester_chats(operator, link.id).items
    assert not store.search_tester_chats(operator, link.id, "regretted").items
    with pytest.raises(NotFound):
        store.read_tester_chat(operator, begun.conversation.id)


def drawn(store: Store, who: Talk) -> str:
    """The chat of a reply with a picture."""
    begun = who.begin("draw it")
    store.keep_media(begun.reply.id, PICTURE)
    who.finish(begun.reply.id, f"![p](data:image/png;size=3;id={PICTURE.name},)")
    return begun.conversation.id


def test_pictures_are_shown_as_the_words_around_them(
    store: Store, operator: str, link: Link, tester: Talk, stranger: Talk
) -> None:
    chat = drawn(store, tester)
    assert store.tester_media(operator, chat, PICTURE.name) == PICTURE
    assert [look.conversation_id for look in store.looks().items] == [chat]
    for who, where in ((stranger.owner, chat), (operator, drawn(store, stranger))):
        with pytest.raises(NotFound):
            store.tester_media(who, where, PICTURE.name)
    reply = store.read_tester_chat(operator, chat).messages.items[-1].id
    store.delete_messages(tester.owner, reply)
    with pytest.raises(NotFound):
        store.tester_media(operator, chat, PICTURE.name)
    store.restore_messages(tester.owner, reply)
    store.change_link(link.id, terms=lambda terms: replace(terms, consent="Another sentence."))
    with pytest.raises(NotFound):
        store.tester_media(operator, chat, PICTURE.name)


def test_only_operators_look(store: Store, link: Link, tester: Talk, stranger: Talk) -> None:
    begun = tester.say("hello", "hi")
    for someone in (tester.owner, stranger.owner, "nobody"):
        with pytest.raises(NotFound):
            store.list_tester_chats(someone, link.id)
        with pytest.raises(NotFound):
            store.search_tester_chats(someone, link.id, "hello")
        with pytest.raises(NotFound):
            store.read_tester_chat(someone, begun.conversation.id)
        with pytest.raises(NotFound):
            store.note_tester_chat(someone, begun.conversation.id, note="x", tags=())
    assert not store.looks().items


def test_a_search_finds_all_testers_of_one_link(store: Store, operator: str, link: Link) -> None:
    other = store.create_link("Other", "hash-2", None, LinkTerms(consent=CONSENT))
    found = {accepted(store, link).say("a blue heron", "yes").conversation.id for _ in range(3)}
    long = accepted(store, link).say("heron " + "word " * 2000, "yes").conversation.id
    accepted(store, other).say("a blue heron", "no")
    accepted(store, link).say("a red fox", "yes")
    store.index_owed()
    hits = store.search_tester_chats(operator, link.id, "heron")
    assert hits.whole
    assert {hit.conversation_id for hit in hits.items} == {*found, long}
    first = store.search_tester_chats(operator, link.id, "heron", limit=2)
    rest = store.search_tester_chats(operator, link.id, "heron", limit=2, cursor=first.next)
    assert {hit.conversation_id for hit in (*first.items, *rest.items)} == {*found, long}


def test_pages_hold_every_chat_once(store: Store, operator: str, link: Link, tester: Talk) -> None:
    all_ids = {tester.say(f"chat {n}", "ok").conversation.id for n in range(5)}
    seen = list[str]()
    cursor = None
    while True:
        page = store.list_tester_chats(operator, link.id, cursor=cursor, limit=2)
        seen += [chat.id for chat in page.items]
        if (cursor := page.next) is None:
            break
    assert len(seen) == 5
    assert set(seen) == all_ids


def test_notes_and_tags_are_kept_and_filter(store: Store, operator: str, link: Link, tester: Talk) -> None:
    chat = tester.say("hello", "hi").conversation.id
    tester.say("other", "hi")
    noted = store.note_tester_chat(
        operator, chat, note=" look again ", tags=["wrong  fact", "50%", "50%", " "]
    )
    assert (noted.note, noted.tags) == ("look again", ("wrong fact", "50%"))
    assert [one.id for one in store.list_tester_chats(operator, link.id, tag="wrong fact").items] == [chat]
    for other in ("wrong", "5", "%", "_"):
        assert not store.list_tester_chats(operator, link.id, tag=other).items
    assert store.note_tester_chat(operator, chat, note="", tags=()).tags == ()


def test_every_look_is_logged_once_in_a_while(
    store: Store, operator: str, link: Link, tester: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = tester.say("hello", "hi").conversation.id
    for _ in range(3):
        store.list_tester_chats(operator, link.id)
        store.read_tester_chat(operator, chat)
    store.search_tester_chats(operator, link.id, "hello")
    store.search_tester_chats(operator, link.id, "bye")
    store.note_tester_chat(operator, chat, note="x", tags=())
    logged = store.looks(link_id=link.id).items
    assert [(look.action, look.conversation_id, look.searched) for look in logged] == [
        ("note", chat, None),
        ("search", None, "bye"),
        ("search", None, "hello"),
        ("read", chat, None),
        ("list", None, None),
    ]
    assert {look.operator for look in logged} == {"Grace"}
    monkeypatch.setattr(verbs, "SAME_LOOK", timedelta(0))
    store.read_tester_chat(operator, chat)
    assert len(store.looks().items) == 6


def test_the_log_outlives_what_it_is_about(store: Store, operator: str, link: Link, tester: Talk) -> None:
    chat = tester.say("hello", "hi").conversation.id
    store.note_tester_chat(operator, chat, note="secret", tags=("x",))
    store.delete_conversation(tester.owner, chat)
    store.purge(datetime.now(UTC) + timedelta(days=1))
    assert [look.conversation_id for look in store.looks().items] == [chat]
