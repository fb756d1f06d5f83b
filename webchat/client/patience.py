"""How long a server that does not answer is asked again: it may be restarting."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

from webchat.client.errors import Refused, Unreachable

TIMEOUT = httpx.Timeout(60, connect=10)
"""Of one try. A stream that says nothing sends a beat every 15 seconds."""

MOST_CONTINUED = 5
"""How often one reply that restarts of the server interrupted is continued."""

AWAY = frozenset({502, 503, 504})
"""Statuses of a server that is not there now, or of a proxy in front of it."""

_FIRST, _LONGEST = 0.2, 5.0


class Patience:
    """Counts from the last answer on. seconds: until the client gives up."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self.answered()

    def answered(self) -> None:
        """The server is there."""
        self._end = self._clock() + self._seconds
        self._pause = _FIRST

    def pause(self, error: Refused | httpx.TransportError) -> float:
        """Seconds until the next try. Raises an error that waiting does not mend, and `Unreachable` once
        patience is over."""
        if isinstance(error, Refused) and error.status not in AWAY:
            raise error
        if self._clock() >= self._end:
            raise Unreachable(f"The server can't be reached: {error}") from error
        pause, self._pause = self._pause, min(2 * self._pause, _LONGEST)
        return pause
