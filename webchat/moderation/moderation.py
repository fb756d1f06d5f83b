"""Runs moderators in order at every stage: the one pipeline for all paths."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from backends.types import Message, Part, Request, TextPart
from webchat.moderation.beside import checked_beside
from webchat.moderation.filters import Chain, Closing, Moderator, whole
from webchat.moderation.gate import OPEN, Gate, Prepared
from webchat.moderation.guarded import Guarded, is_inline
from webchat.moderation.reply import ReplyGate
from webchat.moderation.surroundings import Surroundings
from webchat.moderation.verdicts import PROFILE_MISSING, Blocked, Context, Finding, Passed, Verdict
from webchat.moderation.workers import Apart, LongLooks

SEAM = 8400
"""Characters of a reply that is continued which are read again: more than any rule's window."""

SOME = 1000
"""Characters that are read before others have their turn: of the slower rules, some milliseconds."""

LOOK = 100
"""Characters that could be read in the time that it takes to begin."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Decision:
    """A finding, its context, and the name of the moderator that found it. content: the text around it, if
    that is kept; otherwise none of the text is included."""

    context: Context
    finding: Finding
    moderator: str = ""
    content: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """What moderators would do with a text. result: what would be released of it. verdict: why the rest would
    not."""

    result: str
    verdict: Verdict | None
    decisions: tuple[Decision, ...]


Record = Callable[[Decision], None]


def log_decision(decision: Decision) -> None:
    """Log a decision: rule, action, stage, owner and detail, never the text."""
    context, finding = decision.context, decision.finding
    detail = f" ({finding.detail})" if finding.detail else ""
    _log.info("%s %s in %s of %s%s", finding.action, finding.rule, context.stage, context.owner, detail)


class Moderation:
    """A `GateFactory` of moderators; each stage has those that name it, in the given order. Third-party ones
    run in their own threads.

    profiles: moderators by name that act after the others, for texts whose context names them. record:
    called with each decision. keeps_content: whether decisions include the text around the finding.
    """

    def __init__(
        self,
        moderators: Sequence[Moderator],
        record: Record = log_decision,
        *,
        profiles: Mapping[str, Sequence[Moderator]] | None = None,
        keeps_content: bool = False,
    ) -> None:
        self.moderators = _ready(moderators)
        self.profiles = {name: _ready(some) for name, some in (profiles or {}).items()}
        self._record = record
        self._keeps_content = keeps_content
        self._long = LongLooks()
        self._read = 0

    @property
    def every(self) -> tuple[Moderator, ...]:
        """Those of all profiles, too."""
        return (*self.moderators, *chain.from_iterable(self.profiles.values()))

    async def aclose(self) -> None:
        """Close what moderators have open, and stop their threads."""
        for one in self.every:
            if isinstance(one, Closing):
                await one.aclose()
        self._long.close()

    async def review(self, context: Context, text: str) -> str:
        """The whole text as changed by the moderators of this stage. Raises `Blocked`."""
        passed = await _whole_or_blocked(self._links(context, _Seam(silent=context.trial)), text)
        await self._others_turn(len(text))
        return passed

    async def prepare(self, context: Context, request: Request) -> Prepared:
        """What the model may be sent, each message a text of its own at the stage `prompt`, all others
        together, and a gate for its reply. Raises `Blocked`."""
        asking = replace(context, stage="prompt")
        if self._acting(asking):
            request = replace(request, messages=await self._all_sent(asking, request.messages))

            async def check(text: str, silent: bool) -> str:
                return await self.review(replace(asking, trial=asking.trial or silent), text)

            request = await checked_beside(request, check)
        asked = _asked(request.messages, continues=bool(context.so_far))
        return Prepared(request, await self._gate(replace(context, stage="output", asked=asked)))

    async def _all_sent(self, context: Context, messages: Sequence[Message]) -> tuple[Message, ...]:
        """Messages as the moderators leave them. Raises `Blocked`."""
        sent: list[Message] = []
        for message in messages:
            sent.append(await self._sent(context, message))
            await self._others_turn(len(message.text))
        return tuple(sent)

    async def _others_turn(self, chars: int) -> None:
        """Let others have theirs after each few looks: a look need not wait for anything, and whoever asks
        for one may ask for thousands."""
        self._read += chars + LOOK
        if self._read >= SOME:
            self._read = 0
            await asyncio.sleep(0)

    async def _sent(self, context: Context, message: Message) -> Message:
        """A message as the moderators leave it; a text in parts is one text. Raises `Blocked`."""
        if isinstance(message.content, str):
            text = await _whole_or_blocked(self._links(context), message.content)
            return message if text == message.content else replace(message, content=text)
        chain = Chain(self._links(context))
        parts: list[Part] = []
        for part in message.content:
            parts.append(TextPart(_text(await chain.feed(part.text))) if isinstance(part, TextPart) else part)
        rest = _text(await chain.finish())
        return replace(message, content=(*parts, TextPart(rest)) if rest else tuple(parts))

    async def trial(self, context: Context, text: str) -> Trial:
        """The result for a whole text; nothing is recorded, counted or kept."""
        decisions: list[Decision] = []
        passed = await whole(self._links(replace(context, trial=True), record=decisions.append), text)
        return Trial(passed.text, passed.verdict, tuple(decisions))

    async def _gate(self, context: Context) -> Gate:
        """Raises `Blocked` if the text already shown is refused."""
        if not self._acting(context):
            return OPEN
        tail = context.so_far[-SEAM:]
        seam = _Seam(len(context.so_far) - len(tail))
        answer = Chain(self._links(context, seam))
        if tail:
            seam.silent = True
            await answer.remember(tail)
            seam.silent = False
        if answer.verdict is not None:
            raise Blocked(answer.verdict)

        def new_chain(silent: bool) -> Chain:
            return Chain(self._links(context, _Seam(silent=silent)))

        return ReplyGate(answer, new_chain)

    def _links(
        self, context: Context, seam: _Seam | None = None, record: Record | None = None
    ) -> list[Guarded]:
        tell = record or self._record
        at = seam or _Seam()
        return [self._link(one, context, tell, at) for one in self._acting(context)]

    def _acting(self, context: Context) -> list[Moderator]:
        """Those for a text, in order. Raises `Blocked` if its profile is missing."""
        named: Sequence[Moderator] | None = self.profiles.get(context.profile) if context.profile else ()
        if named is None:
            raise Blocked(PROFILE_MISSING)
        return [one for one in (*self.moderators, *named) if context.stage in one.stages]

    def _link(self, one: Moderator, context: Context, tell: Record, seam: _Seam) -> Guarded:
        known = Surroundings() if self._keeps_content and not context.trial else None
        told = replace(context, asked="", so_far="")

        def report(finding: Finding) -> None:
            if seam.silent:
                return
            content = "" if known is None else known.around(finding.start)
            placed = replace(finding, start=finding.start + seam.base, end=finding.end + seam.base)
            tell(Decision(told, placed, one.name, content))

        return Guarded(one, context, report, known, long=self._long)


def _ready(moderators: Sequence[Moderator]) -> tuple[Moderator, ...]:
    return tuple(one if is_inline(one) or isinstance(one, Apart) else Apart(one) for one in moderators)


@dataclass(slots=True)
class _Seam:
    """How findings are reported. base: characters before the text the filters received. silent: not reported,
    as for text that is already shown."""

    base: int = 0
    silent: bool = False


def _asked(messages: Sequence[Message], *, continues: bool) -> str:
    """The user's last words; if a reply is continued, those before it."""
    said = list(messages)
    if continues:
        while said and said.pop().role != "assistant":
            pass
    return next((message.text for message in reversed(said) if message.role == "user"), "")


async def _whole_or_blocked(links: Sequence[Guarded], text: str) -> str:
    """The check of a whole text, none of which is released if any of it is refused: nobody looks at text
    after a refusal. Raises `Blocked`."""
    for link in links:
        text = _text(await whole([link], text))
    return text


def _text(passed: Passed) -> str:
    """Raises `Blocked`."""
    if passed.verdict is not None:
        raise Blocked(passed.verdict)
    return passed.text
