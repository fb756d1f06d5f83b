"""From an owner id to an owner who may still enter; checked on every request and therefore cached briefly."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from webchat.store.errors import NotFound
from webchat.store.records import Link, Owner

KEPT_SECONDS = 0.8
WATCH_SECONDS = 0.4
LINGER_SECONDS = 60.0
"""Seconds the watch continues after a guest's last request: one that was cut off may still begin a reply."""
_MOST_KEPT = 10_000

Refusal = Literal["", "link_revoked", "link_expired", "unknown", "older", "two_owners", "no_cookie"]


class OwnerStore(Protocol):
    """The parts of the store the door uses."""

    def local_owner(self) -> Owner: ...

    def owner(self, owner_id: str) -> Owner: ...

    def keep_owner(self, owner: Owner) -> Owner: ...

    def guests_with_replies(self) -> list[Owner]: ...

    def link(self, link_id: str) -> Link: ...

    async def call(self, verb: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any: ...


def ended(link: Link, now: datetime) -> Refusal:
    """Why a tester link no longer admits its guests; empty while it does."""
    if link.revoked_at is not None:
        return "link_revoked"
    return "link_expired" if link.expires_at is not None and now >= link.expires_at else ""


class Revoked(Exception):
    """The guest's link was revoked or expired while the response was still being sent."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        self.refusal: Refusal = refusal


@dataclass(frozen=True, slots=True)
class Admission:
    """The owner a cookie names, or why it admits nobody. stored: whether the owner is in the store. new: the
    browser does not have the owner's cookie yet."""

    owner: Owner | None = None
    refusal: Refusal = ""
    stored: bool = True
    new: bool = False


@dataclass(slots=True)
class _Kept:
    admission: Admission
    until: float


class Owners:
    """Resolves owners. An answer is at most `KEPT_SECONDS` old, so a revoked link ends within a second.

    link_ended: called repeatedly with the id of each guest whose link has ended while a request of theirs is
    open or their replies run, until none does.
    """

    def __init__(self, store: OwnerStore, *, link_ended: Callable[[str], None] | None = None) -> None:
        self._store = store
        self._link_ended = link_ended
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._local: Owner | None = None
        self._watched: dict[str, set[asyncio.Task[Any]]] = {}
        self._cut: dict[asyncio.Task[Any], Refusal] = {}
        self._watcher: asyncio.Task[None] | None = None
        self._last_seen = 0.0

    async def local(self) -> Owner:
        """The one person of a loopback start."""
        if self._local is None:
            self._local = await self._store.call(self._store.local_owner)
        return self._local

    async def keep(self, owner: Owner) -> None:
        """Store an owner who so far is only a signed cookie."""
        await self._store.call(self._store.keep_owner, owner)
        self._kept.pop(owner.id, None)

    async def admitted(self, owner_id: str) -> Admission:
        """The owner, or why nobody is admitted."""
        kept = self._kept.get(owner_id)
        now = time.monotonic()
        if kept is not None and now < kept.until:
            return kept.admission
        admission = await self._look_up(owner_id)
        self._kept[owner_id] = _Kept(admission, now + KEPT_SECONDS)
        self._kept.move_to_end(owner_id)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return admission

    async def _look_up(self, owner_id: str) -> Admission:
        try:
            owner: Owner = await self._store.call(self._store.owner, owner_id)
        except NotFound:
            return Admission(refusal="unknown", stored=False)
        # A cookie never makes anybody the local owner: that one belongs to whoever sits at the machine.
        if owner.kind == "local":
            return Admission(refusal="unknown")
        if owner.link_id is not None and (refusal := await self._refusal(owner.link_id)):
            return Admission(refusal=refusal)
        if owner.kind == "guest" and owner.link_id is None:
            return Admission(refusal="unknown")
        return Admission(owner)

    async def _refusal(self, link_id: str) -> Refusal:
        try:
            link: Link = await self._store.call(self._store.link, link_id)
        except NotFound:
            return "unknown"
        return ended(link, datetime.now(UTC))

    @asynccontextmanager
    async def watching(self, owner: Owner) -> AsyncIterator[None]:
        """Run a request; raises `Revoked` from the block soon after its owner's link has ended."""
        task = asyncio.current_task()
        if owner.link_id is None or task is None:
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
            self._report_ended((owner.id,))
            raise Revoked(self._cut[task]) from None
        finally:
            self._last_seen = time.monotonic()
            self._cut.pop(task, None)
            mates.discard(task)
            if not mates:
                self._watched.pop(owner.link_id, None)

    async def _watch(self) -> None:
        """One check per link and round, however many of its guests have open requests or running replies.
        Stops when there have been none for a while."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            with suppress(Exception):  # a store that is out of reach for a moment must not end the watch
                await self._look()
            if not self._watched and time.monotonic() - self._last_seen > LINGER_SECONDS:
                return

    async def _look(self) -> None:
        replying: dict[str, set[str]] = defaultdict(set)
        for guest in await self._store.call(self._store.guests_with_replies):
            replying[guest.link_id].add(guest.id)
            self._last_seen = time.monotonic()
        for link_id in {*self._watched, *replying}:
            if refusal := await self._refusal(link_id):
                self._end(link_id, refusal)
                self._report_ended(replying[link_id])

    def _end(self, link_id: str, refusal: Refusal) -> None:
        for kept in self._kept.values():
            owner = kept.admission.owner
            if owner is not None and owner.link_id == link_id:
                kept.until = 0.0
        for task in self._watched.get(link_id, ()):
            if task not in self._cut:
                self._cut[task] = refusal
                task.cancel()

    def _report_ended(self, guests: Iterable[str]) -> None:
        if self._link_ended is not None:
            for guest in guests:
                self._link_ended(guest)
