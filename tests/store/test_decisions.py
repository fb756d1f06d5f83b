"""The log of decisions: in order, in pages that cost the same however long it is, and trimmed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.store.talk import Talk, later
from webchat.store import Store
from webchat.store.decision_records import DecisionCount, DecisionFilter, LoggedDecision
from webchat.store.verbs import decisions

NOW = datetime(2030, 5, 1, tzinfo=UTC)
ONE = LoggedDecision(NOW, "words", "words", "input", "block", "ada", "talk", "m1", "echo", 3, 9)


def fill(store: Store, count: int) -> None:
    """`count` decisions an hour apart, the rules and places in turn."""
    store.add_decisions(
        [
            replace(
                ONE,
                at=NOW + timedelta(hours=index),
                rule=("words", "secrets.aws")[index % 2],
                stage=("input", "output")[index % 2],
                action=("block", "mask", "flag")[index % 3],
                conversation_id=f"talk-{index % 5}",
            )
            for index in range(count)
        ]
    )


def test_what_is_written_is_read_newest_first_and_page_by_page(store: Store) -> None:
    fill(store, 25)
    seen: list[LoggedDecision] = []
    cursor = None
    while True:
        page = store.decisions(cursor=cursor, limit=10)
        seen += page.items
        if (cursor := page.next) is None:
            break
    assert [one.at for one in seen] == [NOW + timedelta(hours=24 - index) for index in range(25)]
    assert len({one.number for one in seen}) == 25
    assert replace(seen[-1], number=0) == replace(ONE, conversation_id="talk-0")


def test_filters_hold_together(store: Store) -> None:
    fill(store, 30)
    wanted = DecisionFilter(rule="words", stage="input", action="block", conversation_id="talk-0")
    found = store.decisions(wanted).items
    assert [one.at for one in found] == [NOW]
    assert not store.decisions(replace(wanted, stage="output")).items


def test_counts_are_since_a_moment(store: Store) -> None:
    fill(store, 6)
    store.add_decisions([replace(ONE, at=NOW - timedelta(days=8))])
    counts = store.decision_counts(NOW)
    assert sum(one.count for one in counts) == 6
    assert DecisionCount("words", "words", "block", 1) in counts
    assert store.decision_counts(NOW - timedelta(days=30))[0] == DecisionCount("words", "words", "block", 2)


def test_a_trim_takes_what_is_older_and_no_number_comes_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decisions, "TRIM_ROWS", 4)
    fill(store, 10)
    newest = store.decisions().items[0].number
    ends = NOW + timedelta(hours=9)
    assert [store.trim_decisions(ends) for _ in range(4)] == [4, 4, 1, 0]
    assert [one.number for one in store.decisions().items] == [newest]
    assert store.trim_decisions(NOW + timedelta(days=9)) == 1
    fill(store, 1)
    assert store.decisions().items[0].number > newest


def test_text_no_database_takes_does_not_lose_the_decision(store: Store) -> None:
    store.add_decisions([replace(ONE, content="a\0b\ud800", detail="\udc00")])
    (found,) = store.decisions().items
    assert (found.content, found.detail) == ("a\ufffdb\ufffd", "\ufffd")


@pytest.mark.parametrize("column", ["", "rule", "stage", "action", "conversation_id"])
def test_a_page_is_read_along_an_index(store: Store, kind: str, column: str) -> None:
    """No scan and no sort of the whole log: SQLite says so in its plan."""
    if kind != "sqlite":
        pytest.skip("PostgreSQL chooses by its statistics, which a test has none of")
    where = f"WHERE {column} = 'x'" if column else ""
    with store.transaction(write=False) as connection:
        plan = " ".join(
            row[-1]
            for row in connection.execute(
                text(f"EXPLAIN QUERY PLAN SELECT * FROM decisions {where} ORDER BY number DESC LIMIT 51")
            )
        )
    assert "TEMP B-TREE" not in plan
    assert not column or f"USING INDEX ix_decisions_{column}" in plan


def test_the_newest_texts_are_everybodys_but_not_the_deleted(
    store: Store, talk: Talk, stranger: Talk
) -> None:
    talk.say("one", "two")
    gone = talk.say("gone", "gone too")
    store.delete_conversation(talk.owner, gone.conversation.id)
    stranger.say("three", "four")
    stranger.begin("five")
    assert [one.text for one in store.newest_texts(10)] == ["five", "four", "three", "two", "one"]
    assert [one.text for one in store.newest_texts(2, ["assistant"])] == ["four", "two"]
    assert store.newest_texts(1)[0].owner_id == stranger.owner


def test_the_text_in_the_log_goes_with_what_it_was_in(store: Store, talk: Talk) -> None:
    gone, stays = talk.say("one", "two"), talk.say("three", "four")
    pruned = talk.say("five", "six")
    seventh = talk.say("seven", "eight", after=pruned.reply)
    places = [
        (gone.conversation.id, gone.reply.id),
        (gone.conversation.id, None),
        (stays.conversation.id, stays.reply.id),
        (pruned.conversation.id, pruned.reply.id),
        (pruned.conversation.id, seventh.reply.id),
        (pruned.conversation.id, None),
    ]
    store.add_decisions(
        [replace(ONE, conversation_id=where, message_id=id, content="words") for where, id in places]
    )
    store.delete_conversation(talk.owner, gone.conversation.id)
    assert seventh.user is not None
    store.delete_messages(talk.owner, seventh.user.id)
    store.purge(later())
    kept = [one.content for one in reversed(store.decisions().items)]
    assert kept == [None, None, "words", "words", None, None]
