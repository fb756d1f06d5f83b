"""The one place where threads meet an async stream.

    line = Line()                  # in the event loop; the thread emits, then finishes
    async with line.items() as items:
        async for item in items:   # what was emitted, then the exception it failed with, or the end
            ...

    worker = Worker(work)          # a line with a thread of its own that runs work(emit, cancelled)
    loop = LoopThread()            # an event loop in a thread of its own
    job = loop.run(work)           # a line from a coroutine, work(emit, cancelled), that runs there

Three kinds of entries pass: an item, a failure, the end. So a failure is never lost, and silence is never
taken for an end. Leaving the block sets `cancelled` and waits, without blocking the event loop, until the
thread has finished the line: only then may what it used be given to the next. A line with `patience` waits no
longer than that, for code of other people that can't be made to return.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

Work = Callable[[Callable[[T], None], threading.Event], None]
AsyncWork = Callable[[Callable[[T], None], threading.Event], Coroutine[None, None, None]]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Item(Generic[T]):
    value: T


@dataclass(frozen=True, slots=True)
class _Failure:
    error: BaseException


class _End:
    pass


class Line(Generic[T]):
    """From one thread to one reader in the running event loop.

    on_end: called in the event loop once the thread has finished, whether or not anyone reads. The thread
    must check `cancelled` often and finish soon after it is set. on_cancel: called in the event loop when it
    is set, to wake the thread. patience: seconds that leaving waits for the thread; `None` waits until it has
    finished.
    """

    def __init__(
        self,
        *,
        on_end: Callable[[], None] | None = None,
        on_cancel: Callable[[], None] | None = None,
        patience: float | None = None,
    ) -> None:
        self.cancelled = threading.Event()
        self._on_end = on_end
        self._on_cancel = on_cancel
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._entries: asyncio.Queue[_Item[T] | _Failure | _End] = asyncio.Queue()
        self._ended = asyncio.Event()

    def emit(self, item: T) -> None:
        """Send one item. Called by the thread; never blocks."""
        self._tell(self._entries.put_nowait, _Item(item))

    def finish(self, error: BaseException | None = None) -> None:
        """End the line. Called once, by the thread or on behalf of one that never started."""
        self._tell(self._finish, _End() if error is None else _Failure(error))

    @property
    def ended(self) -> bool:
        """Whether the thread has finished."""
        return self._ended.is_set()

    def cancel(self) -> None:
        """Ask the thread to finish; its reader then sees the end."""
        if not self.cancelled.is_set():
            self.cancelled.set()
            if self._on_cancel is not None:
                self._on_cancel()

    def when_ended(self, call: Callable[[], None]) -> None:
        """Call it in the event loop, once, when the thread has finished."""
        self._on_end = call

    def abandon(self) -> None:
        """End the reading, though the thread goes on. Called in the event loop."""
        self._entries.put_nowait(_End())

    async def wait(self) -> None:
        """Wait until the thread has finished or patience is over, even if the waiting task is cancelled
        meanwhile."""
        until = None if self._patience is None else self._loop.time() + self._patience
        interruption: asyncio.CancelledError | None = None
        while not self._ended.is_set():
            try:
                async with asyncio.timeout_at(until):
                    await self._ended.wait()
            except TimeoutError:
                break
            except asyncio.CancelledError as cancelled:
                interruption = cancelled
        if interruption is not None:
            raise interruption

    def items(self) -> aclosing[AsyncGenerator[T, None]]:
        """The items the thread emits, to be read once, in an `async with`."""
        return aclosing(self._items())

    async def _items(self) -> AsyncGenerator[T, None]:
        try:
            while True:
                match await self._entries.get():
                    case _Item(value=value):
                        yield value
                    case _Failure(error=error):
                        raise error
                    case _:
                        return
        finally:
            self.cancel()
            await self.wait()
            self._report_unread()

    def _finish(self, last: _Failure | _End) -> None:
        self._entries.put_nowait(last)
        self._ended.set()
        if self._on_end is not None:
            self._on_end()

    def _tell(self, call: Callable[..., None], entry: _Item[T] | _Failure | _End) -> None:
        try:
            self._loop.call_soon_threadsafe(call, entry)
        except RuntimeError:
            self.cancelled.set()  # the event loop is closed: nobody is left to read

    def _report_unread(self) -> None:
        while not self._entries.empty():
            entry = self._entries.get_nowait()
            if isinstance(entry, _Failure):
                _log.warning("a worker failed after its reader had gone", exc_info=entry.error)


class Worker(Line[T]):
    """A thread that works for one reader in the running event loop.

    work: called in the thread with `emit(item)`, which never blocks, and the flag `cancelled`, which it must
    check often and then return. on_end, on_cancel, patience: as in `Line`.
    """

    def __init__(
        self,
        work: Work[T],
        *,
        on_end: Callable[[], None] | None = None,
        on_cancel: Callable[[], None] | None = None,
        patience: float | None = None,
        name: str = "backend-worker",
    ) -> None:
        super().__init__(on_end=on_end, on_cancel=on_cancel, patience=patience)
        # A daemon: a native call that never returns must not keep the process from ending.
        threading.Thread(target=self._run, args=(work,), name=name, daemon=True).start()

    def _run(self, work: Work[T]) -> None:
        try:
            work(self.emit, self.cancelled)
        except BaseException as error:
            self.finish(error)
        else:
            self.finish()


class LoopThread:
    """An event loop in a thread of its own: for coroutines that may hold their loop, where they hold only
    each other."""

    def __init__(self, name: str = "backend-loop") -> None:
        self._loop = asyncio.new_event_loop()
        # A daemon, as above.
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def run(self, work: AsyncWork[T], *, patience: float | None = None) -> Line[T]:
        """Start a coroutine there that works for one reader in the running event loop. Cancelling the line
        cancels it."""
        line: Line[T] = Line(on_cancel=lambda: self.call(stop), patience=patience)
        tasks: list[asyncio.Task[None]] = []

        def start() -> None:
            task = self._loop.create_task(work(line.emit, line.cancelled))
            task.add_done_callback(
                lambda done: line.finish(None if done.cancelled() else done.exception()),
            )
            tasks.append(task)

        def stop() -> None:
            for task in tasks:
                task.cancel()

        self.call(start)
        return line

    def close(self) -> None:
        """End the loop as soon as no coroutine holds it. Idempotent."""
        self.call(self._loop.stop)

    def call(self, call: Callable[[], object]) -> None:
        """Call something there, soon. Nothing happens once it is closed."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call)

    def _run(self) -> None:
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()
