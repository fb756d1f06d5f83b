"""SQLite files: copied while a server writes to them, checked, and put in place of another.

A copy is read in one transaction, so it is what was stored at one moment. In WAL mode a reader holds up no
writer; only the log cannot shrink meanwhile.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from webchat.private_files import make_private
from webchat.store.database.migrate import VERSION_TABLE, known_revisions
from webchat.store.database.sqlite import Sqlite
from webchat.store.database.urls import dialect_for
from webchat.store.errors import StoreUnavailable

_PAGES = 250
"""Copied in one step, a few milliseconds; then the disk is left to others for as long as that took."""
_LONGEST_PAUSE = 0.05


class Stopped(Exception):
    """A copy was told to stop."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a database file holds. revision: of its tables; placeholders: conversations with personal data
    that was masked."""

    revision: str
    conversations: int
    messages: int
    placeholders: int


def sqlite_path(url: str) -> Path | None:
    """The file of a database; `None` for PostgreSQL. Raises StoreUnavailable for other URLs."""
    dialect = dialect_for(url)
    return dialect.path if isinstance(dialect, Sqlite) else None


def serving_alone(url: str) -> AbstractContextManager[None]:
    """A context in which no server uses the database. Raises DatabaseBusy, StoreUnavailable."""
    dialect = dialect_for(url)
    if isinstance(dialect, Sqlite):
        dialect.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return dialect.lock()


def copy_file(source: Path, target: Path, stop: Callable[[], bool] = lambda: False) -> Contents:
    """Copy an SQLite database, in use or not, into a new private file, which is on the disk afterwards.

    Raises Stopped once `stop` says so, and StoreUnavailable for a source that is no database of webchat or
    cannot be read, and for a full disk. What was written of the target is removed then.
    """

    began = time.monotonic()

    def look(_status: int, remaining: int, _total: int) -> None:
        nonlocal began
        if stop():
            raise Stopped
        if remaining:
            time.sleep(min(time.monotonic() - began, _LONGEST_PAUSE))
        began = time.monotonic()

    target.unlink(missing_ok=True)
    dialect = dialect_for(f"sqlite:///{target}")
    try:
        if not source.exists():
            raise StoreUnavailable(f"There is no database at {source}.", cure="Check the path.")
        make_private(target)
        with closing(sqlite3.connect(source, isolation_level=None)) as reading:
            # Held open, or every write of the server would make the copy begin again.
            reading.execute("BEGIN")
            reading.execute("SELECT count(*) FROM sqlite_master").fetchone()
            with closing(sqlite3.connect(target, isolation_level=None)) as writing:
                reading.backup(writing, pages=_PAGES, progress=look, sleep=0)
                writing.execute("PRAGMA journal_mode=DELETE")
        found = contents(target)
        _on_disk(target)
    except BaseException as error:
        target.unlink(missing_ok=True)
        if isinstance(error, sqlite3.Error) and (explained := dialect.explain(error)) is not None:
            raise explained from error
        raise
    return found


def contents(path: Path) -> Contents:
    """What a file holds. Raises StoreUnavailable if it is no database of webchat."""
    with closing(sqlite3.connect(f"file:{_quoted(path)}?mode=ro", uri=True)) as connection:
        try:
            (revision,) = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()
            counts = [
                connection.execute(f"SELECT count({what}) FROM {table}").fetchone()[0]
                for table, what in (
                    ("conversations", "*"),
                    ("messages", "*"),
                    ("placeholders", "DISTINCT conversation_id"),
                )
            ]
        except (sqlite3.Error, TypeError) as error:
            raise StoreUnavailable(
                f"{path} is damaged, or not a database of webchat.", cure="Choose another file."
            ) from error
    return Contents(str(revision), *counts)


def faults(path: Path, *, thorough: bool) -> str:
    """What is wrong with a file, in SQLite's words; empty if nothing is. thorough: also compare indexes with
    their tables and look for rows that refer to missing ones, which takes much longer."""
    try:
        with closing(sqlite3.connect(f"file:{_quoted(path)}?mode=ro", uri=True)) as connection:
            check = "integrity_check" if thorough else "quick_check"
            (found,) = connection.execute(f"PRAGMA {check}(1)").fetchone()
            if found == "ok" and thorough and connection.execute("PRAGMA foreign_key_check").fetchone():
                return "rows refer to rows that don't exist"
            return "" if found == "ok" else str(found)
    except sqlite3.Error as error:
        return str(error)


def is_newer_file(path: Path) -> bool:
    """Whether a newer version of webchat wrote a file. Raises StoreUnavailable as `contents` does."""
    return contents(path).revision not in known_revisions()


def put_in_place(new: Path, path: Path, aside: Path | None) -> None:
    """Make the file `new` the database at `path`, which no server uses. aside: where the one that is there is
    kept. At every moment there is a whole database at `path`, or none if there was none. Raises OSError,
    StoreUnavailable."""
    if path.exists():
        close_log(path)
        if aside is not None and not aside.exists():
            _put_aside(path, aside)
    for kind in ("-wal", "-shm", "-journal"):  # of the old file: they would be applied to the new one
        Path(f"{path}{kind}").unlink(missing_ok=True)
    os.replace(new, path)
    _folder_on_disk(path.parent)


def _put_aside(path: Path, aside: Path) -> None:
    aside.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = aside.with_suffix(".unfinished")
    make_private(unfinished)
    # As it is, even damaged; with the log, if that could not be closed.
    shutil.copyfile(path, unfinished)
    if (log := Path(f"{path}-wal")).exists() and log.stat().st_size:
        make_private(Path(f"{aside}-wal"))
        shutil.copyfile(log, f"{aside}-wal")
    _on_disk(unfinished)
    unfinished.replace(aside)


def close_log(path: Path, mode: str = "WAL") -> None:
    """Bring what is in the write-ahead log into the file."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA journal_mode={mode}")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.Error:
        return  # a damaged file, which is replaced


def _quoted(path: Path) -> str:
    return quote(str(path.absolute()))


def _on_disk(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _folder_on_disk(folder: Path) -> None:
    """A renamed file is found after a crash of the machine only once its folder is on the disk."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Changes:
    """Tells whether anything was committed to a database file."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)

    def version(self) -> int:
        """A number that another one follows with the next commit of anybody."""
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        self._connection.close()
