"""Files answered from memory: what a browser gets is what the file's own app gives, asked once."""

from __future__ import annotations

import asyncio
import gzip
from collections import Counter

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webchat.ui import kept
from webchat.ui.kept import Kept
from webchat.ui.static import asset_routes

FILES = {"/a.js": b"let a;\n" * 500, "/b.js": b"let b;\n" * 500}


class Files:
    """An app with a few files, which counts what it is asked."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked[scope["path"]] += 1
        body = FILES.get(scope["path"])
        await Response(body or b"no such file", 200 if body else 404, {"etag": '"1"'})(scope, receive, send)


@pytest.fixture
def files() -> Files:
    return Files()


@pytest.fixture
def client(files: Files) -> httpx.AsyncClient:
    return asking(Kept(GZipMiddleware(files), ("gzip",)))


def asking(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://files")


async def test_a_file_is_made_once_and_comes_the_same(client: httpx.AsyncClient, files: Files) -> None:
    answers = [await client.get("/a.js", headers={"accept-encoding": "gzip"}) for _ in range(3)]
    assert files.asked == {"/a.js": 1}
    for answer in answers:
        assert answer.status_code == 200
        assert answer.content == FILES["/a.js"]
        assert answer.headers == answers[0].headers


@pytest.mark.parametrize(
    ("offer", "encoding"),
    [
        ("gzip, deflate, br", "gzip"),
        ("deflate, gzip;q=0.5", "gzip"),
        ("GZIP", "gzip"),
        ("gzip;q=0", None),
        ("gzip; q=0.000", None),
        ("identity", None),
        ("*", None),
        ("", None),
        (";q=,,;q", None),
    ],
)
async def test_nobody_gets_an_encoding_that_they_did_not_offer(
    client: httpx.AsyncClient, offer: str, encoding: str | None
) -> None:
    await client.get("/a.js", headers={"accept-encoding": "gzip"})
    await client.get("/a.js", headers={"accept-encoding": "identity"})
    answer = await client.get("/a.js", headers={"accept-encoding": offer})
    assert answer.headers.get("content-encoding") == encoding
    assert answer.content == FILES["/a.js"]


async def test_only_whole_files_that_exist_are_kept(client: httpx.AsyncClient, files: Files) -> None:
    for _ in range(2):
        assert (await client.get("/missing.js")).status_code == 404
        await client.get("/b.js", headers={"range": "bytes=0-3"})
        await client.get("/b.js", headers={"if-none-match": '"1"'})
        assert not (await client.head("/b.js")).content
    assert files.asked == {"/missing.js": 2, "/b.js": 6}


async def test_what_is_kept_has_an_end(
    client: httpx.AsyncClient, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "KEPT_BYTES", len(FILES["/a.js"]) + 100)
    client = asking(Kept(files, ()))
    for path in ("/a.js", "/b.js", "/b.js", "/a.js"):
        assert (await client.get(path)).content == FILES[path]
    assert files.asked == {"/a.js": 1, "/b.js": 2}


async def test_headers_that_others_add_do_not_add_up(files: Files) -> None:
    inner = Kept(files, ())

    async def around(scope: Scope, receive: Receive, send: Send) -> None:
        async def adding(message: dict[str, object]) -> None:
            headers = message.get("headers")
            if isinstance(headers, list):
                headers.append((b"x-added", b"1"))
            await send(message)

        await inner(scope, receive, adding)  # type: ignore[arg-type]

    client = asking(around)
    for _ in range(3):
        assert (await client.get("/a.js")).headers.get_list("x-added") == ["1"]


async def test_the_pages_own_files_are_compressed_and_cached_for_ever() -> None:
    client = asking(Starlette(routes=asset_routes("v")))
    for _ in range(2):
        async with client.stream("GET", "/assets/v/shell.js", headers={"accept-encoding": "gzip"}) as answer:
            raw = b"".join([chunk async for chunk in answer.aiter_raw()])
        assert b"import" in gzip.decompress(raw)
        assert answer.headers.get_list("cache-control") == ["public, max-age=31536000, immutable"]


async def test_a_visitor_who_leaves_amid_a_file_breaks_it_for_nobody_else() -> None:
    app = Starlette(routes=asset_routes("v"))
    font = "/assets/v/vendor/katex/fonts/KaTeX_Main-Regular.woff2"
    begun = asyncio.Event()
    got: list[Message] = []

    async def receive() -> Message:
        await begun.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        got.append(message)
        begun.set()

    scope = {"type": "http", "method": "GET", "path": font, "query_string": b"", "headers": []}
    await app(scope, receive, send)
    assert [message["type"] for message in got] == ["http.response.start"]
    answer = await asking(app).get(font, headers={"accept-encoding": "identity"})
    assert len(answer.content) == int(answer.headers["content-length"]) > 0
