"""Read-only shares, for those who make them and those who continue one."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import Query
from starlette.requests import Request

from webchat.api.reading import Caller, Cursor, PathId, QueryId
from webchat.api.services import Services
from webchat.api.sharing.share_pages import network_of
from webchat.api.wire.conversations import Conversation
from webchat.api.wire.shares import ShareBody, ShareChange, ShareCopyBody, SharedChat, SharedChats
from webchat.moderation import Context
from webchat.sharing.share_errors import ShareNotAllowed
from webchat.sharing.shares import Wish, expiry
from webchat.store.records import Owner
from webchat.store.share_records import SharedMessage


class ShareRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.store
        self._shares = services.shares

    async def create(self, caller: Caller, body: ShareBody) -> SharedChat:
        """Share messages as they are now: what happens to them later does not change the share. It ends with
        its chat."""
        chosen = None if body.messages is None else frozenset(body.messages)
        fields = body.model_dump(exclude={"messages", "title"})
        if self._shares.allowed(caller) == "off":
            raise ShareNotAllowed
        title = await self._reviewed_title(caller, body.title)
        return SharedChat.read(
            await self._shares.create(caller, Wish(messages=chosen, title=title, **fields))
        )

    async def list(
        self,
        caller: Caller,
        conversation: QueryId = None,
        cursor: Cursor = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 40,
    ) -> SharedChats:
        """The caller's shares, newest first. conversation: only those of one."""
        return SharedChats.read(
            await self._store.call(
                self._store.list_shares, caller.id, cursor=cursor, limit=limit, conversation_id=conversation
            )
        )

    async def change(self, caller: Caller, id: PathId, body: ShareChange) -> SharedChat:
        """Change its title, when it expires, its password, or whether readers may continue it."""
        said = body.model_fields_set
        changes: dict[str, object] = {}
        if "title" in said:
            title = await self._reviewed_title(caller, body.title)
            changes["title"] = await self._shares.title_for(caller, id, title)
        if "days" in said:
            changes["expires_at"] = expiry(body.days)
        if "password" in said:
            changes["password_hash"] = await self._shares.hashed(caller, body.password)
        if "allow_copy" in said:
            changes["allow_copy"] = body.allow_copy
        return SharedChat.read(await self._store.call(self._store.change_share, caller.id, id, changes))

    async def end(self, caller: Caller, id: PathId) -> None:
        """End a share: nobody can read it from now on."""
        await self._store.call(self._store.end_share, caller.id, id)
        self._shares.rendering.forget(id)

    async def copy(self, caller: Caller, id: PathId, body: ShareCopyBody, request: Request) -> Conversation:
        """Continue a share as a chat of one's own, if its owner allows it."""
        share = await self._shares.opened(id)
        if share.password_hash is not None:
            await self._shares.unlock(share, body.password or "", network_of(request))
        # A tester has the chats that their link grants, and no others.
        if not share.allow_copy or caller.kind == "guest":
            raise ShareNotAllowed
        self._shares.count_copy(caller, share)
        context = Context("input", caller.id, counts=False, profile=caller.terms.moderation_profile)
        title = await self._services.review.text(context, share.title)
        read = await self._store.call(self._store.shared_messages, share.id, 0, share.messages)
        messages = [await self._reviewed(context, message) for message in read]
        made = await self._store.call(self._store.copy_share, caller.id, share.id, title, messages)
        self._services.turns.changed(caller.id, made.id)
        return Conversation.of(made)

    async def _reviewed_title(self, caller: Owner, title: str) -> str:
        """On one line."""
        title = " ".join(title.split())
        profile = caller.terms.moderation_profile
        context = Context("input", caller.id, counts=False, profile=profile)
        return await self._services.review.text(context, title) if title else ""

    async def _reviewed(self, context: Context, message: SharedMessage) -> SharedMessage:
        """What somebody else wrote comes in as if the caller had written it."""
        return replace(
            message, text=await self._services.review.text(context, message.text), reasoning="", model=None
        )
