"""The transformer engine against plain float32 `generate`, on the demo model, in one run.

    python -m tests.benchmarks.batching [--tokens 100] [--times 3] [--threads N]

Sums of tokens per second for 1 to 16 people (`generate` serves them one after another, so it has one speed),
the first token of a long conversation's tenth turn, read anew and from what is kept, and how long a stop
takes. Medians.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.local import LocalBackend
from backends.options import LocalOptions
from backends.types import Event, Message, Request, Sampling, TextDelta, Usage
from tests.app_process import ROOT

PEOPLE = (1, 2, 4, 8, 16)
STORIES = (
    "a lighthouse keeper",
    "a lost dog",
    "two rivers",
    "an old clock",
    "a paper boat",
    "the first snow",
)
TURNS = 10
TURN_WORDS = 180


@dataclass(frozen=True, slots=True)
class Told:
    """first: seconds to the first text. seconds: to the last. tokens: of the reply. cached: of the prompt."""

    first: float
    seconds: float
    tokens: int
    prompt: int
    cached: int


def story(number: int) -> Request:
    subject = STORIES[number % len(STORIES)]
    return Request(
        (Message("user", f"Write a long story about {subject}, number {number}."),), Sampling(temperature=0)
    )


def limited(request: Request, tokens: int) -> Request:
    return Request(request.messages, Sampling(temperature=0, max_tokens=tokens))


async def ask(backend: LocalBackend, request: Request) -> Told:
    began = time.perf_counter()
    first, usage = 0.0, Usage(0, 0)
    async with aclosing(backend.stream(request)) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                first = first or time.perf_counter()
            elif isinstance(event, Usage):
                usage = event
    return Told(
        first - began,
        time.perf_counter() - began,
        usage.completion_tokens,
        usage.prompt_tokens,
        usage.cached_tokens or 0,
    )


def plain_speed(folder: Path, tokens: int, times: int) -> float:
    """Tokens per second of `generate` as everybody calls it: float32, all cores."""
    import torch
    import transformers

    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder)
    factory: Any = transformers.AutoModelForCausalLM
    model = factory.from_pretrained(folder, dtype=torch.float32).eval()
    talk = [{"role": "user", "content": story(0).messages[0].text}]
    ids = tokenizer.apply_chat_template(talk, add_generation_prompt=True, return_tensors="pt")["input_ids"]

    def once(count: int) -> float:
        began = time.perf_counter()
        with torch.inference_mode():
            whole = model.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, do_sample=False
            )
        return float(whole.shape[1] - ids.shape[1]) / (time.perf_counter() - began)

    once(4)
    return statistics.median(once(tokens) for _ in range(times))


async def speeds(backend: LocalBackend, tokens: int, times: int, plain: float) -> None:
    print(f"plain generate, float32, one after another: {plain:.1f} tok/s")
    for people in PEOPLE:
        sums = []
        for _ in range(times):
            began = time.perf_counter()
            told = await asyncio.gather(
                *(ask(backend, limited(story(number), tokens)) for number in range(people))
            )
            sums.append(sum(one.tokens for one in told) / (time.perf_counter() - began))
        whole = statistics.median(sums)
        print(f"engine, {people:2} people: {whole:6.1f} tok/s in sum, x{whole / plain:.2f}")


async def turns(backend: LocalBackend, times: int) -> None:
    """The last turn of a conversation of about 2,000 tokens, cold, as the next turn, and regenerated."""
    cold, warm, again = [], [], []
    for number in range(times):
        words = " ".join(f"{STORIES[number % len(STORIES)]} {n}" for n in range(TURN_WORDS // 4))
        talk: list[Message] = []
        for turn in range(TURNS - 1):
            talk += [Message("user", f"Turn {turn}: {words}"), Message("assistant", f"So it is, {turn}.")]
        last = Request(
            (*talk, Message("user", f"Turn {TURNS}: and then?")), Sampling(temperature=0, max_tokens=4)
        )
        cold.append(await ask(backend, last))
        again.append(await ask(backend, last))
        before = Request(tuple(talk[:-1]), Sampling(temperature=0, max_tokens=4))
        await ask(backend, before)
        warm.append(await ask(backend, last))
    base = statistics.median(told.first for told in cold)
    print(f"turn {TURNS} of {cold[-1].prompt} tokens: first token {base:.2f} s when nothing is kept")
    for name, told in (("as the next turn", warm), ("regenerated", again)):
        first = statistics.median(one.first for one in told)
        print(f"  {name}: {first:.3f} s ({told[-1].cached} tokens kept), x{first / base:.3f}")


async def stops(backend: LocalBackend, times: int) -> None:
    for name, text, tokens_first in (("decoding", "Write a long story.", 5), ("reading", "word " * 3000, 0)):
        took = []
        for number in range(times):
            request = Request(
                (Message("user", f"{number} {text}"),), Sampling(temperature=0, max_tokens=2000)
            )
            stream = backend.stream(request)
            reader = asyncio.create_task(_read(stream, tokens_first))
            if tokens_first:
                await reader
            else:
                await asyncio.sleep(0.5)
            began = time.perf_counter()
            reader.cancel()
            with suppress(asyncio.CancelledError):
                await reader
            await stream.aclose()
            took.append(time.perf_counter() - began)
            assert backend.live == 0
        print(f"stopped while {name}: {statistics.median(took):.3f} s, longest {max(took):.3f} s")


async def _read(stream: AsyncGenerator[Event, None], count: int) -> None:
    seen = 0
    async for event in stream:
        seen += isinstance(event, TextDelta)
        if count and seen >= count:
            return


async def run(tokens: int, times: int, threads: int | None) -> None:
    folder = ROOT / ".cache" / "models" / "SmolLM2-135M-Instruct-F16"
    plain = plain_speed(folder, tokens, times)
    backend = LocalBackend(LocalOptions(source=str(folder), threads=threads, slots=16))
    await backend.start()
    await ask(backend, limited(story(99), 8))
    await speeds(backend, tokens, times, plain)
    await turns(backend, times)
    await stops(backend, times)
    await backend.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--threads", type=int, default=None)
    options = parser.parse_args()
    asyncio.run(run(options.tokens, options.times, options.threads))


if __name__ == "__main__":
    main()
