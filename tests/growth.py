"""How the cost of a piece of work grows with its input: CPU time at n, 2n and 4n, best of five.

Ratios, so that a slow or busy machine changes nothing; CPU time of this process, so that what others do is
not counted.
"""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Callable, Sequence

MOST = 2.5
"""Times the cost that twice the input may have."""

TRIES = 5
ROUNDS = 8
"""Of tries, where the first were not good enough: what else runs shares the caches."""

FLOOR = 0.002
"""Seconds below which a clock tells too little: such work is repeated until it is longer."""

Work = Callable[[], object]


def growth(make: Callable[[int], Work], size: int) -> float:
    """The worse ratio of two doublings from `size` on. make: the work for an input of a size; making is not
    counted."""
    works = [make(size << step) for step in range(3)]
    works[0]()  # imports, compiled expressions
    collects = gc.isenabled()
    gc.disable()
    try:
        return _ratio(works, _repeats(works[0]))
    finally:
        if collects:
            gc.enable()


def worse_ratio(best: Sequence[float]) -> float:
    """The worse of two doublings, from the costs at n, 2n and 4n."""
    return max(later / earlier for earlier, later in itertools.pairwise(best))


def _ratio(works: Sequence[Work], repeats: int) -> float:
    best = [float("inf")] * len(works)
    ratio = float("inf")
    for _ in range(ROUNDS):
        for _ in range(TRIES):
            for number, work in enumerate(works):
                best[number] = min(best[number], _cost(work, repeats))
        ratio = worse_ratio(best)
        if ratio <= MOST:
            break
    return ratio


def _repeats(work: Work) -> int:
    repeats = 1
    while (cost := _cost(work, repeats)) < FLOOR:
        repeats = max(repeats + 1, int(repeats * 1.2 * FLOOR / max(cost, FLOOR / 100)))
    return repeats


def _cost(work: Work, repeats: int) -> float:
    start = time.process_time()
    for _ in range(repeats):
        work()
    return time.process_time() - start
