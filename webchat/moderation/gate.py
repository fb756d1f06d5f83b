"""The gate between a model and its readers, and the review of what people write."""

from __future__ import annotations

from typing import Protocol

from backends.types import ReasoningDelta, TextDelta
from webchat.moderation.verdicts import Pieces


class Gate(Protocol):
    """Holds one reply back until its words are safe to show.

    `feed` takes the next piece and returns what may be shown now, in order, which may be nothing, less,
    more or other than the piece. `finish` is called once after the last piece, also of a stopped or broken
    reply, and returns the rest. Joined by kind, all that is released equals the check of the whole text,
    whatever the chunks. Both raise `Blocked`, whose `pieces` may still be shown; after that the gate is not
    used again.
    """

    async def feed(self, delta: TextDelta | ReasoningDelta) -> Pieces: ...

    async def finish(self) -> Pieces: ...


class GateFactory(Protocol):
    """Makes the gates, and reviews input."""

    async def review(self, owner: str, text: str) -> str:
        """The person's text as it may be stored and sent: the same, or masked. Raises `Blocked`."""
        ...

    def open(self, owner: str, model: str) -> Gate:
        """A new gate for one reply of that model to that owner."""
        ...


class OpenGate:
    """Lets everything through at once."""

    async def feed(self, delta: TextDelta | ReasoningDelta) -> Pieces:
        return (delta,)

    async def finish(self) -> Pieces:
        return ()


OPEN = OpenGate()
"""The open gate has no state, so one serves all."""


class OpenGates:
    """No moderation: the input as it is, the output at once."""

    async def review(self, owner: str, text: str) -> str:
        return text

    def open(self, owner: str, model: str) -> Gate:
        return OPEN
