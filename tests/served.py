"""The app in another environment's Python, spoken to as its page does."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.clean_environment import bare


@dataclass
class Served:
    """A running app. `output` holds what it printed, once it has ended."""

    url: str
    client: httpx.AsyncClient
    output: str = field(default="")

    async def open_page(self) -> str:
        """Come as a new visitor: open the page and keep its cookies, those for TLS too, as behind a proxy."""
        self.client.headers.pop("cookie", None)
        page = await self.client.get("/", headers={"Accept": "text/html"})
        assert page.status_code == 200, page.text
        set_cookies = page.headers.get_list("set-cookie")
        self.client.headers["cookie"] = "; ".join(cookie.partition(";")[0] for cookie in set_cookies)
        return page.text

    async def ask(self, text: str) -> str:
        """Send one message and follow its reply to the end; returns the reply's text."""
        turn = {"kind": "send", "conversation_id": None, "text": text, "client_key": os.urandom(8).hex()}
        begun = await self.client.post("/api/turns", json=turn, headers={"Origin": self.url})
        assert begun.status_code == 201, begun.text
        route = f"/api/messages/{begun.json()['reply']['id']}/events?from=0"
        async with self.client.stream("GET", route) as events:
            assert events.status_code == 200
            kind = ""
            async for line in events.aiter_lines():
                if line.startswith("event:"):
                    kind = line.partition(":")[2].strip()
                if line.startswith("data:") and kind == "done":
                    message = json.loads(line.partition(":")[2])["message"]
                    assert message["state"] == "complete", message
                    return str(message["text"])
        raise AssertionError("the stream ended before the reply was done")


@asynccontextmanager
async def served(
    command: Sequence[str | Path], *, port: int, cwd: Path, env: dict[str, str] | None = None
) -> AsyncIterator[Served]:
    """Start the command, wait until it answers, end it as Ctrl+C does. Fails with what it said."""
    url = f"http://127.0.0.1:{port}"
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env=bare(cwd, env),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = asyncio.create_task(process.communicate())
    async with httpx.AsyncClient(base_url=url, timeout=120) as client:
        app = Served(url, client)
        try:
            while not said.done():
                try:
                    if (await client.get("/healthz")).status_code == 200:
                        break
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
            if not said.done():
                yield app
        finally:
            if not said.done():
                process.send_signal(signal.SIGINT)
            app.output = (await said)[0].decode()
    assert process.returncode in (0, 128 + signal.SIGINT), app.output
