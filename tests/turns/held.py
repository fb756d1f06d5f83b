"""A model with few slots whose replies end when the test says so."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from backends.echo import EchoBackend
from backends.types import Event, Finished, Request, TextDelta


class Held(EchoBackend):
    """Writes `begun ` at once, and the message only when the test lets it go.

    order: the messages as they were begun. errors: raised instead of going on. hangs: never closes.
    """

    def __init__(self, slots: int = 1) -> None:
        super().__init__(slots=slots)
        self.order: list[str] = []
        self.go: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.errors: dict[str, Exception] = {}
        self.hangs: set[str] = set()

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        text = request.messages[-1].text
        self.order.append(text)
        self.live += 1
        try:
            assert self.live <= (self.capabilities.slots or 0), "more at once than the model takes"
            yield TextDelta("begun ")
            await self.go[text].wait()
            if text in self.errors:
                raise self.errors[text]
            yield TextDelta(text)
            yield Finished("stop")
        finally:
            try:
                if text in self.hangs:
                    await asyncio.Event().wait()
            finally:
                self.live -= 1

    async def writes(self, text: str) -> None:
        """Wait until this message is being answered."""
        while text not in self.order:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


class Gated(EchoBackend):
    """Echoes, once the test has opened it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.open = asyncio.Event()

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        await self.open.wait()
        async with aclosing(super().stream(request)) as events:
            async for event in events:
                yield event


class Stepped(EchoBackend):
    """Writes one piece of its script for every step the test lets it take."""

    def __init__(self, script: list[str]) -> None:
        super().__init__(script=script)
        self._free = asyncio.Semaphore(0)

    def go(self, steps: int) -> None:
        for _ in range(steps):
            self._free.release()

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        async with aclosing(super().stream(request)) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    await self._free.acquire()
                yield event
