"""Recently deleted: what can still be restored, and permanent deletion before its time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated

from fastapi import Query

from webchat.api.reading import Caller, Cursor, PathId
from webchat.api.services import Services
from webchat.api.wire.trash import TrashPage
from webchat.turns.deleting import Deleting


class Trash:
    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._keeps = timedelta(days=services.trash_days)
        self._deleting = Deleting(services.store, services.turns)

    async def list(
        self, owner: Caller, cursor: Cursor = None, limit: Annotated[int, Query(ge=1, le=200)] = 40
    ) -> TrashPage:
        """Deleted conversations and messages that can be restored, the latest first."""
        page = await self._store.call(self._store.list_trash, owner.id, cursor=cursor, limit=limit)
        return TrashPage.kept(page, self._keeps)

    async def empty(self, owner: Caller) -> None:
        """Permanently delete everything in the trash."""
        await self._discard(self._store.discard_all, owner.id)

    async def end_conversation(self, owner: Caller, id: PathId) -> None:
        """Permanently delete a conversation in the trash."""
        await self._discard(self._store.discard_conversation, owner.id, id)

    async def end_messages(self, owner: Caller, id: PathId) -> None:
        """Permanently delete messages in the trash. id: the first message of the deletion."""
        await self._discard(self._store.discard_messages, owner.id, id)

    async def _discard(self, verb: Callable[..., bool], *args: str) -> None:
        self._deleting.discarded(running=await self._store.call(verb, *args))
