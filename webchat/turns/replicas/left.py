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

_BOOT = Path("/proc/sys/kernel/random/boot_id")


class LeaseFile:
    """path: of the file; its lock is beside it. In a folder that cannot be written, nothing is remembered."""

    def __init__(self, path: Path) -> None:
        from filelock import FileLock

        self._path = path
        # The kernel's or none: what takes its place on some disks does not end with its process.
        self._lock = FileLock(
            path.with_name(f"{path.name}.lock"), blocking=False, thread_local=False, fallback_to_soft=False
        )

    def open(self) -> str | None:
        """Lock the file for this process. Returns the id of the lease that was left, `None` if there is none,
        another process holds the lock, or this is a copy of the folder."""
        from filelock import Timeout

        try:
            self._lock.acquire()
            place, _, lease = self._path.read_text(encoding="utf-8").strip().partition(" ")
            # A copy, here or on another machine, has the lease of one that may live.
            return lease or None if place == self._place() else None
        except (Timeout, OSError, NotImplementedError, UnicodeDecodeError):  # some disks have no locks
            return None

    def write(self, lease: str) -> None:
        """Remember a lease that was taken."""
        if self._lock.is_locked:
            with suppress(OSError):
                self._path.write_text(f"{self._place()} {lease}\n", encoding="utf-8")

    def close(self, *, forget: bool) -> None:
        """Free the lock. forget: the lease was given back."""
        if not self._lock.is_locked:
            return
        if forget:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
        self._lock.release()

    def _place(self) -> str:
        """The running machine and the file of the lock: a copy of the folder has another file."""
        lock = Path(self._lock.lock_file).stat()
        return f"{_machine()}:{lock.st_dev}:{lock.st_ino}"


def _machine() -> str:
    """Which machine this is, since its start; containers on it are the same."""
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return socket.gethostname()
