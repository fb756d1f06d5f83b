"""The wire a Gradio page speaks, enough to measure a bare `gr.ChatInterface` as its own page would see it."""

from __future__ import annotations

import json
import time

import httpx

from tests.load import Followed


async def converse(
    client: httpx.AsyncClient, port: int, stream_event: int, text: str, session: str
) -> Followed:
    """Submit `text` and follow the streaming event to its end; `first` runs from the click."""
    base = f"http://127.0.0.1:{port}/gradio_api"
    seen = Followed()
    start = time.perf_counter()
    saved = {"data": [text], "fn_index": stream_event - 2, "session_hash": session}
    (await client.post(f"{base}/run/predict", json=saved)).raise_for_status()
    job = {"data": [None, None], "fn_index": stream_event, "session_hash": session}
    (await client.post(f"{base}/queue/join", json=job)).raise_for_status()
    last = 0.0
    async with client.stream("GET", f"{base}/queue/data", params={"session_hash": session}) as events:
        async for line in events.aiter_lines():
            if not line.startswith("data: "):
                continue
            kind = json.loads(line[6:])["msg"]
            if kind == "process_generating":
                now = time.perf_counter()
                if last:
                    seen.gaps.append(now - last)
                else:
                    seen.first = now - start
                last = now
            elif kind in ("process_completed", "close_stream"):
                seen.state = "complete"
                break
    seen.total = time.perf_counter() - start
    return seen
