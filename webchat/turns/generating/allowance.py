"""Ends a reply at the tokens that are reserved for it, whatever its model makes of a limit.

A backend may know no limit, an endpoint may refuse or ignore it, and none says how many tokens a piece of a
reply was. So pieces and bytes are counted: every piece is a token at least, and a token has about three bytes
in every language, or what the tokens of this model have had so far, by its own reports. An engine in this
process counts exactly; it is believed up to many more bytes.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace

from backends.types import Event, Finished, ReasoningDelta, TextDelta, ToolCallDelta

BYTES = 3
"""Of a token, as they are also counted for its link where a model does not report them."""
MOST_BYTES = 8
"""Of a token on average, in the longest words and the deepest indents."""
MOST_MORE = 64
"""Bytes that a few tokens may have beyond that."""

_FEW = 20
"""Tokens of a reply that is too short to tell."""
_NEWEST = 0.3
"""The weight of the newest reply."""

Piece = TextDelta | ReasoningDelta | ToolCallDelta


class TokenSizes:
    """How many bytes the tokens of each model have, as far as is known."""

    def __init__(self) -> None:
        self._known: dict[str, float] = {}

    def of(self, model: str) -> float:
        return self._known.get(model, BYTES)

    def learn(self, model: str, size: int, tokens: int) -> None:
        """From a complete reply of `size` bytes, for which the model reported so many tokens."""
        if tokens < _FEW:
            return
        seen = min(max(size / tokens, BYTES), MOST_BYTES)
        known = self._known.get(model, seen)
        self._known[model] = known + _NEWEST * (seen - known)


async def within(
    events: AsyncGenerator[Event, None], tokens: int, size: float = BYTES, more: int = 0
) -> AsyncGenerator[Event, None]:
    """The events of a reply up to so many tokens, then `Finished` with the reason `length`. size: bytes that
    a token has; more: bytes allowed beyond that."""
    pieces, written = 0, 0
    async for event in events:
        if not isinstance(event, Piece):
            yield event
            continue
        pieces += 1
        most = int(tokens * size) + more if pieces <= tokens else tokens * BYTES
        length = len(_text(event).encode(errors="replace"))
        if written + length > most:
            if rest := _cut(event, most - written):
                yield rest
            yield Finished("length")
            return
        written += length
        yield event


def _text(piece: Piece) -> str:
    return f"{piece.name or ''}{piece.arguments}" if isinstance(piece, ToolCallDelta) else piece.text


def _cut(piece: Piece, size: int) -> Piece | None:
    """As much of a text as fits; nothing of a call of a tool, which would be no call any more."""
    if size <= 0 or isinstance(piece, ToolCallDelta):
        return None
    return replace(piece, text=piece.text.encode(errors="replace")[:size].decode(errors="ignore"))
