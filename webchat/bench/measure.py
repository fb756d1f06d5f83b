"""The measuring: conversations side by side on one backend, and the same requests one after another."""

from __future__ import annotations

import asyncio
import math
import random
import statistics
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import pairwise
from typing import cast

from backends.base import Backend
from backends.errors import BackendError
from backends.types import Event, Finished, Message, ReasoningDelta, Request, Sampling, TextDelta, Usage
from webchat.bench.machine import memory_bytes

Clock = Callable[[], float]
Say = Callable[[str], None]

WARM_UP_TOKENS = 8

_WORDS = (
    *("river", "lamp", "stone", "garden", "letter", "winter", "bridge", "silver", "market", "violin"),
    *("cloud", "window", "forest", "copper", "paper", "island", "candle", "mirror", "valley", "thunder"),
    *("orchard", "ribbon", "meadow", "lantern", "castle", "feather", "anchor", "saddle", "pepper", "marble"),
)
_TOKENS_A_WORD = 1.5


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked. users: how many people at once, one run for each number. tokens: of each reply.
    prompt_tokens: about how many the first message has. turns: messages of one person, one after another."""

    users: tuple[int, ...] = (1, 2, 4, 8)
    tokens: int = 128
    prompt_tokens: int = 256
    turns: int = 2
    rounds: int = 1


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply. first: seconds to its first text. gaps: seconds between two pieces of text after it. turn:
    from 0. cached: tokens of its prompt that were not read again, where that is told."""

    turn: int
    first: float
    gaps: tuple[float, ...]
    tokens: int
    cached: int | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """A number of people at once. seconds: from the first request to the last token."""

    users: int
    seconds: float
    replies: tuple[Reply, ...]
    memory: int | None = None

    @property
    def done(self) -> list[Reply]:
        return [reply for reply in self.replies if not reply.error]

    @property
    def failures(self) -> list[str]:
        return [reply.error for reply in self.replies if reply.error]

    @property
    def tokens_per_second(self) -> float:
        """Of all people together."""
        return sum(reply.tokens for reply in self.done) / self.seconds if self.seconds else 0.0

    def first(self, share: float, *, later: bool = False) -> float | None:
        """Seconds to the first text that this share of the replies had by then. later: of the turns after the
        first, which find what was read before."""
        return percentile((reply.first for reply in self.done if (reply.turn > 0) == later), share)

    def gap(self, share: float) -> float | None:
        return percentile((gap for reply in self.done for gap in reply.gaps), share)


@dataclass(slots=True)
class Result:
    """Everything that was measured so far. baseline: the same requests one after another; how it was made."""

    plan: Plan
    model: str
    kind: str
    details: dict[str, object] = field(default_factory=dict)
    baseline: Run | None = None
    baseline_is: str = ""
    runs: list[Run] = field(default_factory=list)

    def ratio(self, run: Run) -> float | None:
        """How many times the tokens a second of the baseline."""
        plain = self.baseline.tokens_per_second if self.baseline is not None else 0.0
        return run.tokens_per_second / plain if plain else None


def percentile(values: Iterable[float], share: float) -> float | None:
    """The smallest value that at least this share of all are not above."""
    known = sorted(values)
    if not known:
        return None
    return known[max(0, math.ceil(len(known) * share) - 1)]


async def measure(
    backend: Backend, plan: Plan, result: Result, say: Say, *, clock: Clock = time.perf_counter
) -> None:
    """Fill `result` with a run for each number of users. A request that fails is counted, no more. Raises
    `BackendError` only when the model cannot be started."""
    await backend.start()
    result.details = await warm_up(backend)
    for users in plan.users:
        say(f"{users} at once ...")
        rounds = [
            await side_by_side(backend, plan, users, number * 1000, clock) for number in range(plan.rounds)
        ]
        result.runs.append(_median(rounds))


async def warm_up(backend: Backend) -> dict[str, object]:
    """One short reply that is not measured. Returns what the backend tells of itself."""
    request = Request((Message("user", "Hello"),), Sampling(max_tokens=WARM_UP_TOKENS))
    async with aclosing(_stream(backend, request)) as events:
        async for event in events:
            if isinstance(event, Finished):
                return {"revision": event.revision, "adapter": event.adapter, **event.details}
    return {}


async def one_after_another(
    backend: Backend, plan: Plan, *, people: int = 2, clock: Clock = time.perf_counter
) -> Run:
    """The same conversations, strictly one request at a time."""
    began = clock()
    replies = [
        reply for number in range(people) for reply in await _talk(backend, plan, 500_000 + number, clock)
    ]
    return Run(1, clock() - began, tuple(replies), memory_bytes())


async def side_by_side(backend: Backend, plan: Plan, users: int, first: int, clock: Clock) -> Run:
    began = clock()
    talks = await asyncio.gather(
        *(_talk(backend, plan, users * 10_000 + first + number, clock) for number in range(users))
    )
    return Run(users, clock() - began, tuple(reply for talk in talks for reply in talk), memory_bytes())


async def _talk(backend: Backend, plan: Plan, number: int, clock: Clock) -> list[Reply]:
    """One person's turns. A failure ends them."""
    messages = [Message("user", prompt(number, plan.prompt_tokens))]
    replies: list[Reply] = []
    for turn in range(plan.turns):
        request = Request(tuple(messages), Sampling(temperature=0.0, max_tokens=plan.tokens))
        reply, text = await _ask(backend, request, turn, clock)
        replies.append(reply)
        if reply.error:
            break
        messages += [
            Message("assistant", text),
            Message("user", f"Tell me more about number {number + turn}."),
        ]
    return replies


async def _ask(backend: Backend, request: Request, turn: int, clock: Clock) -> tuple[Reply, str]:
    began = clock()
    at: list[float] = []
    pieces: list[str] = []
    usage: Usage | None = None
    error = ""
    try:
        async with aclosing(_stream(backend, request)) as events:
            async for event in events:
                match event:
                    case TextDelta(text=text) | ReasoningDelta(text=text):
                        at.append(clock())
                        pieces.append(text)
                    case Usage():
                        usage = event
    except BackendError as failed:
        error = str(failed)
    gaps = tuple(later - earlier for earlier, later in pairwise(at))
    # An endpoint may send several tokens in one piece; without its count the pieces are all there is.
    tokens = len(at) if usage is None else usage.completion_tokens
    first = (at[0] if at else clock()) - began
    cached = None if usage is None else usage.cached_tokens
    return Reply(turn, first, gaps, tokens, cached, error), "".join(pieces)


def _stream(backend: Backend, request: Request) -> AsyncGenerator[Event, None]:
    # Every backend is an async generator; the protocol only names what readers need.
    return cast(AsyncGenerator[Event, None], backend.stream(request))


def prompt(number: int, tokens: int) -> str:
    """A text of about so many tokens that begins like no other."""
    words = random.Random(number).choices(_WORDS, k=max(1, round(tokens / _TOKENS_A_WORD)))
    return f"Story {number} is about {', '.join(words)}. Write it down, as long as you can."


def _median(rounds: Sequence[Run]) -> Run:
    """The round in the middle by its speed."""
    middle = statistics.median_low(run.tokens_per_second for run in rounds)
    return next(run for run in rounds if run.tokens_per_second == middle)
