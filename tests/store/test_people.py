"""People who sign in: one per issuer and subject, each with one owner, until somebody disables them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Any

import pytest
from alembic import command

from tests.store.talk import Talk, later
from webchat.store import NotFound, PersonDisabled, PersonExists, Store
from webchat.store.database.migrate import _config
from webchat.store.decision_records import LoggedDecision
from webchat.store.people_records import Person
from webchat.store.records import Deletion
from webchat.store.verbs.trash import PURGE_DISCARDED


@pytest.fixture
def ada(store: Store) -> Person:
    return store.add_person("password", "ada", "Ada", "ada@example.org", password_hash="hash")


def test_a_person_is_found_by_issuer_and_subject_and_has_an_owner(store: Store, ada: Person) -> None:
    assert store.person(ada.owner_id) == store.find_person("password", "ada") == ada
    assert (ada.name, ada.email, ada.operates, ada.seen_at, ada.disabled_at) == (
        "Ada",
        "ada@example.org",
        False,
        None,
        None,
    )
    owner = store.owner(ada.owner_id)
    assert (owner.kind, owner.name, owner.link_id, owner.created_at) == (
        "member",
        "Ada",
        None,
        ada.created_at,
    )
    operator = store.add_person("proxy", "ada", "Ada", operates=True)
    assert operator.owner_id != ada.owner_id
    assert store.owner(operator.owner_id).kind == "operator"
    assert store.people() == [ada, operator]


def test_a_name_of_an_issuer_has_one_person(store: Store, ada: Person) -> None:
    with pytest.raises(PersonExists, match='"ada"'):
        store.add_person("password", "ada", "Another")
    assert store.people() == [ada]
    with store.transaction(write=False) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM owners").scalar() == 1


def test_nobody_is_found_by_what_does_not_exist(store: Store, ada: Person) -> None:
    visitor = store.create_owner("visitor", "Eve").id
    store.add_person("proxy", "bob", "Bob")
    for missing in (
        lambda: store.person(visitor),
        lambda: store.find_person("proxy", "ada"),
        lambda: store.password_of("eve"),
        lambda: store.password_of("bob"),
        lambda: store.set_password(visitor, "x"),
        lambda: store.rename_person(visitor, "x"),
        lambda: store.set_disabled(visitor, True),
        lambda: store.set_operates(visitor, True),
    ):
        with pytest.raises(NotFound):
            missing()
    assert store.owner(visitor).kind == "visitor"


def test_a_provider_brings_the_same_person_again_with_what_it_says_now(store: Store) -> None:
    first = store.enter_person("https://id", "7", "Ada", "a@example.org", None)
    assert not first.operates
    again = store.enter_person("https://id", "7", "Ada L.", None, True)
    assert (again.owner_id, again.name, again.email, again.operates) == (first.owner_id, "Ada L.", None, True)
    assert store.enter_person("https://id", "7", "Ada", None, None).operates
    assert not store.enter_person("https://id", "7", "Ada", None, False).operates
    assert store.enter_person("https://other", "7", "Eve", None, True).owner_id != first.owner_id
    store.set_disabled(first.owner_id, True)
    assert store.enter_person("https://id", "7", "Mallory", None, True).name == "Ada"
    assert not store.person(first.owner_id).operates


def test_a_password_is_replaced_and_a_rehash_never_undoes_a_change(store: Store, ada: Person) -> None:
    assert store.password_of("ada") == (ada, "hash")
    assert store.renew_hash(ada.owner_id, "hash", "better hash")
    store.set_password(ada.owner_id, "new")
    assert not store.renew_hash(ada.owner_id, "better hash", "late")
    assert store.password_of("ada")[1] == "new"
    elsewhere = store.enter_person("https://id", "ada", "Ada", None, None)
    with pytest.raises(NotFound):
        store.set_password(elsewhere.owner_id, "x")


def test_a_person_is_renamed_disabled_and_enabled(store: Store, ada: Person) -> None:
    assert (
        store.rename_person(ada.owner_id, "Ada\0L.").name == store.owner(ada.owner_id).name == "Ada\ufffdL."
    )
    disabled = store.set_disabled(ada.owner_id, True)
    assert disabled.disabled_at is not None
    assert store.set_disabled(ada.owner_id, True) == disabled
    assert store.password_of("ada")[0] == disabled
    assert store.set_disabled(ada.owner_id, False).disabled_at is None


def test_a_person_operates_until_revoked_and_is_a_member_then(store: Store, ada: Person) -> None:
    by_link = store.create_owner("operator", "Op")
    assert store.set_operates(ada.owner_id, True).operates
    assert {owner.id for owner in store.operators()} == {by_link.id, ada.owner_id}
    assert store.revoke_operators() == 2
    assert (store.owner(ada.owner_id).kind, store.owner(by_link.id).kind) == ("member", "visitor")
    store.set_operates(ada.owner_id, True)
    assert not store.set_operates(ada.owner_id, False).operates


def test_a_purge_leaves_people_who_have_nothing_yet(store: Store, ada: Person) -> None:
    assert store.owns_anything(ada.owner_id)
    store.purge(later())
    assert store.person(ada.owner_id) == ada


def test_a_member_takes_nobodys_chats(store: Store, ada: Person) -> None:
    Talk(store, store.local_owner().id).say("hello", "hi")
    assert store.movable_chats(ada.owner_id) == []
    with pytest.raises(NotFound):
        store.move_chats(ada.owner_id, store.local_owner().id)


def test_people_keep_their_chats_where_an_older_version_ran_in_between(url: str) -> None:
    with closing(Store.open(url)) as store:
        operator = store.add_person("password", "ada", "Ada", operates=True).owner_id
        member = store.add_person("password", "bob", "Bob").owner_id
        chat = Talk(store, member).say("hello", "hi").conversation.id
        with ExitStack() as stack, store.transaction(write=True) as connection:
            config = _config(stack)
            config.attributes["connection"] = connection
            command.downgrade(config, "0006")
    with closing(Store.open(url)) as store:
        assert store.people() == []
        assert {store.owner(id).kind for id in (operator, member)} == {"visitor"}
        assert Talk(store, member).shown(chat) == ["hello", "hi"]


def test_a_removed_person_leaves_nothing_but_what_they_shared(
    store: Store, ada: Person, stranger: Talk
) -> None:
    talk = Talk(store, ada.owner_id)
    store.start_session(ada.owner_id, "0" * 64, "Firefox")
    talk.say("the lighthouse", "on the cliff")
    store.delete_conversation(ada.owner_id, talk.say("the harbour", "x").conversation.id)
    store.create_template(ada.owner_id, {"name": "mine", "user": "hush"})
    shared = store.create_template(ada.owner_id, {"name": "ours", "user": "hello"}, scope="shared").id
    at = ("house", "talk", "input", "flag", ada.owner_id, None, None, None, 0, 8)
    store.add_decisions([LoggedDecision(ada.created_at, *at, content="the pier")])
    kept = stranger.say("theirs", "x").conversation.id
    assert store.remove_person(ada.owner_id) == Deletion(1, running=False)
    store.purge(PURGE_DISCARDED)
    assert store.people() == []
    assert store.conversation_ids(ada.owner_id) == []
    assert talk.found("lighthouse") == []
    assert [one.id for one in store.list_templates(stranger.owner)] == [shared]
    assert store.decisions().items[0].content is None
    assert (store.owner(ada.owner_id).kind, store.owner(ada.owner_id).name) == ("visitor", "")
    assert stranger.shown(kept) == ["theirs", "x"]
    for missing in (lambda: store.remove_person(ada.owner_id), lambda: store.session("0" * 64)):
        with pytest.raises(NotFound):
            missing()
    assert store.add_person("password", "ada", "Ada").owner_id != ada.owner_id


@pytest.mark.parametrize("cut_after", range(4))
def test_a_removal_cut_off_anywhere_goes_on_when_asked_for_again(
    store: Store, ada: Person, cut_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    Talk(store, ada.owner_id).say("the lighthouse", "on the cliff")
    store.create_template(ada.owner_id, {"name": "mine", "user": "hush"})
    store.start_session(ada.owner_id, "0" * 64, "Firefox")
    left, in_turn = cut_after, store.in_turn

    def cut(verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        nonlocal left
        if left == 0:
            raise RuntimeError("the power went")
        left -= 1
        return in_turn(verb, *args, **kwargs)

    monkeypatch.setattr(store, "in_turn", cut)
    with pytest.raises(RuntimeError):
        store.remove_person(ada.owner_id)
    monkeypatch.setattr(store, "in_turn", in_turn)
    assert store.people() != [], "somebody who is half removed is found, to be removed"
    if cut_after:
        with pytest.raises(PersonDisabled):
            store.start_session(ada.owner_id, "1" * 64, "Firefox")
    store.remove_person(ada.owner_id)
    store.purge(PURGE_DISCARDED)
    assert not store.people()
    assert not store.conversation_ids(ada.owner_id)
