"""Prompt templates: whose they are, who changes them, and versions that never change."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from tests.store.talk import Talk
from webchat.store import NotFound, Store, TemplateChanged
from webchat.store.database.codec import now
from webchat.store.records import NewTurn, TemplateUse
from webchat.store.template_records import PromptTemplate

CONTENT: dict[str, Any] = {"name": "Greeter", "user": "Hello {{ who }}", "variables": [{"name": "who"}]}


def saved(store: Store, owner: str, found: PromptTemplate, user: str, **more: Any) -> PromptTemplate:
    return store.change_template(
        owner, found.id, {**CONTENT, "user": user}, **{"based_on": found.version, **more}
    )


@pytest.fixture
def operator(store: Store) -> str:
    return store.create_owner("operator", "Olga").id


def listed(store: Store, owner: str) -> list[str]:
    return [one.id for one in store.list_templates(owner)]


def test_a_list_says_what_is_short(store: Store, talk: Talk) -> None:
    content = {**CONTENT, "description": "Greets", "system": " \n\t ", "user": "Hello"}
    made = store.create_template(talk.owner, content)
    (found,) = store.list_templates(talk.owner)
    assert (found.id, found.name, found.description, found.version) == (made.id, content["name"], "Greets", 1)
    assert (found.has_system, found.has_user) == (False, True)
    assert (found.created_at, found.updated_at) == (made.created_at, made.updated_at)


def test_each_change_is_a_version_that_stays_as_it_was(store: Store, talk: Talk) -> None:
    first = store.create_template(talk.owner, CONTENT, note="begin")
    second = saved(store, talk.owner, first, "Hi", note="short")
    third = store.change_template(talk.owner, first.id, first.content, based_on=2)
    assert [first.version, second.version, third.version] == [1, 2, 3]
    assert store.template(talk.owner, first.id) == third
    versions = store.template_versions(talk.owner, first.id)
    assert [(v.number, v.note, v.author) for v in versions] == [
        (3, "", "Ada"),
        (2, "short", "Ada"),
        (1, "begin", "Ada"),
    ]
    wholes = [store.template_version(talk.owner, first.id, number) for number in (None, 2, 1)]
    assert [whole.content["user"] for whole in wholes] == ["Hello {{ who }}", "Hi", "Hello {{ who }}"]
    assert [(whole.number, whole.created_at) for whole in wholes] == [
        (v.number, v.created_at) for v in versions
    ]
    assert third.created_at == first.created_at < third.updated_at
    for number in (0, 4):
        with pytest.raises(NotFound):
            store.template_version(talk.owner, first.id, number)


def test_what_is_not_different_makes_no_version(store: Store, talk: Talk) -> None:
    first = store.create_template(talk.owner, CONTENT)
    assert store.change_template(talk.owner, first.id, dict(CONTENT), based_on=1) == first


def test_a_change_to_an_old_version_is_refused(store: Store, talk: Talk) -> None:
    first = store.create_template(talk.owner, CONTENT)
    second = saved(store, talk.owner, first, "Hi")
    with pytest.raises(TemplateChanged) as refused:
        saved(store, talk.owner, first, "Hey")
    assert refused.value.params == {"version": 2}
    assert store.template(talk.owner, first.id) == second


def test_of_two_changes_at_one_moment_one_is_refused(store: Store, talk: Talk) -> None:
    first = store.create_template(talk.owner, CONTENT)

    def change(number: int) -> int:
        try:
            return saved(store, talk.owner, first, f"Hi {number}").version
        except TemplateChanged:
            return 0

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(change, range(8))) == [0] * 7 + [2]
    assert len(store.template_versions(talk.owner, first.id)) == 2


def test_shared_ones_are_seen_by_all_and_changed_by_operators(
    store: Store, talk: Talk, stranger: Talk, operator: str
) -> None:
    shared = store.create_template(operator, CONTENT, scope="shared")
    own = store.create_template(talk.owner, {**CONTENT, "name": "Another"})
    assert listed(store, talk.owner) == [own.id, shared.id]
    assert listed(store, stranger.owner) == [shared.id]
    assert store.template(stranger.owner, shared.id) == shared
    for ask in (
        lambda: saved(store, talk.owner, shared, "Hi"),
        lambda: store.delete_template(talk.owner, shared.id),
        # Whoever operates does not reach into what is personal.
        lambda: saved(store, operator, own, "Hi", operates=True),
        lambda: store.delete_template(operator, own.id, operates=True),
        lambda: store.template(operator, own.id),
    ):
        with pytest.raises(NotFound):
            ask()
    other = store.create_owner("operator", "Oleg").id
    changed = saved(store, other, shared, "Hi", operates=True)
    assert (changed.version, changed.owner_id) == (2, operator)
    assert store.template_versions(talk.owner, shared.id)[0].author == "Oleg"
    store.delete_template(other, shared.id, operates=True)
    assert listed(store, talk.owner) == [own.id]
    with pytest.raises(NotFound):
        store.restore_template(talk.owner, shared.id)
    assert store.restore_template(operator, shared.id, operates=True) == changed


def test_sharing_is_no_version_and_is_taken_back_by_whoever_operates(
    store: Store, stranger: Talk, operator: str
) -> None:
    own = store.create_template(operator, CONTENT)
    shared = store.change_template(operator, own.id, CONTENT, based_on=1, scope="shared", operates=True)
    assert (shared.version, shared.scope) == (1, "shared")
    assert listed(store, stranger.owner) == [shared.id]
    other = store.create_owner("operator", "Oleg").id
    back = store.change_template(other, own.id, CONTENT, based_on=1, scope="personal", operates=True)
    assert (back.owner_id, store.list_templates(stranger.owner)) == (other, [])


def test_a_deleted_one_is_read_by_version_until_it_is_purged(store: Store, talk: Talk) -> None:
    made = store.create_template(talk.owner, CONTENT)
    store.delete_template(talk.owner, made.id)
    assert store.list_templates(talk.owner) == []
    asks: list[Callable[[str, str], Any]] = [
        store.template,
        store.template_versions,
        store.delete_template,
    ]
    for ask in asks:
        with pytest.raises(NotFound):
            ask(talk.owner, made.id)
    assert store.template_version(talk.owner, made.id, 1).content == CONTENT
    assert store.purge(now() - timedelta(days=1)) == 0
    assert store.restore_template(talk.owner, made.id) == made
    with pytest.raises(NotFound):
        store.restore_template(talk.owner, made.id)
    store.delete_template(talk.owner, made.id)
    assert store.purge(now() + timedelta(days=1)) == 1
    asks = [store.template_version, store.restore_template]
    for ask in asks:
        with pytest.raises(NotFound):
            ask(talk.owner, made.id)


def test_any_characters_come_back(store: Store, talk: Talk) -> None:
    odd = {**CONTENT, "name": "小\x00😀", "user": "\ud800 'quoted' \\u0000 100%"}
    made = store.create_template(talk.owner, odd, note="\x00")
    assert made.content["name"] == "小\ufffd😀"
    assert made.content["user"] == "\ufffd 'quoted' \\u0000 100%"


def test_a_message_and_a_conversation_remember_their_templates(store: Store, talk: Talk) -> None:
    use = TemplateUse("t", 3, "Greeter")
    new = NewTurn(None, None, "Hello", "key", "echo", template=use)
    begun = store.begin_turn(talk.owner, new)
    assert begun.user is not None
    assert begun.user.template == use
    assert begun.reply.template is None
    (question, _) = store.path(talk.owner, begun.reply.id)
    assert question.template == use
    persona = TemplateUse("p", 1, "Ada", {"who": "Bo", "n": 1.5, "yes": True})
    settings = begun.conversation.settings
    kept = store.update_conversation(
        talk.owner, begun.conversation.id, settings=type(settings)("echo", "You", persona=persona)
    )
    assert kept.settings.persona == persona
