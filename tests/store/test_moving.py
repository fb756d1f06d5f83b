"""Chats made on loopback go to an operator, and back: each is one owner's or the other's, with all it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.store.talk import Talk
from webchat.store import NotFound, Store
from webchat.store.judgement_records import JudgementChange
from webchat.store.link_records import LinkTerms
from webchat.store.records import NewTurn, Owner


@pytest.fixture
def operator(store: Store) -> Owner:
    return store.create_owner("operator", "Op")


@pytest.fixture
def local(store: Store) -> Talk:
    return Talk(store, store.local_owner().id)


def titles(store: Store, owner: str) -> set[str]:
    return {store.conversation(owner, id).title for id in store.conversation_ids(owner)}


def test_all_that_belongs_to_a_chat_moves_with_it(store: Store, local: Talk, operator: Owner) -> None:
    chat = local.say("where is the *lighthouse*", "on the cliff").conversation
    store.update_conversation(local.owner, chat.id, title="Harbour")
    again = local.say("我们去海边的灯塔", "好的")
    store.update_conversation(local.owner, again.conversation.id, archived=True)
    store.judge(local.owner, again.reply.id, JudgementChange(rating=1))
    dropped = local.say("no more", "gone").conversation
    store.delete_conversation(local.owner, dropped.id)
    store.keep_placeholders(local.owner, chat.id, {"PHONE_1": b"sealed"})
    template = store.create_template(local.owner, {"name": "letter", "user": "Dear"}).id
    assert [(found.giver.kind, found.chats) for found in store.movable_chats(operator.id)] == [("local", 2)]
    assert store.move_chats(operator.id, local.owner) == 3
    there = Talk(store, operator.id)
    assert local.found("lighthouse") == local.found("灯塔") == local.found("Harbour") == []
    assert there.found("lighthouse") == there.found("Harbour") == [chat.id]
    assert there.found("灯塔") == [again.conversation.id]
    assert there.shown(chat.id) == ["where is the *lighthouse*", "on the cliff"]
    assert store.message(operator.id, again.reply.id).rating == 1
    assert store.placeholders(operator.id, chat.id) == {"PHONE_1": b"sealed"}
    assert store.template(operator.id, template).content["name"] == "letter"
    store.restore_conversation(operator.id, dropped.id)
    assert store.conversation_ids(local.owner) == []
    with pytest.raises(NotFound):
        store.conversation(local.owner, chat.id)
    more = there.say("and the boat", "at the pier", store.message(operator.id, again.reply.id))
    assert there.found("pier") == [more.conversation.id]


def test_a_reply_that_ends_while_its_chat_moves_is_found_by_the_new_owner_alone(
    store: Store, local: Talk, operator: Owner
) -> None:
    begun = local.begin("where is the lighthouse")
    chat = begun.conversation.id
    pieces = list(store._handing_over([chat], operator.id, local.owner))
    local.finish(begun.reply.id, "on the cliff")
    assert [piece() for piece in pieces][-1] == 0  # not yet
    assert store.move_chats(operator.id, local.owner) == 1
    assert Talk(store, operator.id).found("cliff") == [chat]
    assert local.found("cliff") == []


def test_a_chat_in_which_a_reply_is_being_written_stays_and_is_offered_later(
    store: Store, local: Talk, operator: Owner
) -> None:
    begun = local.begin("where is the lighthouse")
    assert store.movable_chats(operator.id) == []
    assert store.move_chats(operator.id, local.owner) == 0
    local.finish(begun.reply.id, "on the cliff")
    again = local.begin("and the boat", conversation=begun.conversation.id, parent=begun.reply.id)
    local.say("another", "yes")
    assert [found.chats for found in store.movable_chats(operator.id)] == [1]
    assert store.move_chats(operator.id, local.owner) == 1
    assert store.conversation_ids(local.owner) == [begun.conversation.id]
    local.finish(again.reply.id, "at the pier")
    assert [found.chats for found in store.movable_chats(operator.id)] == [1]
    assert store.move_chats(operator.id, local.owner) == 1
    assert Talk(store, operator.id).found("pier") == [begun.conversation.id]


def test_a_reply_that_begins_while_its_chat_moves_keeps_it(
    store: Store, local: Talk, operator: Owner
) -> None:
    first = local.say("where is the lighthouse", "on the cliff")
    chat = first.conversation.id
    *entries, last = store._handing_over([chat], operator.id, local.owner)
    again = local.begin(None, conversation=chat, parent=first.user.id if first.user else None)
    for piece in entries:
        piece()
    assert last() == 0
    assert store.conversation_ids(local.owner) == [chat]
    assert local.finish(again.reply.id, "by the sea").text == "by the sea"
    assert store.move_chats(operator.id, local.owner) == 1
    assert Talk(store, operator.id).found("cliff") == Talk(store, operator.id).found("sea") == [chat]


def test_moving_again_moves_nothing_and_back_is_the_same(store: Store, local: Talk, operator: Owner) -> None:
    for n in range(3):
        local.say(f"chat {n} of the harbour", "yes")
    before = titles(store, local.owner)
    assert store.move_chats(operator.id, local.owner) == 3
    assert store.movable_chats(operator.id) == []
    assert store.move_chats(operator.id, local.owner) == 0
    assert titles(store, operator.id) == before
    assert [(found.giver, found.chats) for found in store.movable_chats(local.owner)] == [(operator, 3)]
    assert store.move_chats(local.owner, operator.id) == 3
    assert titles(store, local.owner) == before
    assert len(local.found("harbour")) == 3


def test_only_the_person_at_this_machine_takes_and_only_their_own(
    store: Store, local: Talk, operator: Owner
) -> None:
    local.say("private", "yes")
    link = store.create_link("testers", "h" * 64, None)
    guest = store.create_owner("guest", "tester", link.id)
    visitor = store.create_owner("visitor", "Ada")
    other = store.create_owner("operator", "Op")
    for talker in (guest, visitor, other):
        Talk(store, talker.id).say("theirs", "yes")
    for taker in (guest, visitor):
        assert store.movable_chats(taker.id) == []
        for giver in (local.owner, operator.id, visitor.id, guest.id):
            with pytest.raises(NotFound):
                store.move_chats(taker.id, giver)
    for giver in (guest.id, visitor.id, other.id, operator.id, "nobody"):
        with pytest.raises(NotFound):
            store.move_chats(operator.id, giver)
    for giver in (guest.id, visitor.id, local.owner):
        with pytest.raises(NotFound):
            store.move_chats(local.owner, giver)
    assert [found.giver for found in store.movable_chats(local.owner)] == [other]
    assert local.found("private")


@pytest.mark.parametrize("cut_after", range(7))
def test_cut_off_anywhere_each_chat_is_whole_at_one_owner_and_the_rest_is_offered(
    store: Store, local: Talk, operator: Owner, cut_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webchat.store.upkeep.moving._CONVERSATIONS", 2)
    for n in range(5):
        local.say(f"harbour {n}", "yes")
    left = cut_after
    in_turn = store.in_turn

    def cut(verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        nonlocal left
        if left == 0:
            raise RuntimeError("the power went")
        left -= 1
        return in_turn(verb, *args, **kwargs)

    monkeypatch.setattr(store, "in_turn", cut)
    with pytest.raises(RuntimeError):
        store.move_chats(operator.id, local.owner)
    monkeypatch.setattr(store, "in_turn", in_turn)
    here, there = titles(store, local.owner), titles(store, operator.id)
    assert not here & there
    assert here | there == {f"harbour {n}" for n in range(5)}
    offered = store.movable_chats(operator.id)
    assert sum(found.chats for found in offered) == len(here)
    assert store.move_chats(operator.id, local.owner) == len(here)
    assert len(Talk(store, operator.id).found("harbour")) == 5
    assert local.found("harbour") == []


def test_the_same_key_begins_a_chat_of_its_own_afterwards(store: Store, local: Talk, operator: Owner) -> None:
    new = NewTurn(None, None, "hello", "the same key", "echo")
    theirs, mine = store.begin_turn(operator.id, new), store.begin_turn(local.owner, new)
    local.finish(mine.reply.id, "hi")
    assert store.move_chats(operator.id, local.owner) == 1
    assert store.begin_turn(operator.id, new).conversation.id == theirs.conversation.id
    assert len(store.conversation_ids(operator.id)) == 2


def test_whoever_signs_in_takes_the_chats_of_their_own_browser_alone(store: Store, local: Talk) -> None:
    local.say("private", "yes")
    ada, bob = (store.add_person("password", name, name.title()).owner_id for name in ("ada", "bob"))
    Talk(store, bob).say("of Bob", "yes")
    link = store.create_link("testers", "h" * 64, None)
    guest = store.create_owner("guest", "tester", link.id)
    visitor = store.create_owner("visitor", "Ada")
    empty = store.create_owner("visitor", "Ada")
    operator = store.create_owner("operator", "Op")
    for talker in (guest, visitor, operator):
        Talk(store, talker.id).say(f"of a {talker.kind} with a lighthouse", "yes")
    held = [guest.id, visitor.id, empty.id, operator.id, bob, local.owner]
    assert store.movable_chats(ada) == []
    offered = store.movable_chats(ada, held)
    assert [(found.giver.id, found.chats) for found in offered] == [
        (one.id, 1) for one in (guest, visitor, operator)
    ]
    for giver in (guest.id, visitor.id, bob, local.owner):
        with pytest.raises(NotFound):
            store.move_chats(ada, giver)
    for giver in (bob, local.owner):
        with pytest.raises(NotFound):
            store.move_chats(ada, giver, held)
    for taker in (guest.id, visitor.id):
        assert store.movable_chats(taker, held) == []
        with pytest.raises(NotFound):
            store.move_chats(taker, ada, [ada])
    assert store.move_chats(ada, guest.id, held) == 1
    assert store.move_chats(ada, guest.id, held) == store.move_chats(bob, guest.id, held) == 0
    assert len(Talk(store, ada).found("lighthouse")) == 1
    assert Talk(store, guest.id).found("lighthouse") == []
    assert [found.giver.id for found in store.movable_chats(bob, held)] == [visitor.id, operator.id]


def test_the_loopback_start_takes_no_chats_of_somebody_who_signs_in(store: Store, local: Talk) -> None:
    chief = store.add_person("password", "eve", "Eve", operates=True).owner_id
    Talk(store, chief).say("of the chief", "yes")
    local.say("private", "yes")
    assert store.movable_chats(local.owner) == []
    with pytest.raises(NotFound):
        store.move_chats(local.owner, chief)
    assert store.move_chats(chief, local.owner) == 1


@pytest.mark.parametrize(
    "terms", [LinkTerms(system_prompt=False), LinkTerms(inspect=False), LinkTerms(models=("a",), blind=True)]
)
def test_what_a_link_hid_is_not_had_by_taking_its_chats_along(store: Store, terms: LinkTerms) -> None:
    ada = store.add_person("password", "ada", "Ada").owner_id
    guests = []
    for number, of_link in enumerate((terms, LinkTerms(messages=5))):
        link = store.create_link("testers", f"{number}" * 64, None, of_link)
        guests.append(store.create_owner("guest", "tester", link.id).id)
        Talk(store, guests[-1]).say("theirs", "yes")
    hidden, open_one = guests
    assert [found.giver.id for found in store.movable_chats(ada, guests)] == [open_one]
    with pytest.raises(NotFound):
        store.move_chats(ada, hidden, guests)
    assert store.move_chats(ada, open_one, guests) == 1
