"""Moderators in their order, at every stage: the one pipeline that all doors pass."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from backends.types import ReasoningDelta, Request, TextDelta
from webchat.moderation.filters import Chain, Guarded, Moderator, whole
from webchat.moderation.gate import OPEN, Gate, Prepared
from webchat.moderation.surroundings import Surroundings
from webchat.moderation.verdicts import Blocked, Context, Finding, Pieces

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

    async def review(self, context: Context, text: str) -> str:
        """The whole text as the moderators of this stage leave it. Raises `Blocked`."""
        return await whole(self._filters(context), text)

    async def prepare(self, context: Context, request: Request) -> Prepared:
        """The request as it is, and a gate for its reply."""
        return Prepared(request, self._gate(replace(context, stage="output")))

    async def trial(self, context: Context, text: str) -> Trial:
        """What would become of a whole text; nothing is recorded, counted or kept. Does not raise
        `Blocked`."""
        decisions: list[Decision] = []
        try:
            result = await whole(self._filters(replace(context, trial=True), decisions.append), text)
        except Blocked as blocked:
            return Trial(blocked.before, blocked, tuple(decisions))
        return Trial(result, None, tuple(decisions))

    def _gate(self, context: Context) -> Gate:
        if not any(context.stage in moderator.stages for moderator in self.moderators):
            return OPEN
        return _Gate(lambda: Chain(self._filters(context)))

    def _filters(self, context: Context, record: Record | None = None) -> list[Guarded]:
        tell = record or self._record
        return [self._guarded(one, context, tell) for one in self.moderators if context.stage in one.stages]

    def _guarded(self, one: Moderator, context: Context, tell: Record) -> Guarded:
        known = Surroundings() if self._keeps_content and not context.trial else None

        def report(finding: Finding) -> None:
            content = "" if known is None else known.around(finding.start)
            tell(Decision(context, finding, one.name, content))

        return Guarded(one, context, report, known)


class _Gate:
    """One reply. Its answer is one text; each stretch of reasoning is a text of its own, and ends where the
    answer goes on."""

    def __init__(self, new_chain: Callable[[], Chain]) -> None:
        self._new_chain = new_chain
        self._answer = new_chain()
        self._reasoning: Chain | None = None
        self._reasoned = False

    async def feed(self, delta: TextDelta | ReasoningDelta) -> Pieces:
        if isinstance(delta, ReasoningDelta):
            pieces: list[TextDelta | ReasoningDelta] = []
            if self._reasoning is None:
                self._reasoning = self._new_chain()
                if self._reasoned:
                    # What two stretches say is never one word.
                    pieces.append(ReasoningDelta("\n\n"))
                self._reasoned = True
            return [*pieces, *await _said("reasoning", self._reasoning.feed(delta.text))]
        ended = await self._end_reasoning()
        return [*ended, *await _said("text", self._answer.feed(delta.text), ended)]

    async def finish(self) -> Pieces:
        ended = await self._end_reasoning()
        return [*ended, *await _said("text", self._answer.finish(), ended)]

    async def _end_reasoning(self) -> Pieces:
        if self._reasoning is None:
            return ()
        chain, self._reasoning = self._reasoning, None
        return await _said("reasoning", chain.finish())


async def _said(kind: Literal["text", "reasoning"], work: Awaitable[str], before: Pieces = ()) -> Pieces:
    """What a chain releases, as the gate says it. A block carries what may still be shown with it."""
    made = TextDelta if kind == "text" else ReasoningDelta
    try:
        text = await work
    except Blocked as blocked:
        rest = [made(blocked.before)] if blocked.before else []
        blocked.pieces = [*before, *rest]
        raise
    return [made(text)] if text else []
