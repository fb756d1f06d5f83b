"""A moderator's time holds also where its code blocks; what never comes back holds nobody and few threads."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import pytest

from webchat.moderation import Blocked, Context, Decision, Finding, Moderation
from webchat.moderation.filters import Filter, Moderator
from webchat.moderation.guarded import LONG
from webchat.moderation.kinds.builtin import BuiltIn
from webchat.moderation.matching import Rule
from webchat.moderation.verdicts import Fail, Refused, Report, Stage
from webchat.moderation.windows import Opinion, Windows
from webchat.moderation.workers import MOST, Apart

INPUT = Context("input", "owner")
WAIT = 30.0


class Foreign:
    """A moderator of another package that does something at each look."""

    stages: frozenset[Stage] = frozenset({"input"})

    def __init__(
        self,
        look: Callable[[str], object],
        name: str = "foreign",
        *,
        fail: Fail = "closed",
        seconds: float = 0.1,
    ) -> None:
        self.name = name
        self.fail: Fail = fail
        self.seconds = seconds
        self.look = look

    def open(self, context: Context, report: Report) -> Filter:
        return _Looking(self.look, report)


class _Looking:
    held = ""

    def __init__(self, look: Callable[[str], object], report: Report) -> None:
        self._look = look
        self._report = report

    async def feed(self, text: str) -> str | Refused:
        done = self._look(text)
        if asyncio.iscoroutine(done):
            await done
        self._report(Finding("seen", "flag", 0, len(text)))
        return text

    async def finish(self) -> str | Refused:
        return ""


class Gate:
    """Blocks threads until it is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.waiting = 0

    def __call__(self, text: str) -> None:
        if text != "quick":
            self.waiting += 1
            assert self.opened.wait(WAIT)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.opened.set()


@pytest.fixture
async def made() -> AsyncIterator[Callable[..., Moderation]]:
    every: list[Moderation] = []

    def make(*moderators: Moderator, told: list[Decision] | None = None) -> Moderation:
        kept: list[Decision] = [] if told is None else told
        every.append(Moderation(moderators, kept.append))
        return every[-1]

    yield make
    for one in every:
        await one.aclose()


async def outcome(moderation: Moderation, text: str) -> str:
    try:
        return await moderation.review(INPUT, text)
    except Blocked as blocked:
        return blocked.rule


def set_seconds(moderation: Moderation, seconds: float) -> None:
    """For looks that must not be too late, however slow the machine is."""
    moderators = [one for one in moderation.moderators if isinstance(one, Apart)]
    for one in moderators:
        one.seconds = seconds


def threads(name: str) -> int:
    return sum(thread.name == f"moderator {name}" for thread in threading.enumerate())


@pytest.mark.parametrize(("fail", "becomes"), [("closed", "foreign.failed"), ("open", "hello")])
async def test_code_that_blocks_is_given_up_in_time_and_the_loop_goes_on(
    fail: Fail, becomes: str, gate: Gate, made: Callable[..., Moderation]
) -> None:
    told: list[Decision] = []
    steps = 0

    async def others() -> None:
        nonlocal steps
        while True:
            await asyncio.sleep(0.001)
            steps += 1 if gate.waiting else 0

    task = asyncio.create_task(others())
    moderation = made(Foreign(gate, fail=fail), told=told)
    assert await outcome(moderation, "hello") == becomes
    assert not gate.opened.is_set(), "it was not waited for"
    assert steps > 0, "others went on meanwhile"
    assert [one.finding.detail for one in told] == ["timed out"]
    task.cancel()


@pytest.mark.parametrize("place", ["open", "judge"])
async def test_opening_and_judging_are_looks_too(
    place: str, gate: Gate, made: Callable[..., Moderation]
) -> None:
    class Asking(Foreign):
        def open(self, context: Context, report: Report) -> Filter:
            if place == "open":
                self.look("hello")
            return Windows(
                self._judge, report, name=self.name, fail=self.fail, seconds=self.seconds, window=None
            )

        async def _judge(self, text: str) -> Sequence[Opinion]:
            if place == "judge":
                self.look(text)
            return [Opinion(Rule("bad", "block"))] if "bad" in text else []

    moderation = made(Asking(gate))
    assert await outcome(moderation, "hello") == "foreign.failed"
    gate.opened.set()
    set_seconds(moderation, WAIT)
    assert await outcome(moderation, "all is well") == "all is well"
    assert await outcome(moderation, "bad") == "bad"


async def test_what_never_comes_back_takes_few_threads_and_is_named_once(
    gate: Gate, made: Callable[..., Moderation], caplog: pytest.LogCaptureFixture
) -> None:
    moderation = made(Foreign(gate, "stuck"), Foreign(lambda text: None, "other", seconds=WAIT))
    for _ in range(MOST + 3):
        assert await outcome(moderation, "hello") == "stuck.failed"
    assert threads("stuck") == MOST == gate.waiting
    told = [one.levelno for one in caplog.records if "moderator stuck is stuck" in one.getMessage()]
    assert told == [logging.ERROR]
    other = made(moderation.moderators[1])
    assert await outcome(other, "hello") == "hello", "others have threads of their own"
    assert await outcome(moderation, "quick") == "stuck.failed", "while all are stuck, nothing is tried"
    gate.opened.set()
    set_seconds(moderation, WAIT)
    while await outcome(moderation, "quick") != "quick":  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    assert threads("stuck") == MOST, "a thread that came back is used again"


async def test_a_look_behind_one_that_blocks_takes_another_thread(
    gate: Gate, made: Callable[..., Moderation]
) -> None:
    moderation = made(Foreign(gate, "busy", seconds=0.5))
    blocked = asyncio.create_task(outcome(moderation, "hello"))
    while not gate.waiting:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    assert await outcome(moderation, "quick") == "quick"
    assert await blocked == "busy.failed"
    assert threads("busy") == 2


async def test_a_look_that_waits_is_ended_and_its_thread_goes_on(made: Callable[..., Moderation]) -> None:
    ended: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.sleep(WAIT)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    moderation = made(Foreign(lambda text: wait() if text == "slow" else None, "patient", seconds=0.5))
    for _ in range(3):
        assert await outcome(moderation, "slow") == "patient.failed"
        assert await outcome(moderation, "hello") == "hello"
    assert ended == ["cancelled"] * 3
    assert threads("patient") == 1


async def test_findings_are_told_in_order_where_whoever_asked_is(made: Callable[..., Moderation]) -> None:
    here, told, looked = threading.get_ident(), list[tuple[int, str]](), list[int]()

    def tell(decision: Decision) -> None:
        told.append((threading.get_ident(), decision.finding.rule))

    moderation = Moderation([Foreign(lambda text: looked.append(threading.get_ident()), seconds=WAIT)], tell)
    for _ in range(3):
        await moderation.review(INPUT, "hello")
    await moderation.aclose()
    assert told == [(here, "seen")] * 3
    assert here not in looked
    assert len(set(looked)) == 1


async def test_what_a_moderator_has_open_is_closed_in_its_own_loop_and_its_thread_ends() -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    class Connected(Foreign):
        async def aclose(self) -> None:
            loops.append(asyncio.get_running_loop())

    moderation = Moderation(
        [Connected(lambda text: loops.append(asyncio.get_running_loop()), name="connected", seconds=WAIT)]
    )
    await moderation.review(INPUT, "hello")
    await moderation.aclose()
    assert loops[0] is loops[1] is not asyncio.get_running_loop()
    assert threads("connected") == 0


async def test_built_in_filters_look_at_long_texts_in_a_thread(made: Callable[..., Moderation]) -> None:
    looked: list[bool] = []

    class Inline(BuiltIn):
        def open(self, context: Context, report: Report) -> Filter:
            return _Looking(lambda text: looked.append(threading.current_thread() is loop_thread), report)

    loop_thread = threading.current_thread()
    moderation = made(Inline("inline"))
    for text in ("x" * (LONG - 1), "x" * LONG):
        assert await outcome(moderation, text) == text
    assert looked == [True, False]


async def test_an_inline_filter_that_waits_is_a_broken_one(made: Callable[..., Moderation]) -> None:
    class Inline(BuiltIn):
        def open(self, context: Context, report: Report) -> Filter:
            return _Looking(lambda text: asyncio.sleep(0), report)

    assert await outcome(made(Inline("inline")), "hello") == "inline.failed"
