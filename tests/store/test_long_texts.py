"""Long texts are stored at once, and their words indexed in slices: nobody waits for them, none is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select, text

from tests.store.talk import Talk, later, settled, writing_meanwhile
from tests.store.test_purge import rows_per_transaction
from webchat.store import Store
from webchat.store.database.migrate import migrate
from webchat.store.database.tables.search import SearchEntryRow
from webchat.store.database.urls import dialect_for
from webchat.store.import_records import ImportedConversation, ImportedMessage
from webchat.store.search import index
from webchat.store.search import words as of_words
from webchat.store.search.words import PART_WORDS, index_parts, index_words, matches, query_terms
from webchat.store.upkeep import indexing
from webchat.store.verbs.placeholders import SLICE_ROWS

FIRST, LAST = "anfang", "schluss"


def long_text(words: int = 3 * PART_WORDS) -> str:
    """As many words of the index, and a few: its first and last ones are in different parts."""
    return f"{FIRST} {' '.join(map(sign, range(words)))} {LAST} 天气"


def sign(number: int) -> str:
    return chr(0x20000 + number)


def entries(store: Store) -> list[tuple[int, int | None]]:
    """Of all entries the parts there are, and the one that is owed."""
    with store.transaction(write=False) as connection:
        found = select(SearchEntryRow.parts, SearchEntryRow.owed).order_by(SearchEntryRow.number)
        return [(parts, owed) for parts, owed in connection.execute(found)]


def word_rows(store: Store) -> int:
    with store.transaction(write=False) as connection:
        return connection.scalar(text("SELECT count(*) FROM search_words")) or 0


@contextmanager
def words_per_transaction(store: Store) -> Iterator[list[int]]:
    """How many words each transaction of the writer put into the index or took from it."""
    engine, counted = store._engines[True], [0]

    def counts(_c: Any, _cursor: Any, _statement: str, values: Any, *_: Any) -> None:
        for row in values if isinstance(values, list) else [values]:
            texts = row.values() if isinstance(row, dict) else row
            counted[-1] += sum(
                len(said.split()) for said in texts if "owner_" in str(said) or "parts_" in str(said)
            )

    def commits(_c: Any) -> None:
        counted.append(0)

    event.listen(engine, "before_cursor_execute", counts)
    event.listen(engine, "commit", commits)
    try:
        yield counted
    finally:
        event.remove(engine, "before_cursor_execute", counts)
        event.remove(engine, "commit", commits)


@pytest.fixture
def by_hand(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Nothing is indexed before `index_owed` is called."""
    monkeypatch.setattr(store, "index_soon", lambda: None)
    return store


def test_no_transaction_takes_more_words_than_a_part(by_hand: Store, talk: Talk) -> None:
    with words_per_transaction(by_hand) as counted:
        turn = talk.begin(long_text())
        by_hand.update_conversation(talk.owner, turn.conversation.id, title="renamed")
        talk.finish(turn.reply.id, long_text())
        by_hand.edit_reply(talk.owner, turn.reply.id, long_text())
        assert turn.user
        place, under = turn.conversation.id, turn.user.id
        more = talk.begin(None, conversation=place, parent=under, continues=turn.reply.id)
        talk.finish(more.reply.id, " and on")
        stored = sum(counted)
        by_hand.index_owed()
    assert stored < 50  # of the titles
    assert PART_WORDS < max(counted) <= PART_WORDS + 1
    assert sum(counted) > 4 * 3 * PART_WORDS


def test_words_of_different_parts_are_found_together(by_hand: Store, talk: Talk) -> None:
    older = talk.say("schluss anfang", "short").conversation.id
    place = talk.begin(long_text()).conversation.id
    newer = talk.say("anfang schluss", "short").conversation.id
    talk.begin(f"{FIRST} {'x ' * 5000}")
    talk.begin(f"{LAST} {'x ' * 5000}")
    assert talk.found("anfang schluss") == [newer, older]
    assert not by_hand.search(talk.owner, "anfang schluss").whole
    by_hand.index_owed()
    assert talk.found("anfang schluss") == talk.found("schluss anf") == [newer, place, older]
    assert talk.found(f"{sign(7)} 天气") == talk.found(f"天气 {sign(7499)} schl") == [place]
    assert talk.found(f"{sign(7)} 气天") == talk.found(f"{sign(7)} schlux anfang") == []
    assert [hit.snippet[a:b] for hit in by_hand.search(talk.owner, "天气 schluss").items
            for a, b in hit.ranges] == [LAST, "天气"]  # fmt: skip


def test_long_ones_come_once_and_in_their_order_over_all_pages(
    by_hand: Store, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "LONG_CHARS", 20)
    monkeypatch.setattr("webchat.store.search.verbs._AT_ONCE", 2)
    said = ["apple", f"apple {'pear ' * 9}"]
    places = [talk.begin(said[number in (2, 3, 4, 8)]).conversation.id for number in range(11)]
    by_hand.index_owed()
    found: list[str] = []
    cursor = None
    while True:
        page = by_hand.search(talk.owner, "apple", limit=3, cursor=cursor)
        found += [hit.conversation_id for hit in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert found == places[::-1]


def test_nothing_long_of_a_stranger_or_in_the_trash_is_found(
    by_hand: Store, talk: Talk, stranger: Talk
) -> None:
    turn = talk.begin(long_text())
    by_hand.delete_messages(talk.owner, turn.user.id if turn.user else "")
    by_hand.index_owed()
    assert talk.found(LAST) == stranger.found(LAST) == []
    by_hand.restore_messages(talk.owner, turn.user.id if turn.user else "")
    assert talk.found(LAST) == [turn.conversation.id]
    assert stranger.found(LAST) == []


def test_it_is_indexed_soon_without_being_asked(store: Store, talk: Talk) -> None:
    place = talk.say(long_text(), f"{long_text()} reply").conversation.id
    settled(store)
    assert talk.found("anfang reply") == [place]
    assert {owed for _, owed in entries(store)} == {None}


@pytest.mark.parametrize("after", [1, 2, 3])
def test_what_a_crash_left_owed_is_put_in_at_the_next_start(url: str, after: int) -> None:
    with closing(Store.open(url)) as store, pytest.MonkeyPatch.context() as patch:
        settled(store)
        patch.setattr(store, "index_soon", lambda: None)
        talk = Talk(store, store.local_owner().id)
        place = talk.begin(long_text()).conversation.id
        put = Store._put_part

        def dies(self: Store, *args: Any) -> bool:
            nonlocal after
            if after == 0:
                raise KeyboardInterrupt
            after -= 1
            return put(self, *args)

        patch.setattr(Store, "_put_part", dies)
        with pytest.raises(KeyboardInterrupt):
            store.index_owed()
        there = max(parts for parts, _ in entries(store))
        assert [owed for _, owed in entries(store) if owed] == [there + 1]
        assert talk.found(FIRST) == [place]
    with closing(Store.open(url)) as store:
        settled(store)
        assert Talk(store, talk.owner).found("anfang schluss") == [place]
        assert {owed for _, owed in entries(store)} == {None}
        assert word_rows(store) == 1 + 4  # the title, and no part twice
        store.index_owed()
        assert word_rows(store) == 5


async def test_a_reply_waits_for_one_part_at_most(by_hand: Store, talk: Talk) -> None:
    running = talk.begin("still here").reply.id
    talk.begin(long_text(12 * PART_WORDS))
    await writing_meanwhile(by_hand, by_hand.index_owed, running)


def test_a_purge_takes_all_parts_one_by_one(by_hand: Store, talk: Talk) -> None:
    kept = talk.begin(long_text()).conversation.id
    by_hand.index_owed()
    before = word_rows(by_hand)
    turn = talk.begin(long_text())
    by_hand.index_owed()
    half = talk.begin(long_text())
    for place in (turn.conversation.id, half.conversation.id):
        by_hand.delete_conversation(talk.owner, place)
    taken: list[int] = []
    take = by_hand._take_part

    def noted(number: int, part: int) -> int:
        taken.append(part)
        done = take(number, part)
        by_hand.index_owed()  # leaves to it what it has begun
        return done

    by_hand._take_part = noted  # type: ignore[method-assign]
    by_hand.purge(later())
    assert taken == [4, 3, 2, 1]
    assert word_rows(by_hand) == before
    assert talk.found("anfang schluss") == [kept]


def test_what_a_purge_had_begun_is_whole_when_it_comes_back_after_a_restart(url: str) -> None:
    with closing(Store.open(url)) as store:
        talk = Talk(store, store.local_owner().id)
        turn = talk.begin(long_text())
        store.index_owed()
        store.delete_conversation(talk.owner, turn.conversation.id)
        with store.transaction(write=False) as connection:
            number = connection.scalar(select(SearchEntryRow.number).where(SearchEntryRow.parts > 0)) or 0
        store._take_part(number, 4)
        store._take_part(number, 3)
    with closing(Store.open(url)) as store:
        store.restore_conversation(talk.owner, turn.conversation.id)
        store.index_owed()
        assert Talk(store, talk.owner).found("anfang schluss") == [turn.conversation.id]


def test_chats_that_move_take_all_parts_along(by_hand: Store) -> None:
    giver = Talk(by_hand, by_hand.local_owner().id)
    operator = Talk(by_hand, by_hand.create_owner("operator", "Op").id)
    place = giver.say(long_text(), "").conversation.id
    by_hand.index_owed()
    rows = word_rows(by_hand)
    waiting = giver.say(long_text(), "").conversation.id
    with words_per_transaction(by_hand) as counted:
        by_hand.move_chats(operator.owner, giver.owner)
        by_hand.index_owed()
    assert giver.found("anfang") == giver.found("schluss") == []
    assert operator.found("anfang schluss") == [waiting, place]
    assert word_rows(by_hand) == 2 * rows
    assert max(counted) <= PART_WORDS + 1


def test_what_is_owed_is_found_without_reading_the_entries(store: Store, kind: str) -> None:
    if kind == "postgresql":
        pytest.skip("it reads small tables whole, whatever their indexes")
    with store.transaction(write=False) as connection:
        owed = indexing._OWED.params(below=9).compile(
            connection.engine, compile_kwargs={"literal_binds": True}
        )
        plan = connection.execute(text(f"EXPLAIN QUERY PLAN {owed}")).all()
    assert "ix_search_entries_owing" in str(plan)


def test_what_is_owed_is_read_page_by_page(by_hand: Store, talk: Talk) -> None:
    said = [ImportedMessage(str(number), None, "user", f"word{number}") for number in range(120)]
    by_hand.import_conversation(talk.owner, ImportedConversation("chatgpt", "one", "title", tuple(said)))
    pages: list[int] = []
    read = by_hand._owed_entries

    def noted(below: int) -> Sequence[int]:
        page = read(below)
        pages.append(len(page))
        return page

    by_hand._owed_entries = noted  # type: ignore[method-assign]
    by_hand.index_owed()
    assert pages == [50, 50, 21, 0, 0]  # the last: that nothing came meanwhile
    assert all(len(talk.found(f"word{number}")) == 1 for number in (0, 60, 119))


def test_an_older_database_is_found_as_before(empty_url: str) -> None:
    dialect = dialect_for(empty_url)
    engine = dialect.engine(write=True, size=1)
    migrate(dialect, engine, None, "0002")
    owner = "00000000-0000-0000-0000-000000000001"
    words = f"owner_{owner.replace('-', '')} {FIRST} {LAST}"
    put = {
        "sqlite": "INSERT INTO search_words (rowid, words) VALUES (1, :words)",
        "postgresql": "INSERT INTO search_words (number, words)"
        " VALUES (1, array_to_tsvector(string_to_array(CAST(:words AS text), ' ')))",
    }
    with engine.begin() as connection:
        for statement in (
            "INSERT INTO owners (id, kind, name, created_at) VALUES (:owner, 'local', '', :at)",
            "INSERT INTO conversations (id, owner_id, title, title_by, pinned, archived, created_at,"
            " updated_at, active_leaf_id, settings)"
            " VALUES ('c', :owner, 't', 'auto', false, false, :at, :at, 'm', '{}')",
            "INSERT INTO messages (id, conversation_id, under_id, role, text, created_at)"
            " VALUES ('m', 'c', 'c', 'user', :said, :at)",
            "INSERT INTO search_entries (owner_id, conversation_id, message_id) VALUES (:owner, 'c', 'm')",
            put[engine.dialect.name],
        ):
            values = {"owner": owner, "at": "2026-01-01 00:00:00+00:00", "said": long_text(), "words": words}
            connection.execute(
                text(statement), {name: value for name, value in values.items() if f":{name}" in statement}
            )
    engine.dispose()
    with closing(Store.open(empty_url)) as store:
        store.index_owed()
        talk = Talk(store, owner)
        assert store.search(owner, "fang").whole
        assert talk.found("anfang schluss") == talk.found("fang") == ["c"]
        operator = Talk(store, store.create_owner("operator", "Op").id)
        store.move_chats(operator.owner, owner)
        store.index_owed()
        assert operator.found("anfang schluss") == ["c"]
        assert entries(store) == [(4, None)]
        assert word_rows(store) == 4


SAID = st.text(st.sampled_from("abcde 中文天气好ﷺé\u0301,.\n_1"), max_size=80)


@given(SAID, SAID, st.integers(0, 79), st.integers(1, 12))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_search_in_parts_equals_matching_the_whole_text(
    by_hand: Store, talk: Talk, said: str, asked: str, at: int, size: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "LONG_CHARS", 4)
        patch.setattr(of_words, "PART_WORDS", 3)
        message = talk.begin(said).user
        by_hand.index_owed()
    assert message is not None
    for query in (asked[:8], said[at : at + size], said[::-1][:size], f"{said[:3]} {said[-3:]}"):
        terms = query_terms(query)
        found = {hit.message_id for hit in by_hand.search(talk.owner, query, limit=1000).items}
        titles = (
            matches(terms, by_hand.conversation(talk.owner, message.conversation_id).title, 0) is not None
        )
        expected = bool(terms) and matches(terms, message.text, 0) is not None
        assert (message.id in found) == expected or titles


@given(st.text(max_size=300))
def test_parts_are_the_words_each_once_and_in_order(said: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(of_words, "PART_WORDS", 3)
        parts = list(index_parts(said))
    assert [word for part in parts for word in part] == index_words(said)
    assert all(1 <= len(part) <= 3 for part in parts)


def test_many_placeholders_are_kept_in_slices(store: Store, talk: Talk) -> None:
    place = talk.say("a", "b").conversation.id
    many = {f"PHONE_{number}": b"x" for number in range(4000)}
    with rows_per_transaction(store) as counted:
        store.keep_placeholders(talk.owner, place, many)
        store.keep_placeholders(talk.owner, place, many)
        store.keep_placeholders(talk.owner, place, {"NAME_1": b"y"}, True)
    assert max(counted) <= 2 * SLICE_ROWS
    assert store.placeholders(talk.owner, place) == {"NAME_1": b"y"}


def test_a_database_that_closes_leaves_the_rest_for_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    store = Store.open(f"sqlite:///{path}")
    talk = Talk(store, store.local_owner().id)
    place = talk.begin(long_text(20 * PART_WORDS)).conversation.id
    store.close()
    with closing(Store.open(f"sqlite:///{path}")) as store:
        store.index_owed()
        assert Talk(store, talk.owner).found("anfang schluss") == [place]
