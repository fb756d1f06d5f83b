"""What is deleted goes for good in slices: no reply waits for the size of what others stored."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, select

from tests.store.talk import Talk, later, writing_meanwhile
from webchat.store import NotFound, Store
from webchat.store.database.tables.conversations import MessageRow
from webchat.store.database.tables.people import OwnerRow
from webchat.store.database.tables.search import SearchEntryRow
from webchat.store.database.transactions import TIDY_EVERY
from webchat.store.records import Message
from webchat.store.upkeep.purge import MERGE_PAGES
from webchat.store.upkeep.slicing import SLICE_CHARS

CANARY = "Zugzwangkanarienvogel"
ROWS = 10


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webchat.store.upkeep.purge.SLICE_ROWS", ROWS)
    monkeypatch.setattr("webchat.store.upkeep.slicing.SLICE_ROWS", ROWS)
    for room in ("messages", "trash"):
        monkeypatch.setattr(f"webchat.store.verbs.{room}.MARKED_ROWS", ROWS)


@contextmanager
def rows_per_transaction(store: Store) -> Iterator[list[int]]:
    """How many rows each transaction of the writer changed, by the statements' own counts."""
    engine, counted = store._engines[True], [0]

    def counts(_c: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip().startswith(("UPDATE", "DELETE", "INSERT")):
            counted[-1] += max(cursor.rowcount, 0)

    def commits(_c: Any) -> None:
        counted.append(0)

    event.listen(engine, "after_cursor_execute", counts)
    event.listen(engine, "commit", commits)
    try:
        yield counted
    finally:
        event.remove(engine, "after_cursor_execute", counts)
        event.remove(engine, "commit", commits)


def chain(talk: Talk, turns: int, text: str = "deep") -> list[Message]:
    """A conversation of one branch, root first."""
    messages: list[Message] = []
    for _ in range(turns):
        turn = talk.say(text, "and wide", after=messages[-1] if messages else None)
        assert turn.user
        messages += [turn.user, turn.reply]
    return messages


def count(store: Store, table: Any) -> int:
    with store.transaction(write=False) as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def each_slice(store: Store, do: Callable[[int], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Call `do` with its number after each slice."""
    number, in_turn = 0, store.in_turn

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal number
        result = in_turn(*args, **kwargs)
        number += 1
        do(number)
        return result

    monkeypatch.setattr(store, "in_turn", counted)


def test_no_transaction_of_a_purge_is_wider_than_a_slice(store: Store, talk: Talk) -> None:
    turns = 2 * ROWS
    gone = chain(talk, turns)
    store.delete_conversation(talk.owner, gone[0].conversation_id)
    cut = chain(talk, turns)
    store.delete_messages(talk.owner, cut[1].id)
    with rows_per_transaction(store) as counted:
        assert store.purge(later()) == 1 + 2 * turns + (2 * turns - 1)
    # A message has an entry of the index with words, a turn, and a child that lets go of it.
    assert max(counted) <= 5 * ROWS
    assert [message.text for message in store.thread(talk.owner, cut[0].conversation_id).items] == ["deep"]


@pytest.mark.usefixtures("unused")  # which are beside each other depends on where there was room
def test_long_texts_make_narrow_slices(store: Store, talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    place = chain(talk, 6, "long " * (SLICE_CHARS // 8))[0].conversation_id
    store.delete_conversation(talk.owner, place)
    taken: list[int] = []
    take = Store._take_messages

    def take_noted(self: Store, ids: Sequence[str]) -> int:
        taken.append(len(ids))
        return take(self, ids)

    monkeypatch.setattr(Store, "_take_messages", take_noted)
    store.purge(later())
    assert sum(taken) == 12
    assert max(taken) == 2  # one that is long, and a short one


def test_no_slice_of_a_purge_merges_most_of_the_index(tmp_path: Path) -> None:
    chance = random.Random(1)
    with closing(Store.open(f"sqlite:///{tmp_path / 'chat.db'}")) as store:
        talk = Talk(store, store.local_owner().id)
        for _ in range(30):
            talk.say(" ".join(f"{chance.getrandbits(32):08x}" for _ in range(500)), "yes")
        store.delete_conversation(talk.owner, talk.say("gone", "too").conversation.id)
        totals: list[int] = []

        def committed(connection: Any) -> None:
            # With what FTS5 writes for itself, which no statement's own count tells.
            totals.append(connection.connection.driver_connection.total_changes)

        event.listen(store._engines[True], "commit", committed)
        store.purge(later())
    changes = [after - before for before, after in pairwise(totals)]
    assert sum(changes) > 10 * MERGE_PAGES  # there was much to merge
    assert max(changes) < sum(changes) / 2


async def test_a_reply_waits_for_one_slice_at_most(store: Store, talk: Talk) -> None:
    for _ in range(4):
        store.delete_conversation(talk.owner, chain(talk, 20)[0].conversation_id)
    running = talk.begin("still here").reply.id
    taken, written = await writing_meanwhile(store, store.purge, running, later())
    assert taken == 4 + 160
    assert talk.finish(running, first=written + 1).text == "x" * written


def test_a_purge_that_was_interrupted_is_taken_up(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    slices = 0
    for stop_after in range(1, 40):
        with closing(Store.open(f"sqlite:///{path}")) as store, pytest.MonkeyPatch.context() as patch:
            talk = Talk(store, store.local_owner().id)
            kept = talk.say("stays", "here")
            messages = chain(talk, 6, CANARY)
            store.delete_conversation(talk.owner, messages[0].conversation_id)

            def stop(number: int, store: Store = store, at: int = stop_after) -> None:
                if number == at:
                    store._closing.set()

            each_slice(store, stop, patch)
            store.purge(later())
            stopped = store.closing
        slices += 1
        with closing(Store.open(f"sqlite:///{path}")) as store:
            store.purge(later())
            assert count(store, MessageRow) == count(store, SearchEntryRow) - slices == 2 * slices
            assert store.message(talk.owner, kept.reply.id).text == "here"
            for file in tmp_path.glob("chat.db*"):
                assert CANARY.lower().encode() not in file.read_bytes().lower(), (file, stop_after)
        if not stopped:
            break
    assert slices > 5


def test_what_a_purge_has_begun_to_take_does_not_come_back(
    store: Store, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, cut = chain(talk, ROWS // 2 + 5), chain(talk, ROWS // 2 + 5)
    store.delete_conversation(talk.owner, gone[0].conversation_id)
    store.delete_messages(talk.owner, cut[1].id)
    refused = 0

    def bring_back(_number: int) -> None:
        nonlocal refused
        with pytest.raises(NotFound):
            store.restore_conversation(talk.owner, gone[0].conversation_id)
        for message in cut[1:]:
            with pytest.raises(NotFound):
                store.restore_messages(talk.owner, message.id)
        refused += 1

    with monkeypatch.context() as patch:
        each_slice(store, bring_back, patch)
        store.purge(later())
    assert refused > 4
    # What is deleted after it comes back as ever.
    again = talk.say("new", "start")
    store.delete_messages(talk.owner, again.reply.id)
    assert store.restore_messages(talk.owner, again.reply.id).active_leaf_id == again.reply.id


def test_a_branch_is_deleted_and_restored_in_slices(store: Store, talk: Talk) -> None:
    messages = chain(talk, 15)
    with rows_per_transaction(store) as counted:
        store.delete_messages(talk.owner, messages[1].id)
        assert talk.shown(messages[0].conversation_id) == ["deep"]
        store.restore_messages(talk.owner, messages[1].id)
        assert store.conversation(talk.owner, messages[0].conversation_id).active_leaf_id == messages[-1].id
        store.delete_messages(talk.owner, messages[1].id)
        store.discard_messages(talk.owner, messages[1].id)
        store.discard_all(talk.owner)
    assert max(counted) <= ROWS
    assert sum(counted) >= 4 * 29
    assert not store.list_trash(talk.owner).items


@pytest.mark.parametrize("verb", ["delete", "restore"])
def test_a_change_of_a_branch_that_was_interrupted_ends_as_deleted(
    store: Store, talk: Talk, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = chain(talk, 15)
    if verb == "restore":
        store.delete_messages(talk.owner, messages[1].id)

    def fail(number: int) -> None:
        if number == 2:
            raise KeyboardInterrupt

    change = store.delete_messages if verb == "delete" else store.restore_messages
    with monkeypatch.context() as patch:
        each_slice(store, fail, patch)
        with pytest.raises(KeyboardInterrupt):
            change(talk.owner, messages[1].id)
    assert talk.shown(messages[0].conversation_id) == ["deep"]
    store.purge(datetime.now(UTC) - timedelta(days=1))
    assert len(store.export_conversation(talk.owner, messages[0].conversation_id).messages) == 1
    store.restore_messages(talk.owner, messages[1].id)
    assert len(store.export_conversation(talk.owner, messages[0].conversation_id).messages) == 30


def test_owners_who_never_had_anything_go(store: Store) -> None:
    open_link = store.create_link("open", "1", None)
    ended = store.create_link("ended", "2", None)
    gone = store.create_owner("guest", "", ended.id).id
    store.revoke_link(ended.id)
    keep = {
        "local": store.local_owner().id,
        "operator": store.create_owner("operator", "").id,
        "guest": store.create_owner("guest", "", open_link.id).id,
    }
    writer, rater, author = (store.create_owner("visitor", "").id for _ in range(3))
    said = Talk(store, writer).say("hello", "you")
    store.create_template(author, {"name": "mine"})
    Talk(store, rater).say("a", "b")
    empty = [store.create_owner("visitor", "").id for _ in range(2 * ROWS + 1)]
    empty.append(gone)
    assert store.purge(datetime.now(UTC) - timedelta(days=1)) == 0
    assert store.owner(empty[0])
    with rows_per_transaction(store) as counted:
        assert store.purge(later()) == 0
    assert max(counted) <= ROWS
    assert count(store, OwnerRow) == len(keep) + 3
    for id in (*keep.values(), writer, rater, author):
        assert store.owner(id)
    # Whoever's last conversation was purged is empty from then on.
    store.delete_conversation(writer, said.conversation.id)
    store.purge(later())
    with pytest.raises(NotFound):
        store.owner(writer)


def test_the_log_is_brought_into_the_file_beside_the_writer(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    with closing(Store.open(f"sqlite:///{path}")) as store:
        talk = Talk(store, store.local_owner().id)
        talk.say(CANARY, "first")
        tidied = store.dialect.tidy_log
        threads: list[str] = []

        def told() -> None:
            tidied()
            threads.append(threading.current_thread().name)

        store.dialect.tidy_log = told  # type: ignore[method-assign]
        for _ in range(TIDY_EVERY):
            talk.say("more", "words")
        store._threads["long"].shutdown(wait=True)
        assert threads
        assert all("long" in name for name in threads)
        assert CANARY.encode() in path.read_bytes()
