"""A verdict is final and nothing is lost, wherever a call of the gate is cancelled, and whatever breaks.

Three kinds of moderators look: lists in the event loop, one that asks, one of another package in its thread.
Each look waits for a drawn number of steps of the event loop; each call may be cancelled at a drawn one.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backends.types import Message, ReasoningDelta, Request, TextDelta
from webchat.moderation import Context, Decision, Gate, Moderation, Piece, Released
from webchat.moderation.filters import Moderator
from webchat.moderation.kinds.builtin import BuiltIn
from webchat.moderation.kinds.phrases import Phrases
from webchat.moderation.matching import Rule
from webchat.moderation.testing import cut
from webchat.moderation.verdicts import Fail, Refused, Report, Stage, Verdict
from webchat.moderation.windows import Opinion, Windows

STAGES: frozenset[Stage] = frozenset({"output"})
PLENTY = 60.0
RULES = {"bomb": Rule("bomb", "block"), "secret": Rule("secret", "mask")}


class Broken(Exception):
    """A look that was made to break."""


@dataclass
class Looks:
    """What the looks of one moderator do: each waits for so many steps; `fault` is the look that breaks, or
    hangs for ever."""

    steps: Sequence[int] = ()
    fault: int | None = None
    hangs: bool = False
    done: int = 0

    async def one(self) -> None:
        at, self.done = self.done, self.done + 1
        for _ in range(self.steps[at % len(self.steps)] if self.steps else 0):
            await asyncio.sleep(0)
        if at == self.fault:
            if self.hangs:
                await asyncio.sleep(PLENTY)
            raise Broken


class Asked(BuiltIn):
    """Asks about each window, and refuses those with its word."""

    def __init__(self, word: str, looks: Looks) -> None:
        super().__init__(f"asked about {word}", stages=STAGES)
        self._word = word
        self._looks = looks
        self.seconds = 0.02 if looks.hangs else PLENTY

    def open(self, context: Context, report: Report) -> Windows:
        return Windows(self._judge, report, name=self.name, fail=self.fail, seconds=self.seconds, window=40)

    async def _judge(self, text: str) -> Sequence[Opinion]:
        await self._looks.one()
        return [Opinion(Rule(self._word, "block"))] if self._word in text else []


class Foreign:
    """A moderator of another package: holds sentences until they end, and refuses those with its word."""

    fail: Fail = "closed"
    stages = STAGES

    def __init__(self, word: str, looks: Looks) -> None:
        self.name = f"foreign to {word}"
        self.seconds = 0.02 if looks.hangs else PLENTY
        self._word = word
        self._looks = looks

    def open(self, context: Context, report: Report) -> Sentences:
        return Sentences(self._word, self._looks)


class Sentences:
    def __init__(self, word: str, looks: Looks) -> None:
        self.held = ""
        self._word = word
        self._looks = looks

    async def feed(self, text: str) -> str | Refused:
        self.held += text
        return await self._look(self.held.rfind(". ") + 2 if ". " in self.held else 0)

    async def finish(self) -> str | Refused:
        return await self._look(len(self.held))

    async def _look(self, end: int) -> str | Refused:
        text, self.held = self.held[:end], self.held[end:]
        await self._looks.one()
        if self._word not in text:
            return text
        return Refused(text[: text.index(self._word)], Verdict(self._word, "No."))


@dataclass
class Schedule:
    """How the text comes and where calls are cancelled. waits: for each piece, after how many steps its call
    is cancelled, 0 for never; ends: the same for the calls at the end, before the last."""

    text: str
    places: list[int]
    order: list[int]
    steps: list[int]
    waits: list[int]
    ends: list[int]
    reasoning: bool = False
    faulty: int | None = None
    fault: int = 0
    hangs: bool = False

    def moderators(self, *, faults: bool) -> list[Moderator]:
        def looks(number: int) -> Looks:
            if faults and number == self.faulty:
                return Looks(self.steps, self.fault, self.hangs)
            return Looks(self.steps)

        every: list[Moderator] = [
            Asked("evil", looks(0)),
            Foreign("vile", looks(1)),
            Phrases("words", RULES, stages=STAGES),
            Asked("wicked", looks(2)),
        ]
        return [every[number] for number in dict.fromkeys(self.order)]

    def most(self) -> tuple[str, bool]:
        """The most that may ever be released, and whether that is all of it: as far as there is nothing that
        one of the moderators refuses."""
        words = [
            word for number, word in enumerate(("evil", "vile", "bomb", "wicked")) if number in self.order
        ]
        found = [match.start() for word in words for match in re.finditer(rf"\b{word}\b", self.text)]
        text = self.text[: min(found, default=len(self.text))]
        return (re.sub(r"\bsecret\b", "***", text) if 2 in self.order else text), not found


CALM = ("fine ", "and calm ", "so it is. ", "Well, then. ", "it goes on and on. ", "secret ", "sec ", "bom ")
LONG = "a long way without any end of a sentence, and it goes on like this for a while and longer "
BAD = ("bomb ", "evil. ", "vile. ", "wicked. ")
WORDS = st.integers(0, 59).map(lambda n: BAD[n - 56] if n > 55 else LONG if n > 52 else CALM[n % len(CALM)])
FEW = st.integers(0, 4)
SCHEDULES = st.builds(
    Schedule,
    text=st.lists(WORDS, min_size=3, max_size=24).map("".join),
    places=st.lists(st.integers(0, 300), max_size=8),
    order=st.lists(st.integers(0, 3), min_size=1, max_size=4),
    steps=st.lists(FEW, min_size=1, max_size=4),
    waits=st.lists(st.integers(0, 7), min_size=3, max_size=9),
    ends=st.lists(st.integers(1, 7), max_size=3),
    reasoning=st.booleans(),
)
FAULTY = st.builds(
    lambda schedule, faulty, fault, hangs: Schedule(
        **{**vars(schedule), "faulty": faulty, "fault": fault, "hangs": hangs}
    ),
    SCHEDULES,
    st.integers(0, 2),
    st.integers(0, 4),
    st.booleans(),
)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The log of moderators that break on purpose is long."""
    logger = logging.getLogger("webchat.moderation")
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(logging.NOTSET)


@dataclass
class Outcome:
    """What became of a reply: its text or its reasoning, and the rule that refused it."""

    said: str = ""
    rule: str | None = None
    told: Counter[tuple[str, str, int]] = field(default_factory=Counter)


async def called(gate: Gate, cancel_after: int, *pieces: Piece, last: bool = False) -> Released | None:
    """One call, cancelled after so many steps; `None` where that came before its end."""
    task = asyncio.ensure_future(gate.finish(*pieces) if last else gate.feed(*pieces))
    for _ in range(cancel_after):
        await asyncio.sleep(0)
    if cancel_after:
        task.cancel()
    try:
        return await task
    except asyncio.CancelledError:
        assert cancel_after
        return None


async def played(schedule: Schedule, *, faults: bool, cancels: bool) -> Outcome:
    """A reply by this schedule. What is released behind a verdict is raised as an `AssertionError`."""
    outcome = Outcome()

    def tell(decision: Decision) -> None:
        finding = decision.finding
        outcome.told[decision.moderator, finding.rule, finding.start] += 1

    moderation = Moderation(schedule.moderators(faults=faults), tell)
    request = Request((Message("user", "x"),))
    gate = (await moderation.prepare(Context("prompt"), request)).gate
    made: type[TextDelta | ReasoningDelta] = ReasoningDelta if schedule.reasoning else TextDelta
    calls: list[tuple[int, tuple[Piece, ...], bool]] = []
    for number, piece in enumerate(cut(schedule.text, schedule.places)):
        wait = schedule.waits[number] if number < len(schedule.waits) else 0
        calls.append((wait, (made(piece),), False))
    calls += [(wait, (), True) for wait in [*schedule.ends, 0]]
    for wait, pieces, last in calls:
        refused = gate.verdict
        released = await called(gate, wait if cancels else 0, *pieces, last=last)
        assert refused is None or gate.verdict is not None, "a verdict stays"
        if released is None:
            continue
        assert released.verdict is gate.verdict
        outcome.said += "".join(piece.text for piece in released.pieces if isinstance(piece, made))
    assert (await gate.feed(TextDelta("more"), ReasoningDelta("more"))).pieces == [] or gate.verdict is None
    outcome.rule = None if gate.verdict is None else gate.verdict.rule
    await moderation.aclose()
    return outcome


async def check_cancelled(schedule: Schedule) -> None:
    whole = await played(schedule, faults=False, cancels=False)
    most, is_all = schedule.most()
    assert most.startswith(whole.said)
    assert (whole.said == most, whole.rule is None) == (True, True) if is_all else whole.rule
    seen = await played(schedule, faults=False, cancels=True)
    assert (seen.said, seen.rule) == (whole.said, whole.rule)
    if whole.rule is None:
        assert seen.told == whole.told, "each finding is told once"


async def check_broken(schedule: Schedule) -> None:
    whole = await played(schedule, faults=False, cancels=False)
    seen = await played(schedule, faults=True, cancels=True)
    assert whole.said.startswith(seen.said)
    if seen.rule is None:
        assert (seen.said, seen.rule) == (whole.said, whole.rule), "nothing broke"


STOPPED = Schedule(
    text="It is calm here. It is evil. And what follows is calm again. " * 2,
    places=[],
    order=[0, 3],
    steps=[1, 3],
    waits=[4],
    ends=[2],
)


@settings(max_examples=80, deadline=None)
@given(schedule=SCHEDULES)
@example(schedule=STOPPED)
async def test_a_cancelled_call_loses_neither_the_verdict_nor_what_is_released(
    schedule: Schedule,
) -> None:
    await check_cancelled(schedule)


@settings(max_examples=40, deadline=None)
@given(schedule=FAULTY)
async def test_whatever_breaks_or_hangs_releases_nothing_behind_a_refusal(schedule: Schedule) -> None:
    await check_broken(schedule)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=1000, deadline=None)
@given(schedule=SCHEDULES)
async def test_the_same_at_length(schedule: Schedule) -> None:
    await check_cancelled(schedule)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=1000, deadline=None)
@given(schedule=FAULTY)
async def test_the_same_at_length_with_what_breaks(schedule: Schedule) -> None:
    await check_broken(schedule)
