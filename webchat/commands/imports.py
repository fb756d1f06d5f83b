"""`webchat import`: conversations from other products' exports."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from backends._plurals import counted
from webchat.commands.terminal import AddCommand, CommandError, known_errors, opened, printable
from webchat.settings import Loaded

if TYPE_CHECKING:
    from webchat.imports import Found
    from webchat.store import Store

_MOST_SHOWN = 20


def add_import_command(add: AddCommand, option: Callable[..., None]) -> None:
    """option: adds a flag to a command."""
    about = "Import conversations from exports of ChatGPT, Claude, Open WebUI and others, and webchat's own."
    made = add("import", about, _import)
    made.add_argument("file", nargs="+", help="a zip or JSON file; the content tells the product")
    option(made, "--dry-run", action="store_true", help="only say what would be imported")
    option(
        made,
        "--bad",
        choices=("skip", "refuse"),
        default="skip",
        metavar="WHAT",
        help="what to do about entries that can't be read: skip them or refuse the whole file (skip)",
    )
    option(made, "--user", metavar="NAME", help="for whom; if not given, for the person who needs no link")


def _import(loaded: Loaded, options: argparse.Namespace) -> None:
    with opened(loaded.settings) as store:
        owner = _owner(store, options.user)
        for name in options.file:
            with known_errors():
                asyncio.run(_one(loaded, store, owner, Path(name).expanduser(), options))
        store.index_owed()


def _owner(store: Store, user: str | None) -> str:
    if user is None:
        return store.local_owner().id
    for person in store.people():
        if user in (person.owner_id, person.subject):
            return person.owner_id
    raise CommandError(f'there is nobody called "{printable(user)}"; webchat user list shows all.')


async def _one(loaded: Loaded, store: Store, owner: str, path: Path, options: argparse.Namespace) -> None:
    from webchat.engine import reviewing
    from webchat.imports import Importer, Unreadable

    line = _Line(path.name)
    try:
        async with reviewing(loaded.settings, store) as review:
            importer = Importer(store, review)
            if options.dry_run or options.bad == "refuse":
                found = await importer.check(path, owner, line.tell)
                line.end()
                if options.dry_run:
                    _report(path, found, dry=True)
                    return
                if found.counts["bad"]:
                    _tell_problems(found)
                    raise CommandError(f"{printable(path.name)}: nothing was imported, as --bad refuse asks.")
            found = await importer.bring(path, owner, line.tell)
            line.end()
            _report(path, found, dry=False)
    except Unreadable as error:
        line.end()
        raise CommandError(f"{printable(path.name)}: {error}") from None


class _Line:
    """A line of progress, on a terminal only."""

    def __init__(self, name: str) -> None:
        self._name = printable(name)
        self._shown = -1

    async def tell(self, found: Found) -> None:
        share = min(100, found.read * 100 // max(found.size, 1))
        if sys.stderr.isatty() and share != self._shown:
            self._shown = share
            text = f"\r{self._name}: {share} %, {counted(found.counts['conversations'], 'conversation')} "
            print(text, end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._shown >= 0:
            print(file=sys.stderr)


def _report(path: Path, found: Found, *, dry: bool) -> None:
    from webchat.imports import PRODUCTS

    counts = found.counts
    named = [
        f"{counts[f'product.{key}']} from {name}"
        for key, name in PRODUCTS.items()
        if counts[f"product.{key}"]
    ]
    heard = f"{counted(counts['conversations'], 'conversation')}, {counted(counts['messages'], 'message')}"
    print(f"{printable(path.name)}: {heard}{': ' if named else ''}{', '.join(named)}.")
    if dry:
        print(
            f"To import: {counts['new']} new. Imported before: {counts['unchanged']}; only what is new is"
            f" added to them. Deleted here and left out: {counts['deleted']}."
        )
    else:
        print(
            f"Imported: {counts['new']} new, {counts['extended']} extended, {counts['unchanged']} unchanged;"
            f" {counts['deleted']} deleted here and left out. Messages added: {counts['added']}."
        )
    if counts["blocked"]:
        print(f"The moderation rules blocked {counted(counts['blocked'], 'text')}.")
    if counts["attachments"]:
        print(f"Attachments that are only named, since the files cannot be kept: {counts['attachments']}.")
    _tell_problems(found)


def _tell_problems(found: Found) -> None:
    if bad := found.counts["bad"]:
        print(f"Entries that cannot be imported: {bad}.", file=sys.stderr)
    for problem in found.problems[:_MOST_SHOWN]:
        print(f"  {problem.place}: {problem.message}", file=sys.stderr)
    if (more := found.counts["bad"] + found.counts["notes"] - _MOST_SHOWN) > 0:
        print(f"  and {more} more", file=sys.stderr)
