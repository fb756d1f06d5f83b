"""The gate between a model and its readers, and the review of what people write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from backends.types import Request
from webchat.moderation.verdicts import Context, Piece, Pieces


class Gate(Protocol):
    """Holds one reply back until its words are safe to show.

    `feed` takes the next piece and returns what may be shown now, in order, which may be nothing, less,
    more or other than the piece. `finish` is called once after the last piece, also of a stopped or broken
    reply, and returns the rest. Joined by kind, all that is released equals the check of the whole text,
    whatever the chunks; a call of a tool is released whole, at the end. Both raise `Blocked`, whose `pieces`
    may still be shown; after that the gate is not used again.
    """

    async def feed(self, delta: Piece) -> Pieces: ...

    async def finish(self) -> Pieces: ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request as its model may have it, and the new gate that the reply to it passes.

    details: for the reply's origin. hide: a text of the request as it was given, as its model had it.
    """

    request: Request
    gate: Gate
    details: Mapping[str, Any] = field(default_factory=dict)
    hide: Callable[[str], str] = str


class GateFactory(Protocol):
    """Reviews what goes in, and makes the gates for what comes out."""

    async def review(self, context: Context, text: str) -> str:
        """A text as it may be stored, at the stage the context names: the same, or masked. Raises
        `Blocked`."""
        ...

    async def prepare(self, context: Context, request: Request) -> Prepared:
        """What a model may be sent. Raises `Blocked`."""
        ...


class OpenGate:
    """Lets everything through at once."""

    async def feed(self, delta: Piece) -> Pieces:
        return (delta,)

    async def finish(self) -> Pieces:
        return ()


OPEN = OpenGate()
"""The open gate has no state, so one serves all."""


class OpenGates:
    """No moderation: the input as it is, the output at once."""

    async def review(self, context: Context, text: str) -> str:
        return text

    async def prepare(self, context: Context, request: Request) -> Prepared:
        return Prepared(request, OPEN)
