"""CPU time of the whole server per 1,000 streamed tokens, and per request up to its first token, beside a
program that only reads the endpoint and beside another checkout of this project, in one run.

    python -m tests.benchmarks.server_cost [--people 200] [--words 200] [--rate 20] [--beside FOLDER]

The servers run at the same time and are asked in turns, so that all have the same machine. Each person has a
stream of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.app_process import ROOT, AppProcess
from tests.benchmarks.cost import Load
from tests.benchmarks.crowd import ARRIVE_SECONDS
from tests.benchmarks.measure import FREELY, calibration, cpu_seconds, endpoint
from tests.benchmarks.openai_compat_cost import in_a_process
from tests.load import converse, crowd, first_words, newcomers

FIRST_REQUESTS = 20
"""Of each server in each turn."""


@dataclass(slots=True)
class Measured:
    """A server. token: CPU milliseconds per 1,000 tokens, of whole turns; first: per request up to its first
    token."""

    app: AppProcess
    cookies: list[str] = field(default_factory=list)
    token: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)

    async def stream(self, load: Load) -> None:
        used = cpu_seconds(self.app.pid)
        seen = await crowd(self.app.port, load.people, load.ask, arrive=ARRIVE_SECONDS, cookies=self.cookies)
        self.token.append((cpu_seconds(self.app.pid) - used) / load.thousands * 1e3)
        whole = [f"w{number}" for number in range(load.words)]
        if broken := [one for one in seen if one.text.split() != whole]:
            ends = Counter((one.state, len(one.text.split())) for one in broken)
            raise RuntimeError(f"not every reply was whole: of {self.app.port} {dict(ends)}")

    async def ask(self) -> None:
        used = cpu_seconds(self.app.pid)
        for number in range(FIRST_REQUESTS):
            await first_words(self.app.port, "words=2 rate=0.001", cookie=self.cookies[number])
        self.first.append((cpu_seconds(self.app.pid) - used) / FIRST_REQUESTS * 1e3)


async def compare(url: str, load: Load, turns: int, checkouts: dict[str, Path]) -> None:
    servers: dict[str, Measured] = {}
    bare: list[float] = []
    with ExitStack() as stack:
        for name, checkout in checkouts.items():
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            flags = ("--endpoint", url, "--access", "open")
            app = AppProcess(Path(folder), *flags, env=FREELY, checkout=checkout).start()
            stack.callback(app.kill)
            servers[name] = Measured(app, await newcomers(app.port, load.people))
            for cookie in servers[name].cookies[:20]:
                await converse(app.port, "words=5", cookie=cookie)
        for _ in range(turns):
            found = await asyncio.to_thread(
                in_a_process, "aiohttp", ROOT, url, load.people, load.rate, load.words
            )
            bare.append(found["cpu"])
            for server in servers.values():
                await server.stream(load)
        for _ in range(turns):
            for server in servers.values():
                await server.ask()
    _print(servers, statistics.median(bare))


def _print(servers: dict[str, Measured], bare: float) -> None:
    print(f"{'only reading':12} {bare:7.1f} ms CPU per 1,000 tokens")
    here = next(iter(servers.values()))
    for name, server in servers.items():
        token, first = statistics.median(server.token), statistics.median(server.first)
        print(
            f"{name:12} {token:7.1f} ms CPU per 1,000 tokens (x{token / bare:.1f} of only reading),"
            f" {first:.2f} ms per request up to its first"
        )
        if server is not here:
            ratios = statistics.median(here.token) / token, statistics.median(here.first) / first
            print(f"this / {name}: x{ratios[0]:.2f} per token, x{ratios[1]:.2f} up to the first")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--words", type=int, default=200)
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--beside", type=Path, help="another checkout of this project")
    options = parser.parse_args()
    checkouts = {"this": ROOT} | ({} if options.beside is None else {"beside": options.beside.resolve()})
    print(calibration())
    load = Load(options.people, options.words, options.rate)
    with endpoint() as url:
        asyncio.run(compare(url, load, options.turns, checkouts))
    print(calibration())


if __name__ == "__main__":
    main()
