"""Search finds parts of words in any script, whatever their case, accents and width, and nothing of anybody
else's."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from tests.store.talk import Talk, later
from webchat.store import Store
from webchat.store.database import transactions
from webchat.store.database.transactions import heavy
from webchat.store.database.until import Until
from webchat.store.errors import StoreUnavailable
from webchat.store.search import verbs as search
from webchat.store.search.index import find
from webchat.store.search.words import query_terms


@pytest.mark.parametrize(
    ("said", "query"),
    [
        ("The quick brown fox", "quick"),
        ("The quick brown fox", "QUICK fox"),
        ("The quick brown fox", "bro"),
        ("The quick brown fox", "fox qui"),
        ("The quick brown fox", "uic row"),  # any part of any word
        ("Straße und Café", "café"),
        ("Ｆｕｌｌｗｉｄｔｈ １２３", "fullwidth 123"),
        ("snake_case_name = 1", "snake_case"),
        ("今天天气怎么样?", "天气"),
        ("今天天气怎么样?", "今天天气怎么样"),
        ("今天天气怎么样?", "气"),
        ("用 Python 写爬虫", "python 爬虫"),
        ("東京タワーへ", "タワー"),
        ("สวัสดีครับ", "สวัสดี"),
        ("Привет, мир", "привет"),
        ("हिन्दी में", "हिन्दी"),
        ("don't panic", "panic"),
        ("a-b.c/d", "b c"),
    ],
)
def test_what_was_said_is_found(said: str, query: str, shared_talk: Talk) -> None:
    place = shared_talk.say(said, "other words").conversation.id
    shared_talk.say("something else", "entirely")
    assert shared_talk.found(query) == [place]


@pytest.mark.parametrize(
    ("said", "query"),
    [
        ("The quick brown fox", "quack"),
        ("The quick brown fox", "qui cat"),
        ("The quick brown fox", "kb"),  # no part goes over a space
        ("今天天气怎么样", "气天"),
        ("上海天很热。气温很高", "天气"),
        ("热天 气温", "天气"),
        ("anything", ""),
        ("anything", "  \"' * ( ) AND"),
        ("anything", "!?&|"),
    ],
)
def test_what_was_not_said_is_not_found(said: str, query: str, shared_talk: Talk) -> None:
    shared_talk.say(said, said)
    assert shared_talk.found(query) == []


@pytest.mark.parametrize(
    "query", ['"', "a AND", "NEAR(", "x*", "-", "a:b", "'; DROP TABLE messages", "\0", "\\"]
)
def test_no_query_is_an_error(query: str, shared_talk: Talk) -> None:
    shared_talk.say("a x b", "y")
    shared_talk.found(query)


def test_titles_replies_and_finished_text_are_found_and_renamed_titles_are_not(
    store: Store, talk: Talk
) -> None:
    turn = talk.begin("question")
    place = turn.conversation.id
    store.update_conversation(talk.owner, place, title="Holiday plans")
    assert talk.found("answer") == []
    talk.finish(turn.reply.id, "the ans", "wer")
    assert talk.found("answer") == talk.found("holiday") == talk.found("question") == [place]
    store.update_conversation(talk.owner, place, title="Taxes")
    assert talk.found("holiday") == []
    assert store.search(talk.owner, "taxes").items[0].message_id is None


def test_nothing_of_a_stranger_is_found(talk: Talk, stranger: Talk) -> None:
    talk.say("secret plan", "yes")
    assert stranger.found("secret") == stranger.found("plan") == []


def test_what_is_deleted_is_not_found_until_it_is_back(store: Store, talk: Talk) -> None:
    turn = talk.say("elephant", "grey")
    store.delete_messages(talk.owner, turn.reply.id)
    assert (talk.found("grey"), talk.found("elephant")) == ([], [turn.conversation.id])
    store.restore_messages(talk.owner, turn.reply.id)
    assert talk.found("grey") == [turn.conversation.id]
    store.delete_conversation(talk.owner, turn.conversation.id)
    assert talk.found("elephant") == []
    store.restore_conversation(talk.owner, turn.conversation.id)
    assert talk.found("elephant") == [turn.conversation.id]


def test_a_hit_shows_where(store: Store, talk: Talk) -> None:
    turn = talk.say("x " * 300 + "the needle\nin hay 天气 " + "y " * 300, "z")
    (hit,) = store.search(talk.owner, "needle 天气").items
    assert hit.message_id == (turn.user and turn.user.id)
    assert len(hit.snippet) < 200
    assert [hit.snippet[start:end] for start, end in hit.ranges] == ["needle", "天气"]
    assert "\n" not in hit.snippet


def test_each_conversation_comes_once_newest_first_over_all_pages(store: Store, talk: Talk) -> None:
    places = []
    for number in range(7):
        turn = talk.say(f"apple {number}", "an apple")
        talk.say("apple again", "apple", after=turn.reply)
        places.append(turn.conversation.id)
    found: list[str] = []
    cursor = None
    while True:
        page = store.search(talk.owner, "apple", limit=3, cursor=cursor)
        found += [hit.conversation_id for hit in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert found == places[::-1]


MANY = (
    "INSERT INTO messages (id, conversation_id, under_id, role, text, created_at)"
    " SELECT 'm' || n, :place, :place, 'user', 'x', now() FROM generate_series(1, 30000) AS n",
    "INSERT INTO search_entries (owner_id, conversation_id, message_id)"
    " SELECT :owner, :place, 'm' || n FROM generate_series(1, 30000) AS n",
    "INSERT INTO search_words (number, words) SELECT number, array_to_tsvector(ARRAY['pear', 'w' || number])"
    " FROM search_entries WHERE message_id LIKE 'm%'",
    "SELECT gin_clean_pending_list('ix_search_words_words'::regclass)",
    "ANALYZE",
)
"""PostgreSQL decides by the size of things, so there must be some, settled as its vacuum leaves them."""


@pytest.mark.usefixtures("unused")
def test_search_walks_the_index_and_scans_no_table(store: Store, talk: Talk, kind: str) -> None:
    place = talk.say("apple", "pear").conversation.id
    if kind == "postgresql":
        with store.transaction(write=True) as connection:
            for statement in MANY:
                values = {"owner": talk.owner, "place": place} if ":place" in statement else {}
                connection.execute(text(statement), values)
    walks = "VIRTUAL TABLE INDEX" if kind == "sqlite" else "Index Scan"
    for query in ("apple", "ppl", "c#", "气", "🎉", "a", "pear", '"an apple"'):
        with store.transaction(write=False) as connection:
            plans = [_plan(connection, kind, *asked) for asked in _asked(connection, talk.owner, query)]
        rows = "\n".join(plans).splitlines()
        assert any(walks in row for row in rows), (query, plans)
        # SQLite calls the walk along the virtual table's index a scan too.
        assert not [row for row in rows if "SCAN" in row and "VIRTUAL TABLE" not in row], (query, plans)
        assert not [row for row in rows if re.search("Seq Scan on (search_|messages)", row)], (query, plans)


def _asked(connection: Connection, owner: str, query: str) -> list[tuple[str, Any]]:
    """The statements that look for a query, with their values."""
    asked: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, values: Any, *___: object) -> None:
        asked.append((statement, values))

    event.listen(connection, "before_cursor_execute", note)
    assert next(find(connection, [owner], query_terms(query)), None) or query not in ("apple", "pear")
    event.remove(connection, "before_cursor_execute", note)
    return asked


def _plan(connection: Connection, kind: str, statement: str, values: Any) -> str:
    """How the database goes about a statement; the first one is read as it is asked for."""
    if kind == "sqlite":
        statement = f"EXPLAIN QUERY PLAN {statement}"
    elif "ORDER BY number DESC" in statement:
        statement = f"EXPLAIN DECLARE numbers CURSOR FOR {statement}"
    else:
        statement = f"EXPLAIN {statement}"
    return "\n".join(map(str, connection.exec_driver_sql(statement, values).all()))


def test_purged_words_are_gone_from_the_index(store: Store, talk: Talk) -> None:
    turn = talk.say("zebra", "striped")
    store.delete_conversation(talk.owner, turn.conversation.id)
    store.purge(later())
    with store.transaction(write=False) as connection:
        assert connection.scalar(text("SELECT count(*) FROM search_words")) == 0
        assert connection.scalar(text("SELECT count(*) FROM search_entries")) == 0


NEVER = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000)"
    " SELECT max(i) FROM n"
)


class Endless(Store):
    """A store with a statement that takes minutes."""

    @heavy
    def count(self, connection: Connection, until: Until) -> object:
        self.begun.set()
        return connection.scalar(text(NEVER))

    begun: threading.Event


@pytest.fixture
def endless(url: str) -> Iterator[Endless]:
    opened = Endless.open(url)
    opened.begun = threading.Event()
    yield opened
    opened.close()


async def test_a_heavy_read_ends_with_its_caller_and_others_read_meanwhile(endless: Endless) -> None:
    counting = [asyncio.create_task(endless.call(endless.count)) for _ in range(6)]
    await asyncio.to_thread(endless.begun.wait)
    owner = await endless.call(endless.create_owner, "visitor", "Ada")
    # Plain reads have readers of their own.
    assert (await endless.call(endless.owner, owner.id)).name == "Ada"
    for task in counting:
        task.cancel()
    await asyncio.gather(*counting, return_exceptions=True)
    # All of its threads are free again: otherwise this waits for minutes.
    assert (await endless.call(endless.search, owner.id, "word")).whole


def test_a_heavy_read_ends_when_its_time_is_over(endless: Endless, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "HEAVY_SECONDS", 0.2)
    with pytest.raises(StoreUnavailable, match="took too long"):
        endless.count()


def test_a_search_that_meets_more_entries_than_it_may_says_so(
    talk: Talk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [talk.say(f"a word {number}", "fine").conversation.id for number in range(5)]
    # Each chat has its title too; single letters are looked for in all that was said.
    for query, most in (("word", 5), ("w", 8)):
        monkeypatch.setattr(search, "MOST_ENTRIES", most)
        found = store.search(talk.owner, query)
        assert [hit.conversation_id for hit in found.items] == places[:1:-1]
        assert not found.whole
    monkeypatch.setattr(search, "MOST_ENTRIES", 10)
    assert store.search(talk.owner, "word").whole


def test_a_search_that_is_too_much_work_says_what_it_found_so_far(
    talk: Talk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [talk.say(f"word {number} " + "x " * 1000, "fine").conversation.id for number in range(5)]
    monkeypatch.setattr(search, "MOST_CHARS", 7000)
    found = store.search(talk.owner, "word")
    assert [hit.conversation_id for hit in found.items] == places[:1:-1]
    assert not found.whole
    assert found.next is None
