"""Runs a call: from whoever asks, and what they ask for, to the events of a reply."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields

from starlette.requests import Request

from backends.base import Capabilities
from backends.types import Message, Sampling
from webchat.api.errors import ApiError
from webchat.api.people.parties import Parties
from webchat.api.services import Services
from webchat.api.v1.call import Call, refused
from webchat.api.v1.names import Named, Names, unknown
from webchat.api.v1.replies import Reply
from webchat.prompts.renderer import fit_sampling
from webchat.store.records import ConversationSettings, Owner
from webchat.turns import Ask, Called, Party, TurnEvent, UnknownModel
from webchat.turns.offered import Offered


@dataclass(frozen=True, slots=True)
class Running:
    """A begun reply. ignored: fields of the call that its model or its caller's link makes nothing of."""

    reply: Reply
    events: AsyncGenerator[TurnEvent]
    ignored: tuple[str, ...]


class Runner:
    def __init__(self, services: Services) -> None:
        self._turns = services.turns
        self._models = services.models
        self._moderators = (
            *services.moderators,
            *(one for some in services.profiles.values() for one in some),
        )
        self._parties = Parties(services)
        self._names = Names(services)

    @asynccontextmanager
    async def run(self, request: Request, owner: Owner, call: Call) -> AsyncIterator[Running]:
        """The reply, within the block: leaving it stops the model. Raises `ApiError` for what its model
        cannot do, and what `Turns.start` raises."""
        if not call.path:
            raise refused("messages", "there is no message to answer.")
        party = await self._parties.sender(request, owner)
        named = await self._names.find(owner, call.model)
        takes = await self._capabilities(owner, named)
        self._check(call, takes, party)
        if call.options.bare_prompt:
            _check_bare(named, takes, party)
        ignored = (*call.ignored, *_unused(call, takes, party))
        async with self._turns.call(party, _ask(owner, call, named)) as begun:
            reply = Reply(
                id=begun.reply.id.replace("-", ""),
                model=call.model or begun.reply.model or "",
                created=int(begun.reply.created_at.timestamp()),
                reader=owner,
                prefix=begun.reply.text,
                alternatives=call.logprobs or 0,
            )
            yield Running(reply, self._turns.follow(owner.id, begun.reply.id), ignored)

    async def _capabilities(self, owner: Owner, named: Named) -> Capabilities:
        """Raises `ApiError` for an unknown model, `BackendError`."""
        offered = Offered(self._models, owner.terms)
        wanted = named.model or offered.default
        try:
            model = await offered.chosen(wanted)
        except UnknownModel:
            raise unknown(wanted) from None
        return self._models.capabilities(model) or Capabilities()

    def _check(self, call: Call, takes: Capabilities, party: Party) -> None:
        """Refuse what would be left out, and so change what the answer is."""
        speaks_of_tools = any(one.tool_calls or one.role == "tool" for one in call.path)
        cannot = "the model does not support it."
        if call.options.tools and not takes.tools:
            raise refused(call.name("tools"), cannot, "Leave it out, or choose another model.")
        if speaks_of_tools and not takes.tools:
            raise refused(call.name("messages"), "the model supports no tool calls.", "Choose another model.")
        if call.options.response_format is not None and not takes.response_format:
            raise refused(call.name("response_format"), cannot, "Leave it out, or choose another model.")
        if call.logprobs is not None and not takes.logprobs:
            raise refused(call.name("logprobs"), cannot, "Leave it out, or choose another model.")
        if call.logprobs and any("output" in one.stages for one in self._moderators):
            raise refused(
                call.name("top_logprobs"),
                "alternatives to moderated words are not shown.",
                "Ask for logprobs without alternatives.",
            )
        if party.prompt is not None and (call.system or any(one.role == "system" for one in call.path)):
            raise ApiError(
                403,
                "system_prompt_fixed",
                "Your link has a system prompt of its own.",
                "Leave system messages out.",
                {"field": call.name("messages")},
            )


def _check_bare(named: Named, takes: Capabilities, party: Party) -> None:
    """A bare prompt is all that the model reads."""
    if not takes.bare_prompts:
        raise refused("model", "it does not complete bare prompts.", "Use /v1/chat/completions.")
    if named.persona is not None:
        raise refused("model", "a template has no place in a bare prompt.", "Name a model.")
    if party.prompt is not None:
        raise ApiError(
            403,
            "system_prompt_fixed",
            "Your link has a system prompt of its own.",
            "Use /v1/chat/completions.",
            {"field": "prompt"},
        )


def _ask(owner: Owner, call: Call, named: Named) -> Ask:
    """What a browser's own program asks is not kept; for a key its person has decided."""
    path = call.path
    system = call.system
    if named.persona is not None:
        # The template stays word for word what it is.
        path = (Message("system", system), *path) if system else path
        system = named.system
    settings = ConversationSettings(None, system, call.sampling, named.persona)
    stored = owner.key is not None and owner.key.terms.stored
    called = Called(path, call.options, call.logprobs, stored)
    return Ask("call", secrets.token_urlsafe(24), model=named.model, settings=settings, called=called)


def _unused(call: Call, takes: Capabilities, party: Party) -> list[str]:
    """Sampling that was asked for and is not used."""
    wanted = call.sampling
    used = fit_sampling(wanted, takes) if party.terms.system_prompt else Sampling()
    return [
        call.name(one.name)
        for one in fields(Sampling)
        if getattr(wanted, one.name) != getattr(used, one.name)
    ]
