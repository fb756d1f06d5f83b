"""Whoever waits is told what for, since when, and until when where that is known."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable

from backends.echo import EchoBackend
from backends.types import Event, Finished, Request, Retrying, TextDelta
from tests.turns.conftest import Bench, MakeBench
from tests.turns.held import Held
from webchat.moderation import Context, OpenGates, Prepared
from webchat.store.records import BegunTurn
from webchat.turns import Delta, Status, Wait


async def told(at: Bench, begun: BegunTurn, wanted: Callable[[Status], bool]) -> Status:
    """The first such status that a follower is told."""
    async for event in at.turns.follow(at.owner, begun.reply.id):
        if isinstance(event, Status) and wanted(event):
            return event
    raise AssertionError("it was never told")


def waits_for(reason: str) -> Callable[[Status], bool]:
    return lambda status: status.wait is not None and status.wait.reason == reason


class Steps(EchoBackend):
    """Yields one event for each `step` the test allows."""

    def __init__(self, *events: Event) -> None:
        super().__init__()
        self.events = events
        self.step = asyncio.Semaphore(0)

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        for event in self.events:
            await self.step.acquire()
            yield event


async def test_a_model_that_says_nothing_yet_is_waited_for_since_it_was_asked(bench: MakeBench) -> None:
    backend = Steps(TextDelta("Hi"), Finished("stop"))
    async with bench(backend) as at:
        before = time.monotonic()
        begun = await at.ask(text="x")
        for _ in range(2):  # whoever comes later is told the same beginning
            status = await told(at, begun, waits_for("first_token"))
            assert status == Status("streaming", wait=Wait("first_token"))
            assert status.wait is not None
            assert before <= status.wait.since <= time.monotonic()
        backend.step.release()
        backend.step.release()
        assert (await at.end(begun)).text == "Hi"


async def test_a_refusal_that_is_tried_again_is_told_with_its_cause_and_moment(bench: MakeBench) -> None:
    refused = Retrying("rate_limited", 1, 3000.0), Retrying("unavailable", 2, 5.0)
    backend = Steps(*refused, TextDelta("Hi"), Finished("stop"))
    async with bench(backend) as at:
        begun = await at.ask(text="x")
        backend.step.release()
        limited = (await told(at, begun, waits_for("rate_limited"))).wait
        backend.step.release()
        away = (await told(at, begun, waits_for("unavailable"))).wait
        assert limited is not None
        assert away is not None
        assert (limited.attempt, away.attempt) == (1, 2)
        assert limited.since == away.since
        assert limited.retry_at is not None
        assert 3000 <= limited.retry_at - limited.since < 3200
        backend.step.release()
        backend.step.release()
        reply = await at.end(begun)
        assert (reply.state, reply.text) == ("complete", "Hi")


async def test_moderators_that_read_the_prompt_are_named(bench: MakeBench) -> None:
    class Slow(OpenGates):
        async def prepare(self, context: Context, request: Request) -> Prepared:
            await told(at, begun, waits_for("review"))
            return await super().prepare(context, request)

    async with bench(gates=Slow()) as at:
        begun = await at.ask(text="x")
        assert (await at.end(begun)).text == "x"


async def test_a_wait_ends_with_the_first_words(bench: MakeBench) -> None:
    backend = Held()
    async with bench(backend) as at:
        begun = await at.ask(text="1")
        async for event in at.turns.follow(at.owner, begun.reply.id):
            if isinstance(event, Delta):
                break
        late = at.turns.follow(at.owner, begun.reply.id)
        assert await anext(late) == Status("streaming")
        await late.aclose()
        backend.go["1"].set()
        await at.end(begun)


async def test_the_wait_in_line_is_told_since_it_began(bench: MakeBench) -> None:
    backend = Held()
    async with bench(backend) as at:
        first, second = await at.ask(text="1"), await at.ask(text="2")
        status = await told(at, second, waits_for("queue"))
        assert (status.state, status.place) == ("queued", 1)
        for text in ("1", "2"):
            backend.go[text].set()
        for begun in (first, second):
            await at.end(begun)
