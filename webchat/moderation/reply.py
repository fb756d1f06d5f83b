"""The gate of one reply: its answer, reasoning and tool calls, each checked by the moderators."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from backends.types import ReasoningDelta, TextDelta, TextWasReasoning, ToolCallDelta
from webchat.moderation.calls import Calls
from webchat.moderation.filters import Chain
from webchat.moderation.verdicts import Blocked, Piece, Released, Verdict


class ReplyGate:
    """A `Gate`. The answer is one text; each stretch of reasoning is a text of its own, and ends where the
    answer goes on; calls of tools follow at the end. Text that turns out to have been reasoning ends there,
    and the answer is another.

    new_chain: the moderators for one more text; true: that tell nobody what they find.
    """

    def __init__(self, answer: Chain, new_chain: Callable[[bool], Chain]) -> None:
        self.verdict: Verdict | None = None
        self._new_chain = new_chain
        self._answer = _Text(answer, TextDelta)
        self._reasoning: _Text | None = None
        self._reasoned = False
        self._calls = Calls()
        # Texts that were given something or ended, in the order in which that is to be shown.
        self._at_work: deque[_Text | TextWasReasoning] = deque()
        self._ready: list[Piece] = []

    async def feed(self, *pieces: Piece) -> Released:
        for piece in pieces:
            self._take(piece)
        await self._flow()
        return self._released()

    async def finish(self, *pieces: Piece) -> Released:
        for piece in pieces:
            self._take(piece)
        if self.verdict is None:
            self._end_reasoning()
            self._answer.chain.end()
            self._at_work.append(self._answer)
        await self._flow()
        if self.verdict is None:
            await self._release_calls()
        return self._released()

    def _take(self, piece: Piece) -> None:
        if self.verdict is not None:
            return
        match piece:
            case ToolCallDelta():
                self._calls.add(piece)
            case ReasoningDelta():
                if self._reasoning is None:
                    parts = self._reasoned and not piece.text.startswith("\n")
                    self._reasoning = _Text(self._new_chain(False), ReasoningDelta, "\n\n" * parts)
                    self._reasoned = True
                self._reasoning.chain.give(piece.text)
                self._at_work.append(self._reasoning)
            case TextDelta():
                self._end_reasoning()
                self._answer.chain.give(piece.text)
                self._at_work.append(self._answer)
            case TextWasReasoning():
                self._end_reasoning()
                self._answer.chain.end()
                self._at_work += [self._answer, piece]
                self._answer, self._reasoned = _Text(self._new_chain(False), TextDelta), True

    def _end_reasoning(self) -> None:
        if self._reasoning is not None:
            self._reasoning.chain.end()
            self._at_work.append(self._reasoning)
            self._reasoning = None

    async def _flow(self) -> None:
        """Process all input."""
        while self._at_work:
            text = self._at_work[0]
            if isinstance(text, TextWasReasoning):
                self._ready.append(text)
                self._at_work.popleft()
                continue
            try:
                await text.chain.flow()
            finally:
                # Here, so that it holds however the work ends: refused is refused.
                self.verdict = text.chain.verdict or self.verdict
                self._show(text)
            if self.verdict is not None:
                self._at_work.clear()
            else:
                self._at_work.popleft()

    def _show(self, text: _Text) -> None:
        ready = text.chain.take().text
        if ready:
            self._ready.append(text.made(text.front + ready))
            text.front = ""

    def _released(self) -> Released:
        ready, self._ready = self._ready, []
        return Released(ready, self.verdict)

    async def _release_calls(self) -> None:
        """All calls, complete, or none."""
        try:
            self._ready += await self._calls.release(self._checked)
        except Blocked as blocked:
            self.verdict = blocked.verdict

    async def _checked(self, text: str, silent: bool) -> str:
        """The check of a whole text. Raises `Blocked`."""
        chain = self._new_chain(silent)
        chain.give(text)
        try:
            passed = await chain.finish()
        finally:
            self.verdict = chain.verdict or self.verdict
        if passed.verdict is not None:
            raise Blocked(passed.verdict)
        return passed.text


@dataclass(slots=True)
class _Text:
    """One text of a reply. made: the kind of its pieces. front: what is shown before it."""

    chain: Chain
    made: type[TextDelta | ReasoningDelta]
    front: str = ""
