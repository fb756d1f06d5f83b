"""Conversations: list, open, change, delete and take back."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from webchat.api.personas import Personas
from webchat.api.reading import (
    ConversationBody,
    TakeOverBody,
    body_of,
    id_of,
    json_answer,
    owner_of,
    query_choice,
    query_cursor,
    query_id,
    query_int,
)
from webchat.api.services import Services
from webchat.api.wire import Json, conversation_json, listed_json, thread_json
from webchat.moderation import Context
from webchat.store.records import Conversation, Owner


class Conversations:
    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._turns = services.turns
        self._personas = Personas(services)

    async def list(self, request: Request) -> Response:
        page = await self._store.call(
            self._store.list_conversations,
            owner_of(request).id,
            cursor=query_cursor(request),
            limit=query_int(request, "limit", 40, 1, 200),
            archived=query_choice(request, "archived", "0", "1") == "1",
        )
        return json_answer({"items": [listed_json(item) for item in page.items], "next": page.next})

    async def open(self, request: Request) -> Response:
        reader, wanted = owner_of(request), id_of(request)
        owner = reader.id
        before = query_id(request, "before")
        limit = query_int(request, "limit", 30, 1, 200)
        conversation = await self._store.call(self._store.conversation, owner, wanted)
        page = await self._store.call(self._store.thread, owner, wanted, before=before, limit=limit)
        return json_answer(thread_json(conversation, page, reader))

    async def change(self, request: Request) -> Response:
        owner, wanted = owner_of(request).id, id_of(request)
        body = await body_of(request, ConversationBody)
        # What is not theirs is not found, whatever is said of it.
        await self._store.call(self._store.conversation, owner, wanted)
        written = Context("input", owner, conversation_id=wanted, counts=False)
        title = " ".join((body.title or "").split()) or None
        if title is not None:
            title = await self._turns.review(written, title)
        settings = None
        if body.settings is not None:
            asked = await self._personas.settings(owner, body.settings, wanted)
            settings = await self._turns.review_settings(written, asked)
        changed = await self._store.call(
            self._store.update_conversation,
            owner,
            wanted,
            title=title,
            title_by=None if title is None else "user",
            pinned=body.pinned,
            archived=body.archived,
            settings=settings,
        )
        if title is not None or body.pinned is not None or body.archived is not None:
            self._turns.changed(owner, wanted)
        return json_answer(conversation_json(changed))

    async def delete(self, request: Request) -> Response:
        owner, wanted = owner_of(request).id, id_of(request)
        await self._store.call(self._store.delete_conversation, owner, wanted)
        self._turns.stop_all(owner, wanted)
        self._turns.changed(owner, wanted)
        return Response(status_code=204)

    async def restore(self, request: Request) -> Response:
        owner, wanted = owner_of(request).id, id_of(request)
        await self._store.call(self._store.restore_conversation, owner, wanted)
        conversation = await self._store.call(self._store.conversation, owner, wanted)
        self._turns.changed(owner, wanted)
        return json_answer(conversation_json(conversation))

    async def take_over(self, request: Request) -> Response:
        """Bring an operator the chats of the loopback start, or the other way round. A long list takes a
        while; asked again meanwhile or afterwards it moves what is left."""
        owner = owner_of(request).id
        body = await body_of(request, TakeOverBody)
        return json_answer({"moved": await self._store.call(self._store.move_chats, owner, body.giver)})


async def shown(services: Services, owner: Owner, conversation: Conversation) -> Json:
    """A conversation with the newest messages of its active branch."""
    page = await services.store.call(services.store.thread, owner.id, conversation.id)
    return thread_json(conversation, page, owner)
