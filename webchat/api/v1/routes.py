"""The routes under `/v1`."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, compile_path
from starlette.types import ASGIApp

from webchat.api.errors import ApiError, answering
from webchat.api.reading import owner_of
from webchat.api.services import Services
from webchat.api.v1 import chat, completions, messages, moderations, responses
from webchat.api.v1.call import Call
from webchat.api.v1.edge import speaks_anthropic
from webchat.api.v1.names import ListedName, Names
from webchat.api.v1.reading import parsed
from webchat.api.v1.replies import Reply
from webchat.api.v1.runner import Runner
from webchat.api.v1.streaming import Writer, streamed, whole
from webchat.api.work import in_its_place
from webchat.slots import Slots

LOOK_SECONDS = 0.5
"""How long the list of models waits for endpoints to refresh theirs."""

TAKING = frozenset(
    {"/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages", "/v1/moderations"}
)
"""Paths whose bodies may be long."""

Handler = Callable[[Request], Awaitable[ASGIApp]]


class V1:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._models = services.models
        self._names = Names(services)
        self._runner = Runner(services)

    async def chat(self, request: Request) -> ASGIApp:
        """Answer a conversation."""
        owner_of(request)
        call = chat.call_of(parsed(await request.body()))
        return await self._reply(request, call, chat.answer, lambda reply: chat.ChatWriter(reply, call))

    async def responses(self, request: Request) -> ASGIApp:
        """The same in the form of OpenAI's responses."""
        owner_of(request)
        body = parsed(await request.body())
        call = responses.call_of(body)
        echoed = responses.Echoed(body, call)
        return await self._reply(
            request, call, echoed.ended, lambda reply: responses.ResponsesWriter(reply, echoed)
        )

    async def messages(self, request: Request) -> ASGIApp:
        """The same in Anthropic's form."""
        owner_of(request)
        call = messages.call_of(parsed(await request.body()))
        return await self._reply(request, call, messages.answer, messages.MessagesWriter)

    async def moderations(self, request: Request) -> ASGIApp:
        """What this server's rules say of texts."""
        owner = owner_of(request)
        if owner.kind == "guest":
            # Its rules would be theirs to probe, outside the limits of the link.
            raise ApiError(403, "not_for_guests", "Guests of a link can't use moderations.")
        texts = moderations.texts_of(parsed(await request.body()), self._services.message_chars)
        return _json(await moderations.judged(self._services, owner, texts))

    async def models(self, request: Request) -> ASGIApp:
        """Everything that a call may name as its model."""
        owner = owner_of(request)
        await self._models.look(LOOK_SECONDS)
        listed = await self._names.listed(owner)
        if speaks_anthropic(request.scope):
            return _json(messages.models(listed, request.query_params))
        return _json({"object": "list", "data": [_listed(one) for one in listed]})

    async def model(self, request: Request) -> ASGIApp:
        """One of them."""
        owner = owner_of(request)
        wanted = request.path_params["id"]
        for one in await self._names.listed(owner):
            if one.id == wanted:
                return _json((messages.model if speaks_anthropic(request.scope) else _listed)(one))
        raise ApiError(404, "model_not_found", f"There is no model named {wanted[:200]!r}.")

    async def embeddings(self, request: Request) -> ASGIApp:
        """Models here write text, and embed nothing."""
        owner_of(request)
        raise ApiError(
            404,
            "unsupported_endpoint",
            "This server has no embeddings: it answers conversations.",
            "Ask the server that runs an embedding model.",
        )

    async def completions(self, request: Request) -> ASGIApp:
        """Write on from a bare prompt, where the model's backend can."""
        owner_of(request)
        call = completions.call_of(parsed(await request.body()))
        return await self._reply(
            request,
            call,
            completions.answer_of(call),
            lambda reply: completions.CompletionWriter(reply, call),
        )

    async def _reply(
        self,
        request: Request,
        call: Call,
        answer: Callable[[Reply], dict[str, object]],
        writer: Callable[[Reply], Writer],
    ) -> ASGIApp:
        run = self._runner.run(request, owner_of(request), call)
        return await (streamed(run, writer) if call.streams else whole(request, run, answer))


def v1_routes(services: Services, trials: Slots) -> list[BaseRoute]:
    """For `webchat.api.routes`. trials: slots for trying rules on texts. Errors get their form in `edge`."""
    handlers = V1(services)
    rows: tuple[tuple[str, str, Handler], ...] = (
        ("POST", "/v1/chat/completions", handlers.chat),
        ("POST", "/v1/completions", handlers.completions),
        ("POST", "/v1/embeddings", handlers.embeddings),
        ("POST", "/v1/messages", handlers.messages),
        ("POST", "/v1/moderations", in_its_place(handlers.moderations, trials, leaves=True)),
        ("POST", "/v1/responses", handlers.responses),
        ("GET", "/v1/models", handlers.models),
        ("GET", "/v1/models/{id:path}", handlers.model),
    )
    made: list[BaseRoute] = [
        Route(path, answering(handler), methods=[method]) for method, path, handler in rows
    ]
    known = [compile_path(path)[0] for _, path, _ in rows]
    # Whatever else is asked for under these paths is answered here, and never reaches Gradio.
    nothing = answering(partial(_nothing, known))
    made += [Route(path, nothing, methods=_EVERY_METHOD) for path in ("/v1", "/v1/{rest:path}")]
    return made


_EVERY_METHOD = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


async def _nothing(known: Sequence[re.Pattern[str]], request: Request) -> ASGIApp:
    path = request.url.path[:200]
    if any(one.match(path) for one in known):
        raise ApiError(405, "method_not_allowed", f"{path} does not take {request.method}.")
    raise ApiError(
        404,
        "unknown_url",
        f"Unknown request URL: {request.method} {path}.",
        "The base URL for clients ends in /v1.",
    )


def _listed(one: ListedName) -> dict[str, object]:
    listed: dict[str, object] = {
        "id": one.id,
        "object": "model",
        "created": one.created,
        "owned_by": one.owned_by,
    }
    return listed if one.context_length is None else {**listed, "context_length": one.context_length}


def _json(answer: dict[str, object]) -> Response:
    return Response(orjson.dumps(answer), 200, {"cache-control": "no-store"}, media_type="application/json")
