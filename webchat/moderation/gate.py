"""The gate between a model and its readers, and the review of what people write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from backends.types import Request
from webchat.moderation.verdicts import Context, Piece, Released, Verdict


class Gate(Protocol):
    """Holds one reply back until its words are safe to show.

    `feed` takes the next pieces and gives back what may be shown now, in order, which may be nothing, less,
    more or other than the pieces. `finish` is called after the last one, also of a stopped or broken reply,
    and gives back the rest. Joined by kind, all that is released equals the check of the whole text, whatever
    the chunks; a call of a tool is released whole, at the end.

    Both may be cancelled: what was taken and not given back, and a verdict, stay for the next call, `finish`
    again if it was that. `verdict` is set as soon as the reply is refused, and stays; behind it nothing is
    taken and nothing released.
    """

    @property
    def verdict(self) -> Verdict | None: ...

    async def feed(self, *pieces: Piece) -> Released: ...

    async def finish(self, *pieces: Piece) -> Released: ...


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

    verdict = None

    async def feed(self, *pieces: Piece) -> Released:
        return Released(pieces)

    async def finish(self, *pieces: Piece) -> Released:
        return Released(pieces)


OPEN = OpenGate()
"""The open gate has no state, so one serves all."""


class OpenGates:
    """No moderation: the input as it is, the output at once."""

    async def review(self, context: Context, text: str) -> str:
        return text

    async def prepare(self, context: Context, request: Request) -> Prepared:
        return Prepared(request, OPEN)
