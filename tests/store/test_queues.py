"""Queues of reviewers: one place for each review, words only of those who agreed, verdicts as judgements."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import current_thread
from typing import Any

import pytest
from sqlalchemy import event, update

from tests.store.talk import Talk, later
from tests.store.test_comparisons import _ended
from tests.store.test_judgements import BAD, GOOD, of_a_link
from webchat.store import NotFound, Store
from webchat.store.database.tables.judgements import ReviewRow
from webchat.store.errors import ReviewTaken
from webchat.store.judgement_records import Vote
from webchat.store.judgements import queue_reviews, reviewed_items
from webchat.store.judgements.snapshots import judged_together
from webchat.store.link_records import LinkTerms
from webchat.store.queue_records import NewQueue, NewReview, Queue, QueueFilter, ReviewTask

ACCEPT, REJECT, SKIP = NewReview("accept"), NewReview("reject"), NewReview("skip")
AGREES = {"consent": "May train.", "consent_version": 1, "training": True}


@pytest.fixture
def operator(store: Store) -> str:
    return store.local_owner().id


@pytest.fixture
def tester(store: Store) -> Talk:
    return of_a_link(store, "agrees", **AGREES)


def member(store: Store, name: str) -> str:
    return store.add_person("here", name, name).owner_id


def queue(store: Store, operator: str, **fields: Any) -> Queue:
    return store.make_queue(operator, NewQueue(fields.pop("name", "First"), **fields))


def given(store: Store, reviewer: str, queue: Queue) -> ReviewTask:
    task = store.next_review(reviewer, queue.id)
    assert task is not None
    return task


def expire(store: Store) -> None:
    with store.transaction(write=True) as connection:
        connection.execute(update(ReviewRow).values(until=datetime.now(UTC) - timedelta(minutes=1)))


def test_reviewers_work_side_by_side_and_each_item_gets_its_reviews(
    store: Store, operator: str, tester: Talk
) -> None:
    for number in range(6):
        tester.say(f"question {number}", f"answer {number}")
    made = queue(store, operator, reviews=2)
    people = [member(store, name) for name in ("ada", "bob", "eve")]

    def work(person: str) -> list[str]:
        done = []
        while task := store.next_review(person, made.id):
            store.give_review(person, task.item_id, ACCEPT)
            done.append(task.item_id)
        return done

    with ThreadPoolExecutor(3) as threads:
        done = list(threads.map(work, people))
    assert sorted(Counter(item for mine in done for item in mine).values()) == [2] * 6
    assert all(len(mine) == len(set(mine)) for mine in done)
    assert all(one.given == one.total == 12 for one in store.assigned(people[0]))


def test_a_place_is_kept_until_it_expires_by_the_database(store: Store, operator: str, tester: Talk) -> None:
    tester.say("hello", "hi")
    made, ada, bob = queue(store, operator), member(store, "ada"), member(store, "bob")
    task = given(store, ada, made)
    assert given(store, ada, made).item_id == task.item_id
    assert store.next_review(bob, made.id) is None
    expire(store)
    assert given(store, bob, made).item_id == task.item_id
    with pytest.raises(ReviewTaken):
        store.give_review(ada, task.item_id, ACCEPT)
    assert store.next_review(ada, made.id) is None
    store.give_review(bob, task.item_id, REJECT)
    assert [one.judgement.rating for one in store.judgements(operator).items] == [-1]


def test_a_late_review_counts_if_nobody_has_the_place(store: Store, operator: str, tester: Talk) -> None:
    tester.say("hello", "hi")
    made, ada = queue(store, operator), member(store, "ada")
    task = given(store, ada, made)
    expire(store)
    store.give_review(ada, task.item_id, ACCEPT)
    assert store.queues(operator).items[0].given == 1


def test_the_first_review_counts_and_others_are_told_only_then(
    store: Store, operator: str, tester: Talk
) -> None:
    tester.say("hello", "hi")
    made = queue(store, operator, reviews=3)
    ada, bob = member(store, "ada"), member(store, "bob")
    task = given(store, ada, made)
    assert store.give_review(ada, task.item_id, ACCEPT) == []
    assert store.give_review(ada, task.item_id, REJECT) == []
    assert given(store, bob, made).item_id == task.item_id
    assert store.give_review(bob, task.item_id, NewReview("edit", "Good day.", "stiff")) == ["accept"]
    found = {one.verdict for one in store.queue_verdicts(operator, made.id)}
    assert found == {"accept", "edit"}


def test_a_review_is_a_judgement_of_its_reviewer_that_is_exported_once_it_is_accepted(
    store: Store, operator: str, tester: Talk
) -> None:
    reply = tester.say("hello", "hi").reply
    made, ada = queue(store, operator), member(store, "ada")
    store.give_review(ada, given(store, ada, made).item_id, NewReview("edit", "Good day.", "stiff"))
    (listed,) = store.judgements(
        operator,
    ).items
    one = listed.judgement
    assert (one.owner_id, one.author_id, one.message_id) == (ada, tester.owner, reply.id)
    assert (one.better, one.comment, one.review.state, listed.person) == ("Good day.", "stiff", "new", "ada")
    assert list(store.usable()) == []
    store.review_judgements(operator, {one.id: one.changed_at}, "accepted")
    assert [found.better for found in store.usable()] == ["Good day."]
    assert store.message(tester.owner, reply.id).rating == 0
    store.remove_person(ada)
    assert store.judgements(operator).items == ()


def test_an_operators_review_needs_nobody_else(store: Store, operator: str, tester: Talk) -> None:
    tester.say("hello", "hi")
    made = queue(store, operator)
    store.give_review(operator, given(store, operator, made).item_id, ACCEPT)
    assert [found.rating for found in store.usable()] == [1]


def test_a_vote_of_a_reviewer_is_one_on_the_same_replies(store: Store, operator: str, tester: Talk) -> None:
    for number in range(6):
        store.vote_on(tester.owner, _ended(tester, key=f"key {number}")[0], Vote("right"))
    made, ada = queue(store, operator, kind="comparisons"), member(store, "ada")
    seen = set()
    while task := store.next_review(ada, made.id):
        seen.add(task.replies)
        shorter = "left" if task.replies[0] == "A heron waits." else "right"
        store.give_review(ada, task.item_id, NewReview(shorter))  # type: ignore[arg-type]
    votes = [vote for vote in store.votes() if vote.owner_id == ada]
    assert [vote.side(vote.preferred or "left").model for vote in votes] == ["small"] * 6  # type: ignore[arg-type]
    assert {one.verdict for one in store.queue_verdicts(operator, made.id)} == {"right"}
    assert len(list(store.usable_comparisons())) == 12
    assert seen <= {("A heron stands still.", "A heron waits."), ("A heron waits.", "A heron stands still.")}


def test_reviewers_are_shown_only_what_people_agreed_to(store: Store, operator: str, tester: Talk) -> None:
    before = of_a_link(store, "asked nothing")
    kept = of_a_link(store, "does not train", **{**AGREES, "training": False})
    private = Talk(store, member(store, "private"))
    lets = Talk(store, member(store, "lets"))
    store.set_trains(lets.owner, True)
    for talk in (before, kept, private, lets, tester):
        reply = talk.say(f"from {talk.owner}", "hi").reply.id
        store.judge(talk.owner, reply, BAD)
    lets.say("not judged", "hi")
    tester.say("not judged either", "hi")
    made, ada = queue(store, operator), member(store, "ada")
    assert made.items == 3
    assert queue(store, operator, wanted=QueueFilter(judged="unjudged")).items == 1
    store.set_trains(lets.owner, False)
    shown = []
    while task := store.next_review(ada, made.id):
        shown.append(task.prompt[-1].text)
        store.give_review(ada, task.item_id, SKIP)
    assert shown == ["not judged either", f"from {tester.owner}"]


def test_what_was_deleted_or_is_ones_own_is_nobodys_task(store: Store, operator: str, tester: Talk) -> None:
    lets = Talk(store, member(store, "lets"))
    store.set_trains(lets.owner, True)
    store.judge(lets.owner, lets.say("mine", "hi").reply.id, GOOD)
    gone = tester.say("gone", "hi")
    made = queue(store, operator)
    assert given(store, lets.owner, made).prompt[-1].text == "gone"
    store.delete_conversation(tester.owner, gone.conversation.id)
    assert store.next_review(lets.owner, made.id) is None
    store.purge(later())
    assert store.queues(operator).items[0].items == 1


def test_only_those_who_sign_in_and_are_named_review(store: Store, operator: str, tester: Talk) -> None:
    tester.say("hello", "hi")
    ada, bob = member(store, "ada"), member(store, "bob")
    named = queue(store, operator, reviewers=(ada,))
    visitor = store.create_owner("visitor", "Vis").id
    for person in (bob, tester.owner, visitor):
        assert store.assigned(person) == []
        with pytest.raises(NotFound):
            store.next_review(person, named.id)
    item = given(store, ada, named).item_id
    with pytest.raises(NotFound):
        store.give_review(bob, item, ACCEPT)
    for ask in (
        lambda: store.make_queue(ada, NewQueue("Mine")),
        lambda: store.queues(ada),
        lambda: store.close_queue(ada, named.id),
        lambda: store.queue_verdicts(ada, named.id),
        lambda: store.make_queue(operator, NewQueue("x", reviewers=(tester.owner,))),
    ):
        with pytest.raises(NotFound):
            ask()
    store.close_queue(operator, named.id)
    assert store.assigned(ada) == []
    store.give_review(ada, item, ACCEPT)  # it was under way


def test_queues_are_made_from_filters(store: Store, operator: str, tester: Talk) -> None:
    other = of_a_link(store, "other", **AGREES)
    for talk, change in ((tester, GOOD), (tester, BAD), (other, BAD)):
        store.judge(talk.owner, talk.say("hello", "hi").reply.id, change)
    link = store.owner(tester.owner).link_id
    wanted = {
        2: QueueFilter(link_id=link),
        1: QueueFilter(link_id=link, judged="bad"),
        3: QueueFilter(before=later()),
        0: QueueFilter(since=later()),
    }
    for count, one in wanted.items():
        made = queue(store, operator, wanted=one)
        assert (made.items, made.wanted) == (count, one)
    assert queue(store, operator, wanted=QueueFilter(model="none")).items == 0
    first = store.queues(operator, limit=2)
    assert len(store.queues(operator, cursor=first.next).items) == 3


def test_a_verdict_fits_its_item(store: Store, operator: str, tester: Talk) -> None:
    tester.say("hello", "hi")
    made = queue(store, operator)
    item = given(store, operator, made).item_id
    for wrong in (NewReview("left"), NewReview("edit"), NewReview("accept", "Better.")):
        with pytest.raises(ValueError, match="does not fit"):
            store.give_review(operator, item, wrong)


def test_what_terms_do_not_say_is_not_agreed(store: Store, operator: str) -> None:
    link = store.create_link("testers", "bare", None, LinkTerms(consent="Read?", consent_version=1))
    talk = Talk(store, store.create_owner("guest", "Tess", link.id).id)
    store.consent(talk.owner, 1)
    talk.say("hello", "hi")
    assert queue(store, operator).items == 0


def test_a_deleted_message_ends_nobodys_queue(store: Store, operator: str, tester: Talk) -> None:
    talks = [tester.say(f"question {number}", f"answer {number}") for number in range(23)]
    made, ada, bob = queue(store, operator), member(store, "ada"), member(store, "bob")
    held = given(store, ada, made)
    for talk in talks[1:]:
        store.delete_messages(tester.owner, talk.reply.id)
    assert held.replies == ("answer 22",)
    with pytest.raises(NotFound):
        store.give_review(ada, held.item_id, ACCEPT)
    assert given(store, ada, made).replies == ("answer 0",)
    store.restore_messages(tester.owner, talks[22].reply.id)
    assert given(store, bob, made).item_id == held.item_id, "it was released"
    store.delete_messages(tester.owner, talks[22].reply.id)
    (mine,) = store.assigned(ada)
    assert (mine.given, mine.total) == (0, 1)
    store.give_review(ada, given(store, ada, made).item_id, ACCEPT)
    assert store.assigned(ada)[0].given == store.assigned(ada)[0].total == 1


def test_a_comparison_with_a_deleted_side_is_nobodys_task(store: Store, operator: str, tester: Talk) -> None:
    ended = [_ended(tester, key=f"key {number}") for number in range(3)]
    for id, *_ in ended:
        store.vote_on(tester.owner, id, Vote("right"))
    made, ada = queue(store, operator, kind="comparisons"), member(store, "ada")
    assert made.items == 3
    (_, _, right), (other, *_), _ = ended
    store.delete_messages(tester.owner, right)
    store.delete_messages(tester.owner, store.comparison(tester.owner, other).asked_id)
    store.give_review(ada, given(store, ada, made).item_id, NewReview("tie"))
    assert store.next_review(ada, made.id) is None
    assert queue(store, operator, kind="comparisons").items == 1


def test_what_a_reviewer_holds_and_cannot_be_shown_gives_way(
    store: Store, operator: str, tester: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below a deleted message the rest follows in slices."""
    tester.say("first", "hi")
    tester.say("second", "hi")
    made, ada = queue(store, operator), member(store, "ada")
    held = given(store, ada, made).item_id
    known = reviewed_items.shown
    monkeypatch.setattr(queue_reviews, "shown", lambda *of: None if of[1].id == held else known(*of))
    assert given(store, ada, made).item_id != held
    monkeypatch.undo()
    assert given(store, member(store, "bob"), made).item_id == held, "it was released"


def test_who_reviews_a_testers_replies_is_logged_once(store: Store, operator: str, tester: Talk) -> None:
    tester.say("first", "hi")
    tester.say("second", "hi")
    made, ada = queue(store, operator), member(store, "ada")
    while task := store.next_review(ada, made.id):
        store.give_review(ada, task.item_id, ACCEPT)
    (look,) = store.looks().items
    link = store.owner(tester.owner).link_id
    assert (look.operator, look.action, look.link_id) == ("ada", "reviewed", link)
    with pytest.raises(NotFound):
        store.log_look(ada, "judged", str(link))


def test_no_words_are_read_in_the_writer(
    store: Store, operator: str, tester: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    tester.say("hello", "hi")
    made, ada, threads = queue(store, operator), member(store, "ada"), []

    def read(*of: Any) -> Any:
        threads.append(current_thread().name)
        return judged_together(*of)

    monkeypatch.setattr(reviewed_items, "judged_together", read)
    item = given(store, ada, made).item_id
    assert threads == [current_thread().name]
    store.give_review(ada, item, ACCEPT)
    assert len(threads) == 1


def test_a_queue_has_something_for_a_reviewer_until_they_are_done(
    store: Store, operator: str, tester: Talk
) -> None:
    tester.say("hello", "hi")
    gone = tester.say("gone", "hi")
    made = queue(store, operator, reviews=2)
    ada, bob, eve = (member(store, name) for name in ("ada", "bob", "eve"))
    assert store.has_reviews(ada)
    assert not store.has_reviews(tester.owner)
    store.delete_messages(tester.owner, gone.reply.id)
    item = given(store, ada, made).item_id
    assert store.has_reviews(ada)
    store.give_review(ada, item, ACCEPT)
    assert [store.has_reviews(one) for one in (ada, bob)] == [False, True]
    store.give_review(bob, given(store, bob, made).item_id, ACCEPT)
    assert not store.has_reviews(eve)
    assert store.assigned_queue(eve, made.id).given == 2


def test_a_review_reads_what_was_given_once_the_queue_is_its_own(
    store: Store, operator: str, tester: Talk
) -> None:
    """Another server may keep a review until the queue is locked."""
    tester.say("hello", "hi")
    made, ada = queue(store, operator), member(store, "ada")
    item, asked = given(store, ada, made).item_id, []
    with store.transaction(write=True) as connection:
        event.listen(connection.engine, "before_execute", lambda _c, clause, *_: asked.append(str(clause)))
    store.give_review(ada, item, ACCEPT)
    locks = next(at for at, text in enumerate(asked) if "FOR UPDATE" in text)
    reads = next(at for at, text in enumerate(asked) if "queue_items.given" in text)
    assert locks < reads


def test_a_review_is_taken_back_and_given_otherwise(store: Store, operator: str, tester: Talk) -> None:
    for number in range(3):
        tester.say(f"question {number}", f"answer {number}")
    made, ada, bob = queue(store, operator), member(store, "ada"), member(store, "bob")
    slipped = given(store, ada, made)
    store.give_review(ada, slipped.item_id, REJECT)
    after = given(store, ada, made)
    with pytest.raises(NotFound):
        store.take_back_review(bob, slipped.item_id)
    store.take_back_review(ada, slipped.item_id)
    store.take_back_review(ada, slipped.item_id)  # asked again
    (mine,) = store.assigned(ada)
    assert (mine.mine, mine.given, mine.total) == (0, 0, 3)
    assert store.judgements(operator).items == ()
    assert given(store, bob, made).item_id == after.item_id, "what came after it is free again"
    assert given(store, ada, made).item_id == slipped.item_id
    store.give_review(ada, slipped.item_id, ACCEPT)
    (said,) = store.judgements(operator).items
    assert said.judgement.rating == 1
    # A skip gives its place away.
    last = given(store, ada, made)
    store.give_review(ada, last.item_id, SKIP)
    store.give_review(bob, after.item_id, ACCEPT)
    assert given(store, bob, made).item_id == last.item_id
    with pytest.raises(ReviewTaken):
        store.take_back_review(ada, last.item_id)
    store.close_queue(operator, made.id)
    with pytest.raises(NotFound):
        store.take_back_review(ada, slipped.item_id)


def test_a_reviewers_vote_is_taken_back_and_nobody_elses(store: Store, operator: str, tester: Talk) -> None:
    id, *_ = _ended(tester)
    store.vote_on(tester.owner, id, Vote("right"))
    made = queue(store, operator, kind="comparisons", reviews=2)
    people = [member(store, name) for name in ("ada", "bob")]
    for person in people:
        store.give_review(person, given(store, person, made).item_id, NewReview("left"))
    assert len(store.listed_votes(operator).items) == 3
    ada = people[0]
    store.take_back_review(ada, store.queue_verdicts(operator, made.id)[0].item_id)
    assert sorted(one.vote.owner_id for one in store.listed_votes(operator).items) == sorted(
        [tester.owner, people[1]]
    )
