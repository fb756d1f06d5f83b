"""Moderation of everything people write before it is stored, wherever they write it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from backends.types import InputValue, Message, Request
from webchat.models import Models
from webchat.moderation import Blocked, Context, GateFactory
from webchat.moderation.beside import checked_beside
from webchat.moderation.verdicts import PROFILE_MISSING
from webchat.store.database.codec import clean
from webchat.store.records import ConversationSettings
from webchat.turns.errors import BadAsk, MessageBlocked, ProfileMissing


class Review:
    """The only path for messages, titles, templates and settings. All methods raise `MessageBlocked`, and
    `ProfileMissing`."""

    def __init__(self, gates: GateFactory, models: Models) -> None:
        self._gates = gates
        self._models = models

    async def text(self, context: Context, text: str) -> str:
        """A text in the form in which it may be stored."""
        with _refusing(context):
            return await self._gates.review(context, clean(text))

    async def call(self, context: Context, request: Request) -> Request:
        """All that a program brings along, in the form in which it may be stored; the last message counts."""
        others = replace(context, counts=False)
        messages: list[Message] = []
        for number, message in enumerate(request.messages, 1):
            one = context if number == len(request.messages) else others
            messages.append(replace(message, content=await self.text(one, message.text)))

        async def check(text: str, silent: bool) -> str:
            return await self._gates.review(replace(others, trial=silent), clean(text))

        with _refusing(context):
            return await checked_beside(replace(request, messages=tuple(messages)), check)

    async def inputs(
        self, context: Context, settings: ConversationSettings, before: ConversationSettings | None
    ) -> ConversationSettings:
        """The settings with the values that their model takes beside the conversation, without those that are
        its defaults. before: whose texts were reviewed. Raises `BadAsk` for a value that it doesn't take."""
        if not settings.inputs:
            return settings
        name = self._models.info(settings.model or self._models.default).name
        able = self._models.capabilities(name)
        taken: dict[str, InputValue] = {}
        for one in () if able is None else able.inputs:
            if one.name not in settings.inputs:
                continue
            try:
                value = one.checked(settings.inputs[one.name])
            except ValueError as error:
                raise BadAsk(f"{one.label} is not valid; allowed: {error}.") from None
            known = before is not None and before.inputs.get(one.name) == value
            if one.kind == "text" and isinstance(value, str) and not known:
                value = await self.text(context, value)
            if value != one.default:
                taken[one.name] = value
        return replace(settings, inputs=taken)

    async def settings(self, context: Context, settings: ConversationSettings) -> ConversationSettings:
        """Settings as they may be stored. Of a system prompt that a template made, this person wrote what the
        blanks were filled in with; the whole is looked at when it is sent."""
        if settings.model is not None:
            settings = replace(settings, model=self._models.key(settings.model))
        if not settings.system_prompt:
            return settings
        if settings.persona is not None:
            values = (value for value in settings.persona.values.values() if isinstance(value, str))
            filled_in = "\n".join(values)
            if not filled_in or await self.text(context, filled_in) == filled_in:
                return settings
        reviewed = await self.text(context, settings.system_prompt)
        return replace(settings, system_prompt=reviewed, persona=None)


@contextmanager
def _refusing(context: Context) -> Iterator[None]:
    try:
        yield
    except Blocked as blocked:
        context.give_back()
        verdict = blocked.verdict
        if verdict == PROFILE_MISSING:
            raise ProfileMissing from None
        raise MessageBlocked(verdict.sentence, cure=verdict.cure, params=verdict.params) from blocked
