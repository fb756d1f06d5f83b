"""A few slots for work, shared fairly: a limited number per person, and people in order of arrival. Anyone
with many requests only delays themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass

from backends.errors import ExplainedError

MOST_WAITING = 8
"""Per person, including those being worked on."""


class Crowded(ExplainedError):
    """One person has too many requests waiting."""

    code = "too_many_waiting"
    status = 429
    message = "Too many of your requests are still waiting."
    cure = "Wait a moment, then try again."


@dataclass(slots=True)
class _Line:
    """The queue of one person."""

    at_work: asyncio.Semaphore
    length: int = 0


class Slots:
    """Lives on one event loop.

    places: in total; `None` is unlimited. each: per person. most_waiting: per person, including those being
    worked on.
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
        """A slot for the duration of the block. Waits until one is free. Raises `Crowded`."""
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
