"""What a streamed reply costs: server CPU per 1,000 tokens and time to the first token, beside a bare
`gr.ChatInterface` and beside a program that only reads the endpoint, with short and long conversations.

    python -m tests.benchmarks.cost [--people 8] [--words 200] [--rate 50] [--earlier 10 100 1000]

webchat stores every word before it shows it; the baselines store nothing. Each person asks twice: the first
time their conversation comes from the database, the second time it is in memory.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.app_process import ROOT, AppProcess
from tests.benchmarks import gradio_wire
from tests.benchmarks.measure import (
    FREELY,
    WATCHED,
    WORDS_OF_A_MESSAGE,
    bare_gradio,
    calibration,
    cpu_seconds,
    endpoint,
    fill,
)
from tests.benchmarks.watched import holds
from tests.load import Followed, converse, request_json


@dataclass(frozen=True, slots=True)
class Load:
    """How many ask at once, and the replies they get: `words` tokens at `rate` a second."""

    people: int
    words: int
    rate: float

    @property
    def ask(self) -> str:
        return f"words={self.words} rate={self.rate:g}"

    @property
    def thousands(self) -> float:
        return self.people * self.words / 1000


@dataclass(frozen=True, slots=True)
class Cost:
    """cpu: seconds per 1,000 tokens. first: median milliseconds from the ask to the first text."""

    cpu: float
    first: float

    @classmethod
    def of(cls, seen: Sequence[Followed], seconds: float, load: Load) -> Cost:
        if not all(one.state == "complete" for one in seen):
            raise RuntimeError("not every reply was whole")
        return cls(seconds / load.thousands, statistics.median(one.first for one in seen) * 1000)


async def _together(people: int, ask: Callable[[int], Awaitable[Followed]]) -> list[Followed]:
    """Asks a tenth of a second apart, so that one does not wait for the start of another."""

    async def one(number: int) -> Followed:
        await asyncio.sleep(number / 10)
        return await ask(number)

    return list(await asyncio.gather(*(one(number) for number in range(people))))


async def of_webchat(url: str, load: Load, earlier: int) -> tuple[Cost, Cost]:
    """The first turn after a start, and the one after it."""
    with tempfile.TemporaryDirectory() as folder:
        places = fill(Path(folder), load.people, earlier)
        with AppProcess(Path(folder), "--endpoint", url, env=FREELY, module=WATCHED) as app:
            await converse(app.port, "words=5")

            async def ask(number: int) -> Followed:
                place, leaf = places[number]
                seen = await converse(app.port, load.ask, conversation_id=place, parent_id=leaf)
                places[number] = place, await _leaf(app.port, place)
                return seen

            costs = []
            for _ in range(2):
                used = cpu_seconds(app.pid)
                seen = await _together(load.people, ask)
                costs.append(Cost.of(seen, cpu_seconds(app.pid) - used, load))
            app.stop()
            print(f"{earlier:8}   {holds(app.log)}")
    return costs[0], costs[1]


async def _leaf(port: int, conversation: str) -> str:
    _, shown = await request_json(port, "GET", f"/api/conversations/{conversation}?limit=1")
    return str(shown["conversation"]["active_leaf_id"])


async def of_bare_gradio(url: str, load: Load, earlier: int) -> Cost:
    with bare_gradio(url, earlier) as (port, pid, event):
        async with httpx.AsyncClient(timeout=600) as client:
            sessions = [f"session{number}" for number in range(load.people)]
            await gradio_wire.converse(client, port, event, "words=5", "first")
            used = cpu_seconds(pid)
            seen = await _together(
                load.people,
                lambda number: gradio_wire.converse(client, port, event, load.ask, sessions[number]),
            )
            return Cost.of(seen, cpu_seconds(pid) - used, load)


def of_reading(url: str, load: Load, earlier: int) -> Cost:
    """In a process of its own, so that its CPU is its own."""
    command = [sys.executable, "-m", "tests.benchmarks.cost", "--read", url, "--earlier", str(earlier)]
    command += ["--people", str(load.people), "--words", str(load.words), "--rate", str(load.rate)]
    said = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    return Cost(said["cpu"], said["first"])


async def _read(url: str, load: Load, earlier: int) -> Cost:
    messages = [
        {"role": "user" if number % 2 == 0 else "assistant", "content": WORDS_OF_A_MESSAGE}
        for number in range(earlier)
    ]
    async with httpx.AsyncClient(timeout=600) as client:

        async def one(ask: str) -> Followed:
            seen, start = Followed(), time.perf_counter()
            body = {
                "model": "scripted",
                "stream": True,
                "messages": [*messages, {"role": "user", "content": ask}],
            }
            async with client.stream("POST", f"{url}/chat/completions", json=body) as response:
                async for line in response.aiter_lines():
                    if line == "data: [DONE]":
                        seen.state = "complete"
                    elif line.startswith("data: {") and not seen.first:
                        choices = json.loads(line[6:])["choices"]
                        if choices and choices[0]["delta"].get("content"):
                            seen.first = time.perf_counter() - start
            return seen

        await one("words=5")
        used = time.process_time()
        seen = await _together(load.people, lambda _: one(load.ask))
        return Cost.of(seen, time.process_time() - used, load)


async def run(load: Load, earlier: Sequence[int]) -> None:
    print(calibration())
    print(f"{load.people} people, replies of {load.words} tokens at {load.rate:g} tokens/s\n")
    print("earlier    CPU s / 1,000 tokens                      first token, median ms")
    print("messages   reading   bare Gradio   webchat  (next)   reading   bare Gradio   webchat  (next)")
    table = {}
    with endpoint() as url:
        for count in earlier:
            reading = of_reading(url, load, count)
            bare = await of_bare_gradio(url, load, count)
            first, following = await of_webchat(url, load, count)
            table[count] = (reading, bare, first, following)
            print(
                f"{count:8}   {reading.cpu:7.3f}   {bare.cpu:11.3f}   {first.cpu:7.3f} {following.cpu:7.3f}"
                f"   {reading.first:7.1f}   {bare.first:11.1f}   {first.first:7.1f} {following.first:7.1f}",
                flush=True,
            )
    for count, (reading, bare, first, following) in table.items():
        print(
            f"{count:8}: CPU 1/{bare.cpu / following.cpu:.1f} of bare Gradio's,"
            f" {following.cpu / reading.cpu:.1f} times that of reading;"
            f" first token {following.first - reading.first:+.1f} ms to reading"
            f" ({first.first - reading.first:+.1f} ms when it comes from the database),"
            f" bare Gradio {bare.first - reading.first:+.1f} ms"
        )
    few, many = table[min(earlier)], table[max(earlier)]
    print(
        f"CPU at {max(earlier)} messages against {min(earlier)}: bare Gradio x{many[1].cpu / few[1].cpu:.2f},"
        f" webchat x{many[2].cpu / few[2].cpu:.2f} (next x{many[3].cpu / few[3].cpu:.2f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--words", type=int, default=200)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--earlier", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--read", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    load = Load(options.people, options.words, options.rate)
    if options.read:
        cost = asyncio.run(_read(options.read, load, options.earlier[0]))
        print(json.dumps({"cpu": cost.cpu, "first": cost.first}))
    else:
        asyncio.run(run(load, options.earlier))


if __name__ == "__main__":
    main()
