"""Conversations: list, search, open, change, delete and restore."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from fastapi import Query
from starlette.requests import Request

from backends.types import Sampling
from webchat.api.reading import Caller, Cursor, PathId, QueryId, QueryText
from webchat.api.services import Services
from webchat.api.wire.conversations import (
    Conversation,
    ConversationBody,
    ConversationPage,
    DeletedConversations,
    SearchPage,
)
from webchat.api.wire.messages import Thread
from webchat.api.wire.people import Moved, TakeOverBody
from webchat.moderation import Context
from webchat.prompts.personas import Personas
from webchat.store import records
from webchat.turns.deleting import Deleting
from webchat.turns.offered import Offered


class Conversations:
    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._turns = services.turns
        self._models = services.models
        self._review = services.review
        self._personas = Personas(services.store, services.sandbox)
        self._identities = services.identities
        self._deleting = Deleting(services.store, services.turns)

    async def list(
        self,
        caller: Caller,
        cursor: Cursor = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 40,
        archived: Annotated[Literal["0", "1"], Query()] = "0",
    ) -> ConversationPage:
        """The caller's conversations, pinned ones first, then the latest. archived: `1` for archived ones
        only."""
        return ConversationPage.of(
            await self._store.call(
                self._store.list_conversations,
                caller.id,
                cursor=cursor,
                limit=limit,
                archived=archived == "1",
            )
        )

    async def search(
        self,
        caller: Caller,
        q: QueryText = "",
        limit: Annotated[int, Query(ge=1, le=100)] = 30,
        cursor: Cursor = None,
    ) -> SearchPage:
        """Conversations whose title or messages match."""
        if not (query := q.strip()):
            return SearchPage(items=(), next=None, whole=True)
        return SearchPage.of(
            await self._store.call(self._store.search, caller.id, query, limit=limit, cursor=cursor)
        )

    async def open(
        self,
        caller: Caller,
        id: PathId,
        before: QueryId = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 30,
    ) -> Thread:
        """A conversation with the newest messages of its active branch. before: a message, for older ones."""
        conversation = await self._store.call(self._store.conversation, caller.id, id)
        page = await self._store.call(self._store.thread, caller.id, id, before=before, limit=limit)
        return Thread.page(conversation, page, caller)

    async def change(self, caller: Caller, id: PathId, body: ConversationBody) -> Conversation:
        """Change the title, the settings, or whether it is pinned or archived."""
        owner = caller.id
        # What is not theirs is not found, whatever is said of it.
        before = await self._store.call(self._store.conversation, owner, id)
        profile = caller.terms.moderation_profile
        written = Context("input", owner, conversation_id=id, counts=False, profile=profile)
        title = " ".join((body.title or "").split()) or None
        if title is not None:
            title = await self._review.text(written, title)
        settings = None
        if body.settings is not None:
            asked = await self._personas.settings(owner, body.settings.record(), body.settings.said(), id)
            asked = self._allowed(caller, asked, before.settings)
            asked = await self._review.inputs(written, asked, before.settings)
            settings = await self._review.settings(written, asked)
        changed = await self._store.call(
            self._store.update_conversation,
            owner,
            id,
            title=title,
            title_by=None if title is None else "user",
            pinned=body.pinned,
            archived=body.archived,
            settings=settings,
        )
        if title is not None or body.pinned is not None or body.archived is not None:
            self._turns.changed(owner, id)
        return Conversation.of(changed, caller)

    def _allowed(
        self,
        caller: records.Owner,
        asked: records.ConversationSettings,
        before: records.ConversationSettings,
    ) -> records.ConversationSettings:
        """Without what the caller's link does not let them set."""
        terms = caller.terms
        if asked.model is not None and not Offered(self._models, terms).offers(asked.model):
            asked = replace(asked, model=before.model)
        if not terms.system_prompt:
            asked = replace(asked, sampling=Sampling(), inputs={})
        if terms.own_prompts:
            return asked
        return replace(asked, system_prompt=before.system_prompt, persona=before.persona)

    async def delete(self, caller: Caller, id: PathId) -> None:
        """Move a conversation to the trash, and stop its replies."""
        await self._store.call(self._store.delete_conversation, caller.id, id)
        self._turns.stop_all(caller.id, id)
        self._turns.changed(caller.id, id)

    async def delete_all(
        self, caller: Caller, permanently: Annotated[Literal["0", "1"], Query()] = "0"
    ) -> DeletedConversations:
        """Move all conversations to the trash, and stop their replies. permanently: `1` to delete them and
        everything in the trash for good."""
        count = await self._deleting.chats(caller.id, for_good=permanently == "1")
        return DeletedConversations(conversations=count)

    async def restore(self, caller: Caller, id: PathId) -> Conversation:
        """Restore a conversation from the trash."""
        await self._store.call(self._store.restore_conversation, caller.id, id)
        conversation = await self._store.call(self._store.conversation, caller.id, id)
        self._turns.changed(caller.id, id)
        return Conversation.of(conversation, caller)

    async def take_over(self, caller: Caller, body: TakeOverBody, request: Request) -> Moved:
        """Move chats here that the same person has elsewhere: those of the loopback start to an operator, or
        back, and to somebody who signed in those this browser made before. A long list takes a while; repeat
        the request to move the rest."""
        sign_in = request.state.sign_in
        held = [one.id for one in await self._identities.admitted(sign_in.earlier)]
        # The offer names how many chats there are, but no templates: over plain http, another page of this
        # host can have set a cookie with somebody else's.
        templates = sign_in.host_only or body.giver not in held
        moved = await self._store.call(
            self._store.move_chats, caller.id, body.giver, held, templates=templates
        )
        return Moved(moved=moved)


async def shown(services: Services, caller: records.Owner, conversation: records.Conversation) -> Thread:
    """A conversation with the newest messages of its active branch."""
    page = await services.store.call(services.store.thread, caller.id, conversation.id)
    return Thread.page(conversation, page, caller)
