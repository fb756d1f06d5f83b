"""The texts of a conversation from a file, as the rules let them be stored."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import orjson

from backends.types import ToolCall
from webchat.imports.values import arguments_of, strings_of, with_strings
from webchat.moderation import Context
from webchat.moderation.verdicts import WITHHELD
from webchat.store.import_records import ImportedConversation, ImportedMessage
from webchat.turns import Review
from webchat.turns.errors import MessageBlocked

PAUSE_CHARS = 4000
"""Characters moderated between two moments in which other work has its turn."""


class Moderating:
    """Moderates one conversation. blocked: in how many places the rules blocked a text."""

    def __init__(self, review: Review, context: Context) -> None:
        self._review, self._context = review, context
        self._read = 0
        self.blocked = 0

    async def conversation(self, one: ImportedConversation) -> ImportedConversation:
        settings = replace(one.settings, inputs=await self._beside(one.settings.inputs))
        if settings.system_prompt:
            prompt = await self._text(settings.system_prompt)
            if prompt != settings.system_prompt:
                settings = replace(
                    settings, system_prompt=None if prompt == WITHHELD else prompt, persona=None
                )
        return replace(
            one,
            title=await self._text(one.title),
            details=await self._beside(one.details),
            settings=settings,
            messages=tuple([await self._message(said) for said in one.messages]),
        )

    async def _message(self, said: ImportedMessage) -> ImportedMessage:
        turn = said.turn
        if turn is not None:
            origin = turn.provenance
            prompt, details = await self._beside(origin.prompt), await self._beside(origin.details)
            options = await self._beside(origin.options)
            turn = replace(turn, provenance=replace(origin, prompt=prompt, details=details, options=options))
        return replace(
            said,
            text=await self._text(said.text),
            reasoning=await self._text(said.reasoning),
            turn=turn,
            tool_calls=tuple([await self._call(call) for call in said.tool_calls]),
        )

    async def _call(self, call: ToolCall) -> ToolCall:
        try:
            arguments = orjson.loads(call.arguments)
        except ValueError:
            arguments = call.arguments
        checked = await self._beside([call.name, arguments])
        if checked == [call.name, arguments]:
            return call
        name, changed = checked
        return replace(call, name=name, arguments=arguments_of(changed))

    async def _beside(self, value: object) -> Any:
        """A value of what a file says beside texts; checked as one text, and each only if need be."""
        strings = list(strings_of(value))
        if not strings or await self._text("\n".join(strings), counts=False) == "\n".join(strings):
            return value
        checked = {one: await self._text(one) for one in dict.fromkeys(strings)}
        return with_strings(value, checked)

    async def _text(self, said: str, *, counts: bool = True) -> str:
        if not said:
            return said
        self._read += len(said)
        if self._read >= PAUSE_CHARS:
            # Rules that run here wait for nothing, and a chat may be long: others have their turn.
            self._read = 0
            await asyncio.sleep(0)
        try:
            return await self._review.text(self._context, said)
        except MessageBlocked:
            self.blocked += counts
            return WITHHELD
