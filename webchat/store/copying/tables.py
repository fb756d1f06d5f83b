"""One database copied into another, of the same kind or the other one, table by table.

The source is read in one transaction, so the copy is of one moment, and a server may use it meanwhile. The
target is marked before its first row, and can't be opened until every table was compared. A copy that was cut
off is repeated: rows that are there already are compared and left, others are put right.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Engine,
    String,
    Table,
    delete,
    func,
    insert,
    inspect,
    select,
    text,
    tuple_,
)
from sqlalchemy.schema import AddConstraint

from backends.errors import ExplainedError
from webchat.store.copying.files import Contents, Stopped, close_log, contents, copy_file, sqlite_path
from webchat.store.database.migrate import COPYING, VERSION_TABLE, revision_of
from webchat.store.database.postgres import Postgres
from webchat.store.database.sqlite import Sqlite
from webchat.store.database.tables.base import Base
from webchat.store.database.tables.people import OwnerRow
from webchat.store.database.tables.search import SearchEntryRow
from webchat.store.database.urls import dialect_for
from webchat.store.store import Store

_ROWS = 100
"""Copied in one transaction."""

_ANEW: Mapping[str, Mapping[str, Any]] = {SearchEntryRow.__tablename__: {"parts": 0, "owed": 1}}
"""Columns with values of their own in a copy: the words of all entries are put into its index again."""

_TABLES: Sequence[Table] = [table for table in Base.metadata.sorted_tables if table.name != "replicas"]
"""Leases are of servers: in a copy nobody writes what the source's were writing."""


class CopyRefused(ExplainedError):
    """A database can't be copied into this one."""

    cure = "Use an empty database as the target; nothing of the source was changed."


@dataclass(frozen=True, slots=True)
class Copied:
    """Of each table, how many rows it has, and their checksum: the same in source and target. new: whether
    anything had to be copied."""

    rows: Mapping[str, int]
    sums: Mapping[str, str]
    new: bool


def copy_database(
    source: str,
    target: str,
    *,
    index: bool = True,
    told: Callable[[str, int], None] = lambda table, rows: None,
    stop: Callable[[], bool] = lambda: False,
) -> Copied:
    """Copy a database into an empty one, or go on with a copy that was cut off.

    source, target: URLs. index: make the search index of the copy at once; else its first server does. told:
    called with a table and how many of its rows are copied. stop: ends it by `Stopped` once it says so.

    Raises CopyRefused for a target with other data, DatabaseBusy for one that a server uses,
    StoreUnavailable, NewerDatabase.
    """
    with ExitStack() as stack:
        store = stack.enter_context(closing(Store.open(source, serve=False)))
        reading = stack.enter_context(store.transaction(write=False))
        head = revision_of(reading)
        assert head is not None
        mark = f"{COPYING}{_identity(reading)}"
        dialect, engine = _prepared(target, mark)
        stack.callback(engine.dispose)
        stack.enter_context(dialect.lock())
        with dialect.translating():
            copy = _Copy(reading, dialect, engine, told, stop)
            unfinished = copy.revision() == mark
            if not unfinished and copy.has_rows():
                return copy.compared(new=False)
            copy.mark(mark)
            copy.run()
            copied = copy.compared(new=True)
            copy.mark(head)
    if index:
        with closing(Store.open(target, serve=False)) as made:
            made.index_owed()
    return copied


def copy_out(url: str, path: Path, stop: Callable[[], bool] = lambda: False) -> Contents:
    """Copy a database of either kind, in use or not, into a new private SQLite file, without a search
    index if it is of PostgreSQL. Raises as `copy_file` and `copy_database`."""
    source = sqlite_path(url)
    if source is not None:
        return copy_file(source, path, stop)
    path.unlink(missing_ok=True)
    copy_database(url, f"sqlite:///{path}", index=False, stop=stop)
    close_log(path, "DELETE")
    return contents(path)


def _prepared(url: str, mark: str) -> tuple[Sqlite | Postgres, Engine]:
    """The target, with all tables."""
    dialect = dialect_for(url)
    if isinstance(dialect, Sqlite):
        dialect.prepare()
    engine = dialect.engine(write=True, size=1)
    with dialect.translating(), engine.connect() as connection:
        revision = revision_of(connection) or ""
    if not revision.startswith(COPYING):
        Store.open(url, serve=False).close()
    elif revision != mark:
        engine.dispose()
        raise CopyRefused("The target is an unfinished copy of another database.")
    return dialect, engine


def _identity(connection: Connection) -> str:
    """Tells one database from others, as long as its first owner is there."""
    first = connection.scalar(select(OwnerRow.id).order_by(OwnerRow.created_at, OwnerRow.id).limit(1))
    return hashlib.sha256((first or "").encode()).hexdigest()[:12]


class _Copy:
    """reading: of the source, in one transaction; engine: of the target, which has one connection."""

    def __init__(
        self,
        reading: Connection,
        dialect: Sqlite | Postgres,
        engine: Engine,
        told: Callable[[str, int], None],
        stop: Callable[[], bool],
    ) -> None:
        self._reading = reading
        self._engine = engine
        self._told = told
        self._stop = stop
        self._postgres = isinstance(dialect, Postgres)

    def revision(self) -> str | None:
        with self._engine.begin() as target:
            return revision_of(target)

    def mark(self, revision: str) -> None:
        with self._engine.begin() as target:
            target.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = :it"), {"it": revision})

    def has_rows(self) -> bool:
        with self._engine.begin() as target:
            return any(target.execute(select(1).select_from(table).limit(1)).first() for table in _TABLES)

    def run(self) -> None:
        """Make the tables of the target what those of the source are."""
        with self._without_references():
            for table in _TABLES:
                self._table(table)
        if self._postgres:
            with self._engine.begin() as target:
                _set_counters(target)

    def compared(self, *, new: bool) -> Copied:
        """Raises CopyRefused if the two differ."""
        rows, sums = {}, {}
        for table in _TABLES:
            here = _sum_of(self._reading, table, self._stop)
            # A transaction each: PostgreSQL ends one that is idle while a large table of the source is read.
            with self._engine.begin() as target:
                there = _sum_of(target, table, self._stop)
            if here != there:
                counts = f"{there[0]} rows, the source {here[0]}"
                raise CopyRefused(f"The target holds other data (in the table {table.name}: {counts}).")
            rows[table.name], sums[table.name] = here
        return Copied(rows, sums, new)

    def _table(self, table: Table) -> None:
        with self._engine.begin() as target:
            begun = target.execute(select(1).select_from(table).limit(1)).first() is not None
        if begun:
            self._remove_others(table)
        done = 0
        for rows in _slices(self._reading, table):
            if self._stop():
                raise Stopped
            with self._engine.begin() as target:
                new = _without(rows, target, table) if begun else rows
                if new:
                    target.execute(insert(table), [{**row, **_ANEW.get(table.name, {})} for row in new])
            done += len(rows)
            self._told(table.name, done)

    def _remove_others(self, table: Table) -> None:
        """Rows that the source has no more, or not like this. All of them go before any comes: their unique
        values may be another row's by now."""
        keys = list(table.primary_key.columns)
        for rows in _slices(self._reading, table):
            if self._stop():
                raise Stopped
            with self._engine.begin() as target:
                _without(rows, target, table)
        with self._engine.begin() as target:
            there = [tuple(row) for row in target.execute(select(*keys))]
        for at in range(0, len(there), _ROWS):
            some = there[at : at + _ROWS]
            kept = {tuple(row) for row in self._reading.execute(select(*keys).where(_among(keys, some)))}
            if gone := [key for key in some if key not in kept]:
                with self._engine.begin() as target:
                    target.execute(delete(table).where(_among(keys, gone)))

    @contextmanager
    def _without_references(self) -> Iterator[None]:
        """Foreign keys are checked at the end: a message may come before its parent."""
        if not self._postgres:
            with self._engine.connect() as connection:
                driver = connection.connection.driver_connection
                assert isinstance(driver, sqlite3.Connection)
                driver.execute("PRAGMA foreign_keys=OFF")
            yield
            with self._engine.begin() as target:
                if target.exec_driver_sql("PRAGMA foreign_key_check").first():
                    raise CopyRefused("The source has rows that refer to rows that don't exist.")
            return
        with self._engine.begin() as target:
            for table in _TABLES:
                for found in inspect(target).get_foreign_keys(table.name):
                    target.exec_driver_sql(f'ALTER TABLE {table.name} DROP CONSTRAINT "{found["name"]}"')
        yield
        with self._engine.begin() as target:
            for table in _TABLES:
                for constraint in table.foreign_key_constraints:
                    target.execute(AddConstraint(constraint, isolate_from_table=False))


Row = dict[str, Any]


def _slices(connection: Connection, table: Table) -> Iterator[list[Row]]:
    """All rows in the order of their keys, which is the same on every database."""
    query = select(table).order_by(*_ordered(connection, table)).execution_options(yield_per=_ROWS)
    with connection.execute(query) as found:
        for part in found.mappings().partitions():
            yield [dict(row) for row in part]


def _ordered(connection: Connection, table: Table) -> list[ColumnElement[Any]]:
    binary = connection.dialect.name == "postgresql"
    keys = list(table.primary_key.columns)
    return [key.collate("C") if binary and isinstance(key.type, String) else key for key in keys]


def _without(rows: list[Row], target: Connection, table: Table) -> list[Row]:
    """Those that the target has not; others that it has are removed there."""
    keys = list(table.primary_key.columns)

    def key_of(row: Mapping[str, object]) -> tuple[Any, ...]:
        return tuple(row[key.name] for key in keys)

    query = select(table).where(_among(keys, [key_of(row) for row in rows]))
    found = [dict(row) for row in target.execute(query).mappings()]
    there = {key_of(row): _canonical(table, row) for row in found}
    new = [row for row in rows if there.get(key_of(row)) != _canonical(table, row)]
    if changed := [key for row in new if (key := key_of(row)) in there]:
        target.execute(delete(table).where(_among(keys, changed)))
    return new


def _among(keys: Sequence[Column[Any]], values: Sequence[tuple[object, ...]]) -> ColumnElement[bool]:
    if len(keys) == 1:
        return keys[0].in_([value for (value,) in values])
    return tuple_(*keys).in_(values)


def _sum_of(connection: Connection, table: Table, stop: Callable[[], bool]) -> tuple[int, str]:
    """How many rows, and a checksum of them all."""
    count, total = 0, hashlib.sha256()
    for rows in _slices(connection, table):
        if stop():
            raise Stopped
        count += len(rows)
        for row in rows:
            total.update(_canonical(table, row))
    return count, total.hexdigest()


def _canonical(table: Table, row: Mapping[str, object]) -> bytes:
    """A row in the same bytes, whichever database it is from; without what is made anew."""
    left_out = _ANEW.get(table.name, {})
    values = [_plain(row[column.name]) for column in table.columns if column.name not in left_out]
    return json.dumps(values, ensure_ascii=False, sort_keys=True).encode() + b"\n"


def _plain(value: object) -> Any:
    match value:
        case bytes():
            return hashlib.sha256(value).hexdigest()
        case datetime():
            return value.astimezone(UTC).isoformat()
        case float() if value.is_integer():  # PostgreSQL's JSON makes no difference
            return int(value)
        case dict():
            return {name: _plain(one) for name, one in value.items()}
        case list():
            return [_plain(one) for one in value]
        case _:
            return value


def _set_counters(target: Connection) -> None:
    """PostgreSQL numbers the next row after the last one copied."""
    for table in _TABLES:
        (key, *more) = table.primary_key.columns
        if more or not isinstance(key.type, BigInteger):
            continue
        sequence = target.scalar(select(func.pg_get_serial_sequence(table.name, key.name)))
        last = target.scalar(select(func.max(key)))
        if sequence and last:
            target.execute(select(func.setval(sequence, last)))
