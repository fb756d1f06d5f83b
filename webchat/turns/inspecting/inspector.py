"""What models are sent, kept from the moment they are sent it: of replies that run, fail or are cut off, too.

A long prompt takes tens of milliseconds to encode, compare and compress: that is done in threads, a few at
a time, and the store's writer gets bytes. What is ready at the same time is written together. Whatever goes
wrong costs no reply anything.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from backends.types import Sent
from webchat.store import Store, StoreError, StoreUnavailable
from webchat.store.records import KeptInspection, Provenance
from webchat.turns.inspecting.sent import inspection_of

log = logging.getLogger(__name__)

PACKERS = 2
"""Prompts that are packed at once: more would only take the processor from each other."""

END_SECONDS = 5.0
"""How long an end waits for what is still being kept."""


class Inspector:
    """Lives on one event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._packing = asyncio.Semaphore(PACKERS)
        self._ready: list[tuple[KeptInspection, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def keep(
        self,
        message_id: str,
        sent: Sent,
        ids: Sequence[str | None],
        provenance: Provenance,
        before: asyncio.Task[None] | None,
    ) -> asyncio.Task[None]:
        """Store what the model of a reply was sent, replacing what it was sent `before`. Never raises."""
        task = asyncio.create_task(
            self._keep(message_id, sent, ids, provenance, before), name=f"sent {message_id}"
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def aclose(self) -> None:
        """Wait for pending records."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=END_SECONDS)

    async def _keep(
        self,
        message_id: str,
        sent: Sent,
        ids: Sequence[str | None],
        provenance: Provenance,
        before: asyncio.Task[None] | None,
    ) -> None:
        if before is not None:
            await asyncio.wait({before})

        def pack() -> KeptInspection:
            return self._store.pack_inspection(message_id, inspection_of(sent, ids), provenance)

        try:
            async with self._packing:
                packed = await asyncio.to_thread(pack)
            await self._write(packed)
        except StoreUnavailable:  # the store's log says it
            pass
        except StoreError as error:
            log.warning("the prompt of reply %s could not be stored: %s", message_id, error)
        except Exception:
            log.exception("the prompt of reply %s could not be stored", message_id)

    async def _write(self, packed: KeptInspection) -> None:
        written = asyncio.get_running_loop().create_future()
        self._ready.append((packed, written))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_ready(), name="what models were sent")
        await written

    async def _write_ready(self) -> None:
        while self._ready:
            batch, self._ready = self._ready, []
            error: Exception | None = None
            try:
                await self._store.call(self._store.keep_inspections, [packed for packed, _ in batch])
            except Exception as raised:
                error = raised
            for _, written in batch:
                if error is None:
                    written.set_result(None)
                else:
                    written.set_exception(error)
        self._writing = None
