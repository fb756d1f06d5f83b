"""Moderates what was found in a file and stores it, one conversation after another; or only counts it.

Reading runs in a thread and each conversation is stored in small slices, so that others notice nothing. What
is cut off is begun again from its start: what was stored already is known by its source, and adds nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from backends.types import ToolCall
from webchat.imports.archives import opened
from webchat.imports.recognising import Located, Problem, found_in
from webchat.imports.values import arguments_of, strings_of, with_strings
from webchat.moderation import Context
from webchat.moderation.verdicts import WITHHELD
from webchat.store import Store
from webchat.store.import_records import ImportedConversation, ImportedMessage
from webchat.turns import Review
from webchat.turns.errors import MessageBlocked

MOST_PROBLEMS = 100
"""Of a file, by their sentences; the others are counted."""

PAUSE_CHARS = 4000
"""Characters moderated between two moments in which other work has its turn."""


@dataclass(slots=True)
class Found:
    """What was found in a file so far, and done with it.

    counts: `entries`, `bad` (entries that cannot be imported), `conversations`, `messages`, `branches`
    (messages beside others), `reasoning`, `attachments`, `blocked`; what became of conversations: `new`,
    `extended`, `unchanged`, `deleted`; `added`, the messages added; and of each product its conversations.
    read, size: bytes.
    """

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    first_id: str | None = None
    read: int = 0
    size: int = 0

    def note(self, problem: Problem) -> None:
        self.counts["bad" if problem.lost else "notes"] += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)

    def count(self, conversation: ImportedConversation) -> None:
        messages = conversation.messages
        self.counts["conversations"] += 1
        self.counts[f"product.{conversation.product}"] += 1
        self.counts["messages"] += len(messages)
        self.counts["branches"] += len(messages) - len({(one.parent, one.role) for one in messages})
        self.counts["reasoning"] += sum(bool(one.reasoning) for one in messages)
        self.counts["attachments"] += sum(one.text.count("📎 ") for one in messages)


Tell = Callable[[Found], Awaitable[None]]


async def _nobody(_found: Found) -> None:
    pass


class Importer:
    """Imports files."""

    def __init__(self, store: Store, review: Review) -> None:
        self._store = store
        self._review = review

    async def check(self, path: Path, owner: str, tell: Tell = _nobody) -> Found:
        """What an import would find and add; nothing is stored. Raises Unreadable, OSError."""

        async def look(found: Found, one: ImportedConversation) -> None:
            known = await self._store.call(self._store.import_known, owner, one)
            found.counts[known.outcome] += 1

        return await self._each(path, look, tell, Found())

    async def bring(
        self,
        path: Path,
        owner: str,
        tell: Tell = _nobody,
        *,
        before: Found | None = None,
        job: str | None = None,
    ) -> Found:
        """Import what can be read of a file. tell: is told after each entry. before: what an earlier call had
        found when it was cut off. job: the import in the store. Raises Unreadable, OSError, NotFound for an
        unknown or removed owner, or once the import was forgotten."""
        context = Context("stored", owner, counts=False)

        async def keep(found: Found, one: ImportedConversation) -> None:
            moderated, blocked = await self._moderated(context, one)
            found.counts["blocked"] += blocked
            done = await self._store.call(self._store.import_conversation, owner, moderated, job)
            found.counts[done.outcome] += 1
            found.counts["added"] += done.messages
            if found.first_id is None and done.outcome != "deleted":
                found.first_id = done.conversation_id

        try:
            return await self._each(path, keep, tell, before or Found())
        finally:
            self._store.index_soon()

    async def _each(
        self,
        path: Path,
        work: Callable[[Found, ImportedConversation], Awaitable[None]],
        tell: Tell,
        found: Found,
    ) -> Found:
        """found: what is known already, of the first entries."""
        skip, seen = found.counts["entries"], 0
        with opened(path) as source:
            items = found_in(source)
            while (item := await asyncio.to_thread(next, items, None)) is not None:
                seen += 1
                found.read, found.size = source.progress.read, source.progress.size
                if seen > skip:
                    await self._deal(found, item, work)
                    found.counts["entries"] = seen
                    await tell(found)
        return found

    async def _deal(
        self,
        found: Found,
        item: Located | Problem,
        work: Callable[[Found, ImportedConversation], Awaitable[None]],
    ) -> None:
        if isinstance(item, Problem):
            found.note(item)
            return
        found.count(item.conversation)
        for note in item.conversation.problems:
            found.note(Problem(item.place, note, lost=False))
        await work(found, item.conversation)

    async def _moderated(
        self, context: Context, one: ImportedConversation
    ) -> tuple[ImportedConversation, int]:
        """The conversation as it may be stored, and in how many places the rules blocked a text."""
        blocked = read = 0

        async def text(said: str, *, counts: bool = True) -> str:
            nonlocal blocked, read
            if not said:
                return said
            read += len(said)
            if read >= PAUSE_CHARS:
                # Rules that run here wait for nothing, and a chat may be long: others have their turn.
                read = 0
                await asyncio.sleep(0)
            try:
                return await self._review.text(context, said)
            except MessageBlocked:
                blocked += counts
                return WITHHELD

        async def beside(value: Any) -> Any:
            """A value of what a file says beside texts; checked as one text, and each only if need be."""
            strings = list(strings_of(value))
            if not strings or await text("\n".join(strings), counts=False) == "\n".join(strings):
                return value
            checked = {one: await text(one) for one in dict.fromkeys(strings)}
            return with_strings(value, checked)

        async def message(said: ImportedMessage) -> ImportedMessage:
            turn = said.turn
            if turn is not None:
                origin = turn.provenance
                prompt, details = await beside(origin.prompt), await beside(origin.details)
                origin = replace(origin, prompt=prompt, details=details, options=await beside(origin.options))
                turn = replace(turn, provenance=origin)
            return replace(
                said,
                text=await text(said.text),
                reasoning=await text(said.reasoning),
                turn=turn,
                tool_calls=tuple([await called(call) for call in said.tool_calls]),
            )

        async def called(call: ToolCall) -> ToolCall:
            try:
                arguments = orjson.loads(call.arguments)
            except ValueError:
                arguments = call.arguments
            checked = await beside([call.name, arguments])
            if checked == [call.name, arguments]:
                return call
            name, changed = checked
            return replace(call, name=name, arguments=arguments_of(changed))

        settings = replace(one.settings, inputs=await beside(one.settings.inputs))
        if settings.system_prompt:
            prompt = await text(settings.system_prompt)
            if prompt != settings.system_prompt:
                settings = replace(
                    settings, system_prompt=None if prompt == WITHHELD else prompt, persona=None
                )
        return (
            replace(
                one,
                title=await text(one.title),
                details=await beside(one.details),
                settings=settings,
                messages=tuple([await message(said) for said in one.messages]),
            ),
            blocked,
        )
