"""Telling webhooks what the store has noted for them, until each has been told or was tried often enough.

At least once: a server that dies between an answer and its note sends the same again, with the same id. Each
webhook has a worker of its own, so one that does not answer delays no other.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from functools import partial
from random import SystemRandom

import aiohttp

from webchat.store import Store, StoreError
from webchat.store.webhook_records import Delivery, Webhook
from webchat.webhooks.sending import NotDelivered, Sender

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""Between two looks for something to tell: other processes note events, too."""

AT_ONCE = 4
"""Attempts at a time, for each webhook."""

MINUTE, HOUR = 60.0, 3600.0
PAUSES = (5.0, 30.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 24 * HOUR)
"""Between attempts, a fifth more or less. After the last one a delivery is dead."""


class Deliverer:
    """For every process that serves the database. Lives on one event loop."""

    def __init__(self, store: Store, sender: Sender, *, look_seconds: float = LOOK_SECONDS) -> None:
        self._store = store
        self._sender = sender
        self._look_seconds = look_seconds
        self._working: dict[str, asyncio.Task[None]] = {}
        self._random = SystemRandom()

    async def serve(self) -> None:
        """Tell what is noted, until cancelled."""
        try:
            while True:
                try:
                    await self._look()
                except StoreError:  # the store's log says it
                    pass
                except Exception:
                    log.exception("looking for webhooks to tell failed; will retry")
                await asyncio.sleep(self._look_seconds)
        finally:
            working = list(self._working.values())
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)

    async def _look(self) -> None:
        for webhook in await self._store.call(self._store.due_webhooks):
            if webhook.id not in self._working:
                task = asyncio.create_task(self._tell(webhook), name=f"webhook {webhook.id}")
                self._working[webhook.id] = task
                task.add_done_callback(partial(self._done, webhook.id))

    def _done(self, webhook_id: str, _: asyncio.Task[None]) -> None:
        self._working.pop(webhook_id, None)

    async def _tell(self, webhook: Webhook) -> None:
        """Everything that is due for one of them."""
        try:
            async with self._sender.opened() as session:
                claim = self._store.claim_deliveries
                while some := await self._store.call(claim, webhook.id, AT_ONCE):
                    await asyncio.gather(*(self._attempt(session, webhook, one) for one in some))
        except StoreError:  # the store's log says it
            pass
        except Exception:
            log.exception("telling the webhook %s failed; will retry", webhook.id)

    async def _attempt(self, session: aiohttp.ClientSession, webhook: Webhook, delivery: Delivery) -> None:
        data = await self._store.call(self._store.event_data, delivery, content=webhook.content)
        if data is None:  # it was deleted meanwhile
            await self._store.call(self._store.delivered, delivery, told=False)
            return
        try:
            await self._sender.send(session, webhook, delivery, data)
        except NotDelivered as error:
            again = None if error.gone else self._again(delivery.tries)
            await self._store.call(self._store.not_delivered, delivery, error.problem, again)
            if again is None:
                log.warning(
                    "webhook %s: %s was given up after %d attempts: %s",
                    webhook.id,
                    delivery.id,
                    delivery.tries,
                    error,
                )
            return
        await self._store.call(self._store.delivered, delivery)

    def _again(self, tries: int) -> datetime | None:
        """When to try again after so many attempts; `None` for never."""
        if tries > len(PAUSES):
            return None
        seconds = PAUSES[tries - 1] * self._random.uniform(0.8, 1.2)
        return datetime.now(UTC) + timedelta(seconds=seconds)
