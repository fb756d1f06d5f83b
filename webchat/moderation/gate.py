"""The gate between a model and its readers, and the review of what people write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from backends.types import Request
from webchat.moderation.verdicts import PROFILE_MISSING, Blocked, Context, Piece, Released, Verdict


class Gate(Protocol):
    """Holds a reply back until its text is safe to show.

    `feed` receives the next pieces and returns what may be shown now, in order, which may be nothing, less,
    more or something other than the pieces. `finish` is called after the last one, also for a stopped or
    broken reply, and returns the rest. Joined by kind, everything released equals the check of the whole
    text, whatever the chunks; a tool call is released whole, at the end.

    Both may be cancelled: input that produced no output yet, and a verdict, are kept for the next call, which
    is `finish` again if it was that. `verdict` is set as soon as the reply is refused, and stays; after that
    nothing is accepted or released.
    """

    @property
    def verdict(self) -> Verdict | None: ...

    async def feed(self, *pieces: Piece) -> Released: ...

    async def finish(self, *pieces: Piece) -> Released: ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request as its model may receive it, and a new gate for the reply.

    details: for the reply's provenance. hide: maps an original text of the request to the text sent.
    """

    request: Request
    gate: Gate
    details: Mapping[str, Any] = field(default_factory=dict)
    hide: Callable[[str], str] = str


class GateFactory(Protocol):
    """Reviews input and creates gates for output."""

    async def review(self, context: Context, text: str) -> str:
        """A text in the form in which it may be stored, at the stage the context names: unchanged, or masked.
        Raises `Blocked`."""
        ...

    async def prepare(self, context: Context, request: Request) -> Prepared:
        """What a model may be sent. Raises `Blocked`."""
        ...


class OpenGate:
    """Releases everything at once."""

    verdict = None

    async def feed(self, *pieces: Piece) -> Released:
        return Released(pieces)

    async def finish(self, *pieces: Piece) -> Released:
        return Released(pieces)


OPEN = OpenGate()
"""The open gate has no state, so one serves all."""


class OpenGates:
    """No moderation: input unchanged, output at once. A profile that nobody defines blocks everything."""

    async def review(self, context: Context, text: str) -> str:
        if context.profile:
            raise Blocked(PROFILE_MISSING)
        return text

    async def prepare(self, context: Context, request: Request) -> Prepared:
        if context.profile:
            raise Blocked(PROFILE_MISSING)
        return Prepared(request, OPEN)
