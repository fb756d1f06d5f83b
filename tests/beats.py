"""Time as the event loop of a test has it, and the processor: a machine that is busy slows neither."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

EVERY = 0.01


class Beats:
    """Seconds counted by a task that sleeps; never more than a clock shows."""

    count = 0

    @property
    def seconds(self) -> float:
        return self.count * EVERY


def computed() -> float:
    """Seconds of processor time, here and in processes that have ended."""
    return sum(os.times()[:4])


@asynccontextmanager
async def beating() -> AsyncIterator[Beats]:
    """Counts until the block ends."""
    beats = Beats()

    async def beat() -> None:
        while True:
            await asyncio.sleep(EVERY)
            beats.count += 1

    task = asyncio.create_task(beat())
    try:
        yield beats
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
