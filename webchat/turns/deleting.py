"""Deletes much at once: all chats of an owner, or a person with all that is theirs."""

from __future__ import annotations

import asyncio
import logging

from webchat.store import Store, StoreUnavailable
from webchat.store.records import Deletion
from webchat.store.verbs.trash import PURGE_DISCARDED
from webchat.turns.service import Turns

log = logging.getLogger(__name__)


class Deleting:
    """Marks what is deleted, stops the replies in it, and soon purges what nobody can restore."""

    def __init__(self, store: Store, turns: Turns) -> None:
        self._store = store
        self._turns = turns
        self._purging: asyncio.Task[None] | None = None
        self._due = False

    async def chats(self, owner: str, *, for_good: bool) -> int:
        """Move all chats of an owner to the trash or, `for_good`, delete them and the trash permanently.
        Returns how many chats."""
        deletion = await self._store.call(self._store.delete_conversations, owner, for_good=for_good)
        self._deleted(owner, deletion, for_good=for_good)
        return deletion.conversations

    async def person(self, owner: str) -> int:
        """Remove a person who signs in, and permanently delete what is theirs. Returns how many chats. Raises
        `NotFound`, and `LastOperator` for the only one who operates."""
        deletion = await self._store.call(self._store.remove_person, owner, spare_last=True)
        self._deleted(owner, deletion, for_good=True)
        return deletion.conversations

    def _deleted(self, owner: str, deletion: Deletion, *, for_good: bool) -> None:
        self._turns.stop_all(owner)
        self._turns.changed(owner)
        if for_good:
            self.discarded(running=deletion.running)

    def discarded(self, *, running: bool) -> None:
        """Nobody can restore what was discarded. Its rows go at once, unless a reply there is still to be
        stopped; then the next purge takes them."""
        if not running:
            self._due = True
            if self._purging is None or self._purging.done():
                self._purging = asyncio.create_task(self._purge())

    async def _purge(self) -> None:
        """One purge at a time, and one more for all that was discarded meanwhile."""
        while self._due:
            self._due = False
            try:
                await self._store.call(self._store.purge, PURGE_DISCARDED)
            except StoreUnavailable:  # the store's log says it; the next purge will retry
                pass
            except Exception:
                log.exception("purging discarded data failed; the next purge will retry")
