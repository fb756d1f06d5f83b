"""Comparisons: both replies or neither, hidden until they are closed, one vote each."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.store.talk import Talk
from webchat.store import NotFound, Store
from webchat.store.errors import (
    ComparisonOpen,
    ComparisonRunning,
    LinkLimit,
    LinkMessagesUsed,
    LinkTokensUsed,
    YourMessagesUsed,
    YourTokensUsed,
)
from webchat.store.judgement_records import JudgementChange, PairVotes, Vote
from webchat.store.link_records import LinkTerms
from webchat.store.records import (
    BegunTurn,
    ConversationSettings,
    FinishedTurn,
    JournalEntry,
    NewSide,
    NewTurn,
    Owner,
)

LEFT = NewSide("tall", "tall", ConversationSettings(model="tall"))
RIGHT = NewSide("small", "small", ConversationSettings(model="small", system_prompt="Be brief."))


def _begin(talk: Talk, text: str = "Which one?", key: str = "key", **fields: Any) -> BegunTurn:
    new = NewTurn(
        **{"conversation_id": None, "parent_id": None, "user_text": text, "client_key": key, "model": ""}
        | fields
    )
    return talk.store.begin_comparison(talk.owner, new, LEFT, RIGHT)


def _ended(talk: Talk, **fields: Any) -> tuple[str, str, str]:
    """A comparison whose sides have ended, and their ids."""
    begun = _begin(talk, **fields)
    assert begun.sides is not None
    left, right = (side.reply for side in begun.sides)
    talk.finish(left.id, "A heron stands still.")
    talk.finish(right.id, "A heron waits.")
    assert left.compared is not None
    return left.compared.id, left.id, right.id


def test_both_sides_answer_one_message_and_the_left_one_is_shown(talk: Talk) -> None:
    begun = _begin(talk)
    assert begun.sides is not None
    assert begun.user is not None
    assert begun.created
    left, right = begun.sides
    assert (left.model, right.model) == ("tall", "small")
    assert left.reply.parent_id == right.reply.parent_id == begun.user.id
    assert begun.conversation.active_leaf_id == left.reply.id == begun.reply.id
    assert left.reply.siblings == right.reply.siblings == (left.reply.id, right.reply.id)
    assert right.settings.system_prompt == "Be brief."
    assert left.reply.compared == right.reply.compared
    again = _begin(talk)
    assert not again.created
    assert again.sides is not None
    assert [side.reply.id for side in again.sides] == [left.reply.id, right.reply.id]
    known = talk.store.turn_by_key(talk.owner, "key")
    assert known is not None
    assert known.sides == again.sides


def test_a_side_runs_until_the_other_has_ended_too(talk: Talk) -> None:
    begun = _begin(talk)
    assert begun.sides is not None
    left, right = (side.reply.id for side in begun.sides)
    first = talk.finish(left, "Soon.")
    assert first.compared is not None
    assert first.compared.running
    with pytest.raises(ComparisonRunning):
        talk.store.vote_on(talk.owner, first.compared.id, Vote("left"))
    last = talk.finish(right, "Later.")
    assert last.compared is not None
    assert not last.compared.running


def test_until_the_vote_nothing_is_found_and_nothing_is_built_on_a_side(talk: Talk) -> None:
    id, left, right = _ended(talk)
    conversation = talk.store.message(talk.owner, left).conversation_id
    assert talk.found("heron") == []
    for fields in ({"parent": left}, {"parent": None, "continues": right}):
        with pytest.raises(ComparisonOpen):
            talk.begin("And then?", conversation=conversation, **fields)
    voted = talk.store.vote_on(talk.owner, id, Vote("right", False, True, "Shorter."))
    assert (voted.preferred, voted.left.good, voted.right.good) == ("right", False, True)
    assert (voted.left.model, voted.right.model, voted.comment) == ("tall", "small", "Shorter.")
    assert voted.voted_at is not None
    assert voted.closed_at is not None
    shown = talk.store.conversation(talk.owner, conversation)
    assert shown.active_leaf_id == right
    assert shown.settings.model == "small"
    assert shown.settings.system_prompt == "Be brief."
    assert talk.store.message(talk.owner, left).compared is None
    assert len(talk.found("heron")) == 1
    talk.begin("And then?", conversation=conversation, parent=right)


def test_the_first_vote_counts(talk: Talk) -> None:
    id, *_ = _ended(talk)
    first = talk.store.vote_on(talk.owner, id, Vote("left", True, None))
    assert talk.store.vote_on(talk.owner, id, Vote("right", False, True, "No")) == first


def test_votes_are_exported_of_those_who_agreed_as_long_as_they_are_there(talk: Talk) -> None:
    store = talk.store
    sure, asked, silent = (
        Talk(store, store.create_owner("guest", "Tess", store.create_link(name, name, None, terms).id).id)
        for name, terms in (
            ("sure", LinkTerms(consent="May train models.", training=True)),
            ("asked", LinkTerms(consent="For research.")),
            ("silent", LinkTerms()),
        )
    )
    for guest in (sure, asked):
        store.consent(guest.owner, 1)
    own = Talk(store, store.local_owner().id)
    ids = {}
    for person in (sure, asked, silent, own):
        ids[person.owner], *_ = _ended(person)
        store.vote_on(person.owner, ids[person.owner], Vote("left", True, False))
    found = list(store.usable_comparisons())
    assert [one.id for one in found] == [ids[sure.owner], ids[own.owner]]
    assert [side.judged and side.judged.reply for side in (found[0].left, found[0].right)] == [
        "A heron stands still.",
        "A heron waits.",
    ]
    store.delete_conversations(sure.owner)
    assert [one.id for one in store.usable_comparisons()] == [ids[own.owner]]


def test_votes_on_chats_of_before_the_consent_are_not_exported(store: Store) -> None:
    guest, link = _guest(store)
    talk = Talk(store, guest.id)
    before, *_ = _ended(talk)
    store.change_link(link, terms=lambda old: replace(old, consent="May train models.", training=True))
    store.consent(guest.id, 1)
    after, *_ = _ended(talk, key="after")
    for id in (before, after):
        store.vote_on(guest.id, id, Vote("left"))
    assert [one.id for one in store.usable_comparisons()] == [after]
    member = store.add_person("password", "mia", "Mia").owner_id
    store.move_chats(member, guest.id, [guest.id])
    assert list(store.usable_comparisons()) == []
    store.set_trains(member, True)
    assert [one.id for one in store.usable_comparisons()] == [before, after]


async def test_votes_from_many_tabs_at_once_are_one(talk: Talk) -> None:
    id, *_ = _ended(talk)
    wishes = [Vote("left"), Vote("right"), Vote("tie", False, False)] * 5
    votes = await asyncio.gather(
        *(talk.store.call(talk.store.vote_on, talk.owner, id, one) for one in wishes)
    )
    assert len(set(votes)) == 1
    assert [one.id for one in talk.store.votes()] == [id]


def test_a_vote_that_may_be_exported_has_what_was_judged(store: Store) -> None:
    talk = Talk(store, store.local_owner().id)
    id, *_ = _ended(talk)
    store.vote_on(talk.owner, id, Vote("right"))
    (one,) = store.usable_comparisons()
    judged = [side.judged for side in (one.left, one.right)]
    assert [one and one.reply for one in judged] == ["A heron stands still.", "A heron waits."]


def test_votes_are_exported_in_slices_of_so_many_characters(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webchat.store.judgements.votes.SLICE_CHARS", 50)
    talk = Talk(store, store.local_owner().id)
    for key in "abc":
        id, *_ = _ended(talk, key=key)
        store.vote_on(talk.owner, id, Vote("left"))
    after: str | None = ""
    sizes = []
    while after is not None:
        after, found = store._usable_slice_of_votes(after)
        sizes.append(len(found))
    assert sizes == [2, 1]
    assert len(list(store.usable_comparisons())) == 3


def test_nobody_judges_a_side_before_the_vote(talk: Talk) -> None:
    """A judgement keeps how much of a reply was written, and by which model."""
    begun = _begin(talk)
    assert begun.sides is not None
    for side in begun.sides:
        with pytest.raises(ComparisonOpen):
            talk.store.judge(talk.owner, side.reply.id, JudgementChange(rating=1))
        assert talk.store.own_judgement(talk.owner, side.reply.id) is None
        talk.finish(side.reply.id, "A heron.")
        with pytest.raises(ComparisonOpen):
            talk.store.judge(talk.owner, side.reply.id, JudgementChange(rating=1))
    assert begun.reply.compared is not None
    talk.store.vote_on(talk.owner, begun.reply.compared.id, Vote("left"))
    assert talk.store.judge(talk.owner, begun.reply.id, JudgementChange(rating=1)) is not None


def _tester(store: Store, terms: LinkTerms) -> tuple[Talk, str]:
    link = store.create_link("link", "hash", None, terms).id
    return Talk(store, store.create_owner("guest", "Tess", link).id), link


@pytest.mark.parametrize("terms", [LinkTerms(tokens=4097), LinkTerms(tokens_each=4097)])
def test_both_sides_get_equal_parts_of_the_tokens_that_are_left(store: Store, terms: LinkTerms) -> None:
    talk, link = _tester(store, terms)
    begun = _begin(talk, link_id=link)
    assert begun.sides is not None
    assert [side.tokens for side in begun.sides] == [2048, 2048]


@pytest.mark.parametrize("words", ["A heron stands still.", ""])
@pytest.mark.parametrize("first", [0, 1])
def test_what_is_left_of_a_link_changes_for_both_sides_at_once(store: Store, first: int, words: str) -> None:
    terms = LinkTerms(tokens=5_000, tokens_each=5_000, messages=10, messages_each=10)
    talk, link = _tester(store, terms)
    other = store.create_owner("guest", "Tim", link).id
    begun = _begin(talk, link_id=link)
    assert begun.sides is not None

    def left() -> list[tuple[int | None, int | None]]:
        found = [store.link_left(link, owner) for owner in (talk.owner, other)]
        return [(one.tokens, one.messages) for one in found]

    before = left()
    ids = [side.reply.id for side in begun.sides]
    said = [JournalEntry(ids[first], 1, "text", words)] if words else []
    store.write_batch(said, [FinishedTurn(ids[first], "complete" if words else "failed")])
    assert left() == before
    talk.finish(ids[1 - first], "A heron waits.")
    used = -(-len(words) // 3) + 5
    assert left() == [(5_000 - used, 8 + (not words))] * 2


@pytest.mark.parametrize(
    ("terms", "error"),
    [
        (LinkTerms(tokens=1), LinkTokensUsed),
        (LinkTerms(tokens_each=1), YourTokensUsed),
        (LinkTerms(messages=1), LinkMessagesUsed),
        (LinkTerms(messages_each=1), YourMessagesUsed),
    ],
)
def test_a_limit_that_no_comparison_fits_into_is_used(
    store: Store, terms: LinkTerms, error: type[LinkLimit]
) -> None:
    talk, link = _tester(store, terms)
    with pytest.raises(error):
        _begin(talk, link_id=link)
    assert store.link_left(link, talk.owner).messages in (None, 1)


def test_who_goes_on_without_a_vote_gives_none_later(talk: Talk) -> None:
    id, left, right = _ended(talk)
    conversation = talk.store.go_on_with(talk.owner, id, "right")
    assert conversation.active_leaf_id == right
    late = talk.store.vote_on(talk.owner, id, Vote("left"))
    assert late.preferred is None
    assert late.closed_at is not None
    assert talk.store.votes() == []
    assert talk.store.vote_counts() == []
    assert talk.store.go_on_with(talk.owner, id, "left").active_leaf_id == left


def test_it_is_nobody_elses(talk: Talk) -> None:
    id, *_ = _ended(talk)
    stranger = talk.store.create_owner("visitor", "Eve").id
    for verb in (
        lambda: talk.store.comparison(stranger, id),
        lambda: talk.store.vote_on(stranger, id, Vote("left")),
        lambda: talk.store.go_on_with(stranger, id, "left"),
    ):
        with pytest.raises(NotFound):
            verb()


def test_a_deleted_side_ends_it(talk: Talk) -> None:
    id, left, right = _ended(talk)
    talk.store.delete_messages(talk.owner, left)
    with pytest.raises(NotFound):
        talk.store.comparison(talk.owner, id)
    assert talk.store.message(talk.owner, right).compared is None
    assert len(talk.found("waits")) == 1


def test_a_purge_takes_it_with_its_messages(talk: Talk) -> None:
    id, left, _ = _ended(talk)
    talk.store.vote_on(talk.owner, id, Vote("left"))
    talk.store.delete_conversation(talk.owner, talk.store.message(talk.owner, left).conversation_id)
    talk.store.purge(datetime.now(UTC) + timedelta(days=1))
    assert talk.store.votes() == []


def test_after_a_restart_both_sides_are_there_with_their_text(talk: Talk) -> None:
    begun = _begin(talk)
    assert begun.sides is not None
    left, right = (side.reply for side in begun.sides)
    talk.finish(left.id, "Whole.")
    assert [one.message_id for one in talk.store.interrupt_orphans()] == [right.id]
    found = talk.store.message(talk.owner, right.id)
    assert found.state == "interrupted"
    assert found.compared is not None
    assert not found.compared.running
    talk.store.vote_on(talk.owner, found.compared.id, Vote("left"))


def _guest(store: Store, **terms: Any) -> tuple[Owner, str]:
    link = store.create_link("testers", "hash", None, LinkTerms(models=("tall", "small"), **terms))
    return store.create_owner("guest", "testers", link.id), link.id


def test_it_costs_two_replies_and_is_refused_whole_if_one_is_left(store: Store) -> None:
    guest, link = _guest(store, messages=3)
    talk = Talk(store, guest.id)
    _ended(talk, link_id=link)
    assert store.link_left(link, guest.id).messages == 1
    with pytest.raises(LinkMessagesUsed):
        _begin(talk, key="another", link_id=link)
    assert store.link_left(link, guest.id).messages == 1
    assert len(store.conversation_ids(guest.id)) == 1


def test_votes_are_counted_by_pair_whichever_side_a_model_was_on(store: Store) -> None:
    guest, link = _guest(store)
    talk = Talk(store, guest.id)
    for number, vote in enumerate((Vote("left"), Vote("right"), Vote("left"), Vote("tie"))):
        id, *_ = _ended(talk, key=f"key-{number}", link_id=link)
        store.vote_on(guest.id, id, vote)
    skipped, *_ = _ended(talk, key="skipped", link_id=link)
    store.go_on_with(guest.id, skipped, "left")
    _begin(talk, key="open", link_id=link)
    assert store.pair_votes(link, ["small", "tall", "other"]) == [PairVotes(("small", "tall"), (1, 2), 1, 1)]
    assert store.pair_votes(link, ["small", "other"]) == []
    assert [one.link for one in store.votes()] == ["testers"] * 4
