"""A conversation that is longer than the model reads is cut: whole turns, the oldest first. The system prompt
and the newest message stay. Room for the reply is kept.

Lengths are counted in characters, with as many tokens for each as the conversation's last prompt had, or as
the model said when it refused one. What is left out grows in steps, so that a long conversation keeps its
beginning for some turns and engines that remember what they have read need not read it again.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence

from backends.base import Capabilities
from backends.errors import ContextTooLong
from backends.types import Request
from webchat.store.records import PathMessage

RESERVED_SHARE = 0.25
MOST_RESERVED = 1024
"""Tokens kept for the reply: this share of the window, at most so many; less where fewer are asked for."""

STEP = 0.3
"""How much more is left out at once, as a share of what may be sent."""

CAREFUL = 1.05
"""A prompt may have more tokens a character than the last one had."""

LONG_ENOUGH = 2000
"""Characters of a prompt from which on its tokens say something about the next."""

_MOST_KNOWN = 4096
_UNKNOWN = 0.6
"""What is kept of a prompt that was refused without a number."""


def first_kept(path: Sequence[PathMessage], room: int) -> int:
    """Index of the first message to send so that the rest has at most `room` characters, if the newest
    question allows it. It is a person's message: a reply is never sent without its question."""
    total = sum(len(message.text) for message in path)
    starts = [index for index, message in enumerate(path) if message.role == "user"]
    if total <= room or not starts:
        return 0
    step = max(1.0, STEP * room)
    wanted = math.ceil((total - room) / step) * step
    before = 0
    for index, message in enumerate(path):
        if before >= wanted and message.role == "user":
            return index
        before += len(message.text)
    return starts[-1]


Key = tuple[str, str]
"""A conversation and the model that answers: both decide how many tokens its characters are."""


class Fitting:
    """What is known of each conversation's tokens. One for all turns."""

    def __init__(self) -> None:
        self._tokens_per_char: OrderedDict[Key, float] = OrderedDict()

    def room(self, key: Key, capabilities: Capabilities, max_tokens: int | None) -> int | None:
        """Characters that may be sent; `None` when nothing is known that would limit them."""
        window, rate = capabilities.context_length, self._tokens_per_char.get(key)
        if window is None or rate is None:
            return None
        return self._characters(window, rate, max_tokens)

    def learn(self, key: Key, request: Request, tokens: int) -> None:
        """A prompt had so many tokens."""
        # In a short one what the chat template adds is most of it.
        if (length := characters(request)) >= LONG_ENOUGH and tokens > 0:
            self._keep(key, tokens / length)

    def refused(self, key: Key, request: Request, error: ContextTooLong, max_tokens: int | None) -> int:
        """Characters to try with next, after a prompt was too long."""
        length = characters(request)
        tokens, window = (error.params.get(name) for name in ("tokens", "limit"))
        if not (isinstance(tokens, int) and isinstance(window, int) and length and tokens > 0 and window > 0):
            return int(_UNKNOWN * length)
        rate = tokens / length
        self._keep(key, rate)
        return min(self._characters(window, rate, max_tokens), int(0.95 * length))

    def _keep(self, key: Key, rate: float) -> None:
        self._tokens_per_char[key] = rate
        self._tokens_per_char.move_to_end(key)
        if len(self._tokens_per_char) > _MOST_KNOWN:
            self._tokens_per_char.popitem(last=False)

    def _characters(self, window: int, rate: float, max_tokens: int | None) -> int:
        reserved = min(MOST_RESERVED, int(RESERVED_SHARE * window))
        if max_tokens is not None:
            reserved = min(reserved, max_tokens)
        return max(0, int((window - reserved) / (rate * CAREFUL)))


def characters(request: Request) -> int:
    """Of all messages of a request."""
    return sum(len(message.text) for message in request.messages)
