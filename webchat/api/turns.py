"""Starting, stopping and following replies."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from webchat.api.errors import ApiError
from webchat.api.events import OpenStreams, many_replies, one_reply
from webchat.api.personas import Personas
from webchat.api.reading import (
    TurnBody,
    body_of,
    id_of,
    json_answer,
    owner_of,
    query_choice,
    query_int,
    query_places,
)
from webchat.api.services import Services
from webchat.api.wire import conversation_json, message_json
from webchat.store.records import Owner
from webchat.turns import Ask, Party

_MOST_SEQ = 2**31 - 1

MOST_REPLIES = 64
"""Replies on one stream."""


class TurnRoutes:
    def __init__(self, services: Services) -> None:
        self._turns = services.turns
        self._identities = services.identities
        self._personas = Personas(services)
        self._streams = OpenStreams()

    async def start(self, request: Request) -> Response:
        reader = owner_of(request)
        owner = reader.id
        body = await body_of(request, TurnBody)
        if body.owner not in (None, owner):
            raise ApiError(409, "other_owner", "You are signed in as someone else now.", "Reload the page.")
        begun = await self._turns.start(
            self._party(request, reader),
            Ask(
                kind=body.kind,
                client_key=body.client_key,
                conversation_id=body.conversation_id,
                parent_id=body.parent_id,
                message_id=body.message_id,
                text=body.text,
                model=body.model,
                settings=None
                if body.settings is None
                else await self._personas.settings(owner, body.settings, body.conversation_id),
                template=await self._personas.named(owner, body.template),
            ),
        )
        answer = {
            "conversation": conversation_json(begun.conversation),
            "user": None if begun.user is None else message_json(begun.user, reader),
            "reply": message_json(begun.reply, reader),
        }
        return json_answer(answer, 201 if begun.created else 200)

    async def stop(self, request: Request) -> Response:
        await self._turns.stop(owner_of(request).id, id_of(request))
        return Response(status_code=202)

    async def events(self, request: Request) -> ASGIApp:
        """The events of a reply after `from` (or after `Last-Event-ID`, which a browser sends by itself when
        it comes back to the same address)."""
        reader, wanted = owner_of(request), id_of(request)
        party = self._party(request, reader)
        self._streams.check(party)
        events = self._turns.follow(reader.id, wanted, _after(request))
        # Whoever may not see the message learns so by the status, before any event.
        first = await anext(events)
        return self._streams.open(party, one_reply(wanted, first, events, reader))

    async def all_events(self, request: Request) -> ASGIApp:
        """All that a browser shows, on one connection."""
        reader = owner_of(request)
        replies = query_places(request, "reply", MOST_REPLIES, _MOST_SEQ)
        wait = query_choice(request, "wait", "1", "0") == "1"
        party = self._party(request, reader)
        self._streams.check(party)
        follower = self._turns.watch(reader.id, replies)
        running = list(self._turns.running(reader.id))
        chunks = many_replies(follower, running, reader, wait=wait)
        return self._streams.open(party, chunks, follower.close)

    def _party(self, request: Request, owner: Owner) -> Party:
        """For whom a place counts: operators and the person of a loopback start for themselves alone."""
        if owner.operates:
            return Party(owner.id)
        return Party(owner.id, owner.link_id, self._identities.network(request.scope))


def _after(request: Request) -> int:
    last = request.headers.get("last-event-id", "").strip()
    if not last:
        return query_int(request, "from", 0, 0, _MOST_SEQ)
    if not (last.isascii() and last.isdigit() and len(last) <= 10) or int(last) > _MOST_SEQ:
        raise ApiError(400, "bad_request", "The request is not valid: Last-Event-ID.", "Reload the page.")
    return int(last)
