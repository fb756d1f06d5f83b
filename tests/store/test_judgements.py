"""What people think of replies: one judgement each, of what was there, for those who may have it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from alembic import command
from sqlalchemy import select, text

from tests.store.talk import Talk, later
from webchat.store import NotFound, Store
from webchat.store.database.codec import now
from webchat.store.database.migrate import _config
from webchat.store.database.tables.judgements import JudgementReasonRow, JudgementRow
from webchat.store.errors import ConsentNeeded
from webchat.store.judgement_records import (
    Answer,
    Consent,
    Judged,
    JudgedMessage,
    Judgement,
    JudgementChange,
    JudgementFilter,
    Rating,
    Reviewed,
    Thumb,
)
from webchat.store.link_records import LinkTerms, Question
from webchat.store.records import FinishedTurn, JournalEntry, Provenance, TemplateUse

GOOD, BAD = JudgementChange(rating=1), JudgementChange(rating=-1)
STYLE = Question("style", "How is the style?", "scale")
WHY = Question("why", "Why?")


@pytest.fixture
def local(store: Store) -> Talk:
    """The one who may review, and whose judgements may always be exported."""
    return Talk(store, store.local_owner().id)


def of_a_link(store: Store, name: str, **terms: Any) -> Talk:
    link = store.create_link("testers", name, None, LinkTerms(**terms))
    talk = Talk(store, store.create_owner("guest", "Tess", link.id).id)
    if link.terms.consent:
        store.consent(talk.owner, 1)
    return talk


def given(store: Store, talk: Talk, message_id: str, change: JudgementChange) -> Judgement:
    judgement = store.judge(talk.owner, message_id, change)
    assert judgement is not None
    return judgement


def accept(store: Store, local: Talk, *judgements: Judgement) -> None:
    store.review_judgements(local.owner, {one.id: one.changed_at for one in judgements}, "accepted")


def rows(store: Store, table: Any = JudgementRow) -> int:
    with store.transaction(write=False) as connection:
        return len(connection.execute(select(*table.__table__.columns)).all())


def test_all_that_was_said_is_kept_and_what_is_left_out_stays(store: Store, talk: Talk) -> None:
    reply = talk.say("hello", "hi").reply.id
    whole = JudgementChange(-1, ("style_bad", "other"), " too short ", (Answer(STYLE, 2),), "Good day.")
    first = given(store, talk, reply, whole)
    assert (first.rating, first.reasons, first.comment) == (-1, ("style_bad", "other"), "too short")
    assert (first.answers, first.better, first.seq) == ((Answer(STYLE, 2),), "Good day.", None)
    assert given(store, talk, reply, JudgementChange(comment="much")).better == "Good day."
    turned = given(store, talk, reply, GOOD)
    assert (turned.id, turned.rating, turned.reasons, turned.comment) == (first.id, 1, (), "much")
    assert store.own_judgement(talk.owner, reply) == turned
    assert (store.message(talk.owner, reply).rating, store.message(talk.owner, reply).judged) == (1, True)


def test_an_answer_takes_the_place_of_the_one_to_the_same_question(store: Store, talk: Talk) -> None:
    reply = talk.say("hello", "hi").reply.id
    why = Question("why", "Why?", per_reply=True)
    for said in ((Answer(STYLE, 2), Answer(why, "So.")), (Answer(STYLE, 4),)):
        given(store, talk, reply, JudgementChange(answers=said))
    assert given(store, talk, reply, GOOD).answers == (Answer(STYLE, 4), Answer(why, "So."))
    taken_back = JudgementChange(answers=(Answer(why, ""),))
    assert given(store, talk, reply, taken_back).answers == (Answer(STYLE, 4),)


def test_what_is_taken_back_is_gone(store: Store, talk: Talk) -> None:
    reply = talk.say("hello", "hi").reply.id
    given(store, talk, reply, JudgementChange(rating=-1, reasons=("other",)))
    assert store.judge(talk.owner, reply, JudgementChange(rating=0)) is None
    given(store, talk, reply, JudgementChange(better="Hello!"))
    assert store.message(talk.owner, reply).judged
    store.withdraw_judgement(talk.owner, reply)
    assert store.own_judgement(talk.owner, reply) is None
    assert rows(store) == rows(store, JudgementReasonRow) == 0


def test_only_replies_are_judged(store: Store, talk: Talk) -> None:
    asked = talk.say("hello", "hi").user
    assert asked
    with pytest.raises(NotFound):
        store.judge(talk.owner, asked.id, GOOD)


def test_two_tabs_make_one_judgement(store: Store, talk: Talk) -> None:
    reply = talk.say("hello", "hi").reply.id
    ratings: list[Rating] = [1, -1] * 10

    def judge(rating: Rating) -> None:
        store.judge(talk.owner, reply, JudgementChange(rating=rating, comment="so"))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(judge, ratings))
    assert rows(store) == 1


def test_a_running_reply_is_judged_where_it_was_and_exported_when_it_has_ended(
    store: Store, local: Talk
) -> None:
    begun = local.begin("count")
    store.write_batch([JournalEntry(begun.reply.id, seq, "text", f"{seq} ") for seq in (1, 2, 3)])
    assert given(store, local, begun.reply.id, replace(GOOD, seq=2)).seq == 2
    early = given(store, local, begun.reply.id, replace(BAD, seq=99))
    assert early.seq == 3
    accept(store, local, early)
    assert store.judgement(local.owner, early.id).judged is None
    assert list(store.usable()) == []
    provenance = Provenance(backend="echo", model="tall", template="plain/1", prompt_tokens=7)
    store.write_batch([], [FinishedTurn(begun.reply.id, "complete", "stop", provenance=provenance)])
    (found,) = store.usable()
    assert found.seq == 3
    assert found.judged == Judged(
        begun.reply.id,
        (JudgedMessage("user", "count"),),
        "1 2 3 ",
        "tall",
        {"backend": "echo", "template": "plain/1", "prompt_tokens": 7},
    )
    listed = store.judgements(local.owner, JudgementFilter(model="tall", template="plain/1")).items
    assert [one.judgement.id for one in listed] == [early.id]


def test_what_was_judged_is_all_that_the_model_read(store: Store, local: Talk) -> None:
    first = local.say("one", "ONE")
    refused = local.begin("two", conversation=first.conversation.id, parent=first.reply.id)
    store.write_batch([], [FinishedTurn(refused.reply.id, "blocked")])
    use = TemplateUse("t", 1, "letter")
    last = local.begin("three", conversation=first.conversation.id, parent=refused.reply.id)
    provenance = Provenance(
        prompt=(
            {"role": "system", "content": "Be kind."},
            {"role": "assistant", "content": "Welcome!"},
            {"path": last.reply.id, "count": 2},
        ),
        model="tall",
        details={
            "left_out": 3,
            "first_sent": refused.reply.parent_id,
            "masked_count": 3,
            "persona": use.named,
        },
    )
    store.write_batch(
        [JournalEntry(last.reply.id, 1, "text", "THREE")],
        [FinishedTurn(last.reply.id, "complete", "length", provenance=provenance)],
    )
    judged = store.judgement(local.owner, given(store, local, last.reply.id, BAD).id).judged
    assert judged is not None
    assert judged.prompt == (
        JudgedMessage("system", "Be kind.", template=True),
        JudgedMessage("assistant", "Welcome!", template=True),
        JudgedMessage("user", "one"),
        JudgedMessage("assistant", "ONE"),
        JudgedMessage("user", "two"),
        JudgedMessage("user", "three"),
    )
    assert (judged.cut, judged.masked, judged.whole, judged.continues) == (2, 3, False, False)
    store.update_conversation(local.owner, first.conversation.id, title="Another")
    store.edit_reply(local.owner, last.reply.id, "corrected")
    given(store, local, last.reply.id, JudgementChange(comment="still"))
    (again,) = store.judgements(local.owner).items
    assert store.judgement(local.owner, again.judgement.id).judged == judged


def test_a_change_has_to_be_reviewed_again_and_the_same_again_changes_nothing(
    store: Store, local: Talk
) -> None:
    reply = local.say("hello", "hi").reply.id
    judgement = given(store, local, reply, BAD)
    seen = {judgement.id: judgement.changed_at}
    done = store.review_judgements(local.owner, {**seen, "nothing": judgement.changed_at}, "accepted")
    assert done == Reviewed(1, 0)
    same = given(store, local, reply, BAD)
    assert (same.review.state, same.changed_at) == ("accepted", judgement.changed_at)
    changed = given(store, local, reply, JudgementChange(comment="so"))
    assert changed.review.state == "new"
    assert list(store.usable()) == []
    store.review_judgements(local.owner, {changed.id: changed.changed_at}, "edited", "Hello!")
    assert [one.review.better for one in store.usable()] == ["Hello!"]
    for ids, state, better in (
        (seen, "edited", " "),
        (seen, "accepted", "x"),
        ({**seen, "b": judgement.changed_at}, "edited", "x"),
    ):
        with pytest.raises(ValueError, match="better answer"):
            store.review_judgements(local.owner, ids, state, better)  # type: ignore[arg-type]


def test_what_changed_after_it_was_shown_is_not_accepted(store: Store, local: Talk) -> None:
    """Alone or with a whole page: it stays to be reviewed."""
    replies = [local.say("hello", "hi").reply.id for _ in range(2)]
    harmless, other = (given(store, local, one, JudgementChange(better="harmless")) for one in replies)
    seen = {one.judgement.id: one.judgement.changed_at for one in store.judgements(local.owner).items}
    given(store, local, replies[0], JudgementChange(better="POISON"))
    assert store.review_judgements(local.owner, seen, "accepted") == Reviewed(1, 1)
    assert store.review_judgements(local.owner, {harmless.id: seen[harmless.id]}, "edited", "x").changed == 1
    assert [(one.id, one.better) for one in store.usable()] == [(other.id, "harmless")]
    assert store.judgement(local.owner, harmless.id).review.state == "new"


def test_only_operators_review(store: Store, talk: Talk) -> None:
    judgement = given(store, talk, talk.say("a", "b").reply.id, GOOD)
    for ask in (
        lambda: store.judgements(talk.owner),
        lambda: store.judgement(talk.owner, judgement.id),
        lambda: store.review_judgements(talk.owner, {judgement.id: judgement.changed_at}, "accepted"),
    ):
        with pytest.raises(NotFound):
            ask()


def test_only_what_may_train_is_exported(store: Store, local: Talk, talk: Talk) -> None:
    """Operators', members' who switched it on, and testers' who accepted a sentence that says so."""
    member = Talk(store, store.add_person("password", "mia", "Mia").owner_id)
    covered = of_a_link(store, "1", consent="It trains.", training=True)
    read = of_a_link(store, "2", consent="It is read.")
    unasked = of_a_link(store, "3")
    judgements = {
        one.owner: given(store, one, one.say("hello", "hi").reply.id, GOOD)
        for one in (local, talk, member, covered, read, unasked)
    }
    accept(store, local, *judgements.values())
    consents = {owner: judgement.consent for owner, judgement in judgements.items()}
    assert consents[covered.owner] == Consent(1, "It trains.", True)
    assert consents[read.owner] == Consent(1, "It is read.", False)
    assert {one.owner_id for one in store.usable()} == {local.owner, covered.owner}
    store.set_trains(member.owner, True)
    assert store.person(member.owner).trains
    assert {one.owner_id for one in store.usable()} == {local.owner, covered.owner}, "nobody has read it"
    accept(store, local, judgements[member.owner])
    assert {one.owner_id for one in store.usable()} == {local.owner, covered.owner, member.owner}
    store.set_trains(member.owner, False)
    assert {one.owner_id for one in store.usable()} == {local.owner, covered.owner}
    shown = {one.judgement.owner_id: (one.trains, one.reply) for one in store.judgements(local.owner).items}
    assert shown == {
        local.owner: (True, "hi"),
        talk.owner: (False, ""),
        member.owner: (False, ""),
        covered.owner: (True, "hi"),
        read.owner: (False, "hi"),
        unasked.owner: (False, ""),
    }
    assert [look.action for look in store.looks().items] == ["judged"] * 3


def test_a_sentence_that_has_changed_is_accepted_first(store: Store) -> None:
    talk = of_a_link(store, "1", consent="It is read.")
    reply = talk.say("hello", "hi").reply.id
    link = store.list_links()[0]
    store.change_link(link.id, terms=lambda old: replace(old, consent="It trains.", training=True))
    with pytest.raises(ConsentNeeded):
        store.judge(talk.owner, reply, GOOD)
    store.consent(talk.owner, 2)
    assert given(store, talk, reply, GOOD).consent == Consent(2, "It trains.", True)


def asked_later(store: Store, talk: Talk, consent: str, training: bool = True) -> None:
    """The link of a person gets another sentence, and they accept it."""
    link_id = store.owner(talk.owner).link_id
    assert link_id
    link = store.change_link(link_id, terms=lambda old: replace(old, consent=consent, training=training))
    store.consent(talk.owner, link.terms.consent_version)


def test_words_of_before_the_consent_are_neither_exported_nor_shown(store: Store, local: Talk) -> None:
    """Also if what was accepted before the chat did not cover training."""
    unasked, read = of_a_link(store, "1"), of_a_link(store, "2", consent="It is read.")
    old = [one.say("private", "words").reply.id for one in (unasked, read)]
    for one in (unasked, read):
        asked_later(store, one, "It trains.")
    whole = JudgementChange(
        1, comment="private", better="private", answers=(Answer(STYLE, 2), Answer(WHY, "so"))
    )
    late = [given(store, one, reply, whole) for one, reply in zip((unasked, read), old, strict=True)]
    new = given(store, unasked, unasked.say("hello", "hi").reply.id, GOOD)
    accept(store, local, *late, new)
    assert [one.id for one in store.usable()] == [new.id]
    listed = {one.judgement.id: one for one in store.judgements(local.owner).items}
    assert [listed[one.id].trains for one in (*late, new)] == [False, False, True]
    assert [listed[one.id].asked for one in (*late, new)] == ["", "private", "hello"]
    for found in (listed[late[0].id].judgement, store.judgement(local.owner, late[0].id)):
        assert (found.rating, found.comment, found.better, found.judged) == (1, "", "", None)
        assert found.answers == (Answer(STYLE, 2),)
    shown = store.judgement(local.owner, late[1].id)
    assert (shown.comment, shown.better, shown.answers) == ("private", "private", whole.answers)


def test_operators_read_what_they_may_read_of_the_chat_elsewhere(store: Store, local: Talk) -> None:
    """The sentence as it is now, not any old one."""
    talk = of_a_link(store, "1", consent="It is read.")
    id = given(store, talk, talk.say("hello", "hi").reply.id, replace(BAD, comment="so")).id
    link_id = store.owner(talk.owner).link_id
    assert link_id

    def shown() -> tuple[str, str]:
        (one,) = store.judgements(local.owner).items
        return one.reply, one.judgement.comment

    for version, consent in ((1, "It is read."), (2, "Everybody reads it."), (2, "")):
        store.change_link(link_id, terms=partial(replace, consent=consent))
        chats = len(store.list_tester_chats(local.owner, link_id).items)
        assert shown() == (("hi", "so") if chats else ("", "")), version
        assert (store.judgement(local.owner, id).judged is not None) == bool(chats)
    assert not chats
    asked_later(store, talk, "Everybody reads it.", training=False)
    assert shown() == ("hi", "so")


def test_a_member_decides_alone_about_what_they_took_along(store: Store, local: Talk) -> None:
    """Also about what they said as a guest, under a sentence that covered it."""
    guest = of_a_link(store, "1", consent="It trains.", training=True)
    reply = guest.say("hello", "hi").reply.id
    judgement = given(store, guest, reply, replace(GOOD, comment="so"))
    accept(store, local, judgement)
    assert [one.id for one in store.usable()] == [judgement.id]
    member = store.add_person("password", "mia", "Mia").owner_id
    assert store.move_chats(member, guest.owner, [guest.owner]) == 1
    for agreed in (False, True, False):
        store.set_trains(member, agreed)
        (listed,) = store.judgements(local.owner).items
        assert (listed.trains, bool(listed.reply), bool(listed.judgement.comment)) == (agreed,) * 3
        assert len(list(store.usable())) == agreed


def test_a_removed_person_takes_their_judgements_along(store: Store, local: Talk) -> None:
    member = Talk(store, store.add_person("password", "mia", "Mia").owner_id)
    store.set_trains(member.owner, True)
    mine, theirs = (given(store, one, one.say("a", "b").reply.id, GOOD) for one in (local, member))
    accept(store, local, mine, theirs)
    store.remove_person(member.owner)
    assert [one.id for one in store.usable()] == [mine.id]
    assert [one.judgement.id for one in store.judgements(local.owner).items] == [mine.id]
    store.purge(later())
    assert rows(store) == 1


def test_what_is_deleted_is_not_exported_and_a_purge_ends_it(store: Store, local: Talk) -> None:
    kept = local.say("1", "a")
    below = local.say("2", "b", after=kept.reply)
    other = local.say("3", "c")
    found = [given(store, local, one.reply.id, GOOD) for one in (kept, below, other)]
    accept(store, local, *found)
    assert below.user
    store.delete_messages(local.owner, below.user.id)
    store.delete_conversation(local.owner, other.conversation.id)
    assert [one.id for one in store.usable()] == [found[0].id]
    store.restore_messages(local.owner, below.user.id)
    assert [one.id for one in store.usable()] == [one.id for one in found[:2]]
    store.purge(later())
    assert rows(store) == 2


def test_what_did_not_end_by_itself_is_exported_for_its_better_answer_alone(
    store: Store, local: Talk
) -> None:
    for state in ("stopped", "failed", "complete"):
        for better in ("", "Better."):
            begun = local.begin("q")
            store.write_batch(
                [JournalEntry(begun.reply.id, 1, "text", "half")], [FinishedTurn(begun.reply.id, state)]
            )
            accept(store, local, given(store, local, begun.reply.id, replace(BAD, better=better)))
    found = [(one.better, one.judged.whole) for one in store.usable() if one.judged]
    assert found == [("Better.", False), ("", True), ("Better.", True)]


async def test_people_judge_while_an_export_reads(
    store: Store, local: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webchat.store.judgements.reviewing.SLICE_ROWS", 10)
    people = [of_a_link(store, f"{n}", consent="It trains.", training=True) for n in range(10)]
    replies = [one.say(f"q {n}", "a").reply.id for n, one in enumerate(people)]
    before = [given(store, local, local.say("q", "a").reply.id, GOOD) for _ in range(15)]
    accept(store, local, *before)
    usable = store.usable()
    read = [next(usable).id]
    judging = [
        store.call(store.judge, one.owner, reply, BAD) for one, reply in zip(people, replies, strict=True)
    ]
    judged = asyncio.gather(*judging)
    read += [one.id for one in await asyncio.to_thread(list, usable)]
    assert read == [one.id for one in before]
    assert all(await judged)
    assert rows(store) == 25


def test_what_was_not_sent_is_counted_from_the_first_message_that_was(store: Store, local: Talk) -> None:
    """`left_out` also counts an opening that was not sent, and replies that no model reads."""
    begun = local.say("u1", "a1")
    refused = local.begin("u2", conversation=begun.conversation.id, parent=begun.reply.id)
    store.write_batch([], [FinishedTurn(refused.reply.id, "blocked")])
    third = local.say("u3", "a3", after=refused.reply)
    last = local.begin("u4", conversation=begun.conversation.id, parent=third.reply.id)
    provenance = Provenance(
        prompt=({"path": last.reply.parent_id, "count": 3},),
        details={"left_out": 5, "first_sent": third.reply.parent_id},
    )
    store.write_batch(
        [JournalEntry(last.reply.id, 1, "text", "a4")],
        [FinishedTurn(last.reply.id, "complete", provenance=provenance)],
    )
    judged = store.judgement(local.owner, given(store, local, last.reply.id, BAD).id).judged
    assert judged is not None
    assert [message.text for message in judged.prompt[judged.cut :]] == ["u3", "a3", "u4"]


def test_an_export_reads_in_slices(store: Store, local: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webchat.store.judgements.reviewing.SLICE_CHARS", 100)
    found = [given(store, local, local.say("q", "a" * size).reply.id, GOOD) for size in (10, 200, 10, 60, 60)]
    accept(store, local, *found)
    after, sizes = "", []
    while True:
        last, some = store._usable_slice(after)
        sizes.append(len(some))
        if last is None:
            break
        after = last
    assert sizes == [2, 3, 0]
    assert [one.id for one in store.usable()] == [one.id for one in found]


FILTERS = {
    "at": JudgementFilter(),
    "model": JudgementFilter(model="m3"),
    "template": JudgementFilter(template="t3"),
    "link_id": JudgementFilter(link_id="l3"),
    "rating": JudgementFilter(rating=-1),
    "owner_id": JudgementFilter(person="p3"),
    "review": JudgementFilter(review="edited"),
    "reason": JudgementFilter(reason="other"),
}


def test_pages_are_read_through_indexes(store: Store, local: Talk) -> None:
    for at in range(7):
        change = JudgementChange(rating=1 if at % 2 else -1, reasons=("other",) if at < 3 else ())
        given(store, Talk(store, local.owner, f"m{at % 2}"), local.say("q", f"a{at}").reply.id, change)

    def pages(wanted: JudgementFilter) -> list[str]:
        found: list[str] = []
        cursor = None
        while True:
            page = store.judgements(local.owner, wanted, cursor=cursor, limit=2)
            found += [one.reply for one in page.items]
            if (cursor := page.next) is None:
                return found

    assert pages(JudgementFilter()) == [f"a{at}" for at in range(6, -1, -1)]
    assert pages(JudgementFilter(rating=1)) == ["a5", "a3", "a1"]
    assert pages(JudgementFilter(reason="other", rating=-1)) == ["a2", "a0"]
    assert pages(JudgementFilter(since=later())) == []
    assert len(pages(JudgementFilter(before=later(), person=local.owner, review="new"))) == 7


@pytest.mark.parametrize("by", FILTERS)
def test_no_page_scans_every_judgement(by: str, store: Store, local: Talk, kind: str) -> None:
    if kind != "sqlite":
        pytest.skip("PostgreSQL chooses by what is stored, of eight tables at most")
    plans: list[str] = []
    _explain(store, plans)
    store.judgements(local.owner, FILTERS[by])
    plan = [line for line in plans if "judgement" in line]
    assert plan
    assert all("USING" in line for line in plan), plan
    assert not any("TEMP B-TREE" in line for line in plans), plans
    if by != "at":
        assert any(f"ix_judgement{'_reasons_reason' if by == 'reason' else f's_{by}'}" in one for one in plan)


def _explain(store: Store, plans: list[str]) -> None:
    from sqlalchemy import event

    engine = store._engines[False]

    @event.listens_for(engine, "before_cursor_execute")
    def explain(_connection: Any, cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if "FROM judgement" in statement:
            cursor.execute("EXPLAIN QUERY PLAN " + statement, values)
            plans.extend(str(row[-1]) for row in cursor.fetchall())


def test_counts_are_by_model_and_day(store: Store, local: Talk) -> None:
    for model, change in (("a", GOOD), ("a", BAD), ("b", JudgementChange(better="x")), ("a", GOOD)):
        talk = Talk(store, local.owner, model)
        given(store, talk, talk.say("q", "a").reply.id, change)
    found = store.judgement_counts()
    assert [(one.model, one.good, one.bad, one.better, one.total) for one in found] == [
        ("a", 2, 1, 0, 3),
        ("b", 0, 0, 1, 1),
    ]
    assert all(abs(one.day - now().date()) <= timedelta(1) for one in found)


def test_thumbs_are_all_ratings_that_were_not_rejected(store: Store, local: Talk) -> None:
    talk = Talk(store, local.owner, "a")
    *_, wrong = (
        given(store, talk, talk.say("q", "a").reply.id, change)
        for change in (GOOD, BAD, JudgementChange(comment="hm"), GOOD)
    )
    store.review_judgements(local.owner, {wrong.id: wrong.changed_at}, "rejected")
    told = sorted(store.thumbs(), key=lambda one: one.rating)
    assert told == [Thumb(local.owner, "a", -1), Thumb(local.owner, "a", 1)]


def test_ratings_of_before_come_along_and_go_back(url: str) -> None:
    with closing(Store.open(url)) as store:
        talk = of_a_link(store, "1")
        good, bad = (talk.say("q", "a").reply.id for _ in range(2))
        store.judge(talk.owner, good, replace(GOOD, comment="lost on the way back"))
        store.judge(talk.owner, bad, BAD)
        store.judge(talk.owner, talk.say("q", "a").reply.id, JudgementChange(comment="no rating"))
        with ExitStack() as stack, store.transaction(write=True) as connection:
            config = _config(stack)
            config.attributes["connection"] = connection
            command.downgrade(config, "0011")
            before = connection.execute(text("SELECT message_id, value FROM feedback")).all()
            assert {tuple(row) for row in before} == {(good, 1), (bad, -1)}
    with closing(Store.open(url)) as store:
        judgement = store.own_judgement(talk.owner, good)
        assert judgement is not None
        assert (judgement.rating, judgement.comment, judgement.link) == (1, "", "testers")
        assert (judgement.consent, judgement.review.state) == (None, "new")
        assert judgement.at < now()
        assert [store.message(talk.owner, id).rating for id in (good, bad)] == [1, -1]
        (count,) = store.judgement_counts()
        assert (count.model, count.good, count.bad) == ("echo", 1, 1)


def test_what_operators_may_not_read_is_not_accepted_unread(store: Store, local: Talk) -> None:
    member = Talk(store, store.add_person("here", "ada", "Ada").owner_id)
    unread = given(store, member, member.say("private", "hi").reply.id, replace(GOOD, comment="mine"))
    seen = {unread.id: unread.changed_at}
    assert store.review_judgements(local.owner, seen, "accepted") == Reviewed(0, 0, 1)
    assert store.review_judgements(local.owner, seen, "edited", "x") == Reviewed(0, 0, 1)
    store.set_trains(member.owner, True)
    assert list(store.usable()) == []
    assert store.review_judgements(local.owner, seen, "accepted") == Reviewed(1, 0)
    assert [one.comment for one in store.usable()] == ["mine"]
    store.set_trains(member.owner, False)
    assert store.review_judgements(local.owner, seen, "rejected") == Reviewed(1, 0)


def test_many_are_reviewed_and_taken_back_in_slices(
    store: Store, talk: Talk, local: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webchat.store.judgements.reviewing.SLICE_ROWS", 2)
    made = [given(store, talk, talk.say(f"{at}", "Hi").reply.id, GOOD) for at in range(5)]
    seen = {one.id: one.changed_at for one in made}
    done = store.review_judgements(local.owner, seen, "rejected")
    assert (done.reviewed, done.changed, done.unread) == (5, 0, 0)
    assert {store.judgement(local.owner, id).review.state for id in seen} == {"rejected"}
    assert done.decision is not None
    assert len({store.judgement(local.owner, id).review.at for id in seen}) == 1
    assert store.undo_reviews(local.owner, done.decision) == 5
    assert {store.judgement(local.owner, id).review.state for id in seen} == {"new"}
    for ids in ({}, seen):
        with pytest.raises(NotFound):
            store.review_judgements(talk.owner, ids, "rejected")
