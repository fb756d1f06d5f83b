"""A bootstrap that draws people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webchat.feedback.results.records import Interval, Note

RESAMPLES = 1000
FEWEST_PEOPLE = 5
"""Below this a bootstrap of people says nothing."""

_SEED = 20_260
_PART = 2**22
"""Numbers in memory at a time."""


def too_few(people: int) -> tuple[Note, ...]:
    """Why there are no intervals, if so."""
    if people >= FEWEST_PEOPLE:
        return ()
    return (Note("one_voter" if people == 1 else "few_people"),)


def drawn(counts: NDArray[Any], resamples: int = RESAMPLES) -> NDArray[np.float64]:
    """Sums over as many people as there are, drawn with replacement; the same at every call.

    counts: people × cells. Returns resamples × cells.
    """
    people, cells = counts.shape
    generator = np.random.default_rng(_SEED)
    sums = np.empty((resamples, cells))
    step = max(1, _PART // people)
    exact = counts.astype(np.float64)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        times = generator.multinomial(people, np.full(people, 1 / people), size=size)
        sums[start : start + size] = times @ exact
    return sums


def interval(values: NDArray[np.float64] | Sequence[float]) -> Interval | None:
    """The middle 95 % of resampled values. Those that are not numbers are left out; `None` if that is more
    than a twentieth."""
    numbers = np.asarray(values, dtype=np.float64)
    finite = numbers[np.isfinite(numbers)]
    if not len(numbers) or len(finite) < 0.95 * len(numbers):
        return None
    low, high = np.quantile(finite, [0.025, 0.975])
    return Interval(float(low), float(high))


def shares(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Not a number where the whole is nothing."""
    result = np.full(len(whole), np.nan)
    np.divide(part, whole, out=result, where=whole > 0)
    return result
