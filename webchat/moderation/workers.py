"""Where moderators' code runs beside the event loop: long looks of the built-in ones, and all of the others.

A thread cannot be stopped from outside. So a look that takes too long is given up, its thread is left to it,
and the next look takes another thread, of `MOST` for each moderator; a thread that comes back is used again.
When all of them are stuck, looks fail at once.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import weakref
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from webchat.moderation.filters import Closing, Filter, Look, Moderator
from webchat.moderation.verdicts import Context, Fail, Report, Stage

MOST = 4
"""Threads per third-party moderator."""

LONG_THREADS = 2
"""Threads for long texts of the built-in ones."""

GRACE_SECONDS = 0.25
"""Seconds a thread has to return from a cancelled check before another takes over."""

CLOSE_SECONDS = 2.0

_log = logging.getLogger(__name__)


class Stuck(RuntimeError):
    """None of a moderator's threads returns."""


def at_once(work: Coroutine[Any, Any, Any]) -> Any:
    """The outcome of something that never waits. Raises what it raises, or `RuntimeError` if it waits."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    work.close()
    raise RuntimeError("an inline filter must not wait")


async def here(look: Look, seconds: float) -> Any:
    """A `Run` in the calling event loop; it cannot interrupt a check that does not wait."""
    async with asyncio.timeout(seconds):
        return await look()


class LongLooks:
    """A `Run` in a few threads, for checks that never wait and always finish: without time limit."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(LONG_THREADS, "long text")

    async def __call__(self, look: Look, seconds: float) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: at_once(look()))

    def close(self) -> None:
        self._pool.shutdown(wait=False)


class Worker:
    """A `Run` in the threads of one moderator, each with its own event loop; one is used until it fails to
    return in time. name: of the moderator."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._threads: list[_Thread] = []
        self._warned = False
        self._gave_up = -GRACE_SECONDS
        weakref.finalize(self, _stop, self._threads)

    async def __call__(self, look: Look, seconds: float) -> Any:
        """Raises `TimeoutError`, `Stuck` and what the check raises."""
        while True:
            thread = await self._free()
            job = _Job(look, thread)
            try:
                in_time = await job.over_within(seconds)
            except asyncio.CancelledError:
                self._give_up(job)
                raise
            if in_time:
                return job.outcome.result()
            if self._give_up(job):
                raise TimeoutError
            # Something else holds that thread.

    async def aclose(self) -> None:
        """Stop the threads; stuck ones end when they return, or with the process."""
        _stop(self._threads)
        free = [thread for thread in self._threads if not thread.overdue]
        if free:
            await asyncio.to_thread(_join, free)
        self._threads.clear()

    def _give_up(self, job: _Job) -> bool:
        self._gave_up = time.monotonic()
        return job.give_up()

    async def _free(self) -> _Thread:
        """Raises `Stuck`."""
        while True:
            for thread in self._threads:
                if not thread.overdue:
                    return thread
            if time.monotonic() - self._gave_up >= GRACE_SECONDS:
                return self._another()
            await asyncio.sleep(0.005)

    def _another(self) -> _Thread:
        """Raises `Stuck`."""
        if self._threads and not self._warned:
            self._warned = True
            _log.error(
                "the moderator %s is stuck: a check did not finish in time, and its thread cannot be"
                " stopped; other threads take over, up to %d",
                self._name,
                MOST,
            )
        if len(self._threads) == MOST:
            raise Stuck(f"the moderator {self._name} does not return")
        self._threads.append(_Thread(self._name))
        return self._threads[-1]


class Apart:
    """A third-party moderator with the threads its code runs in. Other attributes, such as `kind`, are passed
    through."""

    def __init__(self, moderator: Moderator) -> None:
        self._moderator = moderator
        self.name: str = moderator.name
        self.stages: frozenset[Stage] = moderator.stages
        self.fail: Fail = moderator.fail
        self.seconds: float = moderator.seconds
        self.worker = Worker(moderator.name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._moderator, name)

    def open(self, context: Context, report: Report) -> Filter:
        return self._moderator.open(context, report)

    async def aclose(self) -> None:
        """Close what it has open, and stop its threads."""
        try:
            if isinstance(self._moderator, Closing):
                await self.worker(self._moderator.aclose, CLOSE_SECONDS)
        except Exception:
            _log.exception("closing the moderator %s failed", self.name)
        await self.worker.aclose()


class _Thread:
    """A thread that runs an event loop. overdue: jobs given up while the loop has not come round since."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.overdue: set[_Job] = set()
        # Nothing waits for it at the end of the process: it may be stuck.
        self.thread = threading.Thread(target=_run, args=(self.loop,), name=f"moderator {name}", daemon=True)
        self.thread.start()


class _Job:
    """One check in a thread."""

    def __init__(self, look: Look, thread: _Thread) -> None:
        self._look = look
        self._thread = thread
        self._lock = threading.Lock()
        self._began: float | None = None
        self._given_up = False
        self.outcome = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._run(), thread.loop))

    async def over_within(self, seconds: float) -> bool:
        """Whether it ends in time: its own check, or waiting for others'."""
        asked = time.monotonic()
        while (left := (self._began or asked) + seconds - time.monotonic()) > 0:
            if (await asyncio.wait({self.outcome}, timeout=left))[0]:
                return True
        return self.outcome.done()

    def give_up(self) -> bool:
        """Cancel it as far as possible. Returns whether it was started; if not, it never will be."""
        with self._lock:
            self._given_up = True
        self._thread.overdue.add(self)
        self.outcome.cancel()
        self._thread.loop.call_soon_threadsafe(self._thread.overdue.discard, self)
        return self._began is not None

    async def _run(self) -> Any:
        with self._lock:
            if self._given_up:
                return None
            self._began = time.monotonic()
        return await self._look()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks, timeout=CLOSE_SECONDS))
        loop.close()


def _stop(threads: list[_Thread]) -> None:
    for thread in threads:
        if not thread.loop.is_closed():
            thread.loop.call_soon_threadsafe(thread.loop.stop)


def _join(threads: list[_Thread]) -> None:
    for thread in threads:
        thread.thread.join(CLOSE_SECONDS)
