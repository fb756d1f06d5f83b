"""Time as the event loop of a test has it: a machine that is busy slows it as it slows the work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

EVERY = 0.01


class Beats:
    """Seconds counted by a task that sleeps; never more than a clock shows."""

    count = 0

    @property
    def seconds(self) -> float:
        return self.count * EVERY


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
