"""Slows down guessing: failures of one account from one network delay its next try from there alone, so that
nobody can lock somebody else out from elsewhere."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

FREE_FAILURES = 5
"""The last of these, and each one after it, delays the next try."""
LONGEST_DELAY = 300.0
FORGOTTEN_AFTER = 3600.0
"""Seconds without another failure after which the count begins anew."""

_MOST_KEPT = 10_000


@dataclass(slots=True)
class _Failures:
    count: int
    last: float


class Delays:
    """Growing delays by account and network: 1 second, 2, 4 and so on. At most `_MOST_KEPT` are kept, the
    latest ones."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: OrderedDict[bytes, _Failures] = OrderedDict()

    def seconds(self, account: str, network: str) -> float:
        """How long this account's next try from this network has to wait; 0 if not at all."""
        failures = self._of(_key(account, network))
        if failures is None or failures.count < FREE_FAILURES:
            return 0.0
        doublings = min(failures.count - FREE_FAILURES, 30)
        return max(0.0, failures.last + min(2.0**doublings, LONGEST_DELAY) - self._clock())

    def failed(self, account: str, network: str) -> None:
        """Count a failure."""
        key = _key(account, network)
        before = self._of(key)
        self._kept[key] = _Failures(1 if before is None else before.count + 1, self._clock())
        self._kept.move_to_end(key)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)

    def succeeded(self, account: str, network: str) -> None:
        """Forget the failures before."""
        self._kept.pop(_key(account, network), None)

    def _of(self, key: bytes) -> _Failures | None:
        failures = self._kept.get(key)
        if failures is not None and self._clock() - failures.last >= FORGOTTEN_AFTER:
            del self._kept[key]
            return None
        return failures


def _key(account: str, network: str) -> bytes:
    """Of one size, however long a name somebody tries."""
    return sha256(f"{account}\0{network}".encode("utf-8", "surrogatepass")).digest()
