"""The chat templates of models in this process: read, tried and replaced by the operator.

A template that was given here wins over `chat_template_file`, and that over the model's own. For operators
only; to anybody else there is nothing at these addresses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from backends.base import Capabilities
from backends.chat_templates import Templated, Tried
from backends.errors import BadChatTemplate
from backends.types import Message
from webchat.api.errors import ApiError
from webchat.api.reading import Body, body_of, json_answer, operator_of
from webchat.api.services import Services
from webchat.api.wire import Json, time_json
from webchat.models import GivenTemplate
from webchat.prompts import fit
from webchat.store.records import ChatTemplate

SAMPLE = (
    Message("system", "You are a helpful assistant."),
    Message("user", "Which day comes after Monday?"),
    Message("assistant", "Tuesday."),
    Message("user", "And after that?"),
)
"""What a template has to write before it is stored."""

_NO_SYSTEM = Capabilities(system_role=False)

Text = Annotated[str, Field(min_length=1, max_length=500_000)]


class MessageBody(Body):
    role: Literal["system", "user", "assistant"]
    content: Annotated[str, Field(max_length=100_000)]


class PutBody(Body):
    text: Text | None
    note: Annotated[str, Field(max_length=500)] = ""
    based_on: Annotated[int, Field(ge=0, le=2**31)] | None = None


class PreviewBody(Body):
    text: Text
    messages: Annotated[list[MessageBody], Field(min_length=1, max_length=100)] | None = None


def given(version: ChatTemplate | None) -> GivenTemplate | None:
    """A stored version as the models take it; `None` where it goes back to the model's own."""
    if version is None or version.text is None:
        return None
    return GivenTemplate(version.text, f"override/{version.number}")


class ChatTemplates:
    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._models = services.models
        self._saving = asyncio.Lock()

    async def look(self, request: Request) -> Response:
        operator_of(request)
        return await self._answer(_model(request))

    async def put(self, request: Request) -> Response:
        author, model = operator_of(request), _model(request)
        backend = self._backend(model)
        body = await body_of(request, PutBody)
        if body.text is not None:
            await _tried(backend, body.text, SAMPLE)
        # In one order for the store and the models, whoever else saves now.
        async with self._saving:
            version = await self._store.call(
                self._store.change_chat_template,
                author.id,
                model,
                body.text,
                note=body.note,
                based_on=body.based_on,
            )
            self._models.use_template(model, given(version))
        return await self._answer(model)

    async def preview(self, request: Request) -> Response:
        operator_of(request)
        backend = self._backend(_model(request))
        body = await body_of(request, PreviewBody)
        messages: Sequence[Message] = SAMPLE
        if body.messages is not None:
            messages = [Message(message.role, message.content) for message in body.messages]
        try:
            tried, read = await _tried(backend, body.text, messages)
        except BadChatTemplate as error:
            problem = {"message": f"{error.said}.", "line": error.line}
            return json_answer({"text": "", "tokens": None, "problem": problem, "system_as": None})
        system_as = None if read is messages else "user"
        answer = {"text": tried.text, "tokens": tried.tokens, "problem": None, "system_as": system_as}
        return json_answer(answer)

    async def _answer(self, model: str) -> Response:
        backend = self._backend(model)
        own = await backend.own_template()
        versions = await self._store.call(self._store.chat_template_versions, model)
        newest = versions[0] if versions else None
        default = own is not None and own.source.startswith("default")
        text, source = (None, "model") if own is None else (own.text, "default" if default else own.source)
        if file := self._models.spec(model).options.get("chat_template"):
            text, source = file, "file"
        if newest is not None and newest.text is not None:
            text, source = newest.text, "override"
        return json_answer(
            {
                "model": model,
                "own": None if own is None or default else own.text,
                "text": text,
                "source": source,
                "number": None if newest is None else newest.number,
                "versions": [_version_json(version) for version in versions],
            }
        )

    def _backend(self, model: str) -> Templated:
        """Raises `ModelNotFound`, and `ApiError` for a model whose server has the template."""
        backend: Any = self._models.made(model)
        if not isinstance(backend, Templated):
            raise ApiError(
                400,
                "chat_template_elsewhere",
                f"The chat template of {model} is applied by the server it runs on, not here.",
                "Change it there.",
                {"model": model},
            )
        return backend


async def _tried(
    backend: Templated, template: str, messages: Sequence[Message]
) -> tuple[Tried, Sequence[Message]]:
    """What the model would read, and of which messages: a template that knows no system prompt has it in
    front of the first message of a person, as when a reply is made. Raises `BadChatTemplate`."""
    system = next((message.text.strip() for message in messages if message.role == "system"), "")
    refusal = None
    try:
        tried = await backend.try_template(template, messages)
        if system in tried.text:
            return tried, messages
    except BadChatTemplate as error:
        if not system:
            raise
        refusal = error
    moved = fit(messages, _NO_SYSTEM)
    try:
        return await backend.try_template(template, moved), moved
    except BadChatTemplate as error:
        raise refusal or error from None


def _model(request: Request) -> str:
    model: str = request.path_params["model"]
    return model


def _version_json(version: ChatTemplate) -> Json:
    return {
        "number": version.number,
        "created_at": time_json(version.created_at),
        "author": version.author,
        "note": version.note,
        "text": version.text,
    }
