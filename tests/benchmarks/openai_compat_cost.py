"""CPU time that reading a remote model costs this process, per 1,000 tokens and per request up to its first
token, each way in the same run.

    python -m tests.benchmarks.openai_compat_cost [--streams 200] [--rate 20] [--words 100] [--beside FOLDER]

The endpoint and each reader are processes of their own, on uvloop as the server is: aiohttp with one
`json.loads` per event, httpx with one per line, and the backend; with `--beside` also the backend of another
checkout of this project.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

Reader = Callable[[str], AsyncIterator[int]]
"""Asks with a prompt; numbers of tokens, as they come."""

TURNS = 3
REQUESTS = 200


def _body(prompt: str) -> dict[str, object]:
    return {"model": "scripted", "messages": [{"role": "user", "content": prompt}], "stream": True}


def _tokens(data: str | bytes) -> int:
    choices = json.loads(data)["choices"]
    return int(bool(choices) and "content" in choices[0]["delta"])


@asynccontextmanager
async def _aiohttp(url: str) -> AsyncIterator[Reader]:
    import aiohttp

    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None)
    )

    async def read(prompt: str) -> AsyncIterator[int]:
        async with session.post(f"{url}/chat/completions", json=_body(prompt)) as response:
            rest = b""
            async for chunk in response.content.iter_any():
                *events, rest = (rest + chunk).split(b"\n\n")
                yield sum(_tokens(event[6:]) for event in events if event.startswith(b"data: {"))

    yield read
    await session.close()


@asynccontextmanager
async def _httpx(url: str) -> AsyncIterator[Reader]:
    import httpx

    client = httpx.AsyncClient(timeout=None, limits=httpx.Limits(max_connections=None), trust_env=False)

    async def read(prompt: str) -> AsyncIterator[int]:
        async with client.stream("POST", f"{url}/chat/completions", json=_body(prompt)) as response:
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    yield _tokens(line[6:])

    yield read
    await client.aclose()


@asynccontextmanager
async def _backend(url: str) -> AsyncIterator[Reader]:
    from backends.openai_compat import OpenAICompatBackend
    from backends.options import EndpointOptions
    from backends.types import Message, Request, TextDelta

    backend = OpenAICompatBackend(EndpointOptions(url, "scripted"))
    await backend.start()

    async def read(prompt: str) -> AsyncIterator[int]:
        async for event in backend.stream(Request((Message("user", prompt),))):
            if isinstance(event, TextDelta):
                yield event.text.count("w")

    yield read
    await backend.aclose()


READERS = {"aiohttp": _aiohttp, "httpx": _httpx, "the backend": _backend}


async def _whole(read: Reader, prompt: str) -> int:
    return sum([tokens async for tokens in read(prompt)])


async def _first(read: Reader, prompt: str) -> None:
    async for tokens in read(prompt):
        if tokens:
            return


async def measured(name: str, url: str, streams: int, rate: float, words: int) -> dict[str, float]:
    """CPU milliseconds per 1,000 tokens, and per request up to its first token."""
    async with READERS[name](url) as read:
        for _ in range(20):
            await _whole(read, "words=5 rate=0")
        used = time.process_time()
        for _ in range(REQUESTS):
            await _first(read, "words=1 rate=0")
        first = (time.process_time() - used) / REQUESTS
        used, start = time.process_time(), time.perf_counter()
        prompt = f"words={words} rate={rate:g}"
        counts = await asyncio.gather(*(_whole(read, prompt) for _ in range(streams)))
        used, wall = time.process_time() - used, time.perf_counter() - start
    if sum(counts) != streams * words:
        raise RuntimeError(f"{name} has read {sum(counts)} tokens of {streams * words}")
    return {"cpu": used / sum(counts) * 1e6, "first": first * 1e3, "wall": wall}


def in_a_process(
    name: str, checkout: Path, url: str, streams: int, rate: float, words: int
) -> dict[str, float]:
    """See `measured`."""
    command = [sys.executable, __file__, "--read", name, "--url", url, "--streams", str(streams)]
    command += ["--rate", str(rate), "--words", str(words)]
    env = {**os.environ, "PYTHONPATH": str(checkout)}
    said = subprocess.run(command, cwd=checkout, env=env, check=True, stdout=subprocess.PIPE).stdout
    found: dict[str, float] = json.loads(said)
    return found


def compare(url: str, options: argparse.Namespace) -> None:
    here = Path(__file__).parent.parent.parent
    ways = {name: (name, here) for name in READERS}
    if options.beside is not None:
        ways["the backend beside"] = ("the backend", options.beside.resolve())
    seen: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for _ in range(TURNS):  # in turns, so that all have the same machine
        for way, (name, checkout) in ways.items():
            load = (options.streams, options.rate, options.words)
            seen[way].append(in_a_process(name, checkout, url, *load))
    best = {
        way: {key: statistics.median(one[key] for one in runs) for key in ("cpu", "first", "wall")}
        for way, runs in seen.items()
    }
    for way, found in best.items():
        print(
            f"{way:18} {found['cpu']:7.1f} ms CPU per 1,000 tokens, {found['first']:5.2f} ms per request up"
            f" to its first ({found['wall']:.1f} s for {options.streams} streams)"
        )
    ours = best["the backend"]
    for way, found in best.items():
        if way != "the backend":
            print(
                f"the backend / {way}: x{ours['cpu'] / found['cpu']:.2f} per token,"
                f" x{ours['first'] / found['first']:.2f} up to the first"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--rate", type=float, default=20.0, help="tokens a second of each, 0 is no limit")
    parser.add_argument("--words", type=int, default=100)
    parser.add_argument("--beside", type=Path, help="another checkout of this project")
    parser.add_argument("--read", choices=READERS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        work = measured(options.read, options.url, options.streams, options.rate, options.words)
        print(json.dumps(uvloop.run(work)))
        return
    from tests.benchmarks.measure import calibration, endpoint

    print(calibration())
    with endpoint() as url:
        compare(url, options)


if __name__ == "__main__":
    main()
