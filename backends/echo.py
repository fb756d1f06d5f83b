"""A model without a model: says the last user message back, or plays a script. The public fake.

    backend = EchoBackend()                                    # echoes, word by word
    backend = EchoBackend(rate=20, reasoning="Let me see.")    # 20 tokens a second, reasoning first
    backend = EchoBackend(script=["Hel", "lo", Delay(0.5), Unavailable("gone")])
    backend = EchoBackend(script=lambda request: [f"You wrote {len(request.messages)} messages."])

A script is a sequence of steps, or a function from the request to one: a string is streamed as one token,
an event is passed on as it is, a `Delay` waits, an error is raised. Without a `Finished` of its own the
stream ends with one, and with a `Usage` that counts the tokens sent. `live` is how many streams hold a slot
now, `requests` is everything that was asked, both for tests.
"""

from __future__ import annotations

import asyncio
import random
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing, nullcontext
from dataclasses import dataclass
from itertools import accumulate

from backends._sent import reported
from backends.base import Capabilities, Footprint, LoadProgress, ProgressCallback
from backends.errors import BackendError, ContextTooLong, Unavailable
from backends.markers.holdback import StopCutter
from backends.types import Event, Finished, ReasoningDelta, Request, Sent, TextDelta, Usage
from backends.words import tokens


@dataclass(frozen=True, slots=True)
class Delay:
    """A pause in a script."""

    seconds: float


Step = str | Event | Delay | BackendError
Script = Sequence[Step] | Callable[[Request], Iterable[Step]]


class EchoBackend:
    """See the module. Honours `max_tokens`, `stop` and `seed`, and takes a prefill.

    rate: tokens per second, `None` is as fast as the reader. reasoning: said before the reply.
    shuffle: the reply's words in an order drawn from the seed, so that a regenerated reply differs.
    load_seconds: how long `start` takes, with progress. start_errors: raised by `start`, one per call.
    slots: replies at once, the others wait; `None` for any number. memory: what it says to take, in bytes.
    options: whether to say that it supports tools, response formats and logprobs, which a script plays.
    Raises `ContextTooLong` when `context_length` is set and the prompt has more tokens.
    """

    kind = "echo"

    def __init__(
        self,
        model: str = "echo",
        *,
        script: Script | None = None,
        rate: float | None = None,
        reasoning: str = "",
        shuffle: bool = False,
        load_seconds: float = 0.0,
        start_errors: Sequence[BackendError] = (),
        context_length: int | None = None,
        slots: int | None = None,
        memory: int | None = None,
        options: bool = False,
    ) -> None:
        self.model = model
        self.capabilities = Capabilities(
            seed=True,
            prefill=True,
            bare_prompts=True,
            images=True,
            tools=options,
            response_format=options,
            logprobs=options,
            context_length=context_length,
            sampling=frozenset({"max_tokens", "seed", "stop"}),
            slots=slots,
        )
        self._slots = None if slots is None else asyncio.Semaphore(slots)
        self._memory = memory
        self.live = 0
        self.requests: list[Request] = []
        self._script = script
        self._rate = rate
        self._reasoning = reasoning
        self._shuffle = shuffle
        self._load_seconds = load_seconds
        self._start_errors = list(start_errors)
        self._started = False
        self._closing = asyncio.Event()

    async def start(self, progress: ProgressCallback | None = None) -> None:
        if self._started:
            return
        for done in range(10) if self._load_seconds else ():
            if progress is not None:
                progress(LoadProgress("loading", done * 100, 1000))
            await asyncio.sleep(self._load_seconds / 10)
        if self._start_errors:
            raise self._start_errors.pop(0)
        self._started = True

    def footprint(self) -> Footprint | None:
        return None if self._memory is None else Footprint("cpu", {f"weights {self.model}": self._memory})

    async def count(self, request: Request) -> int:
        return _prompt_tokens(request)

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        await self.start()
        async with self._slots or nullcontext(), aclosing(self._reply(request)) as events:
            async for event in events:
                yield event

    async def _reply(self, request: Request) -> AsyncGenerator[Event, None]:
        self.requests.append(request)
        self._check_length(request)
        seed = random.getrandbits(31) if request.sampling.seed is None else request.sampling.seed
        self.live += 1
        try:
            if request.trace:
                yield _sent(request)
            async for event in _limited(self._paced(self._steps(request, seed)), request, self.model, seed):
                if self._closing.is_set():
                    raise Unavailable("The model was closed.", cure="Start it again.")
                yield event
        finally:
            self.live -= 1

    async def aclose(self) -> None:
        # Streams between two events wait for their readers, and end as soon as one of them asks for more.
        self._closing.set()

    def _check_length(self, request: Request) -> None:
        window = self.capabilities.context_length
        count = _prompt_tokens(request)
        if window is not None and count > window:
            raise ContextTooLong(
                f"The conversation has {count} tokens; {self.model} can read {window}.",
                cure="Shorten it or start a new one.",
                params={"tokens": count, "limit": window},
            )

    def _steps(self, request: Request, seed: int) -> Iterable[Step]:
        if callable(self._script):
            return self._script(request)
        if self._script is not None:
            return self._script
        reply = next((m.text for m in reversed(request.messages) if m.role == "user"), "")
        pieces = tokens(reply)
        if self._shuffle:
            random.Random(seed).shuffle(pieces)
        if request.continue_final:
            begun = request.messages[-1].text
            pieces = tokens("".join(pieces).removeprefix(begun))
        reasoning = "" if request.options.bare_prompt else self._reasoning
        return [*(ReasoningDelta(piece) for piece in tokens(reasoning)), *pieces]

    async def _paced(self, steps: Iterable[Step]) -> AsyncIterator[Event]:
        clock = asyncio.get_running_loop().time
        due = clock()
        for step in steps:
            match step:
                case Delay(seconds=seconds):
                    await self._sleep(seconds)
                    due = clock()
                    continue
                case BackendError():
                    raise step
            due += 1 / self._rate if self._rate else 0.0
            await self._sleep(due - clock())
            yield TextDelta(step) if isinstance(step, str) else step

    async def _sleep(self, seconds: float) -> None:
        """Wait for at least one turn of the loop, or less if the backend is closed meanwhile."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            pass


async def _limited(
    events: AsyncIterator[Event], request: Request, model: str, seed: int
) -> AsyncIterator[Event]:
    """Apply `stop` and `max_tokens`, and end the stream as the law says."""
    cutter = StopCutter(request.sampling.stop)
    limit = request.sampling.max_tokens
    count = 0
    usage: Usage | None = None
    end = Finished("stop", model=model, seed=seed)
    async for event in events:
        match event:
            case Finished():
                end = event
                break
            case Usage():
                usage = event
            case TextDelta(text=text):
                count += 1
                if shown := cutter.feed(text):
                    yield TextDelta(shown)
            case _:
                count += 1
                yield event
        if cutter.stopped:
            break
        if limit is not None and count >= limit:
            end = Finished("length", model=model, seed=seed)
            break
    if rest := cutter.flush():
        yield TextDelta(rest)
    yield usage or Usage(_prompt_tokens(request), count)
    yield end


def _prompt_tokens(request: Request) -> int:
    return len(_pieces(request))


def _pieces(request: Request) -> tuple[str, ...]:
    return tuple(piece for message in request.messages for piece in tokens(message.text))


def _sent(request: Request) -> Sent:
    """The texts one after another: its chat template. A token's id is a checksum of its piece."""
    pieces = _pieces(request)
    ids = tuple(zlib.crc32(piece.encode()) & 0xFFFF for piece in pieces)
    ends = list(accumulate(len(message.text) for message in request.messages))
    found = tuple(zip([0, *ends[:-1]], ends, strict=True))
    return Sent(reported(request.messages), "".join(pieces), ids, pieces, template="model", spans=found)
