"""The measurements: concurrent conversations on one backend, and the same ones sequentially."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import cast

from backends.base import Backend
from backends.errors import BackendError
from backends.types import Event, Finished, Message, ReasoningDelta, Request, Sampling, TextDelta, Usage
from webchat.bench.baseline import gpu_peak_bytes
from webchat.bench.machine import MemoryPeak, others_seconds
from webchat.bench.prompts import Prompts
from webchat.bench.result import REMOTE, Memory, Plan, Reply, Result, Round, Run

Clock = Callable[[], float]
Say = Callable[[str], None]

WARM_UP_TOKENS = 8
BASELINE_PEOPLE = 2
"""Conversations of the baseline: one after another each takes as long as the next, so a few tell all."""
NEXT_MESSAGE = "Go on with the story, in as many words as before."


@dataclass(frozen=True, slots=True)
class Bench:
    """Measures one plan. prompts: source of first messages. clock: in seconds."""

    plan: Plan
    prompts: Prompts
    say: Say
    clock: Clock = time.perf_counter

    async def side_by_side(self, backend: Backend, result: Result) -> None:
        """Add a run for each number of people to `result`, including a partial run if cancelled. A failed
        request is only counted. Raises `BackendError` if the first request fails."""
        result.details = await self.warm_up(backend)
        result.slots = backend.capabilities.slots
        for users in self.plan.users:
            rounds: list[Round] = []
            try:
                for number in range(self.plan.rounds):
                    rounds.append(await self._round(backend, partial(self._at_once, backend, users)))
                    self._say(f"{users} at once", number, rounds[-1])
            finally:
                if rounds:
                    result.runs.append(Run(users, tuple(rounds)))

    async def one_after_another(self, backend: Backend, result: Result) -> None:
        """Measure the baseline: the same conversations, strictly one request at a time."""
        people = min(BASELINE_PEOPLE, max(self.plan.users))
        rounds: list[Round] = []
        try:
            for number in range(self.plan.rounds):
                rounds.append(await self._round(backend, partial(self._in_turn, backend, people)))
                self._say("one after another", number, rounds[-1])
        finally:
            if rounds:
                result.baseline = Run(1, tuple(rounds))

    async def warm_up(self, backend: Backend) -> dict[str, object]:
        """A short reply that is not measured; its prompt shows how many tokens words take. Returns the
        details that the backend reports. Raises `BackendError`."""
        request = Request(
            (Message("user", self.prompts.next()),), _sampling(backend, min(self.plan.tokens, WARM_UP_TOKENS))
        )
        details: dict[str, object] = {}
        async with aclosing(_stream(backend, request)) as events:
            async for event in events:
                match event:
                    case Usage(prompt_tokens=seen):
                        self.prompts.fit(seen)
                    case Finished():
                        details = {
                            "answered_by": event.model,
                            "revision": event.revision,
                            "adapter": event.adapter,
                        }
        return details

    async def _round(self, backend: Backend, talks: Callable[[], Awaitable[list[Reply]]]) -> Round:
        gpu_peak_bytes(reset=True)
        async with MemoryPeak() as memory:
            before, began = others_seconds(), self.clock()
            replies = await talks()
            seconds, after = self.clock() - began, others_seconds()
        others = None
        if before is not None and after is not None and seconds > 0:
            others = max(0.0, (after - before) / seconds)
        here = Memory(memory.most, gpu_peak_bytes())
        return Round(seconds, tuple(replies), Memory() if backend.kind == REMOTE else here, others)

    async def _at_once(self, backend: Backend, users: int) -> list[Reply]:
        talks = await asyncio.gather(*(self._talk(backend) for _ in range(users)))
        return [reply for talk in talks for reply in talk]

    async def _in_turn(self, backend: Backend, people: int) -> list[Reply]:
        return [reply for _ in range(people) for reply in await self._talk(backend)]

    async def _talk(self, backend: Backend) -> list[Reply]:
        """One person's turns. A failure ends them."""
        messages = [Message("user", self.prompts.next())]
        replies: list[Reply] = []
        for turn in range(self.plan.turns):
            request = Request(tuple(messages), _sampling(backend, self.plan.tokens))
            reply, text = await self._ask(backend, request, turn)
            replies.append(reply)
            if reply.error:
                break
            messages += [Message("assistant", text or "..."), Message("user", NEXT_MESSAGE)]
        return replies

    async def _ask(self, backend: Backend, request: Request, turn: int) -> tuple[Reply, str]:
        began = self.clock()
        at: list[float] = []
        pieces: list[str] = []
        said: list[str] = []
        usage: Usage | None = None
        error = ""
        try:
            async with aclosing(_stream(backend, request)) as events:
                async for event in events:
                    match event:
                        case TextDelta(text=text) | ReasoningDelta(text=text):
                            at.append(self.clock())
                            pieces.append(text)
                            if isinstance(event, TextDelta):
                                said.append(text)
                        case Usage():
                            usage = event
        except BackendError as failed:
            error = str(failed)
        except Exception as fault:
            # A fault of ours or of a package: its words may hold anything, and the others go on.
            error = f"It broke off with {type(fault).__name__}."
        reply = Reply(
            turn=turn,
            first=at[0] - began if at else None,
            gaps=tuple(later - earlier for earlier, later in pairwise(at)),
            pieces=len(pieces),
            tokens=len(pieces) if usage is None else usage.completion_tokens,
            prompt=None if usage is None else usage.prompt_tokens,
            cached=None if usage is None else usage.cached_tokens,
            error=error,
        )
        return reply, "".join(said)

    def _say(self, what: str, number: int, done: Round) -> None:
        which = f" ({number + 1} of {self.plan.rounds})" if self.plan.rounds > 1 else ""
        failed = sum(bool(reply.error) for reply in done.replies)
        self.say(
            f"{what}{which}: {done.tokens_per_second:.1f} tok/s in {done.seconds:.1f} s"
            f"{f', {failed} failed' if failed else ''}"
        )


def _sampling(backend: Backend, tokens: int) -> Sampling:
    greedy = "temperature" in backend.capabilities.sampling
    return Sampling(temperature=0.0 if greedy else None, max_tokens=tokens)


def _stream(backend: Backend, request: Request) -> AsyncGenerator[Event, None]:
    # Every backend is an async generator; the protocol only names what readers need.
    return cast(AsyncGenerator[Event, None], backend.stream(request))
