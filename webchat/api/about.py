"""Who asks, which models there are, what was said: the small read-only routes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from webchat.api.reading import (
    RetryBody,
    body_of,
    json_answer,
    operator_of,
    owner_of,
    query_cursor,
    query_int,
    query_text,
)
from webchat.api.services import Services
from webchat.api.wire import hit_json, models_json, movable_json, owner_json, time_json
from webchat.store.records import MovableChats

LOOK_SECONDS = 0.5
"""How long a page that asks for the models waits for endpoints to list theirs anew."""

RETRY_SECONDS = 10.0
"""How long a request that tries a model again waits for the outcome."""


class About:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.store
        self._trying: set[asyncio.Task[None]] = set()

    async def me(self, request: Request) -> Response:
        services, owner = self._services, owner_of(request)
        movable: Sequence[MovableChats] = ()
        if owner.operates:
            movable = await self._store.call(self._store.movable_chats, owner.id)
        earlier = await services.identities.admitted(request.state.sign_in.earlier)
        return json_answer(
            {
                "owner": owner_json(owner),
                "earlier": [owner_json(one) | {"since": time_json(one.created_at)} for one in earlier],
                "operates": owner.operates,
                "movable_chats": [movable_json(found) for found in movable],
                "version": services.version,
                "boot": services.boot,
                "default_model": services.models.default,
                "language": services.language,
                "limits": {"message_chars": services.message_chars},
                "share": {"access": services.access},
            }
        )

    async def models(self, request: Request) -> Response:
        """All models, as fresh as their endpoints tell within a moment."""
        reader, models = owner_of(request), self._services.models
        wanted = query_text(request, "wanted")
        await models.look(LOOK_SECONDS)
        return json_answer(models_json(models, reader, wanted))

    async def retry(self, request: Request) -> Response:
        """Try a model again that could not be reached or started, or, without a name, ask all endpoints for
        their models anew, which is for operators; what is known of all after a moment."""
        reader, body = owner_of(request), await body_of(request, RetryBody)
        models = self._services.models
        if body.name is None:
            operator_of(request)
        again = models.discover() if body.name is None else models.retry(body.name)
        trying = asyncio.create_task(again, name="retry model")
        self._trying.add(trying)
        trying.add_done_callback(self._trying.discard)
        await asyncio.wait({trying}, timeout=RETRY_SECONDS)  # it goes on
        if trying.done():
            trying.result()
        return json_answer(models_json(models, reader))

    async def search(self, request: Request) -> Response:
        owner, query = owner_of(request).id, query_text(request, "q").strip()
        if not query:
            return json_answer({"items": [], "next": None, "whole": True})
        page = await self._store.call(
            self._store.search,
            owner,
            query,
            limit=query_int(request, "limit", 30, 1, 100),
            cursor=query_cursor(request),
        )
        return json_answer(
            {"items": [hit_json(hit) for hit in page.items], "next": page.next, "whole": page.whole}
        )
