"""Moderators in their order, at every stage: the one pipeline that all doors pass."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from backends.types import Message, Part, ReasoningDelta, Request, TextDelta, TextPart, ToolCallDelta
from webchat.moderation.calls import Calls
from webchat.moderation.filters import Chain, Closing, Guarded, Moderator, whole
from webchat.moderation.gate import OPEN, Gate, Prepared
from webchat.moderation.surroundings import Surroundings
from webchat.moderation.verdicts import Blocked, Context, Finding, Piece, Pieces

SEAM = 8400
"""Characters of a reply that is continued which are read again: more than any rule's window."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Decision:
    """A finding, whose text it was in, and the name of the moderator that found it. content: the text around
    it, where that is kept; else the text is not in it."""

    context: Context
    finding: Finding
    moderator: str = ""
    content: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """What moderators would do with a text. result: what would be released of it. blocked: why no more."""

    result: str
    blocked: Blocked | None
    decisions: tuple[Decision, ...]


Record = Callable[[Decision], None]


def log_decision(decision: Decision) -> None:
    """Write a decision to the log: rule, action, stage, owner and detail, never the text."""
    context, finding = decision.context, decision.finding
    detail = f" ({finding.detail})" if finding.detail else ""
    _log.info("%s %s in %s of %s%s", finding.action, finding.rule, context.stage, context.owner, detail)


class Moderation:
    """A `GateFactory` of moderators; each stage has those that name it, in the order given.

    record: told each decision. keeps_content: with the text around what was found.
    """

    def __init__(
        self,
        moderators: Sequence[Moderator],
        record: Record = log_decision,
        *,
        keeps_content: bool = False,
    ) -> None:
        self.moderators = tuple(moderators)
        self._record = record
        self._keeps_content = keeps_content

    async def aclose(self) -> None:
        """Close what moderators have open."""
        for one in self.moderators:
            if isinstance(one, Closing):
                await one.aclose()

    async def review(self, context: Context, text: str) -> str:
        """The whole text as the moderators of this stage leave it. Raises `Blocked`."""
        return await whole(self._filters(context), text)

    async def prepare(self, context: Context, request: Request) -> Prepared:
        """What the model may be sent, each message a text of its own at the stage `prompt`, and a gate for
        its reply. Raises `Blocked`."""
        asking = replace(context, stage="prompt")
        if any("prompt" in one.stages for one in self.moderators):
            request = replace(
                request, messages=tuple([await self._sent(asking, m) for m in request.messages])
            )
        asked = _asked(request.messages, continues=bool(context.so_far))
        return Prepared(request, await self._gate(replace(context, stage="output", asked=asked)))

    async def _sent(self, context: Context, message: Message) -> Message:
        """A message as the moderators leave it; a text in parts is one text."""
        if isinstance(message.content, str):
            text = await whole(self._filters(context), message.content)
            return message if text == message.content else replace(message, content=text)
        chain = Chain(self._filters(context))
        parts: list[Part] = []
        for part in message.content:
            parts.append(TextPart(await chain.feed(part.text)) if isinstance(part, TextPart) else part)
        rest = await chain.finish()
        return replace(message, content=(*parts, TextPart(rest)) if rest else tuple(parts))

    async def trial(self, context: Context, text: str) -> Trial:
        """What would become of a whole text; nothing is recorded, counted or kept. Does not raise
        `Blocked`."""
        decisions: list[Decision] = []
        try:
            result = await whole(self._filters(replace(context, trial=True), record=decisions.append), text)
        except Blocked as blocked:
            return Trial(blocked.before, blocked, tuple(decisions))
        return Trial(result, None, tuple(decisions))

    async def _gate(self, context: Context) -> Gate:
        if not any(context.stage in moderator.stages for moderator in self.moderators):
            return OPEN
        tail = context.so_far[-SEAM:]
        seam = _Seam(len(context.so_far) - len(tail))
        answer = Chain(self._filters(context, seam))
        if tail:
            seam.silent = True
            await answer.remember(tail)
            seam.silent = False

        def new_chain(silent: bool = False) -> Chain:
            return Chain(self._filters(context, _Seam(silent=silent)))

        return _Gate(answer, new_chain)

    def _filters(
        self, context: Context, seam: _Seam | None = None, record: Record | None = None
    ) -> list[Guarded]:
        tell = record or self._record
        at = seam or _Seam()
        return [
            self._guarded(one, context, tell, at) for one in self.moderators if context.stage in one.stages
        ]

    def _guarded(self, one: Moderator, context: Context, tell: Record, seam: _Seam) -> Guarded:
        known = Surroundings() if self._keeps_content and not context.trial else None
        told = replace(context, asked="", so_far="")

        def report(finding: Finding) -> None:
            if seam.silent:
                return
            content = "" if known is None else known.around(finding.start)
            placed = replace(finding, start=finding.start + seam.base, end=finding.end + seam.base)
            tell(Decision(told, placed, one.name, content))

        return Guarded(one, context, report, known)


@dataclass(slots=True)
class _Seam:
    """How findings are told. base: characters before the text that the filters were not given. silent: not at
    all, as of what is shown already."""

    base: int = 0
    silent: bool = False


def _asked(messages: Sequence[Message], *, continues: bool) -> str:
    """The person's last words; where a reply is continued, those before it."""
    said = list(messages)
    if continues:
        while said and said.pop().role != "assistant":
            pass
    return next((message.text for message in reversed(said) if message.role == "user"), "")


class _Gate:
    """One reply. Its answer is one text; each stretch of reasoning is a text of its own, and ends where the
    answer goes on; calls of tools follow at the end."""

    def __init__(self, answer: Chain, new_chain: Callable[[bool], Chain]) -> None:
        self._new_chain = new_chain
        self._answer = answer
        self._reasoning: Chain | None = None
        self._reasoned = False
        self._calls = Calls()

    async def feed(self, delta: Piece) -> Pieces:
        if isinstance(delta, ToolCallDelta):
            self._calls.add(delta)
            return ()
        if isinstance(delta, ReasoningDelta):
            pieces: list[Piece] = []
            if self._reasoning is None:
                self._reasoning = self._new_chain(False)
                if self._reasoned:
                    # What two stretches say is never one word.
                    pieces.append(ReasoningDelta("\n\n"))
                self._reasoned = True
            return [*pieces, *await _said("reasoning", self._reasoning.feed(delta.text))]
        ended = await self._end_reasoning()
        return [*ended, *await _said("text", self._answer.feed(delta.text), ended)]

    async def finish(self) -> Pieces:
        ended = await self._end_reasoning()
        said = [*ended, *await _said("text", self._answer.finish(), ended)]
        try:
            return [*said, *await self._calls.release(self._checked)]
        except Blocked as blocked:
            blocked.pieces = said
            raise

    async def _checked(self, text: str, silent: bool) -> str:
        chain = self._new_chain(silent)
        return await chain.feed(text) + await chain.finish()

    async def _end_reasoning(self) -> Pieces:
        if self._reasoning is None:
            return ()
        chain, self._reasoning = self._reasoning, None
        return await _said("reasoning", chain.finish())


async def _said(kind: Literal["text", "reasoning"], work: Awaitable[str], before: Pieces = ()) -> Pieces:
    """What a chain releases, as the gate says it. A block carries what may still be shown with it."""
    made: type[TextDelta | ReasoningDelta] = TextDelta if kind == "text" else ReasoningDelta
    try:
        text = await work
    except Blocked as blocked:
        rest = [made(blocked.before)] if blocked.before else []
        blocked.pieces = [*before, *rest]
        raise
    return [made(text)] if text else []
