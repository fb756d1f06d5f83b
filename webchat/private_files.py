"""Our files and folders that no other user of this machine may read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def kept_private(paths: Iterable[Path], *, shared: bool = False) -> Iterator[str]:
    """Remove other users' access to existing paths. Yields a sentence for each path where that fails.

    shared: an administrator has opened the folder on purpose, so access is left as it is.
    """
    if os.name != "posix":
        return
    for path in paths:
        try:
            found = path.stat()
        except OSError:
            continue
        if not found.st_mode & _OTHERS:
            continue
        if shared:
            yield f"{path} is in a folder shared with a group whose members can read it."
        elif found.st_uid != os.geteuid():
            yield f"{path} belongs to another user and can be read by others."
        elif not _closed(path, found.st_mode):
            yield f"{path} can be read by other users, and its file system doesn't allow changing that."


def make_private(path: Path) -> None:
    """Create an empty file private to this user if it does not exist, except in a shared folder. Raises
    `OSError`."""
    if not is_shared(path.parent) and not path.exists():
        path.touch(mode=0o600)


def is_shared(folder: Path) -> bool:
    """Whether a folder was set up for a group, so that new files in it belong to the group."""
    try:
        return bool(folder.stat().st_mode & stat.S_ISGID)
    except OSError:
        return False


def _closed(path: Path, mode: int) -> bool:
    try:
        path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
        return not path.stat().st_mode & _OTHERS
    except OSError:
        return False
