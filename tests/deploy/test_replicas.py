"""Three servers on one PostgreSQL behind nginx, killed, paused and cut off at random while people chat:
nothing shown is lost, no reply is written twice, and of each broken one its person is told.

WEBCHAT_FAULTS and WEBCHAT_PEOPLE say how many; `-s` shows the figures.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import NullPool, create_engine, make_url, text

from tests.app_process import AppProcess, free_port
from tests.clean_environment import ROOT
from tests.flaky_relay import FlakyRelay
from tests.load import head_of, newcomers
from tests.nginx import command, wait_for
from tests.postgres import PostgresServer, postgres
from tests.scripted_endpoint import ScriptedEndpoint

__all__ = ["postgres"]

FAULTS = int(os.environ.get("WEBCHAT_FAULTS", "12"))
PEOPLE = int(os.environ.get("WEBCHAT_PEOPLE", "12"))
REPLICAS = 3
PAUSE_SECONDS = (2.0, 40.0)
"""Some longer than a lease."""
BETWEEN_SECONDS = (1.0, 4.0)
PATIENCE_SECONDS = 240.0
"""For an answer after the last fault."""


@dataclass
class Asked:
    """One message of a person, what they saw of its reply, and how it ended for them."""

    key: str
    text: str
    whole: str
    shown: str = ""
    seq: int = 0
    reply: str = ""
    end: dict[str, Any] | None = None
    stopped: bool = False


@dataclass
class Person:
    """Chats by the routes of the page, and asks and reads again whatever breaks, as the page does."""

    port: int
    cookie: str
    until: asyncio.Event
    random: random.Random
    asked: list[Asked] = field(default_factory=list)
    conversation: str | None = None
    leaf: str | None = None
    again: Counter[str] = field(default_factory=Counter)

    async def chat(self) -> None:
        while not self.until.is_set():
            await self._ask(self._next())
            await asyncio.sleep(self.random.uniform(0.1, 1.0))

    def _next(self) -> Asked:
        words, key = self.random.randint(10, 120), uuid.uuid4().hex
        asked = Asked(key, f"words={words} rate=15 key={key}", "".join(f"w{n} " for n in range(words)))
        self.asked.append(asked)
        return asked

    async def _ask(self, asked: Asked) -> None:
        body: dict[str, str | None] = {"kind": "send", "text": asked.text, "client_key": asked.key}
        if self.conversation is not None:
            body |= {"conversation_id": self.conversation, "parent_id": self.leaf}
        while True:
            status, answer = await self._request("POST", "/api/turns", body)
            if status in (200, 201):
                break
            assert status in (0, 409, 429, 502, 503, 504), (status, answer)
            self.again[f"ask {status}"] += 1
            await asyncio.sleep(0.5)
        asked.reply = answer["reply"]["id"]
        while asked.end is None:
            try:
                async with asyncio.timeout(60):
                    await self._follow(asked)
            except (OSError, TimeoutError, EOFError, ValueError):
                self.again["follow"] += 1
                await asyncio.sleep(0.3)
        # Under a reply without a word, two messages would be sent to the model as one.
        goes_on = bool(asked.end["text"])
        self.conversation = asked.end["conversation_id"] if goes_on else None
        self.leaf = asked.reply if goes_on else None

    async def _request(self, method: str, path: str, body: object) -> tuple[int, Any]:
        try:
            async with asyncio.timeout(30):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                try:
                    payload = json.dumps(body).encode()
                    writer.write(head_of(self.port, method, path, self.cookie, len(payload)) + payload)
                    head = await reader.readuntil(b"\r\n\r\n")
                    content = await reader.read()
                finally:
                    writer.close()
            status = int(head.split(b" ", 2)[1])
            return status, json.loads(content) if status < 500 else content
        except (OSError, TimeoutError, EOFError, ValueError):
            return 0, None

    async def _follow(self, asked: Asked) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**22)
        try:
            place = f"/api/events?reply={asked.reply}:{asked.seq}"
            writer.write(head_of(self.port, "GET", place, self.cookie, 0))
            event = ""
            while line := await reader.readline():
                if line.startswith(b"event: "):
                    event = line[7:].strip().decode()
                elif line.startswith(b"data: ") and event in ("delta", "done", "gone"):
                    self._seen(asked, event, json.loads(line[6:]))
                    if asked.end is not None:
                        return
                    if not asked.stopped and asked.seq > 3 and self.random.random() < 0.01:
                        asked.stopped = True
                        await self._request("POST", f"/api/messages/{asked.reply}/stop", {})
        finally:
            writer.close()
        raise EOFError

    def _seen(self, asked: Asked, event: str, data: dict[str, Any]) -> None:
        assert event != "gone", "a reply is gone"
        if event == "done":
            asked.end = data["message"]
        elif data["message_id"] == asked.reply:
            assert data["seq"] == asked.seq + 1, "a piece came twice, or is missing"
            asked.seq = data["seq"]
            asked.shown += data["text"]


@dataclass
class Replica:
    """A server with its own way to the database."""

    app: AppProcess
    relay: FlakyRelay
    busy: bool = False

    async def fail(self, how: str, chance: random.Random) -> None:
        self.busy = True
        try:
            match how:
                case "kill":
                    await asyncio.to_thread(self.app.kill)
                    await asyncio.sleep(chance.uniform(0, 3))
                    await asyncio.to_thread(self.app.start)
                case "restart":
                    await asyncio.to_thread(self.app.stop)
                    await asyncio.to_thread(self.app.start)
                case "pause":
                    os.kill(self.app.pid, signal.SIGSTOP)
                    await asyncio.sleep(chance.uniform(*PAUSE_SECONDS))
                    os.kill(self.app.pid, signal.SIGCONT)
                case "cut":
                    self.relay.cut()
                    await asyncio.sleep(chance.uniform(0.1, 8))
                    self.relay.mend()
                case "stall":
                    self.relay.stand_still()
                    await asyncio.sleep(chance.uniform(1, 30))
                    self.relay.mend()
        finally:
            self.busy = False


@contextmanager
def behind_nginx(replicas: list[Replica], folder: Path) -> Iterator[int]:
    """The upstream of `deploy/proxy/nginx.conf`, with these servers; its port."""
    conf = (ROOT / "deploy/proxy/nginx.conf").read_text(encoding="utf-8")
    head = conf[: conf.index("server {\n    listen 80")].replace(" Secure;", "")
    servers = "".join(f"server 127.0.0.1:{replica.app.port} fail_timeout=5s;\n" for replica in replicas)
    head = head.replace("server 127.0.0.1:7860 fail_timeout=5s;", servers)
    port = free_port()
    inside = f"""{head} server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://webchat;
            proxy_http_version 1.1;
            proxy_set_header Connection close;
            proxy_set_header Host $http_host;
            add_header Set-Cookie $webchat_new_route always;
            proxy_buffering off;
            proxy_connect_timeout 5s;
            proxy_read_timeout 75s;
        }}
    }}"""
    with subprocess.Popen(command(folder, inside)) as process:
        try:
            wait_for(process, f"http://127.0.0.1:{port}")
            yield port
        finally:
            process.terminate()


@asynccontextmanager
async def served(
    url: str, folder: Path, count: int = REPLICAS
) -> AsyncIterator[tuple[list[Replica], int, ScriptedEndpoint]]:
    async with AsyncExitStack() as stack:
        endpoint = await stack.enter_async_context(ScriptedEndpoint())
        replicas = []
        for number in range(count):
            relay = await stack.enter_async_context(FlakyRelay(make_url(url)))
            env = {
                "DATABASE_URL": relay.url,
                "WEBCHAT_COOKIE_SECRET": "the same for all of them, and long enough",
                "WEBCHAT_MASKING_SECRET": "this one, too, the same for all of them",
                "WEBCHAT_TITLES": "false",
                "WEBCHAT_MAX_TURNS": "1000",
                "WEBCHAT_MAX_TURNS_PER_NETWORK": "1000",
                "WEBCHAT_SHUTDOWN_GRACE": "60",
            }
            flags = ("--endpoint", endpoint.url, "--sign-in", "open")
            app = AppProcess(folder / f"replica{number}", *flags, env=env, preloaded=True)
            await stack.enter_async_context(app)
            replicas.append(Replica(app, relay))
        port = stack.enter_context(behind_nginx(replicas, folder / "nginx"))
        yield replicas, port, endpoint


async def break_things(replicas: list[Replica], chance: random.Random, count: int) -> Counter[str]:
    """So many faults, of one server at a time or several."""
    done: Counter[str] = Counter()
    failing: list[asyncio.Task[None]] = []
    while done.total() < count:
        await asyncio.sleep(chance.uniform(*BETWEEN_SECONDS))
        if not (well := [replica for replica in replicas if not replica.busy]):
            continue
        how = chance.choice(("kill", "kill", "pause", "pause", "cut", "stall", "restart"))
        done[how] += 1
        failing.append(asyncio.create_task(chance.choice(well).fail(how, chance)))
        await asyncio.sleep(0)
    await asyncio.gather(*failing)
    return done


def look(url: str, query: str) -> list[Any]:
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=NullPool)
    with engine.connect() as connection:
        return list(connection.execute(text(query)).all())


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_whatever_happens_to_servers_nothing_shown_is_lost_and_no_reply_comes_twice(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url, chance, over = postgres.fresh(), random.Random(), asyncio.Event()
    began = time.monotonic()
    async with served(url, tmp_path) as (replicas, port, endpoint):
        cookies = await newcomers(port, PEOPLE)
        people = [Person(port, cookie, over, random.Random(chance.random())) for cookie in cookies]
        chatting = [asyncio.create_task(person.chat()) for person in people]
        done = await break_things(replicas, chance, FAULTS)
        over.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(*chatting)
    seconds = time.monotonic() - began
    print(f"\n{done.total()} faults in {seconds:.0f} s: {dict(done)}")
    nothing_was_lost(url, people, endpoint)


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_restarting_one_server_after_the_other_interrupts_nothing(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url, over = postgres.fresh(), asyncio.Event()
    async with served(url, tmp_path) as (replicas, port, endpoint):
        people = [Person(port, cookie, over, random.Random()) for cookie in await newcomers(port, PEOPLE)]
        chatting = [asyncio.create_task(person.chat()) for person in people]
        for replica in replicas:
            await asyncio.sleep(3)
            await replica.fail("restart", random.Random())
            await are_ready(replicas)
        over.set()
        await asyncio.gather(*chatting)
    assert set(nothing_was_lost(url, people, endpoint)) <= {"complete", "stopped"}


async def are_ready(replicas: Sequence[Replica]) -> None:
    """Wait until all of them take messages."""
    async with httpx.AsyncClient() as client:
        for replica in replicas:
            while (await client.get(f"{replica.app.url}/readyz", timeout=60)).status_code != 200:  # noqa: ASYNC110
                await asyncio.sleep(0.1)


def nothing_was_lost(url: str, people: Sequence[Person], endpoint: ScriptedEndpoint) -> Counter[str]:
    """Nothing that was shown, nor does anything come twice, and no reply is left running. Returns how many
    replies ended how, and prints it."""
    asked = [one for person in people for one in person.asked]
    states = Counter(str(one.end and one.end["state"]) for one in asked)
    again = sum((person.again for person in people), Counter[str]())
    twice = [text for text, calls in Counter(_text(call) for call in endpoint.calls).items() if calls > 1]
    print(f"{len(asked)} replies of {len(people)} people: {dict(states)}")
    print(f"asked or followed again: {dict(again)}; models asked twice: {len(twice)}")
    for one in asked:
        assert one.end is not None
        assert one.end["text"].startswith(one.shown), "what was shown is lost"
        assert one.whole.startswith(one.end["text"]), "something came twice, or is missing"
        match one.end["state"]:
            case "complete":
                assert one.end["text"] == one.whole
            case "stopped":
                assert one.stopped
            case "failed":
                assert one.end["failure"]["message"]
            case state:
                assert state == "interrupted"
    assert look(url, "SELECT message_id FROM turns WHERE finished_at IS NULL") == []
    assert look(url, "SELECT message_id FROM journal") == []
    stored = look(url, "SELECT client_key FROM turns")
    assert Counter(row.client_key for row in stored) == Counter(one.key for one in asked)
    assert twice == []
    return states


def _text(call: Any) -> str:
    return str(call.body["messages"][-1]["content"])
