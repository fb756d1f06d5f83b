"""CPU time that reading a remote model costs this process, per 1,000 tokens, each way in the same run.

`python -m tests.benchmarks.openai_compat_cost --streams 50 --rate 50 --words 200`

The endpoint is a process of its own, so that only the reader is measured: bare bytes of httpx, httpx with one
`json.loads` per line, `httpx-sse`, and the backend.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import httpx
from httpx_sse import aconnect_sse

from backends.openai_compat import OpenAICompatBackend
from backends.types import Message, Request, TextDelta

Reader = Callable[[str], Awaitable[int]]


def _body(prompt: str) -> dict[str, object]:
    return {"model": "scripted", "messages": [{"role": "user", "content": prompt}], "stream": True}


async def bare_bytes(client: httpx.AsyncClient, prompt: str) -> int:
    count = 0
    async with client.stream("POST", "chat/completions", json=_body(prompt)) as response:
        async for chunk in response.aiter_bytes():
            count += chunk.count(b'"content"')
    return count


async def json_per_line(client: httpx.AsyncClient, prompt: str) -> int:
    count = 0
    async with client.stream("POST", "chat/completions", json=_body(prompt)) as response:
        async for line in response.aiter_lines():
            if line.startswith("data: {") and (choices := json.loads(line[6:])["choices"]):
                count += "content" in choices[0]["delta"]
    return count


async def with_httpx_sse(client: httpx.AsyncClient, prompt: str) -> int:
    count = 0
    async with aconnect_sse(client, "POST", "chat/completions", json=_body(prompt)) as source:
        async for event in source.aiter_sse():
            if event.data != "[DONE]" and (choices := json.loads(event.data)["choices"]):
                count += "content" in choices[0]["delta"]
    return count


async def measure(name: str, read: Reader, streams: int, prompt: str) -> float:
    """Milliseconds of CPU per 1,000 tokens."""
    await read("words=5 rate=0")
    cpu, wall = time.process_time(), time.perf_counter()
    counts = await asyncio.gather(*(read(prompt) for _ in range(streams)))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    cost = cpu / sum(counts) * 1e6
    print(f"{name:16} {cost:7.1f} ms CPU per 1,000 tokens   ({sum(counts)} tokens in {wall:.1f} s)")
    return cost


async def main(url: str, streams: int, rate: float, words: int) -> None:
    prompt = f"words={words} rate={rate:g}"
    backend = OpenAICompatBackend(url, "scripted")
    await backend.start()

    async def ours(prompt: str) -> int:
        request = Request((Message("user", prompt),))
        return len([None async for event in backend.stream(request) if isinstance(event, TextDelta)])

    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=None, limits=limits, trust_env=False) as client:
        bare = await measure("bytes of httpx", lambda p: bare_bytes(client, p), streams, prompt)
        await measure("json per line", lambda p: json_per_line(client, p), streams, prompt)
        await measure("httpx-sse", lambda p: with_httpx_sse(client, p), streams, prompt)
        cost = await measure("the backend", ours, streams, prompt)
    await backend.aclose()
    print(f"the backend / bytes of httpx: {cost / bare:.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument(
        "--rate", type=float, default=50.0, help="tokens per second of each stream, 0 is no limit"
    )
    parser.add_argument("--words", type=int, default=200)
    arguments = parser.parse_args()
    command = [sys.executable, "-m", "tests.scripted_endpoint"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as endpoint:
        assert endpoint.stdout is not None
        address = endpoint.stdout.readline().strip().split()[-1]
        try:
            asyncio.run(main(address, arguments.streams, arguments.rate, arguments.words))
        finally:
            endpoint.terminate()
