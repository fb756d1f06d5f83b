"""Connections and transactions: one engine that writes, one that reads, and the threads they are used
from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial, wraps
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine

from webchat.store.dialects import Dialect

READERS = 4

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="Database")


class Database:
    """An open database. Verbs build on it; `Store` is their sum.

    Thread-safe. A verb called directly runs in the calling thread; `call` runs it in the database's own
    threads.
    """

    def __init__(self, dialect: Dialect, writer: Engine, reader: Engine, resources: ExitStack) -> None:
        self.dialect = dialect
        self._engines = {True: writer, False: reader}
        self._resources = resources
        self._threads = {
            True: ThreadPoolExecutor(1, thread_name_prefix="store-write"),
            False: ThreadPoolExecutor(READERS, thread_name_prefix="store-read"),
        }

    async def call(self, verb: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a verb in the store's threads, the event loop stays free. Raises what the verb raises.

        A caller that is cancelled meanwhile leaves the transaction to end by itself.
        """
        threads = self._threads[bool(getattr(verb, "writes", True))]
        return await asyncio.get_running_loop().run_in_executor(threads, partial(verb, *args, **kwargs))

    def close(self) -> None:
        """Let running verbs end, close every connection, release the lock. Idempotent."""
        for threads in self._threads.values():
            threads.shutdown(wait=True)
        for engine in self._engines.values():
            engine.dispose()
        self._resources.close()

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[Connection]:
        """One transaction: committed at the end, rolled back on any error.

        Raises StoreUnavailable for a database that cannot be reached, read or written.
        """
        with self.dialect.translating(), self._engines[write].begin() as connection:
            yield connection


def reads(
    verb: Callable[Concatenate[S, Connection, P], R],
) -> Callable[Concatenate[S, P], R]:
    """Make a method that takes a connection a verb of its own reading transaction: one consistent
    snapshot."""
    return _verb(verb, write=False)


def writes(
    verb: Callable[Concatenate[S, Connection, P], R],
) -> Callable[Concatenate[S, P], R]:
    """Make a method that takes a connection a verb of its own writing transaction."""
    return _verb(verb, write=True)


def _verb(verb: Callable[Concatenate[S, Connection, P], R], *, write: bool) -> Callable[Concatenate[S, P], R]:
    @wraps(verb)
    def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self.transaction(write=write) as connection:
            return verb(self, connection, *args, **kwargs)

    run.writes = write  # type: ignore[attr-defined]
    return run
