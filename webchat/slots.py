"""A few places for work, shared fairly: so many for each person at a time, people in the order they came. So
whoever asks for much waits for themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass

from backends.errors import ExplainedError

MOST_WAITING = 8
"""Of one person, those at work among them."""


class Crowded(ExplainedError):
    """Somebody has too many waiting already."""

    code = "too_many_waiting"
    status = 429
    message = "Too many of your requests are still waiting."
    cure = "Wait a moment, then try again."


@dataclass(slots=True)
class _Line:
    """Of one person."""

    at_work: asyncio.Semaphore
    length: int = 0


class Slots:
    """Lives on one event loop.

    places: for all people; `None` is any number. each: of one person. most_waiting: of one person, those at
    work among them.
    """

    def __init__(self, places: int | None, *, each: int = 1, most_waiting: int = MOST_WAITING) -> None:
        self._places: AbstractAsyncContextManager[object] = (
            nullcontext() if places is None else asyncio.Semaphore(places)
        )
        self._each = each
        self._most_waiting = most_waiting
        self._lines: dict[str, _Line] = {}

    @asynccontextmanager
    async def place(self, owner: str) -> AsyncIterator[None]:
        """A place for the time of the block. Waits for it. Raises `Crowded`."""
        line = self._lines.setdefault(owner, _Line(asyncio.Semaphore(self._each)))
        if line.length >= self._most_waiting:
            raise Crowded
        line.length += 1
        try:
            async with line.at_work, self._places:
                yield
        finally:
            line.length -= 1
            if not line.length:
                del self._lines[owner]
