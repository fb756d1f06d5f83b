"""The chat templates of models in this process: read, tried and replaced by the operator.

A template that was given here wins over `chat_template_file`, and that over the model's own. For operators
only; to anybody else there is nothing at these addresses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import Path

from backends.base import Capabilities
from backends.chat_templates.rendering import Templated, Tried
from backends.errors import BadChatTemplate
from backends.options import EngineOptions
from backends.types import Message
from webchat.api.errors import ApiError
from webchat.api.reading import Operator
from webchat.api.services import Services
from webchat.api.wire.model_templates import ChatTemplate as Answered
from webchat.api.wire.model_templates import (
    ChatTemplateBody,
    ChatTemplatePreview,
    ChatTemplateProblem,
    PreviewBody,
)
from webchat.models import GivenTemplate
from webchat.prompts import fit
from webchat.store.template_records import ChatTemplate

SAMPLE = (
    Message("system", "You are a helpful assistant."),
    Message("user", "Which day comes after Monday?"),
    Message("assistant", "Tuesday."),
    Message("user", "And after that?"),
)
"""What a template has to write before it is stored."""

ModelPath = Annotated[str, Path()]

_NO_SYSTEM = Capabilities(system_role=False)


def given(version: ChatTemplate | None) -> GivenTemplate | None:
    """A stored version in the form models take; `None` if it restores the model's own."""
    if version is None or version.text is None:
        return None
    return GivenTemplate(version.text, f"override/{version.number}")


class ChatTemplates:
    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._models = services.models
        self._saving = services.saving_templates

    async def look(self, operator: Operator, model: ModelPath) -> Answered:
        """The chat template of a model, and its versions. 400 if its server applies the template."""
        return await self._answer(model)

    async def put(self, author: Operator, model: ModelPath, body: ChatTemplateBody) -> Answered:
        """Replace a model's chat template, or restore its own. 400 if its server applies the template; 409 if
        it was changed in the meantime."""
        backend = self._backend(model)
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

    async def preview(self, operator: Operator, model: ModelPath, body: PreviewBody) -> ChatTemplatePreview:
        """The prompt a template makes of a conversation; nothing is stored. 400 if the model's server applies
        the template."""
        backend = self._backend(model)
        messages: Sequence[Message] = SAMPLE
        if body.messages is not None:
            messages = [Message(message.role, message.content) for message in body.messages]
        try:
            tried, read = await _tried(backend, body.text, messages)
        except BadChatTemplate as error:
            problem = ChatTemplateProblem(message=f"{error.said}.", line=error.line)
            return ChatTemplatePreview(text="", tokens=None, problem=problem, system_as=None)
        system_as: Literal["user"] | None = None if read is messages else "user"
        return ChatTemplatePreview(text=tried.text, tokens=tried.tokens, problem=None, system_as=system_as)

    async def _answer(self, model: str) -> Answered:
        backend = self._backend(model)
        own = await backend.own_template()
        versions = await self._store.call(self._store.chat_template_versions, model)
        newest = versions[0] if versions else None
        default = own is not None and own.source.startswith("default")
        text, source = (None, "model") if own is None else (own.text, "default" if default else own.source)
        options = self._models.spec(model).options
        if isinstance(options, EngineOptions) and options.chat_template:
            text, source = options.chat_template, "file"
        if newest is not None and newest.text is not None:
            text, source = newest.text, "override"
        return Answered.of(
            {
                "model": model,
                "own": None if own is None or default else own.text,
                "text": text,
                "source": source,
                "number": None if newest is None else newest.number,
                "versions": versions,
            }
        )

    def _backend(self, model: str) -> Templated:
        """Raises `ModelNotFound`, and `ApiError` for a model whose server applies the template."""
        backend: object = self._models.made(model)
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
    """The prompt a model would read, and the messages in it: if the template does not support a system
    prompt, it is put before the first user message, as for a reply. Raises `BadChatTemplate`."""
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
