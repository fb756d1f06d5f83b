"""Starting, stopping and following replies."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from webchat.api.errors import ApiError
from webchat.api.events import OpenStreams, many_replies, one_reply
from webchat.api.people.parties import Parties
from webchat.api.reading import Caller, PathId, bad_query, json_answer
from webchat.api.services import Services
from webchat.api.wire.turns import BegunTurn, TurnBody
from webchat.prompts.personas import Personas
from webchat.store.records import Owner
from webchat.turns import Against, Ask

_MOST_SEQ = 2**31 - 1

MOST_REPLIES = 64
"""Replies on one stream."""

Seq = Annotated[int, Query(alias="from", ge=0, le=_MOST_SEQ)]
Places = Annotated[
    list[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}:[0-9]{1,10}$")]],
    Query(default_factory=list, max_length=MOST_REPLIES),
]
"""`<message id>:<seq>`, one for each reply."""


class TurnRoutes:
    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._turns = services.turns
        self._parties = Parties(services)
        self._personas = Personas(services.store, services.sandbox)
        self._streams = OpenStreams()

    async def start(self, reader: Caller, body: TurnBody, request: Request) -> Response:
        """Send a message or request another reply. A known client key answers 200 with the same turn. A
        refusal answers 400, 404, 409, 413, 422, 429 or 503."""
        owner = reader.id
        if body.owner not in (None, owner):
            raise ApiError(409, "other_owner", "You are signed in as someone else now.", "Reload the page.")
        party = await self._parties.sender(request, reader)
        begun = await self._turns.start(
            party,
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
                else await self._personas.settings(
                    owner, body.settings.record(), body.settings.said(), body.conversation_id
                ),
                template=None
                if body.template is None or not _may_use(reader, body.template.id)
                else await self._personas.named(owner, body.template.record()),
                against=None if body.against is None else await self._against(reader, body),
            ),
        )
        left = None
        if reader.kind == "guest" and reader.link_id is not None:
            left = await self._store.call(self._store.link_left, reader.link_id, reader.id)
        told = {
            "conversation": begun.conversation,
            "user": begun.user,
            "reply": begun.reply,
            "beside": None if begun.sides is None else begun.sides[1].reply,
            "left": left,
        }
        return json_answer(BegunTurn.of(told, reader), 201 if begun.created else 200)

    async def _against(self, reader: Owner, body: TurnBody) -> Against:
        """The other side of a comparison. Raises `ApiError` for guests whose link has none."""
        if reader.kind == "guest":
            if not reader.terms.compares:
                raise ApiError(
                    403,
                    "compare_not_offered",
                    "This link doesn't offer comparisons.",
                    "Send the message without comparing.",
                )
            return Against(paired=True)
        other = body.against
        if other is None or other.settings is None:
            return Against(None if other is None else other.model)
        asked = await self._personas.settings(
            reader.id, other.settings.record(), other.settings.said(), body.conversation_id
        )
        return Against(other.model, asked)

    async def stop(self, owner: Caller, id: PathId) -> None:
        """Stop a reply, and the one compared with it; their text is kept."""
        await self._turns.stop(owner.id, id)

    async def events(self, reader: Caller, id: PathId, request: Request, start: Seq = 0) -> ASGIApp:
        """The events of a reply after `from` (or after `Last-Event-ID`, which a browser sends by itself when
        it comes back to the same address)."""
        party = self._parties.of(request, reader)
        self._streams.check(party)
        events = self._turns.follow(reader.id, id, _last_event(request, start), returns=True)
        # Whoever may not see the message learns so by the status, before any event.
        first = await anext(events)
        return self._streams.open(party, one_reply(id, first, events, reader))

    async def all_events(
        self,
        reader: Caller,
        request: Request,
        reply: Places,
        wait: Annotated[Literal["1", "0"], Query()] = "1",
    ) -> ASGIApp:
        """All that a browser shows, on one connection."""
        party = self._parties.of(request, reader)
        self._streams.check(party)
        follower = self._turns.watch(reader.id, _seen(reply))
        running = list(await self._turns.running_anywhere(reader.id))
        chunks = many_replies(follower, running, reader, wait=wait == "1")
        return self._streams.open(party, chunks, follower.close)


def _may_use(owner: Owner, template: str) -> bool:
    return owner.terms.own_prompts or template == owner.terms.template


def _seen(places: list[str]) -> dict[str, int]:
    """The last piece that was seen of each reply; of one that is named twice, the lesser."""
    seen: dict[str, int] = {}
    for message_id, _, seq in (place.partition(":") for place in places):
        if int(seq) > _MOST_SEQ:
            raise bad_query("reply")
        seen[message_id] = min(int(seq), seen.get(message_id, _MOST_SEQ))
    return seen


def _last_event(request: Request, start: int) -> int:
    last = request.headers.get("last-event-id", "").strip()
    if not last:
        return start
    if not (last.isascii() and last.isdigit() and len(last) <= 10) or int(last) > _MOST_SEQ:
        raise ApiError(400, "bad_request", "The request is not valid: Last-Event-ID.", "Reload the page.")
    return int(last)
