"""Limits of links hold in one transaction, whoever comes at the same time; on SQLite and PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from webchat.store import NotFound, Store
from webchat.store.errors import (
    ConsentChanged,
    ConsentNeeded,
    LinkBusy,
    LinkConversationsUsed,
    LinkEnded,
    LinkFull,
    LinkMessagesUsed,
    LinkTokensReserved,
    LinkTokensUsed,
    StoreError,
    YourConversationsUsed,
    YourMessagesUsed,
    YourTokensReserved,
    YourTokensUsed,
)
from webchat.store.judgement_records import JudgementChange
from webchat.store.link_records import Link, LinkTerms, Question
from webchat.store.records import LONGEST_REPLY, BegunTurn, FinishedTurn, JournalEntry, NewTurn, Provenance


def linked(store: Store, **terms: Any) -> Link:
    return store.create_link("testers", f"hash {datetime.now(UTC).timestamp()}", None, LinkTerms(**terms))


def ask(store: Store, guest: str, link: Link, key: str, **fields: Any) -> BegunTurn:
    values: dict[str, Any] = {
        "conversation_id": None,
        "parent_id": None,
        "user_text": "Hi",
        "client_key": key,
        "model": "echo",
        "link_id": link.id,
    }
    return store.begin_turn(guest, NewTurn(**{**values, **fields}))


def at_once(count: int, work: Any) -> list[Any]:
    """What many threads get at the same time: a result, or the store's error."""

    def one(number: int) -> Any:
        try:
            return work(number)
        except StoreError as error:
            return error

    with ThreadPoolExecutor(16) as threads:
        return list(threads.map(one, range(count)))


def test_as_many_people_as_a_link_is_for_come_in(store: Store) -> None:
    link = linked(store, people=10)
    came = at_once(200, lambda _: store.create_owner("guest", "Tess", link.id))
    refused = [one for one in came if isinstance(one, LinkFull)]
    assert len(came) - len(refused) == 10
    assert len(refused) == 190
    assert store.link(link.id).uses == 10


def test_as_many_messages_as_a_link_is_for_are_begun(store: Store) -> None:
    link = linked(store, messages=20)
    guests = [store.create_owner("guest", "Tess", link.id).id for _ in range(5)]
    begun = at_once(50, lambda number: ask(store, guests[number % 5], link, f"key {number}"))
    assert sum(isinstance(one, BegunTurn) for one in begun) == 20
    assert sum(isinstance(one, LinkMessagesUsed) for one in begun) == 30
    assert store.link(link.id).messages == 20
    left = store.link_left(link.id, guests[0])
    assert (left.messages, left.tokens, left.conversations) == (0, None, None)
    # What was refused is not there; what was begun is begun once, whoever asks again.
    first = next(number for number, one in enumerate(begun) if isinstance(one, BegunTurn))
    again = ask(store, guests[first % 5], link, f"key {first}")
    assert not again.created
    assert sum(len(store.list_conversations(guest, limit=100).items) for guest in guests) == 20


def test_as_many_messages_as_each_person_has_are_begun(store: Store) -> None:
    link = linked(store, messages=30, messages_each=8, conversations_each=20)
    guests = [store.create_owner("guest", "Tess", link.id).id for _ in range(5)]
    begun = at_once(100, lambda number: ask(store, guests[number % 5], link, f"key {number}"))
    went = [sum(isinstance(one, BegunTurn) for one in begun[of::5]) for of in range(5)]
    assert sum(went) == store.link(link.id).messages == 30
    assert max(went) <= 8
    refused = {type(one) for one in begun if not isinstance(one, BegunTurn)}
    assert refused <= {LinkMessagesUsed, YourMessagesUsed}
    for guest, used in zip(guests, went, strict=True):
        left = store.link_left(link.id, guest)
        assert (left.messages, left.limits.messages) == (0, 8 if used == 8 else 30)
        assert left.conversations == 20 - used
    store.change_link(link.id, terms=lambda _: LinkTerms(messages_each=9))
    more = at_once(40, lambda number: ask(store, guests[0], link, f"more {number}"))
    assert sum(isinstance(one, BegunTurn) for one in more) == 9 - went[0]
    assert {one.params["limit"] for one in more if isinstance(one, YourMessagesUsed)} == {9}


def test_chats_and_tokens_of_each_person(store: Store) -> None:
    link = linked(store, tokens=1000, tokens_each=300, conversations_each=2)
    one, other = (store.create_owner("guest", "Tess", link.id).id for _ in range(2))
    first = ask(store, one, link, "a", tokens=200)
    second = ask(store, one, link, "b", tokens=200)
    assert (first.tokens, second.tokens) == (200, 100)
    assert ask(store, other, link, "c", tokens=5000).tokens == 300
    with pytest.raises(YourConversationsUsed):
        ask(store, one, link, "d")
    place = {"conversation_id": first.conversation.id, "parent_id": first.reply.id}
    store.write_batch(
        (), [FinishedTurn(first.reply.id, "complete", provenance=Provenance(completion_tokens=7))]
    )
    assert (store.link_left(link.id, one).tokens, store.link_left(link.id, one).limits.tokens) == (293, 300)
    on = ask(store, one, link, "e", tokens=5000, **place)
    assert on.tokens == 193
    store.write_batch(
        (), [FinishedTurn(on.reply.id, "complete", provenance=Provenance(completion_tokens=193))]
    )
    place["parent_id"] = on.reply.id
    with pytest.raises(YourTokensReserved):
        ask(store, one, link, "f", **place)
    store.write_batch((), [FinishedTurn(second.reply.id, "failed")])
    last = ask(store, one, link, "g", **place)
    assert last.tokens == 100
    store.write_batch(
        (), [FinishedTurn(last.reply.id, "complete", provenance=Provenance(completion_tokens=100))]
    )
    place["parent_id"] = last.reply.id
    with pytest.raises(YourTokensUsed):
        ask(store, one, link, "h", **place)


@pytest.mark.parametrize("each", [True, False])
def test_tokens_reserved_at_once_never_exceed_a_limit(store: Store, each: bool) -> None:
    link = linked(store, **{"tokens_each" if each else "tokens": 1000})
    guest = store.create_owner("guest", "Tess", link.id).id
    begun = at_once(40, lambda number: ask(store, guest, link, f"key {number}", tokens=70))
    reserved = [one.tokens for one in begun if isinstance(one, BegunTurn)]
    assert sorted(filter(None, reserved)) == [20, *[70] * 14]


def test_a_message_given_back_is_given_back_to_its_person(store: Store) -> None:
    link = linked(store, messages_each=1)
    guest = store.create_owner("guest", "Tess", link.id).id
    begun = ask(store, guest, link, "failed")
    with pytest.raises(YourMessagesUsed):
        ask(store, guest, link, "early")
    store.write_batch((), [FinishedTurn(begun.reply.id, "failed")])
    assert store.link_left(link.id, guest).messages == 1
    assert ask(store, guest, link, "again").created


def test_tokens_are_reserved_and_then_counted_as_used(store: Store) -> None:
    link = linked(store, tokens=1000)
    guest = store.create_owner("guest", "Tess", link.id).id
    first, second = (ask(store, guest, link, key, tokens=600) for key in "ab")
    assert (first.tokens, second.tokens) == (600, 400)
    assert (store.listed_link(link.id).reserved, store.link_left(link.id, guest).tokens) == (1000, 1000)
    with pytest.raises(LinkTokensReserved):
        ask(store, guest, link, "c")
    known = store.turn_by_key(guest, "b")
    assert known is not None
    assert known.tokens == 400
    # Counted as the model reported it; without a report, by what was written: three bytes are a token.
    end = FinishedTurn(first.reply.id, "complete", provenance=Provenance(completion_tokens=50))
    store.write_batch((), [end, end])
    assert (store.listed_link(link.id).reserved, store.link_left(link.id, guest).tokens) == (400, 950)
    entries = [
        JournalEntry(second.reply.id, 1, "text", "12345"),
        JournalEntry(second.reply.id, 2, "text", "6"),
    ]
    store.write_batch(entries, [FinishedTurn(second.reply.id, "stopped")])
    store.write_batch((), [FinishedTurn(second.reply.id, "stopped")])
    assert store.link(link.id).tokens == 52
    last = ask(store, guest, link, "d", tokens=5000)
    assert last.tokens == 948
    store.write_batch(
        (), [FinishedTurn(last.reply.id, "complete", provenance=Provenance(completion_tokens=948))]
    )
    with pytest.raises(LinkTokensUsed):
        ask(store, guest, link, "e")


def test_no_report_counts_more_than_was_reserved(store: Store) -> None:
    link = linked(store, tokens=100)
    guest = store.create_owner("guest", "Tess", link.id).id
    begun = ask(store, guest, link, "a", tokens=60)
    end = FinishedTurn(begun.reply.id, "complete", provenance=Provenance(completion_tokens=10**9))
    store.write_batch((), [end])
    assert store.link(link.id).tokens == 60


def test_replies_that_began_before_a_limit_of_tokens_count_as_the_longest(store: Store) -> None:
    link = linked(store)
    guest = store.create_owner("guest", "Tess", link.id).id
    assert ask(store, guest, link, "a").tokens is None
    assert store.listed_link(link.id).reserved == 0
    store.change_link(link.id, terms=lambda _: LinkTerms(tokens=LONGEST_REPLY + 10))
    assert store.listed_link(link.id).reserved == LONGEST_REPLY
    assert ask(store, guest, link, "b").tokens == 10
    with pytest.raises(LinkTokensReserved):
        ask(store, guest, link, "c")


def test_a_reply_of_which_nothing_came_is_given_back(store: Store) -> None:
    link = linked(store, messages=1, tokens=100)
    guest = store.create_owner("guest", "Tess", link.id).id
    for key in ("failed", "interrupted"):
        begun = ask(store, guest, link, key)
        store.write_batch((), [FinishedTurn(begun.reply.id, key)])
        assert (store.link(link.id).messages, store.link_left(link.id, guest).tokens) == (0, 100)
    begun = ask(store, guest, link, "stopped")
    store.write_batch((), [FinishedTurn(begun.reply.id, "stopped")])
    assert store.link(link.id).messages == 1


def test_what_a_dead_server_reserved_is_settled_at_the_next_start(store: Store) -> None:
    link = linked(store, tokens=100)
    guest = store.create_owner("guest", "Tess", link.id).id
    begun = ask(store, guest, link, "a")
    store.write_batch([JournalEntry(begun.reply.id, 1, "text", "你好吗")])
    assert store.listed_link(link.id).reserved == 100
    assert [one.message_id for one in store.interrupt_orphans()] == [begun.reply.id]
    assert store.link(link.id).tokens == 3
    assert store.listed_link(link.id).reserved == 0
    assert store.link_left(link.id, guest).tokens == 97


def test_replies_at_once_and_conversations(store: Store) -> None:
    link = linked(store, replies_at_once=2, conversations=3)
    guest = store.create_owner("guest", "Tess", link.id).id
    begun = at_once(20, lambda number: ask(store, guest, link, f"key {number}"))
    going = [one for one in begun if isinstance(one, BegunTurn)]
    assert len(going) == 2
    assert sum(isinstance(one, LinkBusy) for one in begun) == 18
    store.write_batch((), [FinishedTurn(one.reply.id, "stopped") for one in going])
    third = ask(store, guest, link, "third")
    with pytest.raises(LinkConversationsUsed):
        ask(store, guest, link, "fourth")
    store.write_batch((), [FinishedTurn(third.reply.id, "complete")])
    on = ask(store, guest, link, "fifth", conversation_id=third.conversation.id, parent_id=third.reply.id)
    assert on.created
    assert store.listed_link(link.id).running == 1


def test_nothing_begins_on_a_link_that_has_ended_or_is_paused(store: Store) -> None:
    link = linked(store)
    guest = store.create_owner("guest", "Tess", link.id).id
    before = store.link_changes
    store.change_link(link.id, paused=True)
    assert store.link_changes == before + 1
    for work in (lambda: ask(store, guest, link, "a"), lambda: store.create_owner("guest", "T", link.id)):
        with pytest.raises(LinkEnded) as refused:
            work()
        assert (refused.value.code, refused.value.status) == ("link_paused", 403)
    store.change_link(link.id, paused=False)
    assert ask(store, guest, link, "a").created
    store.change_link(link.id, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    with pytest.raises(LinkEnded, match="expired"):
        ask(store, guest, link, "b")
    store.revoke_link(link.id)
    with pytest.raises(LinkEnded, match="revoked"):
        ask(store, guest, link, "b")


def test_a_changed_consent_sentence_is_asked_for_again(store: Store) -> None:
    link = linked(store, consent="I agree.")
    guest = store.create_owner("guest", "Tess", link.id).id
    with pytest.raises(ConsentNeeded):
        ask(store, guest, link, "a")
    with pytest.raises(ConsentChanged):
        store.consent(guest, 2)
    for _ in range(2):
        store.consent(guest, 1)
    assert store.consented(guest) == 1
    assert ask(store, guest, link, "a").created
    changed = store.change_link(link.id, terms=lambda old: LinkTerms(consent="I agree to more.", messages=9))
    assert changed.terms.consent_version == 2
    assert store.change_link(link.id, terms=lambda old: old).terms.consent_version == 2
    with pytest.raises(ConsentNeeded):
        ask(store, guest, link, "b")
    store.consent(guest, 2)
    assert ask(store, guest, link, "b").created


def test_answers_take_the_place_of_earlier_ones(store: Store) -> None:
    link = linked(store)
    guests = [store.create_owner("guest", "Tess", link.id).id for _ in range(3)]
    how, why = Question("how", "How?", "scale"), Question("why", "Why?")
    for guest in guests:
        store.keep_answers(guest, {"how": (how, 3), "why": (why, "because")})
    store.keep_answers(guests[0], {"how": (how, 5), "why": (why, None)})
    assert [(one.question, one.value) for one in store.answers(guests[0])] == [(how, 5)]
    found: list[Any] = []
    cursor = None
    while True:
        page = store.link_answers(link.id, cursor=cursor, limit=2)
        found += page.items
        if (cursor := page.next) is None:
            break
    assert len(found) == 5
    assert {one.owner_id for one in found} == set(guests)
    with pytest.raises(NotFound):
        store.keep_answers("nobody", {"how": (how, 1)})


def test_a_code_is_taken_once(store: Store) -> None:
    link = linked(store)
    guest = store.create_owner("guest", "Tess", link.id)
    soon = datetime.now(UTC) + timedelta(minutes=1)
    for number in range(5):
        store.add_handover(guest.id, f"code {number}", soon, 3)
    for number in (0, 1):
        with pytest.raises(NotFound):
            store.handover(f"code {number}")
    assert store.handover("code 2") == guest
    taken = at_once(10, lambda _: store.take_handover("code 2"))
    assert sum(one == guest for one in taken) == 1
    store.add_handover(guest.id, "old", datetime.now(UTC) - timedelta(seconds=1), 3)
    with pytest.raises(NotFound):
        store.take_handover("old")
    assert store.trim_handovers() == 1
    assert store.take_handover("code 4") == guest


def test_links_are_listed_in_pages_with_what_happens_on_them(store: Store) -> None:
    links = [linked(store, tokens=100) for _ in range(5)]
    guest = store.create_owner("guest", "Tess", links[0].id).id
    begun = ask(store, guest, links[0], "a", tokens=30)
    found: list[Any] = []
    cursor = None
    while True:
        page = store.listed_links(cursor=cursor, limit=2)
        found += page.items
        if (cursor := page.next) is None:
            break
    assert [one.link.id for one in found] == [link.id for link in reversed(links)]
    assert (found[-1].running, found[-1].reserved, found[-1].link.messages) == (1, 30, 1)
    store.write_batch((), [FinishedTurn(begun.reply.id, "complete")])
    store.judge(guest, begun.reply.id, JudgementChange(rating=1))
    assert store.listed_link(links[0].id).ratings == 1


def test_chats_are_kept_as_long_as_their_link_says(store: Store) -> None:
    kept, short = linked(store), linked(store, retention_days=7)
    for link in (kept, short):
        guest = store.create_owner("guest", "Tess", link.id).id
        store.write_batch((), [FinishedTurn(ask(store, guest, link, "a").reply.id, "complete")])
        assert store.expire_chats(datetime.now(UTC) + timedelta(days=6)) == 0
        assert store.expire_chats(datetime.now(UTC) + timedelta(days=8)) == (link is short)
        assert len(store.list_conversations(guest).items) == (link is kept)
        assert not store.list_trash(guest).items


def test_old_chats_are_found_without_the_writer_and_given_up_in_slices(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webchat.store.links.guests.EXPIRED_ROWS", 2)
    link = linked(store, retention_days=7)
    guest = store.create_owner("guest", "Tess", link.id).id
    for key in "abcde":
        store.write_batch((), [FinishedTurn(ask(store, guest, link, key).reply.id, "complete")])
    held: list[str] = []
    store.watch = lambda verb, _: held.append(verb.rpartition(".")[2])
    assert store.expire_chats(datetime.now(UTC) + timedelta(days=8)) == 5
    assert held == ["_give_up"] * 3
    assert store.expire_chats(datetime.now(UTC) + timedelta(days=8)) == 0
    assert held == ["_give_up"] * 3
    assert not store.list_conversations(guest).items


def test_a_guest_who_only_told_something_is_kept(store: Store) -> None:
    link = linked(store, consent="I agree.")
    told, silent = (store.create_owner("guest", "Tess", link.id).id for _ in range(2))
    store.consent(told, 1)
    store.revoke_link(link.id)
    store.purge(datetime.now(UTC) + timedelta(days=1))
    assert store.owner(told).link == store.link(link.id)
    with pytest.raises(NotFound):
        store.owner(silent)
