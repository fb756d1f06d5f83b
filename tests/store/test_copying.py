"""A copy of a database in one of the other kind holds every row, however often it was cut off."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    LargeBinary,
    String,
    Table,
    insert,
    text,
)

from tests.postgres import PostgresServer
from tests.store.talk import Talk
from webchat.cli import run
from webchat.store import DatabaseBusy, Store, StoreUnavailable, database
from webchat.store.copying import tables
from webchat.store.copying.tables import CopyRefused, _set_counters, copy_database, copy_out
from webchat.store.database.tables.base import Base, UtcDateTime
from webchat.store.database.transactions import Database

ROWS = 130
"""More than one slice of each table."""

MOMENT = datetime(2026, 11, 30, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture(params=["to PostgreSQL", "to SQLite"])
def urls(request: pytest.FixtureRequest, tmp_path: Path, postgres: PostgresServer) -> tuple[str, str]:
    """Source, with something in every table, and target."""
    file = f"sqlite:///{tmp_path / 'chat.db'}"
    if request.param == "to SQLite":
        source, target = postgres.fresh(), file
    else:
        source, target = file, postgres.empty()
    with closing(Store.open(source)) as store:
        fill(store)
    return source, target


def fill(store: Database) -> None:
    """Rows in every table, with values of every type in every column, and a reply before its question."""
    with store.transaction(write=True) as connection:
        for table in Base.metadata.sorted_tables:
            connection.execute(insert(table), [row_of(table, number) for number in range(1, ROWS + 1)])
        turned = "UPDATE messages SET parent_id = :parent WHERE id = :id"
        parents = [
            {"id": f"messages-{one}", "parent": f"messages-{ROWS + 1 - one}"} for one in range(1, ROWS)
        ]
        connection.execute(text(turned), parents)
        if connection.dialect.name == "postgresql":
            _set_counters(connection)


def row_of(table: Table, number: int) -> dict[str, Any]:
    return {column.name: value(table, column, number) for column in table.columns}


def value(table: Table, column: Column[Any], number: int) -> Any:
    if column.nullable and number % 3 == 0:
        return None
    if table.name == "messages" and column.name == "parent_id":
        return None
    for key in column.foreign_keys:
        return value(key.column.table, key.column, number)
    match column.type:
        case UtcDateTime():
            return MOMENT + timedelta(seconds=number)
        case JSON():
            return {"数": [1.5, 2.0, None, True, "“é”"], "b": {"z": number, "a": 1e16}} if number % 2 else []
        case LargeBinary():
            return bytes(range(256)) * number
        case Boolean():
            return number % 2 == 0
        case Float():
            return number / 7
        case BigInteger() | Integer():
            return number
        case String(length=length):
            words = f"{table.name}-{number}" if column.primary_key else f"{number} 登录 🦓 {column.name}"
            return words[-(length or 1000) :]
    raise AssertionError(column)


@pytest.fixture
def talked(urls: tuple[str, str]) -> Iterator[str]:
    """A conversation in the source too; its owner."""
    with closing(Store.open(urls[0])) as store:
        owner = store.local_owner().id
        Talk(store, owner).say("登录 with a zebra", "striped")
        yield owner


def test_every_row_of_every_table_is_copied_and_the_copy_serves(urls: tuple[str, str], talked: str) -> None:
    source, target = urls
    told: list[tuple[str, int]] = []
    copied = copy_database(source, target, told=lambda *one: told.append(one))
    assert copied.new
    assert set(copied.rows) == {table.name for table in Base.metadata.sorted_tables} - {"replicas"}
    assert min(copied.rows.values()) == ROWS
    assert told[-1][1] >= ROWS
    again = copy_database(source, target)
    assert (again.new, again.rows, again.sums) == (False, copied.rows, copied.sums)
    with closing(Store.open(target)) as store:
        talk = Talk(store, talked)
        assert len(talk.found("登录")) == len(talk.found("zebra")) == 1
        talk.say("one more", "with numbers that nobody had")
    with pytest.raises(CopyRefused, match="other data"):
        copy_database(source, target)


def test_a_copy_that_was_killed_is_not_served_and_goes_on(urls: tuple[str, str]) -> None:
    source, target = urls

    def kill(table: str, rows: int) -> None:
        if (table, rows) == ("messages", ROWS):
            os.kill(os.getpid(), signal.SIGKILL)

    if (child := os.fork()) == 0:
        try:
            copy_database(source, target, told=kill)
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    with pytest.raises(StoreUnavailable, match="unfinished copy"):
        Store.open(target)
    with closing(Store.open(source)) as store, store.transaction(write=True) as connection:
        connection.execute(text("UPDATE owners SET name = 'changed' WHERE id = 'owners-7'"))
        connection.execute(text("DELETE FROM looks WHERE number = 5"))
        connection.execute(text("DELETE FROM answers WHERE owner_id = 'owners-9'"))
        # A unique value that another row has by now.
        taken = connection.scalar(text("SELECT token_hash FROM links WHERE id = 'links-99'"))
        for link, token in (("links-99", "another"), ("links-1", taken)):
            query = text("UPDATE links SET token_hash = :token WHERE id = :link")
            connection.execute(query, {"token": token, "link": link})
    copied = copy_database(source, target)
    assert (copied.rows["answers"], copied.rows["messages"]) == (ROWS - 1, ROWS)
    with closing(Store.open(target)) as store:
        assert store.owner("owners-7").name == "changed"


def test_what_servers_were_writing_is_interrupted_in_a_copy(postgres: PostgresServer, tmp_path: Path) -> None:
    source, target = postgres.fresh(), f"sqlite:///{tmp_path / 'chat.db'}"
    with closing(Store.open(source)) as store:
        store.take_lease()
        running = Talk(store, store.local_owner().id).begin("hello").reply.id
        copied = copy_database(source, target)
        store.renew_lease()
        assert copy_database(source, target).sums == copied.sums
    with closing(Store.open(target)) as store:
        assert [orphan.message_id for orphan in store.interrupt_orphans()] == [running]


def test_the_references_are_those_of_a_new_database(postgres: PostgresServer, tmp_path: Path) -> None:
    def references(url: str) -> list[Any]:
        query = text(
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE contype = 'f' ORDER BY 1, 2"
        )
        with closing(Store.open(url)) as store, store.transaction(write=False) as connection:
            return [tuple(row) for row in connection.execute(query)]

    source, target = f"sqlite:///{tmp_path / 'chat.db'}", postgres.empty()
    with closing(Store.open(source)) as store:
        Talk(store, store.local_owner().id).say("hello", "hi")
    copy_database(source, target)
    assert references(target) == references(postgres.fresh())


def test_the_command_copies_and_a_backup_of_postgresql_comes_back(
    postgres: PostgresServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEBCHAT_DATA_DIR", str(tmp_path))
    with closing(Store.open(f"sqlite:///{tmp_path / 'webchat.db'}")) as store:
        Talk(store, store.local_owner().id).say("hello", "hi")
    target, other = postgres.empty(), postgres.empty()
    assert run(["db", "migrate"]) == 0, "there is nothing to do"
    assert run(["db", "copy", target]) == 0
    assert "counts and checksums of all tables are equal" in capsys.readouterr().out
    monkeypatch.setenv("WEBCHAT_DATABASE_URL", target)
    assert run(["backup", "backup.tar.gz"]) == 0
    assert run(["restore", "backup.tar.gz"]) == 0, "the same is there already"
    monkeypatch.setenv("WEBCHAT_DATABASE_URL", other)
    assert run(["db", "migrate"]) == 0
    assert run(["restore", "backup.tar.gz"]) == 0
    with closing(Store.open(other)) as store:
        store.index_owed()
        assert len(Talk(store, store.local_owner().id).found("hello")) == 1
        store.create_owner("visitor", "Ada")
    assert run(["restore", "backup.tar.gz"]) == 2
    assert "other data" in capsys.readouterr().err


def test_what_is_in_the_target_is_not_touched(tmp_path: Path) -> None:
    source, target = (f"sqlite:///{tmp_path / name}.db" for name in ("one", "other"))
    for url in (source, target):
        with closing(Store.open(url)) as store:
            Talk(store, store.local_owner().id).say(url, "hi")
    with pytest.raises(CopyRefused, match="other data"):
        copy_database(source, target)
    with closing(Store.open(target)) as store:
        assert store.count_chats("local") == {store.local_owner().id: 1}
        with pytest.raises(DatabaseBusy):
            copy_database(source, target)


@pytest.mark.slow
def test_a_file_is_made_of_either_kind(urls: tuple[str, str], tmp_path: Path) -> None:
    source, _ = urls
    found = copy_out(source, tmp_path / "out.db")
    assert (found.conversations, found.messages) == (ROWS, ROWS)
    assert not list(tmp_path.glob("out.db-*"))
    with closing(Store.open(f"sqlite:///{tmp_path / 'out.db'}")) as store:
        assert store.owner("owners-7").id == "owners-7"


def test_a_large_table_of_the_source_does_not_time_the_target_out(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL ends a transaction in which nothing happens for a while."""
    source, target = f"sqlite:///{tmp_path / 'chat.db'}", postgres.empty()
    with closing(Store.open(source)) as store:
        Talk(store, store.local_owner().id).say("hello", "hi")
    sum_of = tables._sum_of

    def slow(connection: Connection, table: Table, stop: Callable[[], bool]) -> tuple[int, str]:
        if table.name == "messages" and connection.dialect.name == "sqlite":
            time.sleep(1.5)
        return sum_of(connection, table, stop)

    monkeypatch.setattr(tables, "_sum_of", slow)
    monkeypatch.setattr(database.postgres, "IDLE_MS", 1000)
    assert copy_database(source, target).rows["messages"] == 2
