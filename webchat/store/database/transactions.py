"""Connections and transactions: one engine for writing, one for reading, and the threads that use them.

Every reply waits for the single writer, so no transaction on it may take long, however much is stored. A verb
is short (`reads`, `writes`); or `heavy`: it may read much, ends when its time is over or its caller has gone,
and leaves most readers to others; or `long`: it runs alongside the writer, finds its work by reading, and
passes it to the writer slice by slice.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial, wraps
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, cast

from sqlalchemy import Connection, Engine

from webchat.store.database.dialect import Dialect
from webchat.store.database.leases import check_lease, purging_elsewhere
from webchat.store.database.outage import Outage
from webchat.store.database.until import Until
from webchat.store.errors import StoreUnavailable

READERS = 4
HEAVY_READERS = 2
"""Concurrent heavy reads, in addition to the readers of all other verbs."""

HEAVY_SECONDS = 10.0
"""Time limit of a heavy read."""

WAIT_SECONDS = 30.0
"""How long a verb may wait for the writer. Whoever asks later than that no longer waits for an answer."""

LONG_VERBS = 3
"""So many at the same time, the tidying of the log among them."""

TIDY_EVERY = 100
"""Commits between two checkpoints of the database's log, which run alongside the writer."""

Threads = Literal["write", "read", "heavy", "long", "keep", "index", "lease"]

_log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="Database")


class Database:
    """An open database. Verbs build on it; `Store` combines them.

    Thread-safe. A verb called directly runs in the calling thread; `call` runs it in the database's own
    threads.
    """

    def __init__(self, dialect: Dialect, writer: Engine, reader: Engine, resources: ExitStack) -> None:
        self.dialect = dialect
        self._engines = {True: writer, False: reader}
        self._resources = resources
        self._threads: dict[Threads, ThreadPoolExecutor] = {
            "keep": ThreadPoolExecutor(1, thread_name_prefix="store-keep"),
            "index": ThreadPoolExecutor(1, thread_name_prefix="store-index"),
            "lease": ThreadPoolExecutor(1, thread_name_prefix="store-lease"),
            "long": ThreadPoolExecutor(LONG_VERBS, thread_name_prefix="store-long"),
            "write": ThreadPoolExecutor(1, thread_name_prefix="store-write"),
            "read": ThreadPoolExecutor(READERS, thread_name_prefix="store-read"),
            "heavy": ThreadPoolExecutor(HEAVY_READERS, thread_name_prefix="store-heavy"),
        }
        self._outage = Outage()
        self._commits = 0
        self.watch: Callable[[str, float], None] | None = None
        """Told each verb that had the writer, and for how many seconds."""
        self.purged_before = datetime.min.replace(tzinfo=UTC)
        """Data deleted before this time is being purged and cannot be restored."""
        self.replica: str | None = None
        """The lease under which this process writes; `None` if no other may serve the database."""
        self._closing = threading.Event()
        self.chores = threading.Lock()

    async def call(self, verb: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a verb in the store's threads without blocking the event loop. Raises what the verb raises.

        If the caller is cancelled, the transaction finishes by itself; a heavy one is ended.
        """
        name: Threads = getattr(verb, "threads", "write")
        if name == "heavy":
            return cast(R, await self._ended_with_its_caller(verb, *args, **kwargs))
        work = partial(verb, *args, **kwargs)
        if name == "write":
            if self.watch is not None:
                work = partial(self._watched, verb, work)
            work = partial(self._in_time, time.monotonic() + WAIT_SECONDS, work)
        return await asyncio.get_running_loop().run_in_executor(self._threads[name], work)

    def _in_time(self, deadline: float, work: Callable[[], R]) -> R:
        if time.monotonic() > deadline:
            late = StoreUnavailable("The database is too busy.", cure="Try again in a moment.")
            self._outage.failed(late, write=True)
            raise late
        return work()

    async def _ended_with_its_caller(self, verb: Any, /, *args: Any, **kwargs: Any) -> Any:
        until, loop = Until(), asyncio.get_running_loop()
        work = partial(verb.until, verb.__self__, until, *args, **kwargs)
        try:
            return await loop.run_in_executor(self._threads["heavy"], work)
        except asyncio.CancelledError:
            loop.run_in_executor(None, until.leave)
            raise

    def in_turn(self, verb: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a slice of a long verb in the writer's thread, after what is queued there, and wait for it.
        Must not be called in that thread."""
        work = partial(verb, *args, **kwargs)
        if self.watch is not None:
            work = partial(self._watched, verb, work)
        return self._threads["write"].submit(work).result()

    def _watched(self, verb: Callable[..., Any], work: Callable[[], R]) -> R:
        start = time.perf_counter()
        try:
            return work()
        finally:
            if self.watch is not None:
                while isinstance(verb, partial):
                    verb = verb.func
                self.watch(verb.__qualname__, time.perf_counter() - start)

    def slices(self, work: Iterator[Callable[[], R]]) -> Iterator[R]:
        """Do the work piece by piece in the writer's thread; after each piece, the writer is free for others
        for as long as the piece took. Ends early if the database is closed."""
        for piece in work:
            start = time.monotonic()
            yield self.in_turn(piece)
            if self._closing.wait(time.monotonic() - start):
                return

    @property
    def closing(self) -> bool:
        return self._closing.is_set()

    def close(self) -> None:
        """Let running verbs finish (for housekeeping, the current slice), close every connection, release the
        lock. Idempotent."""
        self._closing.set()
        for threads in self._threads.values():
            threads.shutdown(wait=True)
        self._resources.close()

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[Connection]:
        """One transaction: committed at the end, rolled back on any error.

        Raises StoreUnavailable for a database that cannot be reached, read or written, and LeaseLapsed where
        this process writes without a lease, among several servers.
        """
        with self.unfenced(write=write) as connection:
            if write and self.replica is not None:
                check_lease(connection, self.replica)
            yield connection
        if write:
            self._commits += 1
            if self._commits % TIDY_EVERY == 0 and not self.closing:
                self._threads["long"].submit(self._tidy_log)

    @contextmanager
    def unfenced(self, *, write: bool) -> Iterator[Connection]:
        """A transaction that needs no lease."""
        with (
            self._outage.watching(write=write),
            self.dialect.translating(),
            self._engines[write].begin() as connection,
        ):
            yield connection

    def purging(self, connection: Connection) -> datetime:
        """Data deleted before this time is being purged by any process that serves the database. Within a
        transaction that restores some, no other purge begins."""
        if self.replica is None:
            return self.purged_before
        return max([self.purged_before, *purging_elsewhere(connection)])

    def _tidy_log(self) -> None:
        try:
            self.dialect.tidy_log()
        except Exception:
            # The log grows meanwhile; nothing is lost.
            _log.exception("the database's write-ahead log was not checkpointed")


def reads(
    verb: Callable[Concatenate[S, Connection, P], R],
) -> Callable[Concatenate[S, P], R]:
    """Turn a method that takes a connection into a verb with its own reading transaction: one consistent
    snapshot."""
    return _verb(verb, "read")


def heavy(
    verb: Callable[Concatenate[S, Connection, Until, P], R],
) -> Callable[Concatenate[S, P], R]:
    """The same for a method that may read much, and is passed a deadline: statements still running then fail
    with `StoreUnavailable`."""

    def bounded(self: S, until: Until, /, *args: P.args, **kwargs: P.kwargs) -> R:
        until.begin(HEAVY_SECONDS)
        with self.transaction(write=False) as connection, self.dialect.bounded(connection, until):
            return verb(self, connection, until, *args, **kwargs)

    @wraps(verb)
    def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return bounded(self, Until(), *args, **kwargs)

    run.threads = "heavy"  # type: ignore[attr-defined]
    run.until = bounded  # type: ignore[attr-defined]
    return run


def writes(
    verb: Callable[Concatenate[S, Connection, P], R],
) -> Callable[Concatenate[S, P], R]:
    """Turn a method that takes a connection into a verb with its own, short writing transaction."""
    return _verb(verb, "write")


def long(verb: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Turn a method into a verb of many transactions, whose slices take turns with others at the writer."""
    verb.threads = "long"  # type: ignore[attr-defined]
    return verb


def chore(verb: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """The same for housekeeping, which is done one task at a time, whichever process does it."""

    @wraps(verb)
    def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self.chores, self.dialect.one_at_a_time("chores"):
            return verb(self, *args, **kwargs)

    run.threads = "keep"  # type: ignore[attr-defined]
    return run


def _verb(
    verb: Callable[Concatenate[S, Connection, P], R], threads: Threads
) -> Callable[Concatenate[S, P], R]:
    @wraps(verb)
    def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self.transaction(write=threads == "write") as connection:
            return verb(self, connection, *args, **kwargs)

    run.threads = threads  # type: ignore[attr-defined]
    return run
