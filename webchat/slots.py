"""A few places for work that takes long, shared fairly: one for each person at a time, people in the order
they came. So whoever asks for much waits for themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

MOST_WAITING = 8
"""Of one person, the one at work among them."""


class Crowded(Exception):
    """Somebody has too many waiting already."""

    code = "too_many_waiting"
    message = "Too many of your requests are still waiting."
    cure = "Wait a moment, then try again."


@dataclass(slots=True)
class _Line:
    """Of one person."""

    first: asyncio.Lock = field(default_factory=asyncio.Lock)
    length: int = 0


class Slots:
    """So many places. Lives on one event loop."""

    def __init__(self, places: int) -> None:
        self._places = asyncio.Semaphore(places)
        self._lines: dict[str, _Line] = {}

    @asynccontextmanager
    async def place(self, owner: str) -> AsyncIterator[None]:
        """A place for the time of the block. Waits for it. Raises `Crowded`."""
        line = self._lines.setdefault(owner, _Line())
        if line.length >= MOST_WAITING:
            raise Crowded
        line.length += 1
        try:
            async with line.first, self._places:
                yield
        finally:
            line.length -= 1
            if not line.length:
                del self._lines[owner]
