"""Who asks for a reply, and what their link lets them use."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from starlette.requests import Request

from backends.types import Caller, Client
from webchat.api.services import Services
from webchat.prompts.personas import Personas
from webchat.store.records import Owner
from webchat.turns import Party
from webchat.turns.places import LinkPrompt


class Parties:
    """Every door to a model asks here for whom it asks."""

    def __init__(self, services: Services) -> None:
        self._identities = services.identities
        self._personas = Personas(services.store, services.sandbox)

    def of(self, request: Request, owner: Owner) -> Party:
        """For whom a place counts: operators and the person of a loopback start for themselves alone."""
        key = None if owner.key is None else owner.key.id
        if owner.operates:
            return Party(owner.id, key=key)
        return Party(owner.id, owner.link_id, self._identities.network(request.scope), key)

    async def sender(self, request: Request, owner: Owner) -> Party:
        """The same, with what their link lets them use."""
        party, terms = replace(self.of(request, owner), caller=caller_of(request, owner)), owner.terms
        if terms.own_prompts:
            return replace(party, terms=terms)
        text, persona = await self._personas.only(owner.id, terms.template)
        return replace(party, terms=terms, prompt=LinkPrompt(text, persona))


CALLER_HEADERS = frozenset(
    {
        "accept-language",
        "content-type",
        "host",
        "origin",
        "referer",
        "traceparent",
        "user-agent",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-request-id",
    }
)
"""Headers a function is told. Proxies name the ones that let people in as they like, so no others are."""


def caller_of(request: Request, owner: Owner) -> Caller:
    """Who asks, as a function is told. People without an account have no name."""
    client = request.client
    return Caller(
        headers={name: value for name, value in request.headers.items() if name in CALLER_HEADERS},
        client=None if client is None else Client(client.host, client.port),
        query_params=dict(request.query_params),
        username=owner.name if owner.kind in ("member", "operator") and owner.name else None,
        session_hash=hashlib.sha256(f"function {owner.id}".encode()).hexdigest()[:16],
    )
