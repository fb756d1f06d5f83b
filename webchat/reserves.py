"""What a disk and the memory keep free for what is running: new turns stop before it is used up."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from backends._machine import available_memory

MOST_SHARE = 20
"""The reserve is at most this fraction of the disk, so that a small one is not full from the start."""

MEMORY_BYTES = 32_000_000
"""Bytes of memory that stay free: a running reply takes a few hundred thousand."""

LOOK_EVERY = 1.0
"""Seconds for which an answer counts."""


class DiskReserve:
    """mb: megabytes of the disk with `folder` that stay free; 0 for none."""

    def __init__(self, folder: Path, mb: int) -> None:
        self._folder = folder
        self._bytes = mb * 1_000_000
        self._looked = float("-inf")
        self._used_up = False

    def used_up(self) -> bool:
        """Whether less than the reserve is free. A disk that does not say counts as free."""
        now = time.monotonic()
        if self._bytes and now - self._looked >= LOOK_EVERY:
            self._looked = now
            try:
                disk = shutil.disk_usage(self._folder)
            except OSError:
                return False
            self._used_up = disk.free < min(self._bytes, disk.total // MOST_SHARE)
        return self._used_up


class MemoryReserve:
    """Of the machine, or of this process's container. Where Linux does not say what is available, memory
    counts as free."""

    def __init__(self) -> None:
        self._looked = float("-inf")
        self._used_up = False

    def used_up(self) -> bool:
        """Whether less than the reserve is free."""
        now = time.monotonic()
        if sys.platform == "linux" and now - self._looked >= LOOK_EVERY:
            self._looked = now
            available = available_memory(at_most=True)
            self._used_up = available is not None and available < MEMORY_BYTES
        return self._used_up
