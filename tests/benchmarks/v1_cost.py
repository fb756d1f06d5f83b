"""CPU time of the whole server per 1,000 streamed tokens and per reply of one token, and the time up to the
first token, through `/v1` and through the page's own routes, in one run.

    python -m tests.benchmarks.v1_cost [--people 200] [--words 200] [--rate 20] [--turns 3]

One server is asked by both ways in turns, so that both have the same machine. Every stream has to be whole.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.app_process import AppProcess
from tests.benchmarks.cost import Load
from tests.benchmarks.crowd import ARRIVE_SECONDS
from tests.benchmarks.measure import FREELY, calibration, cpu_seconds, endpoint
from tests.load import Followed, converse, crowd, head_of, newcomers

SHORT_REPLIES = 20
"""In each turn, by each way."""

WAYS = ("page", "/v1")


@dataclass(slots=True)
class Measured:
    """token: CPU milliseconds per 1,000 tokens, of whole replies. short: per reply of one token. first:
    milliseconds up to the first token of each of those, of which one by each way is asked in turns."""

    token: list[float] = field(default_factory=list)
    short: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)


async def call(port: int, text: str, cookie: str) -> Followed:
    """One streamed chat completion."""
    body = {"messages": [{"role": "user", "content": text}], "stream": True}
    payload = json.dumps(body).encode()
    seen, start = Followed(), time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    try:
        writer.write(head_of(port, "POST", "/v1/chat/completions", cookie, len(payload)) + payload)
        while line := await reader.readline():
            if not line.startswith(b"data: {"):
                continue
            (choice,) = json.loads(line[6:])["choices"]
            seen.text += choice["delta"].get("content") or ""
            if seen.text and not seen.first:
                seen.first = time.perf_counter() - start
            seen.state = "complete" if choice["finish_reason"] == "stop" else seen.state
    finally:
        writer.close()
    return seen


async def calls(port: int, load: Load, cookies: Sequence[str]) -> list[Followed]:
    """Many at once, arriving as those of `crowd` do."""

    async def one(index: int) -> Followed:
        await asyncio.sleep(ARRIVE_SECONDS * index / load.people)
        return await call(port, load.ask, cookies[index % len(cookies)])

    return list(await asyncio.gather(*(one(index) for index in range(load.people))))


async def stream(way: str, port: int, load: Load, cookies: Sequence[str]) -> None:
    """Raises RuntimeError unless every reply was whole."""
    if way == "page":
        seen = await crowd(port, load.people, load.ask, arrive=ARRIVE_SECONDS, cookies=cookies)
    else:
        seen = await calls(port, load, cookies)
    whole = [f"w{number}" for number in range(load.words)]
    if broken := [one for one in seen if one.text.split() != whole or one.state != "complete"]:
        raise RuntimeError(f"{len(broken)} of {len(seen)} replies through {way} were not whole")


async def one(way: str, port: int, cookie: str) -> float:
    """A reply of one token; milliseconds up to it."""
    asked = converse(port, "words=1", cookie=cookie) if way == "page" else call(port, "words=1", cookie)
    return (await asked).first * 1e3


async def short(way: str, port: int, cookies: Sequence[str]) -> None:
    for number in range(SHORT_REPLIES):
        await one(way, port, cookies[number % len(cookies)])


async def firsts(port: int, cookies: Sequence[str], found: Mapping[str, Measured]) -> None:
    """In turns, so that whatever else the machine does meets both."""
    for number in range(SHORT_REPLIES):
        for way in WAYS if number % 2 else reversed(WAYS):
            found[way].first.append(await one(way, port, cookies[number % len(cookies)]))


async def compare(url: str, load: Load, turns: int) -> dict[str, Measured]:
    found = {way: Measured() for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        app = AppProcess(Path(folder), "--endpoint", url, "--access", "open", env=FREELY).start()
        try:
            cookies = await newcomers(app.port, load.people)
            for way in WAYS:
                await short(way, app.port, cookies)
            for turn in range(turns):
                for way in WAYS if turn % 2 else reversed(WAYS):
                    used = cpu_seconds(app.pid)
                    await stream(way, app.port, load, cookies)
                    found[way].token.append((cpu_seconds(app.pid) - used) / load.thousands * 1e3)
                    used = cpu_seconds(app.pid)
                    await short(way, app.port, cookies)
                    found[way].short.append((cpu_seconds(app.pid) - used) / SHORT_REPLIES * 1e3)
                await firsts(app.port, cookies, found)
        finally:
            app.kill()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--words", type=int, default=200)
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    print(calibration())
    load = Load(options.people, options.words, options.rate)
    with endpoint() as url:
        found = asyncio.run(compare(url, load, options.turns))
    for way, measured in found.items():
        token, brief = statistics.median(measured.token), statistics.median(measured.short)
        first = statistics.median(measured.first)
        print(f"{way:5} {token:7.1f} ms CPU per 1,000 tokens, {brief:.2f} ms per reply of one token", end="")
        print(f"; first token after {first:.1f} ms")
    page, v1 = (found[way] for way in WAYS)
    ratios = (
        statistics.median(v1.token) / statistics.median(page.token),
        statistics.median(v1.short) / statistics.median(page.short),
        statistics.median(v1.first) / statistics.median(page.first),
    )
    print(f"/v1 / page: x{ratios[0]:.2f} per token, x{ratios[1]:.2f} per short reply", end="")
    print(f", x{ratios[2]:.2f} up to the first token")
    print(calibration())


if __name__ == "__main__":
    main()
