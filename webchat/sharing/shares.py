"""Read-only shares: a copy of messages at an address that cannot be guessed.

Whoever has the address reads, without becoming anybody here. What the operator allows is checked at every
reading, so that it also holds for shares made before.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Literal, Protocol

from itsdangerous import BadSignature

from backends.texts import closed, opened
from backends.types import ToolCall
from webchat.auth.delays import Delays
from webchat.auth.passwords.checking import PasswordChecks
from webchat.privacy import Finder, mask_texts
from webchat.recent import Recent
from webchat.sharing.rendering import MessageStore, Rendering
from webchat.sharing.share_errors import (
    ShareCopies,
    ShareDelayed,
    ShareEmpty,
    ShareEnded,
    ShareLocked,
    ShareNotAllowed,
)
from webchat.signing import Signer
from webchat.slots import Slots
from webchat.store.database.codec import title_of
from webchat.store.errors import NotFound
from webchat.store.records import Conversation, Message, Owner
from webchat.store.share_records import NewShare, Share, SharedMessage
from webchat.turns.comparing.blind import blinded

_MEDIA_ID = re.compile(r";id=[a-p]{16}(?=,)")

Mode = Literal["off", "masked", "on"]

MOST_WRONG = 100
"""Wrong passwords of one share within `WRONG_SECONDS`. So many leave each network `MOST_WRONG_THEN` more: one
that sent none is always heard. Where networks cannot be told apart, all wait until the oldest is past."""
WRONG_SECONDS = 60
MOST_WRONG_THEN = 3

MOST_COPIED = 100
"""Copies that one owner can make in a day; those of long shares count for more."""
_COPIED_CHARS = 1_000_000

UNLOCKED = timedelta(hours=1)
"""How long a password that was right is not asked for again."""

COUNT_EVERY = 2.0
"""Seconds between two writes of the views counted meanwhile."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to share. messages: ids of some of the active branch, `None` for all of it. days:
    until it expires, `None` for never. title: in place of the chat's own; reviewed already."""

    conversation_id: str
    messages: frozenset[str] | None = None
    reasoning: bool = False
    models: bool = False
    masked: bool = False
    days: int | None = None
    password: str | None = field(default=None, repr=False)
    allow_copy: bool = False
    preview: bool = False
    title: str = ""


class ShareStore(MessageStore, Protocol):
    """The parts of the store used for shares."""

    def branch(self, owner: str, conversation_id: str) -> tuple[Conversation, list[Message]]: ...

    def create_share(self, owner: str, new: NewShare) -> Share: ...

    def share(self, share_id: str) -> Share: ...

    def owner(self, owner_id: str) -> Owner: ...

    def add_views(self, views: Mapping[str, int]) -> None: ...


class Shares:
    """Makes and opens shares. mode: what the operator allows. visitors: whether it holds for them too.
    secret: signs what a reader's browser keeps of a right password."""

    def __init__(
        self,
        store: ShareStore,
        *,
        mode: Mode,
        secret: str,
        visitors: bool = True,
        checks: PasswordChecks | None = None,
    ) -> None:
        self.mode = mode
        self.visitors = visitors
        self.rendering = Rendering(store)
        self._store = store
        self._signer = Signer(secret, salt="webchat.share")
        self._checks = checks or PasswordChecks()
        self._delays = Delays()
        self._tries = Slots(2, most_waiting=100)
        self._wrong = Recent(MOST_WRONG, WRONG_SECONDS)
        self._few = Recent(MOST_WRONG_THEN, WRONG_SECONDS)
        self._copied = Recent(MOST_COPIED, 86_400)
        self._finder = Finder()
        self._views = Counter[str]()
        self._counting: asyncio.Task[None] | None = None

    def allowed(self, owner: Owner) -> Mode:
        """What this owner may share. Testers share only where their link says so: their chats are the
        operator's."""
        strange = owner.kind == "visitor" and not self.visitors
        tester = owner.kind == "guest" and not owner.terms.shares
        return "off" if strange or tester else self.mode

    async def create(self, owner: Owner, wish: Wish) -> Share:
        """Raises ShareNotAllowed, ShareEmpty, Crowded, and what `Store.branch` and `Store.create_share`
        raise."""
        allowed = self.allowed(owner)
        if allowed == "off":
            raise ShareNotAllowed
        conversation, branch = await self._store.call(self._store.branch, owner.id, wish.conversation_id)
        messages = tuple(_shared(branch, wish))
        if not messages:
            raise ShareEmpty
        new = NewShare(
            id=secrets.token_urlsafe(24),
            conversation_id=conversation.id,
            title=_title(conversation, branch, wish, messages),
            messages=messages,
            expires_at=expiry(wish.days),
            allow_copy=wish.allow_copy,
            preview=wish.preview,
            password_hash=await self.hashed(owner, wish.password),
        )
        if wish.masked or allowed == "masked":
            new = await asyncio.to_thread(_masked, new, self._finder)
        share: Share = await self._store.call(self._store.create_share, owner.id, new)
        return share

    async def title_for(self, owner: Owner, share_id: str, title: str) -> str:
        """A new title, reviewed already, as the share shows it. Raises ShareNotAllowed, NotFound."""
        allowed = self.allowed(owner)
        if allowed == "off":
            raise ShareNotAllowed
        share: Share = await self._store.call(self._store.share, share_id)
        if not share.masked and allowed != "masked":
            return title
        [masked] = await asyncio.to_thread(mask_texts, [title], self._finder)
        return masked

    async def hashed(self, owner: Owner, password: str | None) -> str | None:
        """What is stored of a password. Raises Crowded."""
        if not password:
            return None
        async with self._tries.place(owner.id):
            return await self._checks.hash(password)

    async def opened(self, share_id: str) -> Share:
        """The share as readers may have it. Raises NotFound, also where the operator or the link of a tester
        does not allow it, or that link is paused or revoked; and ShareEnded."""
        try:
            share: Share = await self._store.call(self._store.share, share_id)
            if self.mode == "off" or (self.mode == "masked" and not share.masked):
                raise NotFound("share")
            if _closed(await self._store.call(self._store.owner, share.owner_id)):
                raise NotFound("share")
            if share.ended(datetime.now(UTC)):
                raise ShareEnded
        except (NotFound, ShareEnded):
            self.rendering.forget(share_id)
            raise
        return share

    async def unlock(self, share: Share, password: str, network: str | None) -> str:
        """What the reader's browser keeps to be let in. network: from where, `None` for one where everybody
        may be. Raises ShareLocked, ShareDelayed, Crowded."""
        async with self._tries.place(f"{share.id} {network}"):
            if seconds := self._delay(share.id, network):
                raise ShareDelayed(seconds)
            if share.password_hash is None or not await self._checks.right(password, share.password_hash):
                self._failed(share.id, network)
                raise ShareLocked
        if network is not None:
            self._delays.succeeded(share.id, network)
        return self._signer.sign(_lock(share)).decode()

    def _delay(self, share_id: str, network: str | None) -> float:
        full = self._wrong.full(share_id)
        if network is None:
            return WRONG_SECONDS if full else 0
        if full and self._few.full(f"{share_id} {network}"):
            return WRONG_SECONDS
        return self._delays.seconds(share_id, network)

    def _failed(self, share_id: str, network: str | None) -> None:
        self._wrong.add(share_id)
        if network is not None:
            self._few.add(f"{share_id} {network}")
            self._delays.failed(share_id, network)

    def unlocked(self, share: Share, kept: str) -> bool:
        """Whether a reader may see it. kept: what their browser has kept."""
        if share.password_hash is None:
            return True
        try:
            signed = self._signer.unsign(kept, max_age=int(UNLOCKED.total_seconds()))
        except BadSignature:
            return False
        return secrets.compare_digest(signed, _lock(share).encode())

    def count_copy(self, owner: Owner, share: Share) -> None:
        """Before a share is copied. Raises ShareCopies."""
        if self._copied.full(owner.id):
            raise ShareCopies
        for _ in range(1 + share.chars // _COPIED_CHARS):
            self._copied.add(owner.id)

    def viewed(self, share_id: str) -> None:
        """Count a view; it is written a little later, together with others."""
        self._views[share_id] += 1
        if self._counting is None:
            self._counting = asyncio.create_task(self._count(), name="count views")

    async def _count(self) -> None:
        try:
            await asyncio.sleep(COUNT_EVERY)
        finally:
            self._counting = None
            views, self._views = dict(self._views), Counter()
            await self._store.call(self._store.add_views, views)

    async def aclose(self) -> None:
        """Write the views counted so far."""
        if self._counting is not None:
            self._counting.cancel()
            await asyncio.gather(self._counting, return_exceptions=True)
        await self.rendering.aclose()
        self._checks.close()


def _closed(owner: Owner) -> bool:
    """Whether nobody reads what this tester shared."""
    if owner.kind != "guest" or owner.link is None:
        return False
    return not owner.terms.shares or owner.link.end(datetime.now(UTC)) in ("link_revoked", "link_paused")


def expiry(days: int | None) -> datetime | None:
    """When a share of now expires."""
    return None if days is None else datetime.now(UTC) + timedelta(days=days)


def _shared(branch: Sequence[Message], wish: Wish) -> Iterable[SharedMessage]:
    for message in map(blinded, branch):
        chosen = wish.messages is None or message.id in wish.messages
        if chosen and (message.text or message.reasoning or message.tool_calls):
            yield SharedMessage(
                role=message.role,
                text=message.text,
                state=message.state,
                created_at=message.created_at,
                reasoning=message.reasoning if wish.reasoning else "",
                model=message.model if wish.models else None,
                tool_calls=message.tool_calls,
                tool_call_id=message.tool_call_id,
            )


def _title(
    conversation: Conversation, branch: Sequence[Message], wish: Wish, messages: Sequence[SharedMessage]
) -> str:
    """A title that nobody wrote tells of the first message, which may not be among the chosen ones."""
    if wish.title:
        return wish.title
    first = branch[0].id
    if conversation.title_by == "user" or wish.messages is None or first in wish.messages:
        return conversation.title
    return title_of(messages[0].text)


def _masked(new: NewShare, finder: Finder) -> NewShare:
    """The share with placeholders that are never restored, one per value throughout. Of its pictures and
    sounds, where nothing can be replaced, it says only that there were some."""
    texts = [new.title]
    for message in new.messages:
        texts += (_MEDIA_ID.sub("", message.text), message.reasoning, message.model or "")
        for call in message.tool_calls:
            texts += (call.name, opened(call.arguments))
    masked = iter(mask_texts(texts, finder))
    title = next(masked)
    messages = tuple(_with_texts(message, masked) for message in new.messages)
    return replace(new, title=title, messages=messages, masked=True)


def _with_texts(message: SharedMessage, texts: Iterator[str]) -> SharedMessage:
    """The message with the next texts in the place of its own."""
    text, reasoning, model = next(texts), next(texts), next(texts)
    calls = tuple(_call(call, next(texts), next(texts)) for call in message.tool_calls)
    return replace(
        message, text=text, reasoning=reasoning, model=model if message.model else None, tool_calls=calls
    )


def _call(call: ToolCall, name: str, arguments: str) -> ToolCall:
    same = arguments == opened(call.arguments)
    return replace(call, name=name, arguments=call.arguments if same else closed(arguments))


def _lock(share: Share) -> str:
    """Signed for who knew the password; of no use once it is another."""
    return f"{share.id}.{sha256((share.password_hash or '').encode()).hexdigest()[:32]}"
