"""Migrates a database to this version's tables, after a backup of an SQLite file."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Sequence
from contextlib import ExitStack, closing
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text

from backends.installation import renew
from webchat.private_files import make_private
from webchat.store.database.codec import now
from webchat.store.database.postgres import MIGRATION_KEY, Postgres
from webchat.store.database.sqlite import Sqlite
from webchat.store.errors import NewerDatabase, StoreUnavailable

BACKUPS_KEPT = 5
VERSION_TABLE = "webchat_schema"
COPYING = "copying-"
"""How the version of a database begins into which another is being copied."""


def pending(engine: Engine) -> bool:
    """Whether a migration is due. Raises NewerDatabase, and StoreUnavailable for tables that are not ours."""
    with engine.begin() as connection:
        revision = revision_of(connection)
        if revision is None:
            if inspect(connection).has_table("messages"):
                raise StoreUnavailable(
                    "This database belongs to another program.", cure="Use a separate database for webchat."
                )
            return True
    if revision.startswith(COPYING):
        raise StoreUnavailable(
            "This database is an unfinished copy of another one.",
            cure="Run webchat db copy again to continue it, or use another database.",
        )
    known = known_revisions()
    if revision not in known:
        raise NewerDatabase(
            "This database was written by a newer version of webchat.",
            cure=f"Update webchat ({renew()}), or restore a backup made before the update.",
            params={"revision": revision},
        )
    return revision != known[0]


def is_newer(connection: Connection) -> bool:
    """Whether a newer version has changed the tables since."""
    revision = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
    return revision not in known_revisions()


@cache
def known_revisions() -> Sequence[str]:
    """All revisions of this version, the newest first; they are a chain."""
    with ExitStack() as stack:
        script = ScriptDirectory.from_config(_config(stack))
        return [entry.revision for entry in script.walk_revisions()]


def migrate(
    dialect: Sqlite | Postgres, engine: Engine, backup_dir: Path | None, target: str = "head"
) -> None:
    """Run the migrations up to `target` in one transaction: all of them happen, or none."""
    if isinstance(dialect, Sqlite):
        back_up(dialect.path, backup_dir or dialect.path.parent / "backups", engine)
    with ExitStack() as stack:
        config = _config(stack)
        connection = stack.enter_context(engine.connect())
        if isinstance(dialect, Sqlite):
            # Batch migrations copy tables, which must not cascade; only outside a transaction does this work.
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            driver.execute("PRAGMA foreign_keys=OFF")
            stack.callback(driver.execute, "PRAGMA foreign_keys=ON")
        with connection.begin():
            if isinstance(dialect, Postgres):
                # Another server may be migrating, and this one computes for long between two statements.
                for limit in ("lock_timeout", "idle_in_transaction_session_timeout"):
                    connection.execute(text(f"SET LOCAL {limit} = 0"))
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_KEY})
            config.attributes["connection"] = connection
            command.upgrade(config, target)
            if isinstance(dialect, Sqlite) and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                raise StoreUnavailable(
                    "The database could not be updated: some rows refer to rows that don't exist.",
                    cure="Nothing was changed. Restore a backup, or report this.",
                )


def back_up(path: Path, folder: Path, engine: Engine) -> Path | None:
    """Copy a non-empty SQLite database into `folder`; only the newest copies are kept. Returns the copy."""
    with engine.begin() as connection:
        revision = revision_of(connection)
    if revision is None:
        return None
    copy = folder / f"{path.stem}-{revision}-{now():%Y%m%dT%H%M%S%f}.db"
    unfinished = copy.with_suffix(".unfinished")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in _copies(folder, path, r"\.unfinished(-journal)?"):  # by a process that was killed
            left.unlink()
        make_private(unfinished)
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(unfinished)) as target:
            source.backup(target)
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        unfinished.replace(copy)
    except (OSError, sqlite3.Error) as error:
        unfinished.unlink(missing_ok=True)
        raise StoreUnavailable(
            f"The database cannot be backed up to {folder} before its update.",
            cure="Nothing was changed. Free some space there and check that the folder is writable.",
        ) from error
    for old in sorted(_copies(folder, path, r"\.db"), key=lambda file: file.stat().st_mtime)[:-BACKUPS_KEPT]:
        old.unlink(missing_ok=True)
    return copy


def _copies(folder: Path, path: Path, ending: str) -> list[Path]:
    """Of this database: the name of another one may begin with its name. ending: a pattern."""
    name = re.compile(rf"{re.escape(path.stem)}-[^-]+-\d{{8}}T\d+{ending}")
    return [copy for copy in folder.iterdir() if name.fullmatch(copy.name)]


def revision_of(connection: Connection) -> str | None:
    """The version of the tables; `None` if there are none."""
    # Not by Alembic's own context, which writes two lines to the log each time.
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    revision: str | None = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
    return revision


def _config(stack: ExitStack) -> Config:
    folder = stack.enter_context(as_file(files("webchat.store.database") / "migrations"))
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config
