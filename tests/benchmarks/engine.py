"""The embedded model through the page's routes against the engine alone: tokens per second, in one run.

    python -m tests.benchmarks.engine [--tokens 400] [--times 5]

Each asks for the same greedy reply in turns, engine and app, so that both see the same machine. Medians.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from contextlib import aclosing
from pathlib import Path

from backends.llamacpp import LlamaCppBackend
from backends.llamacpp.demo import demo_model
from backends.options import LlamaCppOptions
from backends.types import Message, Request, Sampling, TextDelta, Usage
from tests.app_process import ROOT, AppProcess
from tests.benchmarks.measure import FREELY
from tests.load import converse, request_json

PROMPT = "Write a long story about a lighthouse keeper and the sea."


async def alone(engine: LlamaCppBackend, tokens: int) -> tuple[float, float]:
    """Tokens per second after the first one, and seconds to the first one."""
    request = Request((Message("user", PROMPT),), Sampling(temperature=0, max_tokens=tokens))
    began = time.perf_counter()
    first = last = 0.0
    count = 0
    async with aclosing(engine.stream(request)) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                last = time.perf_counter()
                first = first or last
            elif isinstance(event, Usage):
                count = event.completion_tokens
    return (count - 1) / (last - first), first - began


async def through(port: int) -> tuple[float, float]:
    seen = await converse(port, PROMPT)
    (newest, *_) = (await request_json(port, "GET", "/api/conversations?limit=1"))[1]["items"]
    told = (await request_json(port, "GET", f"/api/messages/{newest['active_leaf_id']}"))[1]
    count = told["provenance"]["completion_tokens"]
    return (count - 1) / sum(seen.gaps), seen.first


async def run(tokens: int, times: int) -> None:
    path = demo_model(ROOT / ".cache" / "models")
    engine = LlamaCppBackend(LlamaCppOptions(path=path))
    await engine.start()
    env = {**FREELY, "WEBCHAT_CACHE_DIR": str(ROOT / ".cache"), "WEBCHAT_MAX_TOKENS": str(tokens)}
    with tempfile.TemporaryDirectory() as folder, AppProcess(Path(folder), env=env) as app:
        await converse(app.port, "Hello")
        await alone(engine, 8)
        bare, page = [], []
        for _ in range(times):
            bare.append(await alone(engine, tokens))
            page.append(await through(app.port))
    await engine.aclose()
    speeds = [statistics.median(speed for speed, _ in runs) for runs in (bare, page)]
    firsts = [statistics.median(first for _, first in runs) * 1000 for runs in (bare, page)]
    print(
        f"{tokens} tokens, {times} times: engine alone {speeds[0]:.1f} tok/s, through the page"
        f" {speeds[1]:.1f} tok/s (x{speeds[1] / speeds[0]:.3f});"
        f" first token {firsts[0]:.0f} ms and {firsts[1]:.0f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--tokens", type=int, default=400)
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    asyncio.run(run(options.tokens, options.times))


if __name__ == "__main__":
    main()
