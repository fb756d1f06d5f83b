"""Runs a function off the event loop: what it returns or yields, one value after another.

A sync function has a thread of its own for each reply; async ones share an event loop in another thread. A
function is ahead of its reader by one value at most, so that one that nobody reads waits.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from backends.bridge import Line, LoopThread, Worker
from backends.errors import BackendError, FunctionFailed

_log = logging.getLogger(__name__)

Emit = Callable[[object], None]


@dataclass(frozen=True, slots=True)
class Running:
    """One call. line: where its values come from. more: lets it make the next one."""

    line: Line[object]
    more: Callable[[], None]

    @asynccontextmanager
    async def values(self) -> AsyncIterator[AsyncIterator[object]]:
        """The values, to be read once; leaving the block closes the function."""
        async with self.line.items() as items:
            yield self._read(items)

    async def _read(self, items: AsyncIterator[object]) -> AsyncIterator[object]:
        async for value in items:
            yield value
            self.more()


def in_thread(call: Callable[[], object], name: str, patience: float) -> Running:
    """Start a sync function. name: the function's, for errors and the log. patience: as in `Line`."""
    read = threading.Semaphore(0)
    context = contextvars.copy_context()

    def work(emit: Emit, cancelled: threading.Event) -> None:
        try:
            result = context.run(call)
            if not isinstance(result, Iterator):
                emit(result)
                return
            try:
                for value in _in(context, result):
                    emit(value)
                    read.acquire()
                    if cancelled.is_set():
                        return
            finally:
                _close(result, name)
        except BaseException as error:
            raise _explained(error, name) from error

    return Running(
        Worker(work, on_cancel=read.release, patience=patience, name=f"function {name}"),
        read.release,
    )


def in_loop(loop: LoopThread, call: Callable[[], Any], name: str, patience: float) -> Running:
    """Start an async function in another event loop."""
    read = asyncio.Semaphore(0)

    async def values(emit: Emit) -> None:
        result = call()
        if inspect.isawaitable(result):
            result = await result
        if not isinstance(result, AsyncIterator):
            emit(result)
            return
        async with aclosing(_closable(result)) as found:
            async for value in found:
                emit(value)
                await read.acquire()

    async def work(emit: Emit, cancelled: threading.Event) -> None:
        try:
            await values(emit)
        except asyncio.CancelledError:
            if cancelled.is_set():
                raise
            raise FunctionFailed(f"The function {name} was cancelled.", params={"model": name}) from None
        except BaseException as error:
            raise _explained(error, name) from error

    return Running(loop.run(work, patience=patience), lambda: loop.call(read.release))


def _in(context: contextvars.Context, values: Iterator[object]) -> Iterator[object]:
    """The values, each made in the function's own context."""
    end = object()
    while (value := context.run(next, values, end)) is not end:
        yield value


def _close(values: Iterator[object], name: str) -> None:
    if not hasattr(values, "close"):
        return
    try:
        values.close()
    except BaseException:
        _log.warning("%s did not let itself be closed", name, exc_info=True)


async def _closable(values: AsyncIterator[object]) -> Any:
    """An async generator of any async iterator."""
    try:
        async for value in values:
            yield value
    finally:
        if hasattr(values, "aclose"):
            await values.aclose()


def _explained(error: BaseException, name: str) -> BackendError:
    """The error that a reader of the reply gets; its place in the code is for the log."""
    if isinstance(error, BackendError):
        return error
    frames = traceback.extract_tb(error.__traceback__)
    outside = [frame for frame in frames if frame.filename != __file__]
    place = f"{outside[-1].filename}, line {outside[-1].lineno}" if outside else "an unknown place"
    _log.error("The function %s raised %s at %s", name, type(error).__name__, place, exc_info=error)
    return FunctionFailed(
        f"The function {name} raised {type(error).__name__}.",
        cure="The server's log has the file, the line and the message.",
        params={"model": name},
    )
