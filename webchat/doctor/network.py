"""The port, the clock, and whether what stands in front of the server lets a stream through."""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator, Iterator
from email.utils import parsedate_to_datetime

import httpx

from webchat.doctor.finding import Finding, Value
from webchat.settings import Settings

STREAM = "/healthz/stream"
OFF_SECONDS = 30
"""By which a clock may be wrong before sign-ins and expiries suffer."""

_WAIT = 15.0


def port(settings: Settings) -> Iterator[Finding]:
    """Whether the port is free, or ours. Blocks."""
    params: dict[str, Value] = {"host": settings.host, "port": settings.port}
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((settings.host, settings.port))
    except OSError as error:
        if _is_ours(settings):
            yield Finding("network", "ok", "port_ours", params)
        else:
            why = error.strerror or str(error)
            yield Finding("network", "error", "port_taken", {**params, "why": why})
        return
    yield Finding("network", "ok", "port", params)


def _is_ours(settings: Settings) -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    shown = f"[{host}]" if ":" in host else host
    try:
        said = httpx.get(
            f"http://{shown}:{settings.port}{settings.root_path}/healthz", timeout=5, trust_env=False
        )
        return bool(said.json() == {"status": "ok"})
    except (httpx.HTTPError, ValueError):
        return False


async def public(settings: Settings) -> AsyncIterator[Finding]:
    """Fetches a short stream through the public address, as a browser would."""
    if settings.public_url is None:
        return
    params: dict[str, Value] = {"address": settings.public_url}
    arrived: list[float] = []
    try:
        async with (
            httpx.AsyncClient(timeout=_WAIT, follow_redirects=False) as client,
            client.stream("GET", settings.public_url + STREAM) as answer,
        ):
            if answer.status_code != 200:
                yield Finding("public", "error", "public_status", {**params, "status": answer.status_code})
                return
            if (off := clock_off(answer.headers.get("date"), time.time())) is not None:
                yield clock(off)
            async for line in answer.aiter_lines():
                if line.startswith("data:"):
                    arrived.append(time.monotonic())
    except httpx.HTTPError as error:
        why = str(error) or type(error).__name__
        yield Finding("public", "error", "public_silent", {**params, "why": why})
        return
    if len(arrived) < 2:
        yield Finding("public", "error", "public_cut", params)
        return
    # The server sends for a second; behind a buffer everything arrives at once.
    spread = arrived[-1] - arrived[0]
    params["seconds"] = round(spread, 2)
    if spread < 0.3:
        yield Finding("public", "error", "public_buffers", params)
    else:
        yield Finding("public", "ok", "public", params)


def clock_off(date: str | None, now: float) -> float | None:
    """Seconds by which this clock is ahead of a `Date` header; `None` without a valid one."""
    try:
        return now - parsedate_to_datetime(date or "").timestamp()
    except (ValueError, OverflowError):
        return None


def clock(off: float) -> Finding:
    """off: seconds by which this clock is ahead of another one."""
    wrong = abs(off) > OFF_SECONDS
    params = {"seconds": round(abs(off))}
    return Finding("network", "warning" if wrong else "ok", "clock_off" if wrong else "clock", params)


async def clocks(settings: Settings) -> AsyncIterator[Finding]:
    """This machine's clock against the one of an endpoint that is not on it."""
    now = time.time()
    if now < time.mktime((2026, 1, 1, 0, 0, 0, 0, 0, 0)):
        yield Finding("network", "error", "clock_past", {"date": time.strftime("%Y-%m-%d", time.gmtime(now))})
    places = [settings.endpoint, *(one.endpoint for one in settings.models)]
    for place in dict.fromkeys(filter(None, places)):
        try:
            async with httpx.AsyncClient(timeout=5, follow_redirects=False) as client:
                answer = await client.get(f"{place}/models")
        except (httpx.HTTPError, ValueError, ImportError):
            continue
        if (off := clock_off(answer.headers.get("date"), time.time())) is not None:
            yield clock(off)
            return
