"""The door around the real app, Gradio's routes included: who reaches what, and what never leaves the server.

The routes are read from the running app, so that one a later release adds is asked too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from tests.app_process import free_port
from tests.asgi import Answer, Ask, send
from webchat.api import body_limit
from webchat.app import App, build_app
from webchat.auth import SMALL_BODY, Cookies
from webchat.models import ModelSpec
from webchat.settings import ModelSettings, Settings
from webchat.sharing import new_link
from webchat.store.records import Owner

pytestmark = pytest.mark.asyncio(loop_scope="module")

COOKIE_SECRET = "canary-cookie-9f3e-long-enough-for-a-secret"
MODEL_KEY = "canary-model-key-71c2"
HUB_TOKEN = "canary-hub-token-a90d"
SYSTEM_PROMPT = "canary system prompt 44b1"
SECRETS = (COOKIE_SECRET, MODEL_KEY, HUB_TOKEN)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
OPEN_TO_ALL = {"/healthz", "/healthz/stream", "/readyz", "/t", "/t/"}
ECHO = (ModelSpec(name="Echo", kind="echo", source="echo", options={"rate": 20}),)


@dataclass(frozen=True)
class Real:
    app: App
    url: str
    routes: tuple[str, ...]

    def cookie(self, owner: Owner) -> str:
        cookies = Cookies(COOKIE_SECRET, root_path=self.app.settings.root_path)
        return cookies.header(owner.id, secure=False).partition(";")[0]

    def client(self, owner: Owner | None = None, **headers: str) -> httpx.AsyncClient:
        named = {} if owner is None else {"cookie": self.cookie(owner)}
        return httpx.AsyncClient(base_url=self.url, headers={**named, **headers}, timeout=60)

    async def send(
        self,
        method: str,
        path: str,
        owner: Owner | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        host: str = "localhost",
        body: bytes = b"",
    ) -> Answer:
        """One request without a socket: the tables of all routes are thousands of them."""
        whole = {**(headers or {}), **({} if owner is None else {"cookie": self.cookie(owner)})}
        named = tuple((name.encode(), value.encode()) for name, value in whole.items())
        return await send(self.app.asgi, Ask(method, path.encode(), named, body), host.encode())

    def visitor(self, name: str) -> Owner:
        return self.app.store.create_owner("visitor", name)


@contextlib.asynccontextmanager
async def real(
    data_dir: Path, specs: Iterable[ModelSpec] | None = ECHO, **options: Any
) -> AsyncIterator[Real]:
    """The whole app behind a socket."""
    settings = Settings(
        port=free_port(), data_dir=data_dir, titles=False, cookie_secret=SecretStr(COOKIE_SECRET), **options
    )
    app = build_app(settings, specs=None if specs is None else tuple(specs))
    config = uvicorn.Config(
        app.asgi, host="127.0.0.1", port=settings.port, log_level="warning", http="h11", ws="none",
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started and not task.done():  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield Real(app, f"http://127.0.0.1:{settings.port}", tuple(sorted(set(paths(app)))))
    finally:
        server.should_exit = True
        await task


def paths(app: App) -> Iterator[str]:
    yield from _below(routes_within(app.asgi), "")
    yield from ("/monitoring/summary", "/gradio_api/mcp/sse", "/nothing/here", "//", "/gradio_api//upload")


def routes_within(app: Any) -> Iterable[BaseRoute]:
    """Of the first app with routes below what is wrapped around it."""
    while app is not None and not hasattr(app, "routes"):
        app = getattr(app, "app", None) or getattr(app, "_app", None)
    found: Iterable[BaseRoute] = getattr(app, "routes", ())
    return found


def _below(routes: Iterable[BaseRoute], prefix: str) -> Iterator[str]:
    for route in routes:
        if isinstance(route, Route):
            yield re.sub(r"\{[^}]*\}", "x", prefix + route.path)
        elif isinstance(route, Mount):
            yield prefix + route.path + "/x"
            yield from _below(routes_within(route.app), prefix + route.path)
        elif nested := getattr(getattr(route, "original_router", None), "routes", None):
            inner_prefix = getattr(getattr(route, "include_context", None), "prefix", "")
            yield from _below(nested, prefix + inner_prefix)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Real]:
    """One for all, as building it takes long; it runs on the module's loop."""
    folder = tmp_path_factory.mktemp("guarded")
    async with real(folder, access="link", system_prompt=SYSTEM_PROMPT) as running:
        yield running


async def test_the_app_has_the_routes_this_file_is_about(guarded: Real) -> None:
    known = {
        "/",
        "/config",
        "/api/turns",
        "/gradio_api/queue/join",
        "/gradio_api/upload",
        "/gradio_api/run/x",
    }
    assert known <= set(guarded.routes)
    assert len(guarded.routes) > 60


async def test_a_stranger_reaches_no_route_by_any_method(guarded: Real) -> None:
    reached = set()
    for path in guarded.routes:
        for method in METHODS:
            answer = await guarded.send(method, path, body=b"{}" if method == "POST" else b"")
            if answer.status < 400 and path not in OPEN_TO_ALL:
                reached.add((method, path))
            assert not answer.header(b"set-cookie")
            assert not answer.header(b"access-control-allow-origin")
    assert reached == set()


async def test_a_made_up_cookie_is_no_cookie(guarded: Real) -> None:
    owner = guarded.visitor("Ada")
    forged = Cookies("another secret that is long enough to sign").header(owner.id, secure=False)
    for cookie in (forged.partition(";")[0], f"webchat_owner={owner.id}", guarded.cookie(owner)[:-1]):
        async with guarded.client(cookie=cookie) as stranger:
            assert (await stranger.get("/api/me")).status_code == 401


@pytest.mark.parametrize("access", ["link", "local"])
async def test_another_sites_page_changes_nothing_and_reads_nothing(tmp_path: Path, access: str) -> None:
    async with real(tmp_path, access=access) as running:
        owner = running.visitor("Ada") if access == "link" else None
        foreign: list[dict[str, str]] = [
            {"origin": "https://evil.example"},
            {"origin": "null"},
            {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
        ]
        for headers in foreign:
            for path in running.routes:
                answer = await running.send(
                    "POST", path, owner, body=b'{"session_hash":"x"}', headers=headers
                )
                assert answer.status == 403, path
                reading = await running.send("GET", path, owner, headers=headers)
                assert not reading.header(b"access-control-allow-origin")
                assert reading.header(b"cross-origin-resource-policy") == b"same-origin"
                if "sec-fetch-site" in headers and path.startswith("/api/"):
                    assert reading.status == 403, path


async def test_a_name_that_was_made_to_point_here_reaches_nothing(tmp_path: Path) -> None:
    async with real(tmp_path) as running:
        for host in ("evil.example", "evil.example:7860", "127.0.0.1.evil.example", "10.0.0.1", ""):
            for path in running.routes:
                answer = await running.send("POST" if "queue" in path else "GET", path, host=host)
                assert answer.status == 403, (host, path)


async def test_no_secret_is_in_any_answer_or_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With an endpoint that quotes the key in each refusal, as some do."""

    async def refuse(request: Request) -> Response:
        key = request.headers["authorization"]
        return JSONResponse({"error": {"message": f"Wrong key: {key}", "type": "auth"}}, 401)

    async with hostile(refuse) as endpoint:
        model = ModelSettings(
            name="far", endpoint=endpoint, model="m", api_key=SecretStr(MODEL_KEY), system_prompt="Be brief."
        )
        options: dict[str, Any] = {"models": (model,), "hf_token": SecretStr(HUB_TOKEN), "access": "link"}
        with caplog.at_level(logging.DEBUG):
            async with real(tmp_path, None, **options) as running:
                start = running.app.start_link
                assert start is not None
                said: list[str] = [repr(running.app.settings), repr(start)]
                visitor = running.visitor("Ada")
                async with running.client(visitor) as ada:
                    turn = {"kind": "send", "text": "Hi", "client_key": "k", "conversation_id": None}
                    begun = (await ada.post("/api/turns", json=turn)).json()
                    reply = f"/api/messages/{begun['reply']['id']}"
                    said.append((await ada.get(f"{reply}/events?from=0")).text)
                    assert '"code":"auth_failed"' in said[-1]
                    said.append((await ada.get(reply)).text)
                    said.append((await ada.get("/api/export")).text)
                for path in running.routes:
                    said.append((await running.send("GET", path, visitor)).text)
                secrets = (*SECRETS, start.token)
                # Nor is what is the operator's in any answer to a visitor: an address, a prompt, a folder.
                place = endpoint.removeprefix("http://").removesuffix("/v1")
                inner = (place, "Be brief.", str(running.app.settings.data_dir))
                assert not [text[:200] for text in said[2:] for part in inner if part in text]
        said.append(caplog.text)
    assert not [text[:200] for text in said for secret in secrets if secret in text]


async def test_the_pages_config_has_no_system_prompt(guarded: Real) -> None:
    async with guarded.client(guarded.visitor("Ada")) as ada:
        answer = await ada.get("/", headers={"accept": "text/html"})
    assert answer.status_code == 200
    assert SYSTEM_PROMPT not in answer.text


@contextlib.asynccontextmanager
async def hostile(endpoint: Any) -> AsyncIterator[str]:
    app = Starlette(routes=[Route("/{rest:path}", endpoint, methods=["GET", "POST"])])
    server = uvicorn.Server(uvicorn.Config(app, port=free_port(), log_level="critical", lifespan="off"))
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.config.port}/v1"
    finally:
        server.should_exit = True
        await task


STEPS_UP = ("..", "%2e%2e", "%252e%252e", "..%2f..", "..%5c..", "%c0%ae%c0%ae", "....//", ".%00./", "..;")
FILES = ("webchat.db", "cookie-secret", "etc/passwd")
BELOW = (
    "/assets/{version}/",
    "/assets/",
    "/static/",
    "/svelte/",
    "/gradio_api/file=",
    "/gradio_api/file/",
    "/",
)


async def test_no_file_outside_the_pages_own_is_served(guarded: Real) -> None:
    async with guarded.client(guarded.visitor("Ada")) as ada:
        page = (await ada.get("/", headers={"accept": "text/html"})).text
    found = re.search(r"assets/([0-9a-f]{6,})/", page)
    assert found is not None
    folder = guarded.app.settings.data_dir
    cookie = guarded.cookie(guarded.visitor("Eve"))
    for below in BELOW:
        start = below.format(version=found[1])
        wanted = [f"{start}{folder}/{file}" for file in FILES] + [f"{start}/etc/passwd"]
        wanted += [
            start + (step + "/") * 9 + f"{str(folder).lstrip('/')}/{file}"
            for step in STEPS_UP
            for file in FILES
        ]
        for path in wanted:
            answer = await raw(guarded.url, path, cookie)
            assert answer.split(b" ", 2)[1] in (b"400", b"401", b"403", b"404"), path


async def raw(url: str, path: str, cookie: str, rest: bytes = b"") -> bytes:
    """One request whose path no client library has tidied up; the whole answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\nConnection: close\r\n"
    writer.write(head.encode() + rest + b"\r\n")
    answer = b""
    with contextlib.suppress(ConnectionResetError):  # the rest of a request that was refused is not read
        while piece := await asyncio.wait_for(reader.read(65536), 60):
            answer += piece
    writer.close()
    return answer


async def test_no_page_names_another_server_however_its_address_is_written(guarded: Real) -> None:
    """`//evil.example/` is a path here, and would be a server's name in a link."""
    cookie = guarded.cookie(guarded.visitor("Ada"))
    for path in ("//", "//evil.example", "//evil.example/", "//evil.example/t", "///evil.example/t/"):
        for jar in (cookie, ""):
            answer = (await raw(guarded.url, path, jar, b"Accept: text/html\r\n")).decode()
            assert "text/html" in answer or answer.startswith(("HTTP/1.1 4", "HTTP/1.1 3")), path
            assert not re.search(r"(?i)^location: *//", answer, re.M), path
            assert "evil.example" not in answer, path
            assert not re.search(r"""(?:href|src|action|data-home)=["']//""", answer), path


async def test_headers_without_end_are_refused(guarded: Real) -> None:
    answer = await raw(guarded.url, "/api/me", "", b"X-Long: " + b"a" * 400_000 + b"\r\n")
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 431")) or answer == b""
    async with guarded.client() as anybody:
        assert (await anybody.get("/healthz")).status_code == 200


async def test_every_route_there_is_takes_no_more_than_its_budget(guarded: Real) -> None:
    """Gradio's too: those it may not have answer 404, the others take little."""
    ada, headers = guarded.visitor("Ada"), {"content-type": "application/json"}
    for path in guarded.routes:
        most = body_limit("POST", path, guarded.app.settings.max_body_bytes)
        answer = await guarded.send("POST", path, ada, body=b" " * (most + 1), headers=headers)
        assert answer.status in (404, 413), path
    assert body_limit("POST", "/gradio_api/queue/join", 2_000_000) == SMALL_BODY


@pytest.mark.parametrize("path", ["/api/turns", "/t/redeem", "/gradio_api/queue/join"])
async def test_a_large_body_is_refused_with_and_without_its_length(guarded: Real, path: str) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 100_000

    async with guarded.client(guarded.visitor("Ada")) as ada:
        for body in (b"x" * 2_000_001, pieces()):
            with contextlib.suppress(httpx.TransportError):  # the connection is closed, the rest is not read
                assert (await ada.post(path, content=body)).status_code == 413
        assert (await ada.get("/api/me")).status_code == 200


async def test_revoking_a_link_ends_the_guests_reply(tmp_path: Path) -> None:
    async with real(tmp_path, access="link") as running:
        store = running.app.store
        link = new_link(store, "testers", "7d", datetime.now(UTC)).link
        guest = store.create_owner("guest", "testers", link.id)
        async with running.client(guest) as ada:
            turn = {"kind": "send", "text": "word " * 400, "client_key": "k", "conversation_id": None}
            begun = (await ada.post("/api/turns", json=turn)).json()
            assert running.app.turns.running(guest.id) == (begun["reply"]["id"],)
            async with ada.stream("GET", f"/api/messages/{begun['reply']['id']}/events") as events:
                lines = events.aiter_lines()
                await anext(lines)
                store.revoke_link(link.id)
                async for _ in lines:
                    pass
            assert (await ada.get("/api/me")).status_code == 401
        async with asyncio.timeout(60):
            while running.app.turns.running(guest.id):  # noqa: ASYNC110  there is no event for it
                await asyncio.sleep(0.02)
        stored = store.message(guest.id, begun["reply"]["id"])
        assert stored.state == "stopped"


async def test_an_open_server_behind_tls_gives_its_cookie_for_tls_alone(tmp_path: Path) -> None:
    options: dict[str, Any] = {"access": "open", "public_url": "https://chat.example.org"}
    async with real(tmp_path, **options) as running, running.client(accept="text/html") as newcomer:
        header = (await newcomer.get("/")).headers["set-cookie"]
    assert "; Secure" in header
    assert "; HttpOnly" in header
    assert "samesite=lax" in header.lower()


@pytest.mark.parametrize("prefix", ["/chat", "/chat/chat"])
async def test_a_proxys_path_opens_no_closed_route(tmp_path: Path, prefix: str) -> None:
    """What is closed without the path that a proxy serves the app under is closed with it."""
    async with real(tmp_path, access="link", root_path="/chat") as running:
        for path in running.routes:
            answer = await running.send("GET", prefix + path)
            assert answer.status in (401, 404) or path in OPEN_TO_ALL, path
        async with running.client(running.visitor("Ada")) as ada:
            assert (await ada.get("/chat/api/me")).status_code == 200
            assert (await ada.get("/chat", headers={"accept": "text/html"})).status_code == 200
            for path in ("/gradio_api/upload", "/gradio_api/deep_link", "/gradio_api/run/x", "/monitoring"):
                assert (await ada.post(prefix + path, content=b"{}")).status_code == 404, path
                assert (await ada.get(prefix + path)).status_code == 404, path
