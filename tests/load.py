"""Many people at once on the page's own routes, over raw sockets so that the driver costs little.

Each person posts one turn and follows its events until `done`, exactly as the page does.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Followed:
    """What one person saw. Times in seconds; `first` is from the click to the first text."""

    text: str = ""
    state: str = ""
    first: float = 0.0
    total: float = 0.0
    gaps: list[float] = field(default_factory=list)


async def request_json(
    port: int, method: str, path: str, body: object = None, cookie: str = ""
) -> tuple[int, Any]:
    """One HTTP request on a connection of its own; returns status and decoded JSON body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        payload = b"" if body is None else json.dumps(body).encode()
        writer.write(head_of(port, method, path, cookie, len(payload)) + payload)
        head = await reader.readuntil(b"\r\n\r\n")
        content = await reader.read()
        return int(head.split(b" ", 2)[1]), json.loads(content) if content else None
    finally:
        writer.close()


async def newcomers(port: int, people: int) -> list[str]:
    """Cookies of people who open the page of an open server, each for the first time."""

    async def one() -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            head = head_of(port, "GET", "/", "", 0)
            writer.write(head.replace(b"\r\n\r\n", b"\r\nAccept: text/html\r\n\r\n"))
            answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            given = [
                line[12:].partition(";")[0]
                for line in answer.split("\r\n")
                if line.lower().startswith("set-cookie: ")
            ]
            return "; ".join(given)
        finally:
            writer.close()

    return [await one() for _ in range(people)]


async def converse(port: int, text: str, *, cookie: str = "", **place: str | None) -> Followed:
    """Send `text` and follow the reply to its end. place: `conversation_id` and `parent_id` of an old
    conversation, or none for a new one; `model`."""
    seen = Followed()
    start = time.perf_counter()
    await _follow(port, await _ask(port, text, cookie, place), cookie, seen, start)
    seen.total = time.perf_counter() - start
    return seen


async def first_words(port: int, text: str, *, cookie: str = "") -> Followed:
    """The same in a new conversation, but only until the first words are there."""
    seen = Followed()
    start = time.perf_counter()
    await _follow(port, await _ask(port, text, cookie, {}), cookie, seen, start, whole=False)
    return seen


async def _ask(port: int, text: str, cookie: str, place: Mapping[str, str | None]) -> str:
    """The id of the reply that was begun."""
    ask = {"kind": "send", "text": text, "client_key": uuid.uuid4().hex, **place}
    status, begun = await request_json(port, "POST", "/api/turns", ask, cookie)
    if status != 201:
        raise RuntimeError(f"POST /api/turns answered {status}: {begun}")
    return str(begun["reply"]["id"])


async def _follow(
    port: int, message_id: str, cookie: str, seen: Followed, start: float, *, whole: bool = True
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    try:
        writer.write(head_of(port, "GET", f"/api/events?reply={message_id}:0", cookie, 0))
        last = 0.0
        event = ""
        while line := await reader.readline():
            if line.startswith(b"event: "):
                event = line[7:].strip().decode()
            elif line.startswith(b"data: ") and event == "delta":
                now = time.perf_counter()
                if last:
                    seen.gaps.append(now - last)
                else:
                    seen.first = now - start
                last = now
                delta = json.loads(line[6:])
                if delta["kind"] == "text":
                    seen.text += delta["text"]
                if not whole:
                    return
            elif line.startswith(b"data: ") and event == "done":
                message = json.loads(line[6:])["message"]
                seen.state = message["state"]
                seen.text = seen.text or message["text"]  # of one that was over before it was followed
                return
    finally:
        writer.close()


def head_of(port: int, method: str, path: str, cookie: str, length: int) -> bytes:
    """The head of a request, as a page of the server sends it."""
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        f"Origin: http://127.0.0.1:{port}",
        "Connection: close",
        "Content-Type: application/json",
        f"Content-Length: {length}",
    ]
    if cookie:
        lines.append(f"Cookie: {cookie}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def crowd(
    port: int, people: int, text: str, *, arrive: float = 1.0, cookies: Sequence[str] = ("",)
) -> list[Followed]:
    """`people` conversations at once, arrivals spread evenly over `arrive` seconds."""

    async def one(index: int) -> Followed:
        await asyncio.sleep(arrive * index / people)
        return await converse(port, text, cookie=cookies[index % len(cookies)])

    return list(await asyncio.gather(*(one(index) for index in range(people))))


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0..1) of `values` lie; 0.0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def summary(seen: Sequence[Followed]) -> dict[str, float]:
    """Finished count, TTFT median/p95, total median and gap p50/p95/max of a crowd, in seconds."""
    first = [one.first for one in seen]
    gaps = [gap for one in seen for gap in one.gaps]
    return {
        "finished": sum(one.state == "complete" for one in seen),
        "ttft_median": statistics.median(first),
        "ttft_p95": percentile(first, 0.95),
        "total_median": statistics.median(one.total for one in seen),
        "gap_p50": percentile(gaps, 0.5),
        "gap_p95": percentile(gaps, 0.95),
        "gap_max": max(gaps, default=0.0),
    }
