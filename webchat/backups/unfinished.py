"""Folders for what isn't whole yet, and what is left of them by processes that were killed."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

_PREFIX = ".webchat-backup-"
_LOCK = ".lock"
_IDLE_SECONDS = 24 * 3600.0
"""On a disk without locks, a folder is nobody's after this time."""


@contextmanager
def unfinished(parent: Path) -> Iterator[Path]:
    """A private folder in `parent`, locked while it is used and removed at the end; first, those that nobody
    uses any more are removed. Raises OSError."""
    remove_leftovers(parent)
    folder = parent / f"{_PREFIX}{uuid.uuid4().hex}"
    with ExitStack() as held:
        held.callback(_lock_of(folder).unlink, missing_ok=True)
        with suppress(OSError, NotImplementedError):  # a mounted bucket may not know locks
            held.enter_context(FileLock(_lock_of(folder), timeout=0))  # nobody else wants a new name
        # After its lock, so a folder without one is nobody's.
        folder.mkdir(mode=0o700)
        held.callback(shutil.rmtree, folder, ignore_errors=True)
        yield folder


def remove_leftovers(parent: Path) -> None:
    """Remove the folders of processes that no longer run. They hold copies of the database."""
    for path in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError, NotImplementedError):
            if path.suffix == _LOCK:
                if not path.with_suffix("").exists() and _is_old(path):
                    path.unlink()
            elif not _in_use(path):
                shutil.rmtree(path, ignore_errors=True)
                _lock_of(path).unlink(missing_ok=True)


def _in_use(folder: Path) -> bool:
    try:
        with FileLock(_lock_of(folder), timeout=0):
            return False
    except Timeout:
        return True
    except (OSError, NotImplementedError):  # this disk has none
        return not _is_old(folder)


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}{_LOCK}")


def _is_old(path: Path) -> bool:
    newest = max(one.stat().st_mtime for one in (path, *path.rglob("*")))
    return time.time() - newest >= _IDLE_SECONDS
