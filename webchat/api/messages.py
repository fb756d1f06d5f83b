"""Single messages: inspect, choose a version, correct, delete and restore."""

from __future__ import annotations

from contextlib import suppress

from webchat.api.conversations import shown
from webchat.api.errors import ApiError
from webchat.api.reading import Caller, PathId
from webchat.api.services import Services
from webchat.api.wire.messages import EditBody, Message, MessageDetails, Provenance, Thread
from webchat.moderation import Context
from webchat.store import NotFound
from webchat.store.records import Conversation, Owner


class Messages:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.store

    async def look(self, owner: Caller, id: PathId) -> MessageDetails:
        """A message, and its provenance, which a guest's link or an open comparison may hide."""
        message = await self._store.call(self._store.message, owner.id, id)
        if message.compared is not None or not owner.terms.shows_inspect:
            return MessageDetails(message=Message.of(message, owner), provenance=None)
        provenance = await self._store.call(self._store.provenance, owner.id, id)
        of = await self._store.call(self._store.conversation, owner.id, message.conversation_id)
        return MessageDetails(
            message=Message.of(message, owner),
            provenance=Provenance.read_by(owner, provenance, of.settings),
        )

    async def activate(self, owner: Caller, id: PathId) -> Thread:
        """Show the branch of this message."""
        return await self._changed(owner, await self._store.call(self._store.activate, owner.id, id))

    async def edit(self, owner: Caller, id: PathId, body: EditBody) -> Thread:
        """Correct a reply: the new text becomes its sibling. 409 if it has too many already."""
        self._check_text(body.text)
        before = await self._store.call(self._store.message, owner.id, id)
        # A person writes it, whoever it is said to be from.
        context = Context(
            "input",
            owner.id,
            conversation_id=before.conversation_id,
            message_id=id,
            counts=False,
            profile=owner.terms.moderation_profile,
        )
        text = await self._services.review.text(context, body.text)
        message = await self._store.call(self._store.edit_reply, owner.id, id, text)
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

    async def delete(self, owner: Caller, id: PathId) -> Thread:
        """Move a message and all that follows it to the trash."""
        conversation = await self._store.call(self._store.delete_messages, owner.id, id)
        await self._stop_deleted(owner.id)
        return await self._changed(owner, conversation)

    async def _changed(self, owner: Owner, conversation: Conversation) -> Thread:
        """What the conversation shows now; the owner's other pages are notified."""
        self._services.turns.changed(owner.id, conversation.id)
        return await shown(self._services, owner, conversation)

    async def _stop_deleted(self, owner: str) -> None:
        """Stop replies that nobody can see any more."""
        turns = self._services.turns
        for running in await turns.running_anywhere(owner):
            try:
                await self._store.call(self._store.message, owner, running)
            except NotFound:
                with suppress(NotFound):  # it has ended by itself meanwhile
                    await turns.stop(owner, running)

    async def restore(self, owner: Caller, id: PathId) -> Thread:
        """Restore messages from the trash."""
        return await self._changed(owner, await self._store.call(self._store.restore_messages, owner.id, id))
