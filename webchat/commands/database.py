"""`webchat db`: the database as a whole."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

from backends._plurals import counted
from webchat.commands.terminal import AddCommand, CommandError, interruptible, known_errors, opened
from webchat.settings import Loaded

_TOLD_EVERY = 1.0


def add_database_commands(commands: Any, add: AddCommand, option: Callable[..., None]) -> None:
    """commands: of the whole command line; option: adds a flag to one of them."""
    about = "Copy the database into another one, or update its tables."
    db = commands.add_parser("db", help=about, allow_abbrev=False)
    of_database = db.add_subparsers(title="commands", metavar="command", required=True)
    about = (
        "Copy all tables into an empty database of either kind, and compare them. Repeat the command to"
        " continue an interrupted copy."
    )
    copy = add("copy", about, _copy, of_database.add_parser)
    copy.add_argument("target", help="postgresql://user@host/name or sqlite:///path; it must be empty")
    about = "Create the database, or update it to this version's tables, as a server does at its start."
    add("migrate", about, _migrate, of_database.add_parser)


def _copy(loaded: Loaded, options: argparse.Namespace) -> None:
    from webchat.data_folder import make_data_folder
    from webchat.store.copying.tables import CopyRefused, copy_database

    with known_errors(), interruptible():
        make_data_folder(loaded.settings)
        try:
            copied = copy_database(loaded.settings.store_url, options.target, told=_Line().tell)
        except CopyRefused as error:
            raise CommandError(str(error)) from None
    width = max(map(len, copied.rows))
    for table, rows in copied.rows.items():
        if rows:
            print(f"{table:<{width}}  {rows:>9}  {copied.sums[table][:16]}")
    what = "copied" if copied.new else "were there already"
    print(
        f"{counted(sum(copied.rows.values()), 'row')} {what}; counts and checksums of all tables are equal."
    )


def _migrate(loaded: Loaded, options: argparse.Namespace) -> None:
    with opened(loaded.settings):
        print("The database has the tables of this version.")


class _Line:
    """Progress, now and then."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _TOLD_EVERY

    def tell(self, table: str, rows: int) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _TOLD_EVERY
            print(f"{table}: {counted(rows, 'row')}", file=sys.stderr, flush=True)
