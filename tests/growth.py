"""How the cost of a piece of work grows with its input: the same total, as many short ones and as a long one.

Both do as much work where the cost is that of the length, and collect as much garbage; where it is that of
the square, the long one costs eight times more. Ratios of CPU time, so that a slow machine changes nothing.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

MOST = 2.5
"""Times the cost that twice the input may have."""

DOUBLINGS = 3
"""From the short input to the long one."""

TRIES = 20
"""At most, where the first are not good enough: what else runs shares the caches."""

FLOOR = 0.008
"""Seconds below which a clock tells too little: such work is repeated until it is longer."""

Work = Callable[[], object]
Cost = Callable[[int, int], float]
"""Seconds that an input of so many times the length costs, so many times over."""


def growth(make: Callable[[int], Work], size: int) -> float:
    """Times the cost of twice the input, from `size` on. make: the work for an input of a size; making is not
    counted."""
    works = {1: make(size), 1 << DOUBLINGS: make(size << DOUBLINGS)}

    def cost(length: int, times: int) -> float:
        work = works[length]
        start = time.process_time()
        for _ in range(times):
            work()
        return time.process_time() - start

    cost(1, 1)  # imports, compiled expressions
    collects = gc.isenabled()
    gc.disable()
    try:
        return doubling(cost)
    finally:
        if collects:
            gc.enable()


def doubling(cost: Cost) -> float:
    """Times the cost of twice the input, as the mean of the doublings."""
    longest = 1 << DOUBLINGS
    repeats = 1
    while (short := cost(1, repeats * longest)) < FLOOR:
        repeats *= 2
    long = cost(longest, repeats)
    for _ in range(TRIES - 1):
        if _ratio(short, long) <= MOST:
            break
        short = min(short, cost(1, repeats * longest))
        long = min(long, cost(longest, repeats))
    return _ratio(short, long)


def _ratio(short: float, long: float) -> float:
    return 2 * float((long / short) ** (1 / DOUBLINGS))
