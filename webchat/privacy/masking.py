"""Keeps personal data from remote models: masked in the request, restored in the reply."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ParamSpec, TypeVar

from backends.errors import ExplainedError
from backends.texts import texts_of, with_texts
from backends.types import Request
from webchat.privacy.keeping import Keep
from webchat.privacy.placeholders import KIND_OF, Finder, Masked, Placeholders, mask, name_of
from webchat.privacy.restoring import ReplyRestorer

MOST_KNOWN = 2000
"""Conversations whose placeholders are cached in memory."""

LONG = 4_000
"""Characters above which a request is masked in a thread."""

P = ParamSpec("P")
R = TypeVar("R")

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Known:
    """A conversation's placeholders, once `loaded`. unkept: assigned ones not stored yet. lock: one request
    at a time assigns new ones."""

    placeholders: Placeholders = field(default_factory=Placeholders)
    unkept: dict[tuple[str, int], str] = field(default_factory=dict)
    loaded: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True)
class Hidden:
    """A request for a remote model.

    details: for the reply's provenance: placeholders, kinds and counts, never the values. hide: maps an
    original text of the request to the text sent. restorer: for the reply, given what was shown of it before;
    `None` if nothing in the conversation is masked.
    """

    request: Request
    details: Mapping[str, Any] = field(default_factory=dict)
    hide: Callable[[str], str] = str
    restorer: Callable[[str], ReplyRestorer] | None = None


class Masking:
    """Masks personal data in the requests of conversations, with separate placeholders for each.

    keep: stores the placeholders across restarts.
    """

    def __init__(self, keep: Keep, finder: Finder | None = None) -> None:
        self._keep = keep
        self._finder = finder or Finder()
        self._known: OrderedDict[tuple[str, str], _Known] = OrderedDict()

    async def hide(self, owner: str, conversation_id: str | None, request: Request) -> Hidden:
        """The request with placeholders, and how to restore their values. Raises `Unchangeable` for personal
        data in a name."""
        texts = _texts(request)
        masked, values = await self._masked(owner, conversation_id, texts)
        request = with_texts(request, masked.texts)
        if not values:
            return Hidden(request)
        hidden = dict(zip(texts, masked.texts, strict=True))
        return Hidden(
            request,
            _provenance(masked),
            partial(_hidden, hidden=hidden, values=values, finder=self._finder),
            partial(ReplyRestorer, values),
        )

    async def _masked(
        self, owner: str, conversation_id: str | None, texts: Sequence[str]
    ) -> tuple[Masked, dict[tuple[str, int], str]]:
        """The texts with placeholders, and all placeholders of the conversation."""
        known = self._conversation(owner, conversation_id)
        async with known.lock:
            await self._load(known, owner, conversation_id)
            if sum(map(len, texts)) < LONG:
                masked = self._mask(texts, known)
            else:
                masked = await _to_its_end(self._mask, texts, known)
            if known.unkept and conversation_id is not None:
                await self._add(owner, conversation_id, known.unkept)
            return masked, dict(known.placeholders.values)

    def _mask(self, texts: Sequence[str], known: _Known) -> Masked:
        masked = mask(texts, known.placeholders, self._finder)
        known.unkept.update(masked.fresh)
        return masked

    def _conversation(self, owner: str, conversation_id: str | None) -> _Known:
        if conversation_id is None:
            return _Known(loaded=True)
        key = (owner, conversation_id)
        known = self._known.setdefault(key, _Known())
        self._known.move_to_end(key)
        while len(self._known) > MOST_KNOWN:
            oldest = next(iter(self._known))
            if self._known[oldest].lock.locked():
                break
            del self._known[oldest]
        return known

    async def _load(self, known: _Known, owner: str, conversation_id: str | None) -> None:
        """Never raises: an unavailable database must not stop a reply."""
        if known.loaded or conversation_id is None:
            return
        try:
            known.placeholders = Placeholders.of(await self._keep.load(owner, conversation_id))
        except ExplainedError:  # the store's log says it
            pass
        except Exception as error:
            _log.warning("the placeholders of a conversation cannot be read: %s", type(error).__name__)
        known.loaded = True

    async def _add(self, owner: str, conversation: str, unkept: dict[tuple[str, int], str]) -> None:
        """Values that cannot be stored now are retried with the next request."""
        try:
            await self._keep.add(owner, conversation, {name_of(key): value for key, value in unkept.items()})
            unkept.clear()
        except ExplainedError:  # the store's log says it
            pass
        except Exception as error:
            # The error may quote what it was given; its name is enough.
            _log.warning("the placeholders of a conversation cannot be stored: %s", type(error).__name__)


def _provenance(masked: Masked) -> dict[str, Any]:
    """Details for a reply's provenance: placeholders, kinds and counts, never the values."""
    if not masked.used:
        return {}
    used = sorted(masked.used)
    return {
        "masked": [{"placeholder": f"[{name_of(key)}]", "kind": KIND_OF[key[0]]} for key in used],
        "masked_count": sum(masked.used.values()),
    }


def masked_once(request: Request, finder: Finder) -> Request:
    """The request with placeholders that are never restored. Raises `Unchangeable`."""
    return with_texts(request, mask(_texts(request), Placeholders(), finder).texts)


def mask_texts(texts: Sequence[str], finder: Finder) -> Sequence[str]:
    """The texts with placeholders that are never restored, the same for a value in all of them."""
    return mask(texts, Placeholders(), finder).texts


def _texts(request: Request) -> list[str]:
    return [text.text for text in texts_of(request)]


def _hidden(
    text: str, *, hidden: Mapping[str, str], values: Mapping[tuple[str, int], str], finder: Finder
) -> str:
    """A text of the request, or a part of one, as sent to the model. hidden: whole texts."""
    if text in hidden:
        return hidden[text]
    placeholders = Placeholders.of({name_of(key): value for key, value in values.items()})
    return mask([text], placeholders, finder).texts[0]


async def _to_its_end(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run work in a thread. A cancelled caller still waits for its end, since it changes state that the next
    one needs."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
