"""Deadlines for reads that may take long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Until:
    """A deadline some seconds after its start, or as soon as the caller has gone. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._end = float("inf")
        self._tell: Callable[[], object] | None = None

    def begin(self, seconds: float) -> None:
        self._end = min(self._end, time.monotonic() + seconds)

    @property
    def left(self) -> float:
        """Seconds; 0 if it is over."""
        return max(0.0, self._end - time.monotonic())

    @property
    def over(self) -> bool:
        return not self.left

    @contextmanager
    def telling(self, tell: Callable[[], object]) -> Iterator[None]:
        """Have a function called when the caller leaves; never after the block."""
        with self._lock:
            self._tell = tell
        try:
            yield
        finally:
            with self._lock:
                self._tell = None

    def leave(self) -> None:
        """The caller has gone. Waits until that is reported."""
        self._end = 0.0
        with self._lock:
            if self._tell is not None:
                self._tell()
