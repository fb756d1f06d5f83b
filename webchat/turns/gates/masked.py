"""Gates that send placeholders to remote models: combines moderation and privacy.

They wrap any other moderation: moderators of the stage `prompt` see what is sent, those of `output` what is
shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from backends.texts import Unchangeable
from backends.types import ReasoningDelta, Request, TextDelta
from webchat.moderation import (
    Blocked,
    Context,
    Gate,
    GateFactory,
    Piece,
    Pieces,
    Prepared,
    Released,
    Verdict,
)
from webchat.moderation.verdicts import fixed
from webchat.privacy import Masking
from webchat.privacy.restoring import ReplyRestorer


class MaskedGates:
    """A `GateFactory` that wraps another.

    always: mask for every model, not only for remote ones.
    """

    def __init__(self, inner: GateFactory, masking: Masking, *, always: bool = False) -> None:
        self._inner = inner
        self._masking = masking
        self._always = always

    async def review(self, context: Context, text: str) -> str:
        return await self._inner.review(context, text)

    async def prepare(self, context: Context, request: Request) -> Prepared:
        """The request with placeholders, and a gate that restores their values. Raises `Blocked`."""
        if not (self._always or context.remote):
            return await self._inner.prepare(context, request)
        try:
            hidden = await self._masking.hide(context.owner, context.conversation_id, request)
        except Unchangeable as error:
            raise Blocked(fixed(error.place)) from None
        prepared = await self._inner.prepare(context, hidden.request)
        if hidden.restorer is None:
            return prepared
        return replace(
            prepared,
            gate=_Restoring(prepared.gate, hidden.restorer(context.so_far)),
            details={**prepared.details, **hidden.details},
            hide=hidden.hide,
        )


class _Restoring:
    """A gate that restores placeholder values in its pieces before passing them to another."""

    def __init__(self, gate: Gate, restorer: ReplyRestorer) -> None:
        self._gate = gate
        self._restorer = restorer

    @property
    def verdict(self) -> Verdict | None:
        return self._gate.verdict

    async def feed(self, *pieces: Piece) -> Released:
        return _without_empty(await self._gate.feed(*self._restored(pieces)))

    async def finish(self, *pieces: Piece) -> Released:
        restored = [*self._restored(pieces), *self._restorer.finish()]
        return _without_empty(await self._gate.finish(*restored))

    def _restored(self, pieces: Pieces) -> Iterator[Piece]:
        for piece in pieces:
            yield from self._restorer.feed(piece)


def _without_empty(released: Released) -> Released:
    """An open gate also returns the empty piece that ends the reasoning."""
    words = (TextDelta, ReasoningDelta)
    said = [piece for piece in released.pieces if not isinstance(piece, words) or piece.text]
    return Released(said, released.verdict)
