"""From an owner id to an owner who may still come in, asked on every request and therefore cached briefly."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from webchat.store.errors import NotFound
from webchat.store.records import Link, Owner, OwnerKind

KEPT_SECONDS = 0.8
WATCH_SECONDS = 0.4
_MOST_KEPT = 10_000


class OwnerStore(Protocol):
    """What the door needs of the store."""

    def local_owner(self) -> Owner: ...

    def owner(self, owner_id: str) -> Owner: ...

    def create_owner(self, kind: OwnerKind, name: str, link_id: str | None = None) -> Owner: ...

    def link(self, link_id: str) -> Link: ...

    async def call(self, verb: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any: ...


def is_open(link: Link, now: datetime) -> bool:
    """Whether a tester link lets its guests in at this moment."""
    return link.revoked_at is None and (link.expires_at is None or now < link.expires_at)


class Revoked(Exception):
    """The guest's link was revoked or ran out while the answer was still being sent."""


@dataclass(slots=True)
class _Kept:
    owner: Owner | None
    until: float


class Owners:
    """Resolves owners. An answer is at most `KEPT_SECONDS` old, so a revoked link ends within a second.

    put_out: told the id of each guest whose open request was ended because their link has.
    """

    def __init__(self, store: OwnerStore, *, put_out: Callable[[str], None] | None = None) -> None:
        self._store = store
        self._put_out = put_out
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._local: Owner | None = None
        self._watched: dict[str, set[asyncio.Task[Any]]] = {}
        self._cut: set[asyncio.Task[Any]] = set()
        self._watcher: asyncio.Task[None] | None = None

    async def local(self) -> Owner:
        """The one person of a loopback start."""
        if self._local is None:
            self._local = await self._store.call(self._store.local_owner)
        return self._local

    async def newcomer(self) -> Owner:
        """A new owner, for someone who came to an open server."""
        owner: Owner = await self._store.call(self._store.create_owner, "visitor", "Visitor")
        return owner

    async def admitted(self, owner_id: str) -> Owner | None:
        """The owner, or `None` when there is none such or its link no longer lets it in."""
        kept = self._kept.get(owner_id)
        now = time.monotonic()
        if kept is not None and now < kept.until:
            return kept.owner
        owner = await self._look_up(owner_id)
        self._kept[owner_id] = _Kept(owner, now + KEPT_SECONDS)
        self._kept.move_to_end(owner_id)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return owner

    async def _look_up(self, owner_id: str) -> Owner | None:
        try:
            owner: Owner = await self._store.call(self._store.owner, owner_id)
        except NotFound:
            return None
        # A cookie never makes anybody the local owner: that one belongs to whoever sits at the machine.
        if owner.kind == "local":
            return None
        if owner.kind == "guest" and not (owner.link_id and await self._link_open(owner.link_id)):
            return None
        return owner

    async def _link_open(self, link_id: str) -> bool:
        try:
            link: Link = await self._store.call(self._store.link, link_id)
        except NotFound:
            return False
        return is_open(link, datetime.now(UTC))

    @asynccontextmanager
    async def watching(self, owner: Owner) -> AsyncIterator[None]:
        """Run a guest's request; raises `Revoked` out of the block soon after the guest's link has ended."""
        task = asyncio.current_task()
        if owner.kind != "guest" or owner.link_id is None or task is None:
            yield
            return
        mates = self._watched.setdefault(owner.link_id, set())
        mates.add(task)
        if self._watcher is None or self._watcher.done():
            self._watcher = asyncio.create_task(self._watch())
        try:
            yield
        except asyncio.CancelledError:
            if task not in self._cut:
                raise
            task.uncancel()
            if self._put_out is not None:
                self._put_out(owner.id)
            raise Revoked from None
        finally:
            self._cut.discard(task)
            mates.discard(task)
            if not mates:
                self._watched.pop(owner.link_id, None)

    async def _watch(self) -> None:
        """One look per link and round, however many requests of its guests are open; ends with the last of
        them."""
        while self._watched:
            await asyncio.sleep(WATCH_SECONDS)
            for link_id in list(self._watched):
                # A store that is out of reach for a moment must not end the watch.
                still_open = True
                with suppress(Exception):
                    still_open = await self._link_open(link_id)
                if not still_open:
                    self._end(link_id)

    def _end(self, link_id: str) -> None:
        for kept in self._kept.values():
            if kept.owner is not None and kept.owner.link_id == link_id:
                kept.until = 0.0
        for task in self._watched.get(link_id, ()):
            if task not in self._cut:
                self._cut.add(task)
                task.cancel()
