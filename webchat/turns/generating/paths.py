"""The stored messages of prompts, cached in memory for active conversations.

A finished message never changes, and a deleted one takes everything below it along; so the path to an
existing message stays valid. The store is queried only for the first turn of a conversation, and the cost of
later ones does not grow with its length.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from webchat.store import Store
from webchat.store.records import BegunTurn, Message, PathMessage

KEPT_CHARS = 2_000_000
"""Most characters kept in all paths together: a hundred active conversations of usual length. Loading one of
these again takes a millisecond."""

A_MESSAGE = 300
"""Characters for which each message counts besides its text: of many short ones most memory is not text."""


class Paths:
    """Paths by their last message; the least recently used is evicted first."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: OrderedDict[str, tuple[Sequence[PathMessage], int]] = OrderedDict()
        self._chars = 0

    async def to(self, owner: str, begun: BegunTurn) -> Sequence[PathMessage]:
        """The messages a reply answers, root first. Raises `StoreError`."""
        if begun.path is not None:
            return begun.path
        if begun.user is None:
            return await self._load(owner, begun.reply.parent_id)
        return [*await self._load(owner, begun.user.parent_id), PathMessage.of(begun.user)]

    def keep(self, path: Sequence[PathMessage], reply: Message) -> None:
        """Remember the path to a finished reply: most likely the next message continues there."""
        longer = [*path, PathMessage.of(reply)]
        self._drop(path[-2].id if len(path) > 1 else "")
        self._drop(reply.id)
        chars = sum(message.chars + A_MESSAGE for message in longer)
        self._kept[reply.id] = (longer, chars)
        self._chars += chars
        while self._chars > KEPT_CHARS:
            self._drop(next(iter(self._kept)))

    async def _load(self, owner: str, message_id: str | None) -> Sequence[PathMessage]:
        if message_id is None:
            return ()
        kept = self._kept.get(message_id)
        if kept is not None:
            self._kept.move_to_end(message_id)
            return kept[0]
        return await self._store.call(self._store.path, owner, message_id)

    def _drop(self, message_id: str) -> None:
        _, chars = self._kept.pop(message_id, ((), 0))
        self._chars -= chars
