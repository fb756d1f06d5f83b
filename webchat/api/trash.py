"""Recently deleted: what can still be restored, and permanent deletion before its time."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Annotated

from fastapi import Query

from webchat.api.reading import Caller, Cursor, PathId
from webchat.api.services import Services
from webchat.api.wire.trash import TrashPage
from webchat.store.verbs.trash import PURGE_DISCARDED

log = logging.getLogger(__name__)


class Trash:
    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._keeps = timedelta(days=services.trash_days)
        self._purging: asyncio.Task[None] | None = None
        self._due = False

    async def list(
        self, owner: Caller, cursor: Cursor = None, limit: Annotated[int, Query(ge=1, le=200)] = 40
    ) -> TrashPage:
        """Deleted conversations and messages that can be restored, the latest first."""
        page = await self._store.call(self._store.list_trash, owner.id, cursor=cursor, limit=limit)
        return TrashPage.kept(page, self._keeps)

    async def empty(self, owner: Caller) -> None:
        """Permanently delete everything in the trash."""
        self._gone(await self._store.call(self._store.discard_all, owner.id))

    async def end_conversation(self, owner: Caller, id: PathId) -> None:
        """Permanently delete a conversation in the trash."""
        self._gone(await self._store.call(self._store.discard_conversation, owner.id, id))

    async def end_messages(self, owner: Caller, id: PathId) -> None:
        """Permanently delete messages in the trash. id: the first message of the deletion."""
        self._gone(await self._store.call(self._store.discard_messages, owner.id, id))

    def _gone(self, running: bool) -> None:
        """Nobody can have it back from here on. Its rows go at once, unless a reply is still on its way to
        being stopped there; then the next purge takes them."""
        if not running:
            self._due = True
            if self._purging is None or self._purging.done():
                self._purging = asyncio.create_task(self._purge())

    async def _purge(self) -> None:
        """One purge at a time, and one more for all that was discarded meanwhile."""
        while self._due:
            self._due = False
            try:
                await self._store.call(self._store.purge, PURGE_DISCARDED)
            except Exception:
                log.exception("purging discarded data failed; the next purge will retry")
