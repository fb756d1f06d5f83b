"""Short messages between the processes that serve one database, by LISTEN and NOTIFY.

They only hurry others to look at what is in the database; nothing is lost with one. Where they don't arrive
(a lost connection, a pooler that does not pass them on), `arrive` is false, and others look more often.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from contextlib import suppress

from webchat.store.database.codec import new_id
from webchat.store.database.postgres import WIRE
from webchat.store.database.transactions import Database

CHANNEL = "webchat"

GATHER_SECONDS = 0.02
"""Messages within this time are sent together."""

SILENT_SECONDS = 12.0
"""After so long without a message, even from itself, none arrive."""

RETRY_SECONDS = 2.0

_MISSED = "missed"
"""Says that some of the sender's messages were lost."""

_log = logging.getLogger(__name__)


class Signals:
    """Lives on one event loop, between `open` and `aclose`.

    heard: called with each message of another process. back: called when messages arrive again after some may
    have been missed.
    """

    def __init__(self, store: Database, heard: Callable[[list[str]], None], back: Callable[[], None]) -> None:
        wire = {name: str(value) for name, value in WIRE.items()}
        url = store.dialect.url.set(drivername="postgresql").update_query_dict(wire)
        self._url = url.render_as_string(hide_password=False)
        self._heard = heard
        self._back = back
        self._me = new_id()
        self._waiting: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._last = float("-inf")
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def arrive(self) -> bool:
        """Whether messages arrive."""
        return time.monotonic() - self._last < SILENT_SECONDS

    def open(self) -> None:
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._speak())]

    async def aclose(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def send(self, *words: str) -> None:
        """Send a message soon; the same one only once. At most a few hundred characters."""
        self._waiting[json.dumps([self._me, *words], separators=(",", ":"))] = None
        self._wake.set()

    async def _listen(self) -> None:
        import psycopg

        while True:
            with suppress(psycopg.Error, OSError):
                connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
                async with connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    self.send("here")
                    async for notice in connection.notifies():
                        self._hear(notice.payload)
            self._last = float("-inf")
            await asyncio.sleep(RETRY_SECONDS)

    def _hear(self, payload: str) -> None:
        missed = not self.arrive
        self._last = time.monotonic()
        if missed:
            self._back()
        try:
            sender, *words = json.loads(payload)
            if sender == self._me:
                return
            if words == [_MISSED]:
                self._back()
            else:
                self._heard(words)
        except Exception:  # whatever else uses the channel: what is heard next counts
            _log.warning("a message of another server was not understood", exc_info=True)

    async def _speak(self) -> None:
        import psycopg

        while True:
            with suppress(psycopg.Error, OSError):
                connection = await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, prepare_threshold=None
                )
                async with connection:
                    while True:
                        await self._wake.wait()
                        self._wake.clear()
                        await asyncio.sleep(GATHER_SECONDS)
                        waiting, self._waiting = list(self._waiting), {}
                        together = "SELECT pg_notify(%s, payload) FROM unnest(%s::text[]) AS payload"
                        await connection.execute(together, (CHANNEL, waiting))
            await asyncio.sleep(RETRY_SECONDS)
            self._waiting.clear()
            self.send(_MISSED)
