"""Personal data stays at home: on its way to a model it is replaced, in the reply it is put back.

Around whatever else moderates: the moderators of the stage `prompt` see what is sent, those of `output` what
is shown.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from backends.types import Message, Part, ReasoningDelta, Request, TextDelta, TextPart, ToolCallDelta
from webchat.moderation.gate import Gate, GateFactory, Prepared
from webchat.moderation.keeping import Keep
from webchat.moderation.placeholders import KIND_OF, Finder, Masked, Placeholders, mask, name_of
from webchat.moderation.restoring import Restorer
from webchat.moderation.verdicts import Blocked, Context, Piece, Pieces

MOST_KNOWN = 2000
"""Conversations whose placeholders are in memory."""

LONG = 50_000
"""Characters from which on a request is masked in a thread of its own."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Known:
    """A conversation's placeholders, once `loaded`. lock: one request at a time gives out new ones."""

    placeholders: Placeholders = field(default_factory=Placeholders)
    loaded: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Masking:
    """A `GateFactory` in front of another.

    always: mask for every model, not only for those that run on another's machine.
    """

    def __init__(
        self, inner: GateFactory, keep: Keep, *, always: bool = False, finder: Finder | None = None
    ) -> None:
        self._inner = inner
        self._keep = keep
        self._always = always
        self._finder = finder or Finder()
        self._known: OrderedDict[tuple[str, str], _Known] = OrderedDict()

    async def review(self, context: Context, text: str) -> str:
        return await self._inner.review(context, text)

    async def prepare(self, context: Context, request: Request) -> Prepared:
        """The request with placeholders, and a gate that puts back what they stand for. Raises `Blocked`."""
        if not (self._always or context.remote):
            return await self._inner.prepare(context, request)
        masked, values = await self._masked(context, [*_texts(request)])
        request = _with_texts(request, masked.texts)
        prepared = await self._inner.prepare(context, request)
        if not values:
            return prepared
        return replace(
            prepared,
            gate=_Restoring(prepared.gate, partial(Restorer, values), context.so_far),
            details={**prepared.details, **_told(masked)},
            hide=partial(_hidden, values=values, finder=self._finder),
        )

    async def _masked(
        self, context: Context, texts: Sequence[str]
    ) -> tuple[Masked, dict[tuple[str, int], str]]:
        """The texts with placeholders, and all placeholders of the conversation."""
        known = self._conversation(context)
        async with known.lock:
            await self._load(known, context)
            if sum(map(len, texts)) < LONG:
                masked = mask(texts, known.placeholders, self._finder)
            else:
                masked = await asyncio.to_thread(mask, texts, known.placeholders, self._finder)
            if masked.fresh and context.conversation_id is not None:
                await self._add(context.owner, context.conversation_id, masked.fresh)
            return masked, dict(known.placeholders.values)

    def _conversation(self, context: Context) -> _Known:
        if context.conversation_id is None:
            return _Known(loaded=True)
        key = (context.owner, context.conversation_id)
        known = self._known.setdefault(key, _Known())
        self._known.move_to_end(key)
        while len(self._known) > MOST_KNOWN:
            oldest = next(iter(self._known))
            if self._known[oldest].lock.locked():
                break
            del self._known[oldest]
        return known

    async def _load(self, known: _Known, context: Context) -> None:
        """Raises nothing: a database that is away must not stop a reply."""
        if known.loaded or context.conversation_id is None:
            return
        try:
            known.placeholders = Placeholders.of(
                await self._keep.load(context.owner, context.conversation_id)
            )
        except Exception as error:
            _log.warning("the placeholders of a conversation cannot be read: %s", type(error).__name__)
        known.loaded = True

    async def _add(self, owner: str, conversation: str, fresh: Mapping[tuple[str, int], str]) -> None:
        try:
            await self._keep.add(owner, conversation, {name_of(key): value for key, value in fresh.items()})
        except Exception as error:
            # The error may quote what it was given; its name is enough.
            _log.warning("the placeholders of a conversation cannot be kept: %s", type(error).__name__)


class _Restoring:
    """A gate in front of another: what its pieces' placeholders stand for is put back first. Arguments of
    tools stay as they are: whoever runs a tool is no reader."""

    def __init__(self, gate: Gate, restorer: Callable[[str], Restorer], so_far: str) -> None:
        self._gate = gate
        self._new = restorer
        self._answer = restorer(so_far)
        self._reasoning: Restorer | None = None

    async def feed(self, delta: Piece) -> Pieces:
        said: list[Piece] = []
        match delta:
            case ReasoningDelta():
                self._reasoning = self._reasoning or self._new("")
                if text := self._reasoning.feed(delta.text):
                    await _pass_on(said, self._gate.feed(ReasoningDelta(text)))
            case TextDelta():
                ended = await self._end_reasoning(said)
                text = self._answer.feed(delta.text)
                # The gate is told that the reasoning ended, even where nothing can be released yet.
                if text or ended:
                    await _pass_on(said, self._gate.feed(TextDelta(text)))
            case _:
                await _pass_on(said, self._gate.feed(delta))
        return said

    async def finish(self) -> Pieces:
        said: list[Piece] = []
        await self._end_reasoning(said)
        if rest := self._answer.finish():
            await _pass_on(said, self._gate.feed(TextDelta(rest)))
        await _pass_on(said, self._gate.finish())
        return said

    async def _end_reasoning(self, said: list[Piece]) -> bool:
        if self._reasoning is None:
            return False
        rest, self._reasoning = self._reasoning.finish(), None
        if rest:
            await _pass_on(said, self._gate.feed(ReasoningDelta(rest)))
        return True


def _told(masked: Masked) -> dict[str, Any]:
    """What a reply's origin says of it: placeholders, kinds and how many places, never the values."""
    if not masked.used:
        return {}
    used = sorted(masked.used)
    return {
        "masked": [{"placeholder": f"[{name_of(key)}]", "kind": KIND_OF[key[0]]} for key in used],
        "masked_count": sum(masked.used.values()),
    }


async def _pass_on(said: list[Piece], released: Awaitable[Pieces]) -> None:
    """Add what a gate releases. A block carries what was released before it."""
    try:
        pieces = await released
    except Blocked as blocked:
        blocked.pieces = [*said, *blocked.pieces]
        raise
    said += [piece for piece in pieces if isinstance(piece, ToolCallDelta) or piece.text]


def masked_once(request: Request, finder: Finder) -> Request:
    """The request with placeholders that nobody puts back."""
    return _with_texts(request, mask([*_texts(request)], Placeholders(), finder).texts)


def _texts(request: Request) -> Iterator[str]:
    """Every text of a request, in order."""
    for message in request.messages:
        if isinstance(message.content, str):
            yield message.content
        else:
            yield from (part.text for part in message.content if isinstance(part, TextPart))


def _with_texts(request: Request, texts: Sequence[str]) -> Request:
    """The request with other texts, in the same order."""
    coming = iter(texts)
    messages: list[Message] = []
    for message in request.messages:
        content: str | tuple[Part, ...]
        if isinstance(message.content, str):
            content = next(coming)
        else:
            content = tuple(
                TextPart(next(coming)) if isinstance(part, TextPart) else part for part in message.content
            )
        messages.append(replace(message, content=content))
    return replace(request, messages=tuple(messages))


def _hidden(text: str, *, values: Mapping[tuple[str, int], str], finder: Finder) -> str:
    """A text of the request as the model was given it."""
    placeholders = Placeholders.of({name_of(key): value for key, value in values.items()})
    return mask([text], placeholders, finder).texts[0]
