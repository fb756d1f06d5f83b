"""Follows many running turns at once: each follower at its own pace, with a constant cost per piece however
many replies it follows."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from webchat.store.records import Message
from webchat.turns.events import Delta, Done, Followed, Gone, News, Status

BATCH = 256
"""Most events handed out at once: what a reader catches up with is never encoded as a whole."""

BATCH_CHARS = 65_536
"""Of one reply: what is handed out is kept until its reader has taken all of it."""

WAITING_NEWS = 1000
"""News that may wait for a follower. One that is further behind is ended, and asks for the state when it is
back."""


FAR_BEHIND = 262_144
"""Characters of an ended turn that may wait for a follower that can come back. One that is further behind is
ended too: what is written to it is never more than it reads, and nothing else is kept for it."""

STALLED = 32
"""Times that a turn had something new since a follower that cannot come back has read: it doesn't read. One
that does is not cut off by a reply that comes all at once."""


class Readable(Protocol):
    """A turn as seen by its readers."""

    @property
    def id(self) -> str: ...

    @property
    def entries(self) -> list[Delta]: ...

    @property
    def status(self) -> Status: ...

    @property
    def version(self) -> int: ...

    @property
    def message(self) -> Message | None: ...

    readers: set[Reader]


class Reader:
    """The position of a follower in one turn."""

    __slots__ = ("_changes", "_ready", "_sent", "_turn", "_version")

    def __init__(self, turn: Readable, after_seq: int, ready: Callable[[Reader], None]) -> None:
        self._turn = turn
        self._sent = max(0, after_seq)
        self._version = -1
        self._changes = 0
        self._ready = ready
        turn.readers.add(self)

    def changed(self) -> None:
        """The turn has something new."""
        self._changes += 1
        self._ready(self)

    def read(self, into: list[Followed], most: int) -> bool:
        """Append new events until `into` holds `most`; returns whether there are more."""
        turn = self._turn
        self._changes = 0
        if self._version != turn.version:
            self._version = turn.version
            into.append((turn.id, turn.status))
        room = max(0, most - len(into))
        chars = 0
        for entry in turn.entries[self._sent : self._sent + room]:
            into.append((turn.id, entry))
            self._sent += 1
            if (chars := chars + len(entry.text)) >= BATCH_CHARS:
                break
        if self._sent < len(turn.entries):
            return True
        if turn.message is not None:
            into.append((turn.id, Done(turn.message)))
            self.close()
        return False

    @property
    def far_behind(self) -> bool:
        """Whether the turn has ended long before its reader has read it."""
        turn = self._turn
        waiting = turn.entries[self._sent :] if turn.message is not None else ()
        return sum(len(entry.text) for entry in waiting) > FAR_BEHIND

    @property
    def over(self) -> bool:
        """Whether all was read, to the end of the turn."""
        return self._turn.message is not None

    @property
    def stalled(self) -> bool:
        """Whether nothing has been read for long."""
        return self._changes > STALLED

    def close(self) -> None:
        self._turn.readers.discard(self)


class Follower:
    """Events for one reader about any number of turns, and the news of their owner. Runs on the event loop.

    on_close: called once, when nobody reads any more. returns: it comes back when it is ended, and asks for
    the state. cut: whether it was ended for not reading.
    """

    def __init__(self, on_close: Callable[[Follower], None] | None = None, *, returns: bool = False) -> None:
        self._on_close = on_close
        self._returns = returns
        self._readers: list[Reader] = []
        self._ready: dict[Reader, None] = {}
        self._reported: deque[Followed] = deque()
        self._wake = asyncio.Event()
        self._taken = asyncio.Event()
        self._ended = False
        self._closed = False
        self.cut = False

    def follow(self, turn: Readable, after_seq: int = 0) -> None:
        """Report the status of a turn, its entries after `after_seq`, later ones, and `Done`."""
        reader = Reader(turn, after_seq, self._changed)
        self._readers.append(reader)
        self._is_ready(reader)

    def tell(self, message_id: str, event: Done | Gone) -> None:
        """Report the outcome of a reply that is not running."""
        self._reported.append((message_id, event))
        self._wake.set()

    async def taken(self) -> None:
        """Wait until all reported events have been read, or nobody reads any more."""
        while self._reported and not self._closed:
            self._taken.clear()
            await self._taken.wait()

    def news(self, news: News) -> None:
        """Report news; ends a follower that does not read."""
        if len(self._reported) >= WAITING_NEWS:
            self.end()
        elif not self._ended:
            self._reported.append((news.message_id or "", news))
            self._wake.set()

    def end(self) -> None:
        """Deliver what is pending, and nothing more."""
        self._ended = True
        self._wake.set()

    async def batch(self) -> list[Followed]:
        """New events, in order within each reply; waits until there are some. Empty: the end."""
        while not (found := self.at_once()) and not self._ended:
            self._wake.clear()
            await self._wake.wait()
        return found

    def at_once(self) -> list[Followed]:
        """Events available now."""
        found: list[Followed] = []
        while self._reported and len(found) < BATCH:
            found.append(self._reported.popleft())
        self._taken.set()
        for reader in list(self._ready):
            if len(found) >= BATCH:
                break
            del self._ready[reader]
            if reader.read(found, BATCH):
                self._ready[reader] = None  # behind the others
            elif reader.over:
                self._readers.remove(reader)  # it keeps the whole reply
        return found

    def close(self) -> None:
        """Stop following everything."""
        self._drop()
        if self._on_close is not None and not self._closed:
            self._on_close(self)
        self._closed = True
        self._taken.set()

    def _drop(self) -> None:
        """Keep nothing that waits, and end."""
        for reader in self._readers:
            reader.close()
        self._readers.clear()
        self._ready.clear()
        self._reported.clear()
        self.end()

    @property
    def closed(self) -> bool:
        """Whether nobody reads any more."""
        return self._closed

    def _changed(self, reader: Reader) -> None:
        if reader.far_behind and (self._returns or reader.stalled):
            self.cut = True
            self._drop()
        else:
            self._is_ready(reader)

    def _is_ready(self, reader: Reader) -> None:
        self._ready[reader] = None
        self._wake.set()
