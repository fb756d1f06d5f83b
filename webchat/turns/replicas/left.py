"""The lease that the last process of a data folder left: it is ended at the next start there.

Each process locks a file in its folder for as long as it lives; the kernel frees the lock, however the
process ends. So whoever acquires it knows that nobody writes under the lease named in the file beside it.
Where that is wrong (a network folder whose locks do nothing), still nothing is written twice: a process that
has lost its lease writes nothing.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path


class LeaseFile:
    """path: of the file; its lock is beside it. In a folder that cannot be written, nothing is remembered."""

    def __init__(self, path: Path) -> None:
        from filelock import FileLock

        self._path = path
        self._lock = FileLock(path.with_name(f"{path.name}.lock"), blocking=False, thread_local=False)

    def open(self) -> str | None:
        """Lock the file for this process. Returns the id of the lease that was left, `None` if there is none,
        another process holds the lock, or the folder was on another machine."""
        from filelock import Timeout

        try:
            self._lock.acquire()
            host, _, lease = self._path.read_text(encoding="utf-8").strip().partition(" ")
        except (Timeout, OSError, NotImplementedError, UnicodeDecodeError):  # some disks have no locks
            return None
        # A copy of the folder elsewhere has the lease of one that may live.
        return lease or None if host == socket.gethostname() else None

    def write(self, lease: str) -> None:
        """Remember a lease that was taken."""
        if self._lock.is_locked:
            with suppress(OSError):
                self._path.write_text(f"{socket.gethostname()} {lease}\n", encoding="utf-8")

    def close(self, *, forget: bool) -> None:
        """Free the lock. forget: the lease was given back."""
        if not self._lock.is_locked:
            return
        if forget:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
        self._lock.release()
