"""Folders for what isn't whole yet, and what is left of them by processes that were killed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock, Timeout

_PREFIX = ".webchat-backup-"
_LOCK = "in-use"
_IDLE_SECONDS = 24 * 3600.0
"""A folder without a lock is nobody's after this time: its disk has none, or its process died early."""

_YOUNG_SECONDS = 5.0
"""A process that has just made its lock's file may not hold the lock yet."""


@contextmanager
def unfinished(parent: Path) -> Iterator[Path]:
    """A private folder in `parent`, locked while it is used and removed at the end; first, those that nobody
    uses any more are removed. Raises OSError."""
    remove_leftovers(parent)
    with TemporaryDirectory(prefix=_PREFIX, dir=parent) as name, ExitStack() as held:
        # A mounted bucket may not know locks.
        with suppress(OSError, NotImplementedError):
            held.enter_context(FileLock(Path(name) / _LOCK))
        yield Path(name)


def remove_leftovers(parent: Path) -> None:
    """Remove the folders of processes that no longer run. They hold copies of the database."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError, NotImplementedError):
            if not _in_use(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _in_use(folder: Path) -> bool:
    lock = folder / _LOCK
    if lock.exists():
        if abs(time.time() - lock.stat().st_mtime) < _YOUNG_SECONDS:
            return True
        try:
            with FileLock(lock, timeout=0):
                return False
        except Timeout:
            return True
        except (OSError, NotImplementedError):
            pass  # this disk has none
    newest = max(one.stat().st_mtime for one in (folder, *folder.rglob("*")))
    return time.time() - newest < _IDLE_SECONDS
