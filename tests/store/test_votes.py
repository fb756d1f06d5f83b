"""Operators read votes and say which may be exported."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.store.talk import Talk
from tests.store.test_comparisons import _ended
from tests.store.test_judgements import BAD, GOOD, of_a_link
from webchat.store import NotFound, Store
from webchat.store.judgement_records import JudgementFilter, Vote
from webchat.store.records import ConversationSettings

AGREES = {"consent": "May train.", "consent_version": 1, "training": True}


def test_a_rejected_vote_is_neither_counted_nor_refuses_to_come_back(store: Store) -> None:
    operator = store.local_owner().id
    tester = of_a_link(store, "agrees", **AGREES)
    ids = [_ended(tester, key=f"key {at}")[0] for at in range(3)]
    for id in ids:
        store.vote_on(tester.owner, id, Vote("left", comment="so"))
    _ended(tester, key="open")
    first = store.listed_votes(operator, limit=2)
    assert [one.vote.id for one in first.items] == ids[:0:-1]
    assert [one.vote.id for one in store.listed_votes(operator, cursor=first.next).items] == ids[:1]
    assert first.items[0].asked == "Which one?"
    assert store.vote(operator, ids[0]).left.judged
    assert store.review_votes(operator, ids[:1], "rejected") == 1
    assert store.review_votes(operator, ids[1:2], "accepted") == 1
    listed = {state: [one.vote.id for one in store.listed_votes(operator, review=state).items]
              for state in ("new", "accepted", "rejected")}  # fmt: skip
    assert listed == {"new": ids[2:], "accepted": ids[1:2], "rejected": ids[:1]}
    assert {one.id for one in store.votes()} == set(ids[1:])
    assert [(one.preferred, one.both_bad, one.votes) for one in store.vote_counts()] == [("left", False, 2)]
    (counted,) = store.vote_counts(settings=True)
    assert (counted.votes, counted.left_settings) == (2, ConversationSettings("tall"))
    assert store.vote(operator, ids[0]).review.by == operator
    assert store.review_votes(operator, ids[:1], "new") == 1
    assert len(store.votes()) == 3
    with pytest.raises(ValueError, match="accepted or rejected"):
        store.review_votes(operator, ids, "edited")


def test_votes_are_read_by_operators_and_only_where_they_may(store: Store) -> None:
    operator = store.local_owner().id
    quiet = of_a_link(store, "asks nothing")
    id = _ended(quiet)[0]
    store.vote_on(quiet.owner, id, Vote("left", comment="mine"))
    (listed,) = store.listed_votes(operator).items
    assert (listed.asked, listed.vote.comment, listed.trains) == ("", "", False)
    found = store.vote(operator, id)
    assert (found.left.judged, found.right.judged, found.comment) == (None, None, "")
    for ask in (
        lambda: store.listed_votes(quiet.owner),
        lambda: store.vote(quiet.owner, id),
        lambda: store.review_votes(quiet.owner, [id], "rejected"),
    ):
        with pytest.raises(NotFound):
            ask()


def test_what_judgements_can_be_filtered_by_is_told(store: Store) -> None:
    talks = [of_a_link(store, name) for name in ("1", "2")]
    member = Talk(store, store.add_person("here", "ada", "Ada").owner_id)
    for talk, change in ((talks[0], GOOD), (talks[1], BAD), (member, BAD)):
        store.judge(talk.owner, talk.say("hello", "hi").reply.id, change)
    found = store.judgement_choices()
    assert [name for _, name in found.people] == ["Ada", talks[1].owner[-4:], talks[0].owner[-4:]]
    assert (found.templates, found.reasons) == ((), ())
    assert store.count_judgements(JudgementFilter(rating=-1)) == 2
    assert store.count_judgements(JudgementFilter(person=member.owner, rating=1)) == 0


def test_people_vote_while_an_export_reads(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webchat.store.judgements.votes.SLICE_ROWS", 3)
    people = [of_a_link(store, f"link {at}", **AGREES) for at in range(15)]
    ids = [_ended(talk)[0] for talk in people]
    for talk, id in zip(people[:3], ids[:3], strict=True):
        store.vote_on(talk.owner, id, Vote("left"))
    export = store.usable_comparisons()
    first = next(export)
    with ThreadPoolExecutor(8) as threads:
        voting = [
            threads.submit(store.vote_on, talk.owner, id, Vote("right"))
            for talk, id in zip(people[3:], ids[3:], strict=True)
        ]
        during = [first.id, *(one.id for one in export)]
        assert all(done.result().preferred == "right" for done in voting)
    assert len(during) == len(set(during))
    assert set(ids[:3]) <= set(during) <= set(ids)
    assert {one.id for one in store.usable_comparisons()} == set(ids)
