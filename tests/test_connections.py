"""Real connections on this machine, many of them and bad ones, against a real server."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from tests.app_process import AppProcess
from tests.few_files import FILES
from webchat.connections import connections, open_files
from webchat.crowd import Crowd, Limits

IDLE = b"GET / HT"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
PIECE = 16_384


@dataclass
class Line:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ended(self) -> bool:
        """Whether the server ends it, perhaps with what it said before."""
        with suppress(ConnectionError):
            await self.rest()
        return True

    async def rest(self) -> bytes:
        async with asyncio.timeout(60):
            return await self.reader.read()

    @property
    def seems_open(self) -> bool:
        return not self.reader.at_eof() and self.reader.exception() is None


@dataclass
class Caller:
    """Somebody who speaks to a port, and hangs up on all at the end."""

    port: int = 0
    lines: list[Line] = field(default_factory=list)

    async def say(self, words: bytes, **options: Any) -> Line:
        line = Line(*await asyncio.open_connection("127.0.0.1", self.port, **options))
        self.lines.append(line)
        line.writer.write(words)
        with suppress(ConnectionError):
            await line.writer.drain()
        return line

    async def answer(self, words: bytes = HEALTH) -> bytes:
        return await (await self.say(words)).rest()

    async def hang_up(self) -> None:
        for line in self.lines:
            line.writer.close()
        for line in self.lines:
            with suppress(ConnectionError):
                await line.writer.wait_closed()


@dataclass
class Running(Caller):
    """A server with a clock of its own. sent: pieces of endless answers; heard: bytes of bodies."""

    limits: Limits = field(default_factory=lambda: Limits(50, 50))
    now: float = 1000.0
    sent: int = 0
    heard: int = 0
    open: int = 0
    full: list[Any] = field(default_factory=list)
    server: Any = None
    crowd: Crowd = field(init=False)

    def __post_init__(self) -> None:
        self.crowd = Crowd(self.limits, clock=lambda: self.now)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.full.append(scope["state"].get("full", False))
        more = True
        while more and scope["path"] == "/body":
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            self.heard += len(message["body"])
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"] in ("/events", "/endless"):
            self.open += 1
            try:
                await send({"type": "http.response.body", "body": b"hello\n", "more_body": True})
                while scope["path"] == "/endless" and self.sent < 10_000:
                    await send({"type": "http.response.body", "body": b"x" * PIECE, "more_body": True})
                    self.sent += 1
                while (await receive())["type"] != "http.disconnect":
                    pass
            finally:
                self.open -= 1
        await send({"type": "http.response.body", "body": b"fine"})

    async def later(self, seconds: float) -> None:
        """When all that was sent has been heard."""
        await self.answer()
        self.now += seconds
        self.crowd.sweep()


@asynccontextmanager
async def running(**limits: Any) -> AsyncIterator[Running]:
    app = Running(limits=Limits(**{"at_once": 50, "from_one": 50, **limits}))
    config = uvicorn.Config(
        app, port=0, http=connections(app.crowd), ws="none", lifespan="off", log_level="error",
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    app.server = uvicorn.Server(config)
    task = asyncio.create_task(app.server.serve())
    while not app.server.started:  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.01)
    app.port = app.server.servers[0].sockets[0].getsockname()[1]
    try:
        yield app
    finally:
        await app.hang_up()
        app.server.should_exit = True
        await task


async def until(condition: Any) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  many things, from many places
            await asyncio.sleep(0.01)


async def test_health_is_told_while_silent_connections_keep_coming() -> None:
    async with running(at_once=20, from_one=20) as app:
        served = await app.say(b"GET /events HTTP/1.1\r\nHost: here\r\n\r\n")
        await until(lambda: app.open)
        silent = [await app.say(IDLE) for _ in range(60)]
        assert b"fine" in await app.answer()
        assert len(app.crowd) <= 20
        assert await silent[0].ended()
        assert silent[-1].seems_open
        assert served.seems_open
        assert not any(app.full)


async def test_heads_that_trickle_in_are_ended_and_open_answers_are_not() -> None:
    async with running() as app:
        served = await app.say(b"GET /events HTTP/1.1\r\nHost: here\r\n\r\n")
        await until(lambda: app.open)
        silent = await app.say(b"")
        trickling = await app.say(IDLE)
        again = await app.say(HEALTH.replace(b"close", b"keep-alive"))
        assert b"200" in await again.reader.readline()
        again.writer.write(IDLE)
        for _ in range(5):
            await app.later(4)
            trickling.writer.write(b"T")
        await app.later(1)
        assert await silent.ended()
        assert await trickling.ended()
        assert await again.ended()
        await app.later(10_000)
        assert served.seems_open
        assert app.open == 1


async def test_a_connection_is_kept_for_its_next_request() -> None:
    """Proxies use theirs again for a minute, and a person's message is not sent twice by any of them."""
    async with running() as app:
        kept = await app.say(HEALTH.replace(b"close", b"keep-alive"))
        assert b"fine" in await kept.reader.readuntil(b"fine")
        await app.later(60)
        assert all(one.timeout_keep_alive > 60 for one in app.server.server_state.connections)
        kept.writer.write(HEALTH)
        assert b"fine" in await kept.rest()


async def test_a_body_that_goes_on_coming_is_waited_for() -> None:
    head = b"POST /body HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: 20000\r\n\r\n"
    async with running(body_seconds=20, body_rate=500) as app:
        silent, slow = await app.say(head + b"x"), await app.say(head)
        for _ in range(4):
            slow.writer.write(b"x" * 5000)
            await app.later(9)
        assert await silent.ended()
        assert b"fine" in await slow.rest()
        assert app.heard >= 20_000


async def test_half_sent_bodies_take_no_more_than_their_share() -> None:
    head = b"POST /body HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: 30000\r\n\r\n"
    async with running(half_read=200_000) as app:
        half = [await app.say(head + b"x" * 20_000) for _ in range(20)]
        await until(lambda: not half[0].seems_open)
        await app.answer()
        assert app.crowd._all.half_read <= 200_000
        half[-1].writer.write(b"x" * 10_000)
        assert b"fine" in await half[-1].rest()


async def test_chunks_count_as_they_come() -> None:
    head = b"POST /body HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with running(half_read=100_000) as app:
        endless = await app.say(head)
        for _ in range(500):
            endless.writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        assert await endless.ended()
        assert app.heard <= 100_000 + 2 * 262_144  # what is read at once


async def test_who_comes_when_all_are_served_is_known_as_beyond_the_last() -> None:
    async with running(at_once=5, from_one=5) as app:
        served = [await app.say(b"GET /events HTTP/1.1\r\nHost: here\r\n\r\n") for _ in range(5)]
        await until(lambda: app.open == 5)
        assert b"fine" in await app.answer()
        assert app.full == [False] * 5 + [True]
        assert all(line.seems_open for line in served)
        served[0].writer.close()
        await until(lambda: app.open == 4)
        await app.answer()
        assert app.full[-1] is False


async def test_a_reader_who_does_not_read_is_waited_for_in_little_memory_and_then_ended() -> None:
    async with running(unread_seconds=300) as app:
        lazy = await app.say(b"GET /endless HTTP/1.1\r\nHost: here\r\n\r\n", limit=PIECE)

        def stuck() -> bool:
            return any(connection.flow.write_paused for connection in app.server.server_state.connections)

        await until(stuck)
        (held,) = [member.wire.get_write_buffer_size() for member in app.crowd._members if member.request]
        assert held < 200_000
        for _ in range(3):
            await app.later(100)
        assert app.open
        assert app.sent < 10_000
        await app.later(100)
        await until(lambda: not app.open)
        assert await lazy.ended()


async def test_requests_ahead_of_their_answer_wait_in_little_memory() -> None:
    events = b"GET /events HTTP/1.1\r\nHost: here\r\n\r\n"
    async with running() as app:
        two = await app.say(HEALTH.replace(b"close", b"keep-alive") + HEALTH)
        assert (await two.rest()).count(b"fine") == 2
        some, many = await app.say(events), await app.say(events)
        await until(lambda: app.open == 2)
        some.writer.write(HEALTH)
        many.writer.write(HEALTH * 5000)
        assert await many.ended()
        await app.answer()
        assert some.seems_open


async def test_what_is_no_request_is_counted_and_not_logged_one_by_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running() as app:
        for _ in range(30):
            assert b" 400 " in await app.answer(b"\x16\x03\x01\r\n\r\n")
        assert not caplog.records
        await app.later(61)
        (line,) = caplog.records
        assert "30 sent no valid request" in line.getMessage()


def test_it_starts_where_files_have_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    assert open_files(77) == 77


async def test_the_whole_app_lives_on_few_files(tmp_path: Path) -> None:
    """More silent connections than it may have files open, and half bodies, from one who never signed in."""
    redeem = (
        b"POST /t/redeem HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: 4000\r\n\r\n" + b"x" * 2000
    )
    flags = ("--endpoint", "http://127.0.0.1:9/v1", "--access", "link")
    caller = Caller()
    with AppProcess(tmp_path, *flags, module="tests.few_files") as process:
        caller.port = process.port
        silent = [await caller.say(IDLE) for _ in range(FILES + 30)]
        for _ in range(FILES):
            await caller.say(redeem)
        for path in (b"healthz", b"readyz"):
            assert b" 200 " in await caller.answer(HEALTH.replace(b"healthz", path))
        assert await silent[0].ended()
        await caller.hang_up()
    assert "Traceback" not in process.log.read_text(encoding="utf-8")
