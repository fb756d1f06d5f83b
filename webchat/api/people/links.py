"""Tester links. For operators only; to anybody else there is nothing at these addresses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query
from starlette.requests import Request

from webchat.api.reading import Cursor, Operator, PathId
from webchat.api.services import Services
from webchat.api.wire.links import (
    DuplicateLinkBody,
    GivenAnswer,
    GivenAnswerPage,
    Link,
    LinkBody,
    LinkPage,
    MadeLink,
    NewLinkBody,
)
from webchat.sharing import change_link, duplicate_link, new_link

Limit = Annotated[int, Query(ge=1, le=200)]


class Links:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.store

    async def list(self, operator: Operator, cursor: Cursor = None, limit: Limit = 40) -> LinkPage:
        """All links, newest first, and what happens on each."""
        page = await self._store.call(self._store.listed_links, cursor=cursor, limit=limit)
        now = datetime.now(UTC)
        return LinkPage(items=tuple(Link.read(one, now) for one in page.items), next=page.next)

    async def make(self, operator: Operator, body: NewLinkBody, request: Request) -> MadeLink:
        """Make a link. The answer has its URL, which is never shown again."""
        now = datetime.now(UTC)
        profiles = self._services.profiles
        made = await self._store.call(
            new_link, self._store, body.name, body.expires, now, body.terms, profiles
        )
        return MadeLink.read(made, self._services.base(request), now)

    async def look(self, operator: Operator, id: PathId) -> Link:
        """One link, and what happens on it."""
        return await self._link(id)

    async def change(self, operator: Operator, id: PathId, body: LinkBody) -> Link:
        """Change a link, pause it or open it again. Its people have the new terms from their next request."""
        await self._store.call(
            change_link,
            self._store,
            id,
            datetime.now(UTC),
            name=body.name,
            lifetime=body.expires,
            paused=body.paused,
            terms=body.terms,
            profiles=self._services.profiles,
        )
        return await self._link(id)

    async def duplicate(
        self, operator: Operator, id: PathId, body: DuplicateLinkBody, request: Request
    ) -> MadeLink:
        """Make another link with the same terms."""
        now = datetime.now(UTC)
        made = await self._store.call(duplicate_link, self._store, id, now, body.name)
        return MadeLink.read(made, self._services.base(request), now)

    async def revoke(self, operator: Operator, id: PathId) -> Link:
        """End a link for good: its people are signed out and their replies end within a second."""
        await self._store.call(self._store.link, id)  # an id, never a name, which several may have
        await self._store.call(self._store.revoke_link, id)
        return await self._link(id)

    async def answers(
        self, operator: Operator, id: PathId, cursor: Cursor = None, limit: Limit = 200
    ) -> GivenAnswerPage:
        """What the link's people answered to its questions."""
        await self._store.call(self._store.log_look, operator.id, "answers", id)
        page = await self._store.call(self._store.link_answers, id, cursor=cursor, limit=limit)
        return GivenAnswerPage(items=tuple(map(GivenAnswer.read, page.items)), next=page.next)

    async def _link(self, id: str) -> Link:
        return Link.read(await self._store.call(self._store.listed_link, id), datetime.now(UTC))
