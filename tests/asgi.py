"""The whole app in this process, and requests to it as bytes: what no client library would send."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pydantic import SecretStr
from starlette.types import ASGIApp, Message

from backends.echo import EchoBackend
from webchat.app import App, build_app
from webchat.auth import Cookies
from webchat.logs import TALKATIVE
from webchat.models import ModelSpec
from webchat.pages import Page
from webchat.settings import Settings
from webchat.store.records import Owner

Headers = tuple[tuple[bytes, bytes], ...]

SECRET = "canary-cookie-9f3e-long-enough-for-a-secret"
MODEL = ModelSpec(name="Echo", kind="echo", source="echo")


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. target: path and query as they stand in its first line."""

    method: str
    target: bytes
    headers: Headers = ()
    body: bytes = b""

    @property
    def path(self) -> str:
        return unquote(self.target.partition(b"?")[0].decode("ascii"))


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. raised: what the application raised at its server; uvicorn would log its trace."""

    status: int
    headers: Headers
    body: bytes
    raised: BaseException | None

    def header(self, name: bytes) -> bytes:
        return next((value for key, value in self.headers if key.lower() == name), b"")

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


async def send(app: ASGIApp, ask: Ask, host: bytes = b"localhost", client: str = "127.0.0.1") -> Answer:
    """Ask as uvicorn hands it on. Of an answer without end the first piece comes, then the reader leaves."""
    path, _, query = ask.target.partition(b"?")
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": ask.method,
        "scheme": "http",
        "path": unquote(path.decode("ascii")),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": [(b"host", host), (b"content-length", b"%d" % len(ask.body)), *ask.headers],
        "client": (client, 50000),
        "server": ("127.0.0.1", 7860),
        "state": {},
    }
    gone = asyncio.Event()
    given = False
    start: Message = {"status": 0, "headers": []}
    pieces: list[bytes] = []

    async def receive() -> Message:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": ask.body, "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def answered(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start":
            start = message
            return
        pieces.append(message.get("body", b""))
        stream = (b"content-type", b"text/event-stream; charset=utf-8") in start["headers"]
        if stream or not message.get("more_body", False):
            gone.set()

    raised = None
    try:
        await app(scope, receive, answered)
    except Exception as error:
        raised = error
    return Answer(start["status"], tuple(start["headers"]), b"".join(pieces), raised)


@dataclass(frozen=True)
class Whole:
    """The app, Gradio's part included."""

    app: App

    def cookie(self, owner: Owner | None) -> Headers:
        if owner is None:
            return ()
        header = Cookies(SECRET).header(owner.id, secure=False)
        return ((b"cookie", header.partition(";")[0].encode()),)

    async def send(self, ask: Ask, owner: Owner | None = None) -> Answer:
        whole = Ask(ask.method, ask.target, (*self.cookie(owner), *ask.headers), ask.body)
        return await send(self.app.asgi, whole)


@asynccontextmanager
async def whole(data_dir: Path, pages: Sequence[Page] = (), **options: Any) -> AsyncIterator[Whole]:
    settings = Settings(
        data_dir=data_dir, titles=False, cookie_secret=SecretStr(SECRET), open_browser=False, **options
    )
    app = build_app(settings, pages=pages, specs=(MODEL,), create=lambda _: EchoBackend())
    async with app.lifespan(None):
        yield Whole(app)


class _Log(logging.Handler):
    """What is logged, from `INFO` on."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno > logging.INFO or record.name.split(".")[0] not in TALKATIVE:
            self.records.append(record)


@contextmanager
def logged() -> Iterator[list[logging.LogRecord]]:
    """What is logged at level `info`, but for the libraries that are then quieted."""
    root, log = logging.getLogger(), _Log()
    before = root.level
    root.addHandler(log)
    root.setLevel(logging.INFO)
    try:
        yield log.records
    finally:
        root.removeHandler(log)
        root.setLevel(before)
