"""Recently deleted: what can still be restored, and ending it before its time."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from webchat.api.reading import id_of, json_answer, owner_of, query_cursor, query_int
from webchat.api.services import Services
from webchat.api.wire import trash_json
from webchat.store.trash import PURGE_DISCARDED

log = logging.getLogger(__name__)


class Trash:
    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._keeps = timedelta(days=services.trash_days)
        self._purging: asyncio.Task[None] | None = None
        self._due = False

    async def list(self, request: Request) -> Response:
        page = await self._store.call(
            self._store.list_trash,
            owner_of(request).id,
            cursor=query_cursor(request),
            limit=query_int(request, "limit", 40, 1, 200),
        )
        items = [trash_json(item, self._keeps) for item in page.items]
        return json_answer({"items": items, "next": page.next, "days": self._keeps.days})

    async def empty(self, request: Request) -> Response:
        return self._gone(await self._store.call(self._store.discard_all, owner_of(request).id))

    async def end_conversation(self, request: Request) -> Response:
        owner, wanted = owner_of(request).id, id_of(request)
        return self._gone(await self._store.call(self._store.discard_conversation, owner, wanted))

    async def end_messages(self, request: Request) -> Response:
        owner, wanted = owner_of(request).id, id_of(request)
        return self._gone(await self._store.call(self._store.discard_messages, owner, wanted))

    def _gone(self, running: bool) -> Response:
        """Nobody can have it back from here on. Its rows go at once, unless a reply is still on its way to
        being stopped there; then the next purge takes them."""
        if not running:
            self._due = True
            if self._purging is None or self._purging.done():
                self._purging = asyncio.create_task(self._purge())
        return Response(status_code=204)

    async def _purge(self) -> None:
        """One purge at a time, and one more for all that was discarded meanwhile."""
        while self._due:
            self._due = False
            try:
                await self._store.call(self._store.purge, PURGE_DISCARDED)
            except Exception:
                log.exception("purging what was discarded failed; the next purge tries again")
