"""From an owner id to an owner who may still enter; checked on every request and therefore cached briefly."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal, Protocol

from webchat.auth.sessions import TOUCH_AFTER, SessionStore, is_token
from webchat.sharing.links import hash_of
from webchat.store.errors import KeyEnded, NotFound, PersonDisabled
from webchat.store.key_records import ApiKey
from webchat.store.link_records import Link
from webchat.store.people_records import Session
from webchat.store.records import Owner

KEPT_SECONDS = 0.8
WATCH_SECONDS = 0.4
LINGER_SECONDS = 60.0
"""Seconds the watch continues after a guest's last request: one that was cut off may still begin a reply."""
_MOST_KEPT = 10_000

Refusal = Literal[
    "",
    "link_revoked",
    "link_expired",
    "link_paused",
    "signed_out",
    "disabled",
    "unknown",
    "older",
    "two_owners",
    "no_cookie",
    "not_allowed",
    "sign_in_invalid",
    "sign_in_unreachable",
    "key_needed",
    "key_unknown",
    "key_revoked",
    "key_expired",
]


class OwnerStore(SessionStore, Protocol):
    """The parts of the store the door uses."""

    def local_owner(self) -> Owner: ...

    def owner(self, owner_id: str) -> Owner: ...

    def keep_owner(self, owner: Owner) -> Owner: ...

    def guests_with_replies(self) -> list[Owner]: ...

    def link(self, link_id: str) -> Link: ...

    def key_holder(self, prefix: str, token_hash: str) -> tuple[ApiKey, Owner]: ...

    def living_keys(self, ids: Sequence[str]) -> list[str]: ...

    def touch_key(self, key_id: str) -> None: ...

    @property
    def link_changes(self) -> int: ...


class Revoked(Exception):
    """The guest's link, the person's session or their API key ended while the response was still being
    sent."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        self.refusal: Refusal = refusal


@dataclass(frozen=True, slots=True)
class Admission:
    """The owner a cookie names, or why it admits nobody. stored: whether the owner is in the store. new: the
    browser does not have the owner's cookie yet. session: of somebody who signed in; bearer: its token, if
    the browser does not have it yet. key: they came with. vouched: a proxy has named the person with this
    request."""

    owner: Owner | None = None
    refusal: Refusal = ""
    stored: bool = True
    new: bool = False
    session: Session | None = None
    bearer: str | None = field(default=None, repr=False)
    vouched: bool = False
    key: ApiKey | None = None


@dataclass(slots=True)
class _Kept:
    """link_changes: how many changes to links it knows of."""

    admission: Admission
    until: float
    link_changes: int


class Owners:
    """Resolves owners. An answer is at most `KEPT_SECONDS` old, so within a second nobody is admitted by a
    link or a session that has ended; changes made to a link in this process count at once.

    link_ended: called repeatedly with the id of each guest whose link has ended, and why, while a request of
    theirs is open or their replies run, until none does.
    """

    def __init__(
        self, store: OwnerStore, *, link_ended: Callable[[str, Refusal], None] | None = None
    ) -> None:
        self._store = store
        self._link_ended = link_ended
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        """By what they show; the oldest first."""
        self._local: Owner | None = None
        self._watched: dict[str, set[asyncio.Task[Any]]] = {}
        """The open requests, by the id of the link, session or API key that admits them."""
        self._sessions: set[str] = set()
        """Those of the ids that are sessions'."""
        self._keys: dict[str, ApiKey] = {}
        """Those that are keys', with the keys."""
        self._touching: dict[str, asyncio.Task[None]] = {}
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

    async def admitted(self, bearer: str) -> Admission:
        """The owner a cookie names, by their id or the token of their session, or why nobody is admitted."""
        return await self._cached(bearer, partial(self._look_up, bearer))

    async def admitted_by_key(self, token: str, prefix: str) -> Admission:
        """Whose API key it is, or why nobody is admitted. prefix: its public part."""
        return await self._cached(token, partial(self._of_key, prefix, hash_of(token)))

    async def _cached(self, bearer: str, look_up: Callable[[], Awaitable[Admission]]) -> Admission:
        kept = self._kept.get(bearer)
        now, changes = time.monotonic(), self._store.link_changes
        if kept is not None and now < kept.until and kept.link_changes == changes:
            return kept.admission
        admission = await look_up()
        self._kept[bearer] = _Kept(admission, now + KEPT_SECONDS, changes)
        self._kept.move_to_end(bearer)
        while len(self._kept) > _MOST_KEPT or next(iter(self._kept.values())).until <= now:
            self._kept.popitem(last=False)
        return admission

    async def _look_up(self, bearer: str) -> Admission:
        if is_token(bearer):
            return await self._of_session(bearer)
        try:
            owner: Owner = await self._store.call(self._store.owner, bearer)
        except NotFound:
            return Admission(refusal="unknown", stored=False)
        # A cookie never makes anybody the local owner: that one belongs to whoever sits at the machine. Nor
        # does an id admit anybody who signs in: only a session does, which can be ended.
        if owner.kind in ("local", "member") or (owner.kind == "operator" and await self._signs_in(bearer)):
            return Admission(refusal="unknown")
        if owner.link is not None and (refusal := owner.link.end(datetime.now(UTC))):
            return Admission(refusal=refusal)
        if owner.kind == "guest" and owner.link_id is None:
            return Admission(refusal="unknown")
        return Admission(owner)

    async def _signs_in(self, owner_id: str) -> bool:
        try:
            await self._store.call(self._store.person, owner_id)
        except NotFound:
            return False
        return True

    async def _of_session(self, token: str) -> Admission:
        try:
            found: tuple[Session, Owner] = await self._store.call(self._store.session, hash_of(token))
        except PersonDisabled:
            return Admission(refusal="disabled")
        except NotFound:
            return Admission(refusal="signed_out")
        session, owner = found
        self._note_use(session.id, session.used_at, self._store.touch_session)
        return Admission(owner, session=session)

    async def _of_key(self, prefix: str, token_hash: str) -> Admission:
        try:
            found: tuple[ApiKey, Owner] = await self._store.call(self._store.key_holder, prefix, token_hash)
        except KeyEnded as error:
            return Admission(refusal=error.end)
        except PersonDisabled:
            return Admission(refusal="disabled")
        except NotFound:
            return Admission(refusal="key_unknown")
        key, owner = found
        self._note_use(key.id, key.last_used_at, self._store.touch_key)
        return Admission(replace(owner, key=key), key=key)

    def _note_use(self, id: str, noted: datetime | None, touch: Callable[[str], None]) -> None:
        """Store the use of a session or key, unless that was done lately."""
        recent = noted is not None and datetime.now(UTC) - noted <= TOUCH_AFTER
        if not recent and id not in self._touching:
            self._touching[id] = asyncio.create_task(self._touch(id, touch))

    async def _touch(self, id: str, touch: Callable[[str], None]) -> None:
        """Beside the request: whoever only reads does not wait for the writer, nor fail with it."""
        try:
            with suppress(Exception):
                await self._store.call(touch, id)
        finally:
            del self._touching[id]

    async def _refusal(self, link_id: str) -> Refusal:
        try:
            link: Link = await self._store.call(self._store.link, link_id)
        except NotFound:
            return "unknown"
        return link.end(datetime.now(UTC))

    async def end_session(self, admission: Admission) -> None:
        """Sign a person out where they were admitted; their other open requests there end."""
        if admission.owner is None or admission.session is None:
            return
        with suppress(NotFound):  # ended elsewhere meanwhile
            await self._store.call(self._store.end_session, admission.owner.id, admission.session.id)
        self.forget(admission.session.id)

    def forget(self, session_id: str) -> None:
        """Ends the open requests, but not the caller's, of a session that has just been ended."""
        self._end(session_id, "signed_out", spared=asyncio.current_task())

    def forget_key(self, key_id: str) -> None:
        """The same for an API key that has just been revoked."""
        self._end(key_id, "key_revoked")

    @asynccontextmanager
    async def watching(self, admission: Admission) -> AsyncIterator[None]:
        """Run a request; raises `Revoked` from the block soon after its owner's link, session or API
        key has ended."""
        owner, task, key = admission.owner, asyncio.current_task(), _key(admission)
        if owner is None or key is None or task is None:
            yield
            return
        mates = self._watched.setdefault(key, set())
        mates.add(task)
        if admission.key is not None:
            self._keys[key] = admission.key
        elif admission.session is not None:
            self._sessions.add(key)
        if self._watcher is None or self._watcher.done():
            self._watcher = asyncio.create_task(self._watch())
        try:
            yield
        except asyncio.CancelledError:
            if task not in self._cut:
                raise
            task.uncancel()
            if owner.link_id is not None:
                self._report_ended((owner.id,), self._cut[task])
            raise Revoked(self._cut[task]) from None
        finally:
            self._last_seen = time.monotonic()
            self._cut.pop(task, None)
            mates.discard(task)
            if not mates:
                self._watched.pop(key, None)
                self._sessions.discard(key)
                self._keys.pop(key, None)

    async def _watch(self) -> None:
        """One check per link and round, and one each of all sessions and all keys, however many requests are
        open or replies run. Stops when there have been none for a while."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            with suppress(Exception):  # a store that is out of reach for a moment must not end the watch
                await self._look()
            if not self._watched and time.monotonic() - self._last_seen > LINGER_SECONDS:
                return

    async def _look(self) -> None:
        replying: dict[str, set[str]] = defaultdict(set)
        for guest in await self._store.call(self._store.guests_with_replies):
            if guest.link_id is not None:
                replying[guest.link_id].add(guest.id)
                self._last_seen = time.monotonic()
        for link_id in {*(self._watched.keys() - self._sessions - self._keys.keys()), *replying}:
            if refusal := await self._refusal(link_id):
                self._end(link_id, refusal)
                self._report_ended(replying[link_id], refusal)
        # Of these alone: others begin while the store answers.
        if sessions := sorted(self._sessions):
            living = await self._store.call(self._store.living_sessions, sessions)
            for session_id in set(sessions).difference(living):
                self._end(session_id, "signed_out")
        if keys := dict(self._keys):
            working = await self._store.call(self._store.living_keys, sorted(keys))
            for key_id in keys.keys() - set(working):
                self._end(key_id, keys[key_id].end(datetime.now(UTC)) or "key_revoked")

    def reread(self, owner_id: str) -> None:
        """Ask the store anew for somebody whose name or role has just changed."""
        for kept in self._kept.values():
            if kept.admission.owner is not None and kept.admission.owner.id == owner_id:
                kept.until = 0.0

    def _end(self, key: str, refusal: Refusal, spared: asyncio.Task[Any] | None = None) -> None:
        for kept in self._kept.values():
            if _key(kept.admission) == key:
                kept.until = 0.0
        for task in self._watched.get(key, ()):
            if task not in self._cut and task is not spared:
                self._cut[task] = refusal
                task.cancel()

    def _report_ended(self, guests: Iterable[str], refusal: Refusal) -> None:
        if self._link_ended is not None:
            for guest in guests:
                self._link_ended(guest, refusal)


def _key(admission: Admission) -> str | None:
    """The id of what admits the owner and may end: their API key, their session, or their link."""
    if admission.key is not None:
        return admission.key.id
    if admission.session is not None:
        return admission.session.id
    return None if admission.owner is None else admission.owner.link_id
