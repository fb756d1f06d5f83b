"""Whether the process is alive, and whether it can work. Neither reveals anything else to strangers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from typing import Literal

from starlette.responses import Response
from starlette.types import ASGIApp

from webchat.api.errors import ApiError
from webchat.api.events import EventStream
from webchat.api.reading import json_answer
from webchat.api.services import Services
from webchat.api.wire.people import Health as State
from webchat.store import Store, StoreError

log = logging.getLogger(__name__)

PROBE_SECONDS = 5.0
"""How long the database may take to accept a write."""

FRESH_SECONDS = 1.0
"""How long one result counts: anyone may ask, and no number of them shall keep the writer or an endpoint
busy."""

DatabaseState = Literal["ok", "database"]


class DatabaseProbe:
    """Tries whether the database accepts writes: one attempt at a time, for everybody who asks."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._attempt: asyncio.Task[DatabaseState] | None = None
        self._late: asyncio.Task[DatabaseState] | None = None
        self._at = 0.0

    async def state(self) -> DatabaseState:
        """`ok`, or `database` if a write fails or takes longer than `PROBE_SECONDS`."""
        done = self._attempt is None or self._attempt.done()
        if self._attempt is None or (done and time.monotonic() - self._at >= FRESH_SECONDS):
            self._attempt = asyncio.create_task(self._tried(), name="probe the database")
        try:
            return await asyncio.wait_for(asyncio.shield(self._attempt), PROBE_SECONDS)
        except TimeoutError:
            if self._late is not self._attempt:
                self._late = self._attempt
                log.warning("the database did not accept a write within %.0f seconds", PROBE_SECONDS)
            return "database"

    async def _tried(self) -> DatabaseState:
        try:
            await self._store.call(self._store.probe)
        except StoreError:  # the store's log says it
            return "database"
        except Exception:
            log.warning("the database accepts no writes", exc_info=True)
            return "database"
        finally:
            self._at = time.monotonic()
        return "ok"


STREAM_PIECES, STREAM_PAUSE = 6, 0.2
"""Pieces of the stream for tests, and seconds between them."""

MOST_STREAMS = 8
"""At once: anyone may ask."""


class Health:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._streams = 0
        self._database = DatabaseProbe(services.store)
        self._looked = float("-inf")

    async def alive(self) -> State:
        """Whether the process runs."""
        return State(status="ok")

    async def stream(self) -> ASGIApp:
        """A few events over a second. If they arrive together, something between the server and the reader
        buffers: `webchat doctor` looks."""
        if self._streams >= MOST_STREAMS:
            raise ApiError(503, "server_full", "The server is at capacity.", "Try again in a moment.")
        self._streams += 1
        return EventStream(_pieces(), self._left)

    def _left(self) -> None:
        self._streams -= 1

    async def ready(self) -> Response:
        """200 while the server accepts messages and its database accepts writes, `degraded` if a model fails;
        else 503: `stopping` before its end, `database` while that accepts no writes or renews no lease."""
        services = self._services
        if not services.turns.accepting:
            unheld = not services.turns.closing and not services.turns.replica.held
            return json_answer(State(status="database" if unheld else "stopping"), 503)
        if await self._database.state() != "ok":
            return json_answer(State(status="database"), 503)
        if time.monotonic() - self._looked >= FRESH_SECONDS:
            self._looked = time.monotonic()
            await services.models.look()
        return json_answer(State(status="degraded" if services.models.failing else "ok"))


async def _pieces() -> AsyncGenerator[bytes]:
    for number in range(STREAM_PIECES):
        if number:
            await asyncio.sleep(STREAM_PAUSE)
        yield b"data: %d\n\n" % number
