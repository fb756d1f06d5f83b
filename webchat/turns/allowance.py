"""Ends a reply at the tokens that are reserved for it, whatever its model makes of a limit.

A backend may know no limit, an endpoint may refuse or ignore it, and none says how many tokens a piece of a
reply was. So pieces and bytes are counted: every piece is a token at least, and a token about three bytes in
every language. A model that takes a limit is believed to count better, up to many more bytes, until it has
sent more pieces than it may write tokens.
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

Piece = TextDelta | ReasoningDelta | ToolCallDelta


async def within(
    events: AsyncGenerator[Event, None], tokens: int, *, told: bool
) -> AsyncGenerator[Event, None]:
    """The events of a reply up to so many tokens, then `Finished` with the reason `length`. told: the model
    takes a limit, and was sent it."""
    pieces, written = 0, 0
    async for event in events:
        if not isinstance(event, Piece):
            yield event
            continue
        pieces += 1
        most = tokens * MOST_BYTES + MOST_MORE if told and pieces <= tokens else tokens * BYTES
        size = len(_text(event).encode(errors="replace"))
        if written + size > most:
            if rest := _cut(event, most - written):
                yield rest
            yield Finished("length")
            return
        written += size
        yield event


def _text(piece: Piece) -> str:
    return f"{piece.name or ''}{piece.arguments}" if isinstance(piece, ToolCallDelta) else piece.text


def _cut(piece: Piece, size: int) -> Piece | None:
    """As much of a text as fits; nothing of a call of a tool, which would be no call any more."""
    if size <= 0 or isinstance(piece, ToolCallDelta):
        return None
    return replace(piece, text=piece.text.encode(errors="replace")[:size].decode(errors="ignore"))
