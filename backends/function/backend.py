"""The face of a function: one `Backend`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial

from backends._sent import reported
from backends.base import Capabilities, Footprint, ProgressCallback
from backends.bridge import LoopThread
from backends.errors import ModelUnsupported, Unavailable
from backends.function.answers import Answer
from backends.function.convention import Convention, name_of
from backends.function.importing import import_function
from backends.function.running import Running, in_loop, in_thread
from backends.inputs import Input
from backends.markers.holdback import StopCutter
from backends.options import FunctionOptions
from backends.types import Event, Finished, ReasoningDelta, Request, Sampling, Sent, TextDelta
from backends.words import tokens

_log = logging.getLogger(__name__)

SYNC_SLOTS = 1
ASYNC_SLOTS = 32
"""Replies at once by default: as Gradio does, one of a function that may not be made for threads."""

PATIENCE = 2.0
"""Seconds that a stopped function has to end; then it runs on without a reader."""

MOST_STUCK = 32
"""Stopped calls that still run; beyond that no other begins."""

PIECE_CHARS = 64
"""Long text is passed on in pieces of about this size."""


class FunctionBackend:
    """See `backends.function`. Honours `max_tokens` (in words, since a function has no tokenizer) and `stop`.

    `live` is how many calls hold a slot now, `stuck` how many that were stopped still run. Raises
    `ModelNotFound` and `ModelUnsupported` for a function that can't be imported or called.
    """

    kind = "function"

    def __init__(self, options: FunctionOptions) -> None:
        found = options.function
        function = import_function(found) if isinstance(found, str) else found
        if not callable(function):
            raise ModelUnsupported(
                f"{found if isinstance(found, str) else type(found).__name__} is no function.",
                cure="Give a function that takes a message and the history.",
            )
        self._convention = Convention.of(function, options.inputs, multimodal=options.multimodal)
        self.model = options.name or (found if isinstance(found, str) else name_of(function))
        self._rewrites = options.rewrites
        inputs = tuple(one for one in options.inputs if isinstance(one, Input))
        self._inputs = {one.name for one in inputs}
        slots = options.slots or (ASYNC_SLOTS if self._convention.is_async else SYNC_SLOTS)
        self._slots = asyncio.Semaphore(slots)
        self.capabilities = Capabilities(
            sampling=frozenset({"max_tokens", "stop"}),
            slots=slots,
            inputs=inputs,
            examples=options.examples,
        )
        self.live = 0
        self._loop: LoopThread | None = None
        self._running: set[Running] = set()
        self.stuck = 0
        self._closed = False

    async def start(self, progress: ProgressCallback | None = None) -> None:
        """Nothing to load: the module is imported when the backend is made."""

    def footprint(self) -> Footprint | None:
        return None

    async def count(self, request: Request) -> int | None:
        return None

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        async with self._slots:
            self._check_open()
            self.live += 1
            try:
                async with aclosing(self._reply(request)) as events:
                    async for event in events:
                        yield event
                        self._check_open()
            finally:
                self.live -= 1

    async def aclose(self) -> None:
        self._closed = True
        for running in self._running:
            running.line.cancel()
        for running in tuple(self._running):
            await running.line.wait()
            if not running.line.ended:
                running.line.abandon()
        if self._loop is not None:
            self._loop.close()

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("The function was closed.", cure="Start the server again.")

    async def _reply(self, request: Request) -> AsyncGenerator[Event, None]:
        if request.trace:
            yield self._sent(request)
        async with aclosing(_limited(self._events(request), request.sampling, self.model)) as events:
            async for event in events:
                yield event

    async def _events(self, request: Request) -> AsyncGenerator[Event, None]:
        answer = Answer(self.model, rewrites=self._rewrites)
        running = self._start(request)
        self._running.add(running)
        try:
            async with running.values() as values:
                async for value in values:
                    for event in answer.feed(value):
                        yield event
                    if answer.finished is not None:
                        break
        finally:
            self._running.discard(running)
            if not running.line.ended:
                self._left(running)
        self._check_open()
        for event in answer.rest():
            yield event
        if answer.usage is not None:
            yield answer.usage
        yield answer.finished or Finished("stop", model=self.model)

    def _start(self, request: Request) -> Running:
        if self.stuck >= MOST_STUCK:
            raise Unavailable(
                f"{self.stuck} stopped calls of the function {self.model} are still running.",
                cure="Wait until they end, or restart the server.",
                params={"model": self.model},
            )
        convention = self._convention
        call = partial(convention.function, *convention.arguments(request))
        if not convention.is_async:
            return in_thread(call, self.model, PATIENCE)
        self._loop = self._loop or LoopThread(f"functions {self.model}")
        return in_loop(self._loop, call, self.model, PATIENCE)

    def _left(self, running: Running) -> None:
        """A call did not end when it was told to."""
        self.stuck += 1
        running.line.when_ended(self._came_back)
        _log.warning("%s was stopped and still runs after %g s", self.model, PATIENCE)

    def _came_back(self) -> None:
        self.stuck -= 1

    def _sent(self, request: Request) -> Sent:
        body: dict[str, object] = {
            "messages": [{"role": one.role, "content": one.text} for one in request.messages]
        }
        if self._inputs:
            body["inputs"] = {name: value for name, value in request.inputs.items() if name in self._inputs}
        return Sent(reported(request.messages), body=body)


async def _limited(
    events: AsyncGenerator[Event, None], sampling: Sampling, model: str
) -> AsyncGenerator[Event, None]:
    """Apply `stop` and `max_tokens`; long text in pieces."""
    cutter = StopCutter(sampling.stop)
    left = sampling.max_tokens
    async with aclosing(events):
        async for event in events:
            if not isinstance(event, TextDelta | ReasoningDelta):
                if isinstance(event, Finished) and (rest := cutter.flush()):
                    yield TextDelta(rest)
                yield event
                continue
            words = tokens(event.text)
            more = left is not None and len(words) > left
            for piece in _pieces(words[:left]):
                text = cutter.feed(piece) if isinstance(event, TextDelta) else piece
                if text:
                    yield type(event)(text)
                if cutter.stopped:
                    yield Finished("stop", model=model)
                    return
            if left is not None:
                left -= min(left, len(words))
            if more or left == 0:
                if rest := cutter.flush():
                    yield TextDelta(rest)
                yield Finished("length", model=model)
                return


def _pieces(words: list[str]) -> list[str]:
    """The words joined to pieces of about `PIECE_CHARS`."""
    pieces = [""]
    for word in words:
        if len(pieces[-1]) >= PIECE_CHARS:
            pieces.append("")
        pieces[-1] += word
    return [piece for piece in pieces if piece]
