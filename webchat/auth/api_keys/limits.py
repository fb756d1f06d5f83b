"""How often, and how many at once, each key is used. Counted in memory, by this process."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from backends._plurals import counted
from webchat.auth.answers import error_answer
from webchat.auth.incoming import Refused
from webchat.store.key_records import ApiKey

MINUTE = 60.0
_MOST_KEPT = 10_000


@dataclass(slots=True)
class _Use:
    """begun: when the requests of the last minute began. at_once: how many are open."""

    begun: deque[float] = field(default_factory=deque)
    at_once: int = 0


class Uses:
    """Lives on one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._uses: OrderedDict[str, _Use] = OrderedDict()

    @contextmanager
    def request(self, key: ApiKey) -> Iterator[None]:
        """Count a request for the duration of the block. Raises `Refused` with 429 at a limit of the key."""
        per_minute, at_once = key.terms.requests_per_minute, key.terms.at_once
        if per_minute is None and at_once is None:
            yield
            return
        use = self._uses.setdefault(key.id, _Use())
        self._uses.move_to_end(key.id)
        if at_once is not None and use.at_once >= at_once:
            raise _busy(at_once)
        if per_minute is not None:
            self._count(use, per_minute)
        use.at_once += 1
        try:
            yield
        finally:
            use.at_once -= 1
            self._trim()

    def _count(self, use: _Use, most: int) -> None:
        now = self._clock()
        while use.begun and now - use.begun[0] >= MINUTE:
            use.begun.popleft()
        if len(use.begun) >= most:
            raise _too_often(most, use.begun[0] + MINUTE - now)
        use.begun.append(now)

    def _trim(self) -> None:
        while len(self._uses) > _MOST_KEPT:
            oldest = next(iter(self._uses))
            if self._uses[oldest].at_once:
                return
            del self._uses[oldest]


def _busy(limit: int) -> Refused:
    return Refused(
        error_answer(
            429,
            "key_busy",
            f"This API key allows {counted(limit, 'request')} at once.",
            "Wait until one has finished, then try again.",
            {"limit": limit, "retry_after": 1},
        )
    )


def _too_often(limit: int, seconds: float) -> Refused:
    after = max(1, int(seconds) + 1)
    return Refused(
        error_answer(
            429,
            "key_requests",
            f"This API key allows {counted(limit, 'request')} a minute.",
            f"Try again in {counted(after, 'second')}.",
            {"limit": limit, "retry_after": after},
        )
    )
