"""What a turn costs against reading the backend directly: CPU per 1,000 tokens, first token, gaps.

    python -m tests.benchmarks.bench_turns [--replies 1 200] [--tokens 200] [--rate 20] [--earlier 0 1000]

Each reply has one follower that takes the encoded events, as a page's connection does; the store is SQLite
with every entry committed before it is shown. The ratios are of one run, the seconds of one machine.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from backends.echo import EchoBackend
from backends.types import Message, Request, TextDelta
from webchat.models import Models, ModelSpec
from webchat.moderation import OpenGates
from webchat.prompts import PlainRenderer
from webchat.store import Store
from webchat.store.records import FinishedTurn, JournalEntry, NewTurn
from webchat.turns import Ask, Delta, Turns

SPREAD_SECONDS = 1.0
"""Replies are asked for over this time, as people do, and not in one instant."""


@dataclass
class Measured:
    """Seconds; CPU of the whole process per 1,000 tokens."""

    cpu: float
    first: list[float]
    gaps: list[float]
    total: list[float]

    def __str__(self) -> str:
        gaps = sorted(self.gaps) or [0.0]
        return (
            f"CPU {self.cpu:6.3f} s / 1,000 tokens; "
            f"TTFT median {statistics.median(self.first) * 1e3:6.1f} ms, "
            f"p95 {sorted(self.first)[int(len(self.first) * 0.95)] * 1e3:6.1f} ms; "
            f"gap p95 {gaps[int(len(gaps) * 0.95)] * 1e3:5.0f} ms; "
            f"total median {statistics.median(self.total):5.2f} s"
        )


Read = Callable[[int, list[float]], Awaitable[None]]
"""Makes one reply, noting the time of each update."""


async def measure(read: Read, replies: int, tokens: int) -> Measured:
    first: list[float] = []
    gaps: list[float] = []
    total: list[float] = []

    async def one(number: int) -> None:
        await asyncio.sleep(number * SPREAD_SECONDS / replies)
        began, times = time.perf_counter(), list[float]()
        await read(number, times)
        first.append(times[0] - began)
        total.append(times[-1] - began)
        gaps.extend(b - a for a, b in pairwise(times))

    cpu = time.process_time()
    await asyncio.gather(*(one(number) for number in range(replies)))
    cpu = time.process_time() - cpu
    return Measured(cpu / (replies * tokens) * 1000, first, gaps, total)


async def direct(backend: EchoBackend, replies: int, tokens: int) -> Measured:
    async def read(number: int, times: list[float]) -> None:
        async for event in backend.stream(Request((Message("user", "x"),))):
            if isinstance(event, TextDelta):
                times.append(time.perf_counter())

    return await measure(read, replies, tokens)


async def through_turns(
    backend: EchoBackend, store: Store, replies: int, tokens: int, earlier: int
) -> Measured:
    models = Models([ModelSpec(name="echo", kind="echo")], lambda spec: backend)
    turns = Turns(store, models, renderer=PlainRenderer(), gates=OpenGates(), titles=False)
    await turns.open()
    owner = store.local_owner().id
    place = [converse(store, owner, earlier, f"{replies} {number}") for number in range(replies)]

    async def read(number: int, times: list[float]) -> None:
        conversation_id, parent_id = place[number]
        ask = Ask(
            "send", f"ask {earlier} {replies} {number}", conversation_id, parent_id, text="x", model="echo"
        )
        begun = await turns.start(owner, ask)
        async for event in turns.follow(owner, begun.reply.id):
            if isinstance(event, Delta):
                assert event.sse
                times.append(time.perf_counter())

    measured = await measure(read, replies, tokens)
    await turns.aclose()
    await models.aclose()
    return measured


def converse(store: Store, owner: str, earlier: int, key: str) -> tuple[str | None, str | None]:
    """A conversation that already has `earlier` messages, written without a model."""
    conversation_id, parent_id = None, None
    for number in range(earlier // 2):
        new = NewTurn(conversation_id, parent_id, "word " * 80, f"{key} {earlier} {number}", "echo")
        begun = store.begin_turn(owner, new)
        conversation_id, parent_id = begun.conversation.id, begun.reply.id
        entry = JournalEntry(parent_id, 1, "text", "word " * 80)
        store.write_batch([entry], [FinishedTurn(parent_id, "complete")])
    return conversation_id, parent_id


async def run(replies: int, tokens: int, rate: float | None, earlier: list[int]) -> None:
    script = [f"w{number} " for number in range(tokens)]
    base = await direct(EchoBackend(script=script, rate=rate), replies, tokens)
    speed = "full speed" if rate is None else f"{rate:g} tokens/s"
    print(f"\n{replies} replies of {tokens} tokens, {speed}\n  direct              {base}")
    for messages in earlier:
        with tempfile.TemporaryDirectory() as folder:
            store = Store.open(f"sqlite:///{Path(folder) / 'chat.db'}")
            backend = EchoBackend(script=script, rate=rate)
            found = await through_turns(backend, store, replies, tokens, messages)
            store.close()
        added = (statistics.median(found.first) - statistics.median(base.first)) * 1e3
        print(
            f"  {messages:5} messages      {found}\n"
            + " " * 22
            + f"CPU x{found.cpu / base.cpu:.1f}, TTFT +{added:.1f} ms"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--replies", type=int, nargs="+", default=[1, 200])
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--rate", type=float, default=20.0, help="0 is full speed")
    parser.add_argument("--earlier", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    for replies in options.replies:
        asyncio.run(run(replies, options.tokens, options.rate or None, options.earlier))


if __name__ == "__main__":
    main()
