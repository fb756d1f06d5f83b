"""The caller, and the available models."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

from webchat.api.people.guests import guest_link
from webchat.api.reading import Caller, Operator, QueryText, operator_of
from webchat.api.services import Services
from webchat.api.wire.models import ModelList, RetryBody
from webchat.api.wire.people import Limits, Me, MovableChats, Person, Saved, Share
from webchat.auth.roles import permits
from webchat.store import records
from webchat.store.records import Owner
from webchat.turns.offered import Offered

LOOK_SECONDS = 0.5
"""How long a request for the models waits for endpoints to refresh their lists."""

RETRY_SECONDS = 10.0
"""How long a request to retry a model waits for the outcome."""


class About:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.store
        self._trying: set[asyncio.Task[None]] = set()

    async def openapi(self, operator: Operator) -> Response:
        """The HTTP API as an OpenAPI document."""
        found = files("webchat.api").joinpath("openapi.json")
        text = await asyncio.to_thread(found.read_bytes)
        return Response(text, 200, {"cache-control": "no-store"}, media_type="application/json")

    async def me(self, owner: Caller, request: Request) -> Me:
        """The caller, their permissions, and what the page needs to know about this server."""
        services = self._services
        earlier = await services.identities.admitted(request.state.sign_in.earlier)
        movable: Sequence[records.MovableChats] = ()
        signs_in = permits("member", owner)
        if signs_in:
            held = [one.id for one in earlier]
            movable = await self._store.call(self._store.movable_chats, owner.id, held)
        return Me.of(
            {
                "owner": owner,
                "person": await self._person(owner, request),
                "sign_in": services.ways.people,
                "sign_out_url": services.sign_out_url,
                # A proxy that says who its person is lets nobody switch.
                "earlier": () if request.state.vouched else earlier,
                "operates": owner.operates,
                "movable_chats": [MovableChats.read(found) for found in movable],
                "version": services.version,
                "boot": services.boot,
                "default_model": Offered(services.models, owner.terms).default,
                "language": services.language,
                "limits": Limits(message_chars=services.message_chars),
                "pages": [page for page in services.pages if page.shown(owner)],
                "share": Share(access=services.access),
                "link": await guest_link(self._store, owner),
                "shares": services.shares.allowed(owner),
                "reviews": signs_in and await self._store.call(self._store.has_reviews, owner.id),
                "saved": self._saved() if owner.operates else None,
                "ephemeral": services.ephemeral,
            }
        )

    def _saved(self) -> Saved | None:
        if self._services.snapshots is None:
            return None
        state = self._services.snapshots.state
        return Saved(age=state.age, failed=bool(state.failure), rivals=state.rivals)

    async def _person(self, owner: Owner, request: Request) -> Person | None:
        if request.state.session is None:
            return None
        return Person.read(await self._store.call(self._store.person, owner.id))

    async def models(self, owner: Caller, wanted: QueryText = "") -> ModelList:
        """The models the caller may use, as up to date as endpoints report within a moment. wanted: a name or
        key to explain."""
        models = self._services.models
        await models.look(LOOK_SECONDS)
        return ModelList.read_by(owner, Offered(models, owner.terms), wanted)

    async def retry(self, owner: Caller, body: RetryBody, request: Request) -> ModelList:
        """Retry a model that could not be reached or started. Without a name (operators only), ask all
        endpoints for their models again. Answers with what is known after a moment."""
        models = self._services.models
        offered = Offered(models, owner.terms)
        if body.name is None:
            operator_of(request)
            again = models.discover()
        else:
            again = models.retry(offered.named(body.name))
        trying = asyncio.create_task(again, name="retry model")
        self._trying.add(trying)
        trying.add_done_callback(self._trying.discard)
        await asyncio.wait({trying}, timeout=RETRY_SECONDS)  # it goes on
        if trying.done():
            trying.result()
        return ModelList.read_by(owner, offered)
