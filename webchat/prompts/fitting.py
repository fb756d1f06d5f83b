"""A conversation that is longer than the model reads is cut: whole turns, the oldest first. The system prompt
and the newest message stay. Room for the reply is kept.

Tokens are counted by the model's own tokenizer where it is here. For an endpoint they are estimated from what
it told of the conversation's last prompt, and when it refuses a prompt, a shorter one is sent.

What is left out grows in steps, and stays until that no longer fits: so a long conversation keeps its
beginning for some turns, and engines that remember what they have read need not read it again.
"""

from __future__ import annotations

import math
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from backends.base import Capabilities
from backends.errors import ContextTooLong
from backends.types import Request
from webchat.store.records import PathMessage

RESERVED_SHARE = 0.25
MOST_RESERVED = 1024
"""Tokens reserved for the reply: this share of the context window, up to a maximum; less if fewer are
requested."""

STEP = 0.3
"""How much more is left out at a time, as a share of what may be sent."""

CAREFUL = 1.05
"""What is left may have more tokens a character than the whole had."""

A_MESSAGE = 4
"""Tokens that chat templates put around a message, about."""

_A_TEMPLATE = 256
"""Tokens that a chat template may add of its own: many have a system prompt for conversations without one."""

MOST_CUTS = 5
"""How often a request is shortened before it is sent anyway, or before the model's refusal counts."""

_MOST_KNOWN = 1024
"""The latest conversations with their models. For others, a prompt that is too long is refused once."""

_REFUSED = 0.6
"""What is kept of a prompt that was refused without a number."""


def first_kept(path: Sequence[PathMessage], room: int) -> int:
    """Index of the first message to send so that the rest has at most `room` characters, if the newest
    question allows it. It is a person's message: a reply is never sent without its question."""
    total = sum(message.chars for message in path)
    starts = [index for index, message in enumerate(path) if message.role == "user"]
    if total <= room or not starts:
        return 0
    step = max(1.0, STEP * room)
    wanted = math.ceil((total - room) / step) * step
    before = 0
    for index, message in enumerate(path):
        if before >= wanted and message.role == "user":
            return index
        before += message.chars
    return starts[-1]


Vector = npt.NDArray[np.float64]

Key = tuple[str, str]
"""A conversation and the model that answers: both decide how many tokens its characters are."""


class Counts(Protocol):
    """The parts of a backend that fitting uses."""

    @property
    def capabilities(self) -> Capabilities: ...

    async def count(self, request: Request) -> int | None: ...


@dataclass(frozen=True, slots=True)
class _Size:
    """How much text: characters of ASCII, others (of which a tokenizer makes more or fewer), messages."""

    ascii: int
    other: int
    messages: int

    @classmethod
    def of(cls, *texts: str) -> _Size:
        length = sum(map(len, texts))
        # By the codec: a look at each character of a long conversation holds everybody up for half a second.
        ascii = sum(len(text) if text.isascii() else len(text.encode("ascii", "ignore")) for text in texts)
        return cls(ascii, length - ascii, len(texts))

    @property
    def vector(self) -> Vector:
        return np.array((self.ascii, self.other, self.messages), dtype=np.float64)

    def __sub__(self, less: _Size) -> _Size:
        return _Size(self.ascii - less.ascii, self.other - less.other, self.messages - less.messages)

    def __add__(self, more: _Size) -> _Size:
        return _Size(self.ascii + more.ascii, self.other + more.other, self.messages + more.messages)


class _Rates:
    """Tokens of a model for a character of ASCII, for another, and around a message: least squares over what
    was told, drawn to what is usual while that is little (ridge regression)."""

    USUAL = (0.25, 0.8, float(A_MESSAGE))
    WEIGHTS = (20.0, 20.0, 1.0)

    def __init__(self) -> None:
        self._squares = np.diag(self.WEIGHTS)
        self._products = self._squares @ self.USUAL

    def learn(self, size: _Size, tokens: int) -> None:
        length = size.ascii + size.other
        if tokens > 0 and length:
            # A long text says more than a short one, but not its square.
            told = size.vector / length**0.5
            self._squares += np.outer(told, told)
            self._products += told * (tokens / length**0.5)

    def tokens(self, size: _Size) -> float:
        rates = np.linalg.solve(self._squares, self._products)
        return float(rates.clip(min=0.0) @ size.vector)


@dataclass(frozen=True, slots=True)
class _Known:
    """A text that a model had in a conversation, and its tokens."""

    size: _Size
    tokens: int


class Fits(Protocol):
    """A request made from a conversation, and how many of its oldest messages are not in it."""

    @property
    def request(self) -> Request: ...

    @property
    def left_out(self) -> int: ...


F = TypeVar("F", bound=Fits)
T = TypeVar("T")


class Fitting:
    """What is known about each conversation's tokens, and where its last prompt started. Shared by all
    turns."""

    def __init__(self) -> None:
        self._known: OrderedDict[Key, _Known] = OrderedDict()
        self._rates: defaultdict[str, _Rates] = defaultdict(_Rates)
        self._starts: OrderedDict[Key, str] = OrderedDict()

    async def fit(self, key: Key, backend: Counts, render: Callable[[int | None], F]) -> F:
        """As much of a conversation as the context window holds. render: makes the request with the given
        number of characters, `None` for all. Raises `BackendError`."""
        rendered = render(None)
        for _ in range(MOST_CUTS):
            room = await self.room(key, rendered.request, backend)
            shorter = rendered if room is None else shorten(rendered, room, render)
            if shorter.left_out <= rendered.left_out:
                break
            rendered = shorter
        return rendered

    async def room(self, key: Key, request: Request, backend: Counts) -> int | None:
        """How many characters may be sent instead of a request that is too long; `None` if it fits, or if
        nothing is known about its length. Raises `BackendError`."""
        window = backend.capabilities.context_length
        if window is None:
            return None
        most = window - reserved(window, request.sampling.max_tokens)
        if _at_most(request) <= most:
            return None
        tokens = await backend.count(request)
        if tokens is None:
            tokens = self.estimate(key, request)
        if tokens is None or tokens <= most:
            return None
        return self._shorter(request, tokens, most)

    def estimate(self, key: Key, request: Request) -> int | None:
        """Tokens of a prompt, from the last one of its conversation; `None` for the first."""
        known = self._known.get(key)
        if known is None:
            return None
        more = _size(request) - known.size
        return max(0, round(known.tokens + self._rates[key[1]].tokens(more)))

    def learn(self, key: Key, request: Request, tokens: int, reply: tuple[str, int] = ("", 0)) -> None:
        """Record the tokens of a prompt; and of the reply to it, if its text will be in the next prompt."""
        if tokens <= 0:
            return
        size, known = _size(request), self._known.get(key)
        grown = None if known is None else size - known.size
        if known is None or grown is None or min(grown.ascii, grown.other) < 0:
            self._rates[key[1]].learn(size, tokens)
        else:
            self._rates[key[1]].learn(grown, tokens - known.tokens)
        text, more = reply
        if more:
            size, tokens = size + _Size.of(text), tokens + more + A_MESSAGE
        _put(self._known, key, _Known(size, tokens))

    def refused(self, key: Key, request: Request, error: ContextTooLong) -> int:
        """Number of characters to try next, after a prompt was too long."""
        length = characters(request)
        tokens, window = (error.params.get(name) for name in ("tokens", "limit"))
        if not (isinstance(tokens, int) and isinstance(window, int) and length and tokens > 0 and window > 0):
            return int(_REFUSED * length)
        self.learn(key, request, tokens)
        return self._shorter(request, tokens, window - reserved(window, request.sampling.max_tokens))

    def start(self, key: Key, path: Sequence[PathMessage], window: int | None) -> int:
        """Index in the path where the last prompt of this conversation began. 0 if nothing was left out, if
        what was is of another branch, or if the whole of this one is short."""
        wanted = self._starts.get(key)
        if wanted is None or window is None:
            return 0
        whole = self._rates[key[1]].tokens(_Size.of(*(message.text for message in path)))
        if whole < window - 2 * reserved(window, None):
            return 0
        return next((index for index, message in enumerate(path) if message.id == wanted), 0)

    def began(self, key: Key, first_sent: str | None) -> None:
        """Record that a prompt started with this message; `None` if nothing was left out."""
        if first_sent is None:
            self._starts.pop(key, None)
        else:
            _put(self._starts, key, first_sent)

    def _shorter(self, request: Request, tokens: int, most: int) -> int:
        length = characters(request)
        return max(0, min(int(most * length / (tokens * CAREFUL)), int(0.95 * length)))


def shorten(rendered: F, room: int, render: Callable[[int | None], F]) -> F:
    """The same with more left out: at most `room` characters; unchanged if no more can be left out."""
    while True:
        shorter = render(room)
        if shorter.left_out > rendered.left_out or room <= 0:
            return shorter
        room = int(0.8 * room)  # what stands between messages and in front of them has length as well


def reserved(window: int, max_tokens: int | None) -> int:
    """Tokens of the context window reserved for the reply."""
    share = min(MOST_RESERVED, int(RESERVED_SHARE * window))
    return share if max_tokens is None else min(share, max_tokens)


def characters(request: Request) -> int:
    """Of all messages in a request."""
    return sum(len(message.text) for message in request.messages)


def _size(request: Request) -> _Size:
    return _Size.of(*(message.text for message in request.messages))


def _at_most(request: Request) -> int:
    """An upper bound for any tokenizer: a token is at least one byte."""
    text = sum(len(message.text.encode("utf-8", "replace")) for message in request.messages)
    return text + 4 * A_MESSAGE * len(request.messages) + _A_TEMPLATE


def _put(kept: OrderedDict[Key, T], key: Key, value: T) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > _MOST_KNOWN:
        kept.popitem(last=False)
