"""The page as a person uses it, and the server as the page's own requests see it."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from playwright.async_api import BrowserContext, Locator, Page, expect

from tests.browser import PATIENCE

Json = dict[str, Any]

NewVisitor = Callable[..., Awaitable[BrowserContext]]
"""Makes a browser context: a person with their own cookies, storage and screen."""

BOX = "#wc-composer-text textarea"
PHONE: Json = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
LOOKS = [
    pytest.param({"locale": "en-GB"}, "en", id="desktop-en"),
    pytest.param({"locale": "zh-CN", **PHONE}, "zh-CN", id="phone-zh"),
]
"""Options of a browser context and the language of its page: each screen and each language once."""

MORE_LOOKS = [
    *LOOKS,
    pytest.param({"locale": "zh-CN"}, "zh-CN", id="desktop-zh", marks=pytest.mark.slow),
    pytest.param({"locale": "en-GB", **PHONE}, "en", id="phone-en", marks=pytest.mark.slow),
]
"""The other pairs too, in `make test-slow`."""


def first(values: Sequence[Any]) -> list[Any]:
    """Parameters: the first by default, the others in `make test-slow`. For what works alike on every screen
    and in every language; `tests/ui` looks at those."""
    one, *others = map(_parameters, values)
    return [one, *(pytest.param(*other.values, id=other.id, marks=pytest.mark.slow) for other in others)]


def crossed(ones: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """Parameters: each of `ones`, a value or several as in `LOOKS`, with each of `others`. By default each of
    both is run once; the other pairs are for `make test-slow`."""
    step = min(len(ones), len(others))
    return [
        pytest.param(
            *one.values,
            *other.values,
            id=f"{one.id}-{other.id}",
            marks=[*one.marks, *other.marks, *([] if row % step == column % step else [pytest.mark.slow])],
        )
        for row, one in enumerate(map(_parameters, ones))
        for column, other in enumerate(map(_parameters, others))
    ]


def _parameters(value: Any) -> Any:
    return value if hasattr(value, "marks") else pytest.param(value, id=str(value))


ENDED = ("complete", "stopped", "interrupted", "failed", "blocked")


def words(count: int) -> str:
    """What the scripted endpoint answers to `words=<count>`, without the space at its end."""
    return " ".join(f"w{index}" for index in range(count))


async def until(page: Page, script: str, argument: object = None) -> None:
    """Wait for a condition, JavaScript, on a page of the app, whose policy lets nothing be compiled in it."""
    await eventually(lambda: page.evaluate(script, argument), bool)


class Chat:
    """One open page."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url

    @property
    def replies(self) -> Locator:
        return self.page.locator("article.wc-reply")

    @property
    def reply(self) -> Locator:
        """The last reply."""
        return self.replies.last

    @property
    def box(self) -> Locator:
        return self.page.locator(BOX)

    @property
    def conversation(self) -> str:
        """Id in the address."""
        return self.page.url.partition("?c=")[2]

    async def open(self, query: str = "") -> Chat:
        await self.page.goto(f"{self.url}/{query}", wait_until="commit")
        await self.ready()
        return self

    async def ready(self) -> None:
        await self.page.wait_for_selector("html.wc-ready")

    async def new_chat(self) -> None:
        await self.page.click("#wc-sidebar .wc-side-action >> nth=0")
        await self.page.wait_for_url(lambda url: "?c=" not in url)

    async def send(self, text: str) -> None:
        await self.box.fill(text)
        await self.page.click("#wc-send")

    async def ask(self, text: str) -> str:
        """Send, and wait until the conversation is stored; returns its id."""
        await self.send(text)
        await self.page.wait_for_url("**/?c=*")
        return self.conversation

    async def text(self) -> str:
        """The words of the last reply as they are shown; nothing when there is none."""
        if not await self.replies.count():
            return ""
        return (await self.reply.locator(".wc-body").text_content() or "").strip()

    async def until(self, script: str, argument: object = None) -> None:
        """Wait for a condition, a JavaScript function, on the page."""
        await until(self.page, script, argument)

    async def shows(self, part: str) -> None:
        """Wait until the last reply holds `part`."""
        await expect(self.reply.locator(".wc-body")).to_contain_text(part)

    async def state(self, state: str) -> None:
        """Wait until the last reply is in this state."""
        await expect(self.reply).to_have_attribute("data-state", state)

    async def whole(self, *replies: str) -> None:
        """These replies are on the page, complete, each once and nothing else; and so they are stored."""
        await expect(self.replies).to_have_count(len(replies))
        for index, text in enumerate(replies):
            one = self.replies.nth(index)
            await expect(one).to_have_attribute("data-state", "complete")
            await expect(one.locator(".wc-body")).to_have_text(text)
        stored = [message for message in await self.thread() if message["role"] == "assistant"]
        assert [message["text"].strip() for message in stored] == list(replies)
        assert all(len(message["siblings"]) == 1 for message in stored)

    async def thread(self, conversation: str | None = None) -> list[Json]:
        """The messages of the conversation as this visitor's own requests read them."""
        address = f"{self.url}/api/conversations/{conversation or self.conversation}"
        answer = await self.page.context.request.get(address)
        assert answer.ok, await answer.text()
        messages: list[Json] = (await answer.json())["messages"]
        return messages


@dataclass
class Followed:
    """A reply as a client of the event route saw it."""

    id: str
    conversation: str
    text: str = ""
    seq: int = 0
    ended: Json | None = None
    begun: asyncio.Event = field(default_factory=asyncio.Event)


class Server:
    """The HTTP API in the hands of a program."""

    def __init__(self, url: str, cookie: str | None = None) -> None:
        headers = {"origin": url} | ({"cookie": cookie} if cookie else {})
        self.http = httpx.AsyncClient(base_url=url, timeout=PATIENCE / 1000, headers=headers)

    async def __aenter__(self) -> Server:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def get(self, path: str) -> Json:
        answer = await self.http.get(path)
        answer.raise_for_status()
        found: Json = answer.json()
        return found

    async def ask(self, text: str, key: str | None = None, **place: str | None) -> httpx.Response:
        body = {"kind": "send", "text": text, "client_key": key or uuid.uuid4().hex, **place}
        return await self.http.post("/api/turns", json=body)

    async def begin(self, text: str, **place: str | None) -> Followed:
        answer = await self.ask(text, **place)
        assert answer.status_code == 201, answer.text
        reply = answer.json()["reply"]
        return Followed(reply["id"], reply["conversation_id"])

    async def follow(self, reply: Followed) -> None:
        """Read the reply's events until its end, or until the connection breaks."""
        path = f"/api/messages/{reply.id}/events?from={reply.seq}"
        try:
            async with self.http.stream("GET", path, timeout=None) as answer:
                event = ""
                async for line in answer.aiter_lines():
                    if line.startswith("event: "):
                        event = line[7:]
                    elif line.startswith("data: "):
                        self._take(reply, event, json.loads(line[6:]))
        except httpx.HTTPError:
            pass

    def _take(self, reply: Followed, event: str, data: Json) -> None:
        if event == "delta":
            assert data["seq"] == reply.seq + 1
            reply.seq = data["seq"]
            reply.text += data["text"]
            reply.begun.set()
        elif event == "done":
            reply.ended = data["message"]

    async def message(self, message_id: str) -> Json:
        message: Json = (await self.get(f"/api/messages/{message_id}"))["message"]
        return message

    async def ended(self, message_id: str) -> Json:
        """The message once it has ended."""
        found: Json = await eventually(lambda: self.message(message_id), lambda m: m["state"] in ENDED)
        return found


async def eventually(
    look: Callable[[], Any], wanted: Callable[[Any], bool], seconds: float = PATIENCE / 1000
) -> Any:
    """What `look` gives, once it is as wanted."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    found = await look()
    while not wanted(found) and loop.time() < end:
        await asyncio.sleep(0.05)
        found = await look()
    assert wanted(found), found
    return found


class Wire:
    """The network between browser and server, to be cut: a TCP relay on a port of its own."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self.passed = 0
        self._target = target
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._cut = False
        self._deaf: set[asyncio.StreamWriter] = set()
        self._dead = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Break every connection, and take none until `mend`."""
        self._cut = True
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        self._cut = self._dead = False

    def silence(self) -> None:
        """From now on nothing comes back over the connections there are, and nobody is told."""
        self._deaf |= self._writers

    def swallow(self) -> None:
        """As `silence`, and for the connections to come, too: nothing gets through in either direction."""
        self._dead = True
        self.silence()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pipe(reader, far_writer))
                group.create_task(self._pipe(far_reader, writer))
        finally:
            for end in (writer, far_writer):
                self._writers.discard(end)
                self._deaf.discard(end)
                end.transport.abort()

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                if self._dead or writer in self._deaf:
                    continue
                writer.write(data)
                await writer.drain()
            if not self._dead and writer not in self._deaf:
                writer.write_eof()
        except OSError:
            writer.transport.abort()

    async def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._relay(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @asynccontextmanager
    async def laid(self) -> AsyncIterator[Wire]:
        server = await asyncio.start_server(self._begin, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
