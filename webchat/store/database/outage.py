"""What the log says of a database that fails: a line when that begins, one a minute while it lasts, and one
when it is over, however many calls fail in between."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from webchat.store.errors import LeaseLapsed, StoreUnavailable

EVERY_SECONDS = 60.0

log = logging.getLogger(__name__)


class Outage:
    """Thread-safe. clock: in seconds; never jumps."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        """Since it began, or since the log last said that it is over."""
        self._began = 0.0
        self._next = 0.0
        self._logged = False
        self._of_writes = False

    @contextmanager
    def watching(self, *, write: bool) -> Iterator[None]:
        """Around a transaction."""
        try:
            yield
        except LeaseLapsed:  # the database has answered
            raise
        except StoreUnavailable as error:
            self.failed(error, write=write)
            raise
        if self._failures:
            self._worked(write=write)

    def failed(self, error: StoreUnavailable, *, write: bool) -> None:
        with self._lock:
            now = self._clock()
            if not self._failures:
                self._began = now
            self._failures += 1
            self._of_writes |= write
            if now < self._next:
                return
            self._next = now + EVERY_SECONDS
            if self._failures == 1:
                log.error("the database fails: %s", error)
            else:
                log.error("the database still fails, %s: %s", self._so_far(now), error)
            self._logged = True

    def _worked(self, *, write: bool) -> None:
        """What reads is no sign that what writes works: a full disk can be read."""
        with self._lock:
            now = self._clock()
            if not self._failures or (self._of_writes and not write):
                return
            if not self._logged and now < self._next:  # it comes and goes
                return
            log.warning("the database works again, after %s", self._so_far(now))
            self._failures = 0
            self._logged = self._of_writes = False

    def _so_far(self, now: float) -> str:
        return f"{self._failures} failed calls in {now - self._began:.0f} s"
