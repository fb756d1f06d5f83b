"""Single messages: look into, choose a version, correct, rate, delete and take back."""

from __future__ import annotations

from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response

from webchat.api.conversations import shown
from webchat.api.errors import ApiError
from webchat.api.reading import EditBody, RatingBody, body_of, id_of, json_answer, owner_of
from webchat.api.services import Services
from webchat.api.wire import message_json, provenance_json
from webchat.moderation import Context
from webchat.store import NotFound
from webchat.store.records import Conversation, Owner


class Messages:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.store

    async def look(self, request: Request) -> Response:
        owner, wanted = owner_of(request), id_of(request)
        message = await self._store.call(self._store.message, owner.id, wanted)
        provenance = await self._store.call(self._store.provenance, owner.id, wanted)
        of = await self._store.call(self._store.conversation, owner.id, message.conversation_id)
        return json_answer(
            {
                "message": message_json(message, owner),
                "provenance": provenance_json(provenance, of.settings, owner),
            }
        )

    async def activate(self, request: Request) -> Response:
        owner, wanted = owner_of(request), id_of(request)
        conversation = await self._store.call(self._store.activate, owner.id, wanted)
        return await self._changed(owner, conversation)

    async def edit(self, request: Request) -> Response:
        owner, wanted = owner_of(request), id_of(request)
        body = await body_of(request, EditBody)
        self._check_text(body.text)
        before = await self._store.call(self._store.message, owner.id, wanted)
        # A person writes it, whoever it is said to be from.
        context = Context(
            "input", owner.id, conversation_id=before.conversation_id, message_id=wanted, counts=False
        )
        text = await self._services.turns.review(context, body.text)
        message = await self._store.call(self._store.edit_reply, owner.id, wanted, text)
        conversation = await self._store.call(self._store.conversation, owner.id, message.conversation_id)
        return await self._changed(owner, conversation)

    def _check_text(self, text: str) -> None:
        limit = self._services.message_chars
        if not text.strip():
            raise ApiError(400, "empty_message", "The message is empty.", "Write something first.")
        if len(text) > limit:
            raise ApiError(
                413,
                "message_too_long",
                f"The message has {len(text)} characters; {limit} are allowed.",
                "Shorten it.",
                {"length": len(text), "limit": limit},
            )

    async def delete(self, request: Request) -> Response:
        owner, wanted = owner_of(request), id_of(request)
        conversation = await self._store.call(self._store.delete_messages, owner.id, wanted)
        await self._stop_deleted(owner.id)
        return await self._changed(owner, conversation)

    async def _changed(self, owner: Owner, conversation: Conversation) -> Response:
        """What the conversation shows now; the owner's other pages are told."""
        self._services.turns.changed(owner.id, conversation.id)
        return json_answer(await shown(self._services, owner, conversation))

    async def _stop_deleted(self, owner: str) -> None:
        """Stop the replies that nobody can see any more."""
        turns = self._services.turns
        for running in turns.running(owner):
            try:
                await self._store.call(self._store.message, owner, running)
            except NotFound:
                with suppress(NotFound):  # it has ended by itself meanwhile
                    await turns.stop(owner, running)

    async def restore(self, request: Request) -> Response:
        owner, wanted = owner_of(request), id_of(request)
        conversation = await self._store.call(self._store.restore_messages, owner.id, wanted)
        return await self._changed(owner, conversation)

    async def rate(self, request: Request) -> Response:
        owner, wanted = owner_of(request), id_of(request)
        body = await body_of(request, RatingBody)
        message = await self._store.call(self._store.rate, owner.id, wanted, body.value)
        self._services.turns.changed(owner.id, message.conversation_id)
        return json_answer(message_json(message, owner))
