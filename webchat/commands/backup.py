"""`webchat backup`, `verify` and `restore`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from backends._plurals import counted
from webchat.commands.terminal import AddCommand, CommandError, interruptible, known_errors, local_time
from webchat.settings import Loaded, Settings

if TYPE_CHECKING:
    from webchat.backups import Manifest


def add_backup_commands(add: AddCommand, option: Callable[..., None]) -> None:
    """option: adds a flag to a command."""
    made = add("backup", "Back up the database to one file, also while the server runs.", _backup)
    made.add_argument(
        "file", nargs="?", help="a new file, or a folder for it (default: backups in the data folder)"
    )
    made = add("verify", "Read a backup to its end and check the database in it.", _verify)
    made.add_argument("file", nargs="+", help="a backup")
    made = add("restore", "Replace the database with a backup. Stop the server first.", _restore)
    made.add_argument("file", help="a backup")
    option(
        made,
        "--replace",
        action="store_true",
        help="also if a database exists, which is moved to the folder backups",
    )


def _backup(loaded: Loaded, options: argparse.Namespace) -> None:
    from webchat.backups import make_backup
    from webchat.backups.making import backup_key, secret_files
    from webchat.data_folder import make_data_folder

    settings = loaded.settings
    with _told():
        make_data_folder(settings)
        target = _target(settings, options.file)
        manifest = make_backup(settings, target)
    print(f"{target}: {_size(target)}, {_holds(manifest)}.")
    if backup_key(settings) is None and secret_files(settings):
        print(
            "Not encrypted, so the keys in the data folder that sign cookies and encrypt masked data are left"
            " out. Set WEBCHAT_BACKUP_KEY to encrypt backups and include them.",
            file=sys.stderr,
        )


def _target(settings: Settings, given: str | None) -> Path:
    path = settings.data_dir / "backups" if given is None else Path(given).expanduser()
    if given is not None and not path.is_dir():
        return path.absolute()
    kind = "" if settings.backup_key is None else ".sealed"
    return (path / f"webchat-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar.gz{kind}").absolute()


def _verify(loaded: Loaded, options: argparse.Namespace) -> None:
    from webchat.backups import BackupError, verify
    from webchat.data_folder import make_data_folder

    make_data_folder(loaded.settings)
    bad = 0
    for name in options.file:
        try:
            with known_errors(), interruptible():
                manifest = verify(loaded.settings, Path(name).expanduser())
        except (BackupError, CommandError) as error:
            told = str(error)
            print(told if name in told else f"{name}: {told}", file=sys.stderr)
            bad += 1
        else:
            enclosed = "with" if manifest.enclosed else "without"
            print(f"{name}: whole. {_holds(manifest)}, {enclosed} the server's secrets.")
    if bad:
        raise CommandError(f"{bad} of {len(options.file)} can't be used.")


def _restore(loaded: Loaded, options: argparse.Namespace) -> None:
    from webchat.backups import restore
    from webchat.data_folder import make_data_folder

    with _told():
        make_data_folder(loaded.settings)
        restored = restore(loaded.settings, Path(options.file).expanduser(), replace=options.replace)
    print(f"Restored: {_holds(restored.manifest)}.")
    if restored.aside is not None:
        print(f"What was there before is in {restored.aside}.")
    for sentence in restored.lost:
        print(sentence, file=sys.stderr)


def _holds(manifest: Manifest) -> str:
    return (
        f"{counted(manifest.conversations, 'conversation')} with {counted(manifest.messages, 'message')} of"
        f" {local_time(manifest.made_at)}"
    )


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f} MB"


@contextmanager
def _told() -> Iterator[None]:
    from webchat.backups import BackupError

    with known_errors(), interruptible():
        try:
            yield
        except BackupError as error:
            raise CommandError(str(error)) from None
