"""Replays: what is chosen, what is to be done, and what vanishes with the people it is of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from tests.store.talk import Talk
from tests.store.test_comparisons import _ended
from tests.store.test_judgements import of_a_link
from tests.store.test_queues import AGREES
from webchat.store import NotFound, Store
from webchat.store.errors import NothingToReplay, ReplayNameTaken
from webchat.store.judgement_records import JudgementChange, Vote
from webchat.store.records import ConversationSettings, FinishedTurn, Message, NewTurn
from webchat.store.replay_records import (
    STORED,
    OpenedReplay,
    ReplayChoice,
    ReplayJudge,
    ReplayRun,
    ReplaySet,
    ReplayVariant,
)
from webchat.store.replays.rows import MOST_ATTEMPTS, dump_judge, dump_variant, load_judges

LAST = ReplayChoice()
PLAIN = ReplayVariant("other")


@pytest.fixture
def operator(store: Store) -> Talk:
    """Who operates, with chats of their own."""
    return Talk(store, store.local_owner().id)


def test_a_set_has_the_last_reply_of_each_chat_or_every_one_that_is_shown(
    store: Store, operator: Talk
) -> None:
    first = operator.say("a", "A")
    second = operator.say("b", "B", after=first.reply)
    operator.say("c", "C", after=first.reply)  # shown in place of the second
    other = operator.say("d", "D")
    made = store.make_replay_set(operator.owner, "last", LAST)
    assert _texts(store, operator, made) == ["C", "D"]
    every = store.make_replay_set(operator.owner, "every", ReplayChoice(every_reply=True))
    assert _texts(store, operator, every) == ["A", "C", "D"]
    assert second.reply.id != other.reply.id
    with pytest.raises(ReplayNameTaken):
        store.make_replay_set(operator.owner, "last", LAST)
    with pytest.raises(NothingToReplay):
        store.make_replay_set(operator.owner, "none", ReplayChoice(model="unknown"))


def test_a_set_has_what_was_judged_badly_once_for_each_message(store: Store, operator: Talk) -> None:
    turn = operator.say("a", "bad")
    again = store.begin_turn(
        operator.owner,
        NewTurn(turn.conversation.id, turn.user.id if turn.user else None, None, "again", "echo"),
    )
    operator.finish(again.reply.id, "bad again")
    good = operator.say("b", "good")
    for message, rating in ((turn.reply, -1), (again.reply, -1), (good.reply, 1)):
        store.judge(operator.owner, message.id, JudgementChange(rating=rating))  # type: ignore[arg-type]
    made = store.make_replay_set(operator.owner, "bad", ReplayChoice(rating=-1))
    assert _texts(store, operator, made) == ["bad again"]


def test_only_what_its_people_agreed_to_is_chosen_and_what_they_take_back_vanishes(
    store: Store, operator: Talk, talk: Talk
) -> None:
    talk.say("a visitor's", "nobody asked them")
    member = Talk(store, _member(store))
    judged = member.say("a member's", "they agreed")
    store.judge(member.owner, judged.reply.id, JudgementChange(rating=1))
    made = store.make_replay_set(operator.owner, "all", LAST)
    assert _texts(store, operator, made) == ["they agreed"]
    run = _run(store, operator, made)
    store.set_trains(member.owner, False)
    assert store.replay_set(operator.owner, "all").items == 0
    assert store.replays_to_do(run.id, (), 10) == []
    assert store.open_replay(run.id, 1) is None


def test_members_and_other_operators_show_only_the_replies_they_judged_or_voted_on(
    store: Store, operator: Talk
) -> None:
    operator.say("one's own", "mine")
    colleague = Talk(store, store.add_person("test", "eve", name="Eve", operates=True).owner_id)
    for talk in (Talk(store, _member(store)), colleague):
        talk.say("never judged", "secret")
        seen = talk.say("judged", "shown")
        store.judge(talk.owner, seen.reply.id, JudgementChange(rating=1))
        comparison, _, _ = _ended(talk)
        store.vote_on(talk.owner, comparison, Vote("left"))
    made = store.make_replay_set(operator.owner, "all", ReplayChoice(every_reply=True))
    voted = "A heron stands still."
    assert sorted(_texts(store, operator, made)) == [voted, voted, "mine", "shown", "shown"]
    assert store.replay_set(colleague.owner, "all").items == 4
    assert "mine" not in _texts(store, colleague, made)
    theirs = store.make_replay_set(colleague.owner, "theirs", LAST)
    assert "secret" in _texts(store, colleague, theirs)
    assert "secret" not in _texts(store, operator, theirs)
    run = _run(store, operator, theirs)
    assert run.items == store.replay_set(operator.owner, "theirs").items == theirs.items - 1
    assert len(store.replays_to_do(run.id, (), 10)) == run.items


@pytest.mark.parametrize("withdraws", ["agrees no more", "deletes the chat"])
def test_a_vote_on_what_its_person_withdrew_shows_no_words_and_its_copy_is_purged(
    store: Store, operator: Talk, withdraws: str
) -> None:
    member = Talk(store, _member(store))
    turn = member.say("a member's words", "A")
    store.judge(member.owner, turn.reply.id, JudgementChange(rating=-1))
    made = store.make_replay_set(operator.owner, "all", LAST)
    run = _run(store, operator, made)
    opened = store.open_replay(run.id, 1)
    assert opened is not None
    _answer(store, operator, run, opened, "again")
    vote = store.vote_on_replay(operator.owner, made.id, 1, STORED, run.id, Vote("right"))
    assert [one.asked for one in store.listed_votes(operator.owner).items] == ["a member's words"]
    if withdraws == "agrees no more":
        store.set_trains(member.owner, False)
    else:
        store.delete_conversation(member.owner, turn.conversation.id)
    assert store.listed_votes(operator.owner).items == ()
    with pytest.raises(NotFound):
        store.vote(operator.owner, vote)
    assert list(store.usable_comparisons()) == []
    store.purge(datetime.now(UTC) + timedelta(days=1))
    with pytest.raises(NotFound):
        store.conversation(operator.owner, opened.conversation_id)


def test_reading_replays_of_testers_is_logged_once_per_link(store: Store, operator: Talk) -> None:
    operator.say("one's own", "mine")
    made = store.make_replay_set(operator.owner, "own", LAST)
    store.replay_items(operator.owner, made.id, [])
    assert store.looks().items == ()
    testers = [of_a_link(store, name, **AGREES) for name in ("first", "second")]
    for tester in testers:
        tester.say("a", "A")
        tester.say("b", "B")
    made = store.make_replay_set(operator.owner, "all", LAST)
    assert len(store.replay_items(operator.owner, made.id, [])) == 5
    store.replay_items(operator.owner, made.id, [], after=1)
    links = {store.owner(tester.owner).link_id for tester in testers}
    looks = store.looks().items
    assert [one.action for one in looks] == ["replayed"] * 2
    assert {one.link_id for one in looks} == links


def test_nobody_waits_to_write_while_replays_are_counted(store: Store, operator: Talk) -> None:
    counts: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "GROUP BY" in statement:
            counts.append(statement)

    operator.say("a", "A")
    writer = store._engines[True]
    event.listen(writer, "before_cursor_execute", note)
    try:
        made = store.make_replay_set(operator.owner, "all", LAST)
        run = _run(store, operator, made)
        assert (made.items, run.items) == (1, 1)
        assert store.cancel_replay(operator.owner, run.id).items == 1
        assert store.retry_replay(operator.owner, run.id).state == "open"
        assert store.end_replay(run.id).state == "done"
        store.delete_replay_set(operator.owner, made.id)
    finally:
        event.remove(writer, "before_cursor_execute", note)
    assert counts == []


def test_who_does_not_operate_reaches_nothing(store: Store, operator: Talk, talk: Talk) -> None:
    operator.say("a", "A")
    made = store.make_replay_set(operator.owner, "all", LAST)
    run = _run(store, operator, made)
    for asked in (
        lambda: store.make_replay_set(talk.owner, "mine", LAST),
        lambda: store.replay_sets(talk.owner),
        lambda: store.replay_set(talk.owner, "all"),
        lambda: store.start_replay(talk.owner, made.id, "other", PLAIN),
        lambda: store.replay_runs(talk.owner, made.id),
        lambda: store.replay_run(talk.owner, run.id),
        lambda: store.cancel_replay(talk.owner, run.id),
        lambda: store.retry_replay(talk.owner, run.id),
        lambda: store.replay_items(talk.owner, made.id, [run.id]),
        lambda: store.replay_votes(talk.owner, made.id),
        lambda: store.vote_on_replay(talk.owner, made.id, 1, STORED, run.id, Vote("tie")),
        lambda: store.delete_replay_set(talk.owner, made.id),
    ):
        with pytest.raises(NotFound):
            asked()


def test_an_item_is_copied_once_and_answered_in_its_own_conversation(store: Store, operator: Talk) -> None:
    first = operator.say("a", "A")
    operator.say("b", "B", after=first.reply)
    made = store.make_replay_set(operator.owner, "all", LAST)
    run = _run(store, operator, made)
    opened = store.open_replay(run.id, 1)
    assert opened is not None
    assert opened == store.open_replay(run.id, 1)
    reply = _answer(store, operator, run, opened, "another B")
    assert operator.shown(opened.conversation_id) == ["a", "A", "b", "another B"]
    assert store.conversation(operator.owner, opened.conversation_id).kind == "replay"
    assert len(store.conversation_ids(operator.owner)) == 1
    (item,) = store.replay_items(operator.owner, made.id, [run.id])
    assert (item.asked, item.stored.text, item.replies[0].text) == ("b", "B", "another B")
    assert item.replies[0].message_id == reply.id
    assert store.replays_to_do(run.id, (), 10) == []
    assert (store.end_replay(run.id).state, store.replay_run(operator.owner, run.id).done) == ("done", 1)


def test_what_the_end_of_a_server_interrupted_is_done_again_but_not_forever(
    store: Store, operator: Talk
) -> None:
    operator.say("a", "A")
    run = _run(store, operator, store.make_replay_set(operator.owner, "all", LAST))
    for attempt in range(1, MOST_ATTEMPTS + 1):
        assert store.replays_to_do(run.id, (), 10) == [1]
        opened = store.open_replay(run.id, 1)
        assert opened is not None
        assert opened.attempt == attempt
        begun = _begin(store, operator, run, opened)
        assert [one.message_id for one in store.interrupt_orphans()] == [begun]
    assert store.replays_to_do(run.id, (), 10) == []
    assert store.replay_run(operator.owner, run.id).failed == 1
    assert store.retry_replay(operator.owner, run.id).failed == 0
    assert store.replays_to_do(run.id, (), 10) == [1]


def test_an_item_whose_reply_is_still_written_is_the_same_attempt(store: Store, operator: Talk) -> None:
    operator.say("a", "A")
    run = _run(store, operator, store.make_replay_set(operator.owner, "all", LAST))
    opened = store.open_replay(run.id, 1)
    assert opened is not None
    begun = _begin(store, operator, run, opened)
    assert store.open_replay(run.id, 1) == opened
    assert [one.message_id for one in store.interrupt_orphans()] == [begun]
    again = store.open_replay(run.id, 1)
    assert again is not None
    assert again.attempt == opened.attempt + 1


def test_of_two_passes_that_copy_an_item_at_the_same_time_both_go_on_with_one_copy(
    store: Store, operator: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.say("a", "A")
    run = _run(store, operator, store.make_replay_set(operator.owner, "all", LAST))
    attempt, first = store._attempt, []

    def overtaken(run_id: str, number: int) -> Any:
        monkeypatch.setattr(store, "_attempt", attempt)
        found = attempt(run_id, number)
        first.append(store.open_replay(run_id, number))
        return found

    monkeypatch.setattr(store, "_attempt", overtaken)
    second = store.open_replay(run.id, 1)
    assert second is not None
    assert [second] == first


def test_an_item_that_was_answered_while_it_was_chosen_again_is_done_once(
    store: Store, operator: Talk
) -> None:
    operator.say("a", "A")
    run = _run(store, operator, store.make_replay_set(operator.owner, "all", LAST))
    opened = store.open_replay(run.id, 1)
    assert opened is not None
    assert store.replays_to_do(run.id, (), 1) == [1]
    _answer(store, operator, run, opened, "again")
    assert store.open_replay(run.id, 1) is None


def test_a_run_that_is_started_again_goes_on_and_one_of_another_variant_needs_another_name(
    store: Store, operator: Talk
) -> None:
    operator.say("a", "A")
    operator.say("b", "B")
    made = store.make_replay_set(operator.owner, "all", LAST)
    run = _run(store, operator, made)
    opened = store.open_replay(run.id, 1)
    assert opened is not None
    _answer(store, operator, run, opened, "again")
    store.cancel_replay(operator.owner, run.id)
    assert store.replays_to_do(run.id, (), 10) == [] == store.open_replays()
    assert store.open_replay(run.id, 2) is None
    again = _run(store, operator, made)
    assert (again.id, again.state, again.done, again.items) == (run.id, "open", 1, 2)
    assert store.replays_to_do(run.id, (), 10) == [2]
    assert [one.id for one in store.open_replays()] == [run.id]
    with pytest.raises(ReplayNameTaken):
        store.start_replay(
            operator.owner, made.id, run.name, ReplayVariant("x", ConversationSettings(system_prompt="y"))
        )


@pytest.mark.parametrize("whole", [True, False])
def test_a_purged_reply_takes_its_replays_and_the_votes_on_them(
    store: Store, operator: Talk, whole: bool
) -> None:
    gone, kept = operator.say("a", "A"), operator.say("b", "B")
    made = store.make_replay_set(operator.owner, "all", LAST)
    run = _run(store, operator, made)
    copies = []
    for number in (1, 2):
        opened = store.open_replay(run.id, number)
        assert opened is not None
        _answer(store, operator, run, opened, "again")
        store.vote_on_replay(operator.owner, made.id, number, STORED, run.id, Vote("right"))
        copies.append(opened.conversation_id)
    if whole:
        store.delete_conversation(operator.owner, gone.conversation.id)
    else:
        store.delete_messages(operator.owner, gone.user.id if gone.user else "")
    assert [item.number for item in store.replay_items(operator.owner, made.id, [run.id])] == [2]
    assert len(list(store.usable_comparisons())) == 1
    store.purge(datetime.now(UTC) + timedelta(days=1))
    with pytest.raises(NotFound):
        store.conversation(operator.owner, copies[0])
    assert store.conversation(operator.owner, copies[1]).id == copies[1]
    assert [vote.right.model for vote in store.votes()] == ["other"]
    assert store.replay_run(operator.owner, run.id).items == 1
    store.delete_replay_set(operator.owner, made.id)
    store.purge(datetime.now(UTC) + timedelta(days=1))
    assert (store.replay_sets(operator.owner), store.votes()) == ([], [])
    assert operator.shown(kept.conversation.id) == ["b", "B"]


def test_a_vote_counts_once_and_like_any_other(store: Store, operator: Talk) -> None:
    operator.say("a", "A")
    made = store.make_replay_set(operator.owner, "all", LAST)
    run = _run(store, operator, made)
    opened = store.open_replay(run.id, 1)
    assert opened is not None
    with pytest.raises(NotFound):
        store.vote_on_replay(operator.owner, made.id, 1, STORED, run.id, Vote("left"))  # nothing to vote on
    _answer(store, operator, run, opened, "again")
    store.vote_on_replay(operator.owner, made.id, 1, STORED, run.id, Vote("left"))
    store.vote_on_replay(operator.owner, made.id, 1, run.id, STORED, Vote("left", True, False, "better"))
    (vote,) = store.votes()
    assert (vote.left.model, vote.right.model, vote.preferred) == ("other", "echo", "left")
    assert store.replay_votes(operator.owner, made.id) == {(1, STORED, run.id): 1}
    (usable,) = store.usable_comparisons()
    assert usable.left.judged is not None
    assert usable.right.judged is not None
    assert (usable.left.judged.reply, usable.right.judged.reply) == ("again", "A")
    assert usable.left.judged.prompt == usable.right.judged.prompt
    (item,) = store.replay_items(operator.owner, made.id, [run.id])
    assert (item.stored.liked, item.replies[0].liked) == (-1, 1)


def test_each_judge_of_a_set_has_runs_of_its_own_and_those_of_before_keep_theirs(
    store: Store, operator: Talk
) -> None:
    operator.say("a", "A")
    made = store.make_replay_set(operator.owner, "all", LAST)
    run = _run(store, operator, made)
    # As judges were stored while a set had one, called by its model's name.
    before = {"kind": "judge", "name": "small", "value": "{reply}", "variant": dump_variant(PLAIN)}
    old = ReplayJudge("small", "{reply}", PLAIN, "small")
    assert (dump_judge(old), load_judges([before])) == (before, (old,))
    new = ReplayJudge("strict", "Strictly: {reply}", PLAIN, "small")
    store.judge_replays(operator.owner, made.id, [old])
    ((of_stored, of_run),) = store.replay_judging(operator.owner, made.id)
    store.judge_replays(operator.owner, made.id, [old, new])
    assert store.replay_set(operator.owner, made.id).judges == (old, new)
    first, second = store.replay_judging(operator.owner, made.id)
    assert [one.id for one in first] == [of_stored.id, of_run.id]
    assert [one.judges for one in second] == [STORED, run.id]
    for one, prompt in ((first[0], "{reply}"), (second[0], "Strictly: {reply}")):
        about = store.replay_to_judge(one.id, 1)
        assert about is not None
        assert (about.prompt, about.reply) == (prompt, "A")
    store.judge_replays(operator.owner, made.id, [new])
    assert store.replay_to_judge(first[0].id, 1) is None
    assert [[one.id for one in runs] for runs in store.replay_judging(operator.owner, made.id)] == [
        [one.id for one in second]
    ]


def _texts(store: Store, operator: Talk, made: ReplaySet) -> list[str]:
    return [item.stored.text for item in store.replay_items(operator.owner, made.id, [])]


def _run(store: Store, operator: Talk, made: ReplaySet) -> ReplayRun:
    return store.start_replay(operator.owner, made.id, "other", PLAIN)


def _begin(store: Store, operator: Talk, run: ReplayRun, opened: OpenedReplay) -> str:
    key = f"{opened.conversation_id}:{opened.attempt}"
    begun = store.begin_turn(
        operator.owner, NewTurn(opened.conversation_id, opened.asked_id, None, key, "other")
    )
    store.begun_replay(run.id, 1, opened.attempt, begun.reply.id)
    return begun.reply.id


def _answer(store: Store, operator: Talk, run: ReplayRun, opened: OpenedReplay, text: str) -> Message:
    key = f"{opened.conversation_id}:{opened.attempt}"
    begun = store.begin_turn(
        operator.owner, NewTurn(opened.conversation_id, opened.asked_id, None, key, "other")
    )
    number = store.replays_to_do(run.id, (), 1)[0]
    store.begun_replay(run.id, number, opened.attempt, begun.reply.id)
    reply = operator.finish(begun.reply.id, text)
    assert store.write_batch((), [FinishedTurn(reply.id, "complete", "stop")])[0].text == text
    return reply


def _member(store: Store) -> str:
    person = store.add_person("test", "ada", name="Ada")
    store.set_trains(person.owner_id, True)
    return person.owner_id
