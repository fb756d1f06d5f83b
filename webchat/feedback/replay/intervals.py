"""An interval for a share of items."""

from __future__ import annotations

import math

from webchat.feedback.results import Interval

_Z = 1.959963984540054
"""The 97.5th percentile of the normal distribution."""


def wilson(part: int, whole: int) -> Interval | None:
    """The interval of 95 % for a share, by Wilson's score (1927): it stays within 0 and 1, and means
    something for few items and for shares of 0 and 1. `None` of nothing."""
    if not whole:
        return None
    share, square = part / whole, _Z**2 / whole
    middle = (share + square / 2) / (1 + square)
    spread = _Z / (1 + square) * math.sqrt(share * (1 - share) / whole + square / (4 * whole))
    return Interval(max(0.0, middle - spread), min(1.0, middle + spread))
