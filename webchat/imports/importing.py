"""Moderates what was found in a file and stores it, one conversation after another; or only counts it.

Reading runs in a thread and each conversation is stored in small slices, so that others notice nothing. What
is cut off is begun again from its start: what was stored already is known by its source, and adds nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from webchat.imports.archives import opened
from webchat.imports.moderating import Moderating
from webchat.imports.recognising import Located, Problem, found_in
from webchat.moderation import Context
from webchat.store import Store
from webchat.store.import_records import ImportedConversation
from webchat.turns import Review

MOST_PROBLEMS = 100
"""Of a file, by their sentences; the others are counted."""


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
            moderating = Moderating(self._review, context)
            moderated = await moderating.conversation(one)
            found.counts["blocked"] += moderating.blocked
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
