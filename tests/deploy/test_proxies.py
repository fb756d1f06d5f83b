"""The proxies of `deploy/proxy/`, run as they are shipped."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.app_process import AppProcess, free_port
from tests.proxies import FOLDER, HERE, Proxy, caddy, nginx
from tests.scripted_endpoint import ScriptedEndpoint
from webchat.api.wire.turns import Delta, Done
from webchat.auth.api_keys import new_key
from webchat.auth.passwords.checking import hash_password
from webchat.client import AsyncClient
from webchat.store import Store
from webchat.store.key_records import KeyTerms

BOTH = ["nginx", "caddy"]
PATH = "/chat"
PASSWORD = "a long enough one"


class _Named(BaseHTTPRequestHandler):
    """Answers with the address of its server."""

    def do_GET(self) -> None:
        host, port, *_ = self.request.getsockname()
        body = f"{host}:{port}".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Replica:
    """A stand-in for the app, of which only its address matters."""

    def __init__(self, handler: type[_Named] = _Named) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.name = f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Replica:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.mark.parametrize("kind", [nginx, caddy])
def test_a_browser_stays_with_its_replica_while_it_runs(kind: Callable[..., Proxy], tmp_path: Path) -> None:
    with ExitStack() as stack:
        replicas = {(one := stack.enter_context(Replica())).name: one for _ in range(3)}
        front = stack.enter_context(kind(tmp_path, list(replicas)))
        browsers = [
            stack.enter_context(httpx.Client(base_url=front.url, verify=front.tls)) for _ in range(24)
        ]
        first = [browser.get("/").text for browser in browsers]
        assert len(set(first)) > 1, "they are spread"
        for _ in range(3):
            assert [browser.get("/").text for browser in browsers] == first
        replicas[gone := first[0]].end()
        then = [browser.get("/").text for browser in browsers]
        assert gone not in then
        assert [new for new, old in zip(then, first, strict=True) if old != gone] == [
            old for old in first if old != gone
        ], "the others notice nothing"


@pytest.mark.parametrize("kind", [nginx, caddy])
def test_requests_follow_each_other_on_one_connection(kind: Callable[..., Proxy], tmp_path: Path) -> None:
    """As the page's do, whose files alone are more than a hundred."""
    came = []

    class Keeping(_Named):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            came.append(self.client_address)
            super().do_GET()

    with ExitStack() as stack:
        replica = stack.enter_context(Replica(Keeping))
        front = stack.enter_context(kind(tmp_path, [replica.name]))
        browser = stack.enter_context(httpx.Client(base_url=front.url, verify=front.tls))
        came.clear()
        for _ in range(20):
            assert browser.get("/").text == replica.name
    assert len(came) == 20
    assert len(set(came)) <= 5, "a proxy may be a moment late in keeping one"


def test_a_reader_of_nginx_files_finds_no_mistake(tmp_path: Path) -> None:
    def found(file: Path) -> str:
        command = [str(Path(sys.executable).parent / "gixy"), "--level", "--format", "text", str(file)]
        return subprocess.run(command, capture_output=True, text=True).stdout

    assert "No issues found" in found(FOLDER / "nginx.conf")
    worse = tmp_path / "nginx.conf"
    worse.write_text((FOLDER / "nginx.conf").read_text().replace("Host $host;", "Host $http_host;"))
    assert "host_spoofing" in found(worse), "it reads the whole file"


@dataclass
class Fronted:
    """The app below a path of both proxies, and what it asks for replies."""

    proxies: dict[str, Proxy]
    endpoint: ScriptedEndpoint
    key: str

    def program(self, proxy: str) -> AsyncClient:
        front = self.proxies[proxy]
        transport = httpx.AsyncHTTPTransport(verify=front.tls)
        return AsyncClient(front.url + PATH, self.key, transport=transport)

    def browser(self, proxy: str, address: str) -> httpx.AsyncClient:
        """At an address of its own."""
        front = self.proxies[proxy]
        transport = httpx.AsyncHTTPTransport(verify=front.tls, local_address=address)
        return httpx.AsyncClient(base_url=front.url, transport=transport, timeout=120)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fronted(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fronted]:
    folder, port = tmp_path_factory.mktemp("fronted"), free_port()
    (data := folder / "data").mkdir()
    store = Store.open(f"sqlite:///{data / 'webchat.db'}")
    person = store.add_person("password", "ada", "Ada", operates=True, password_hash=hash_password(PASSWORD))
    key = new_key(store, person.owner_id, "a program", "1h", datetime.now(UTC), KeyTerms())
    store.close()
    proxies = {
        kind.__name__: kind(folder / kind.__name__, [f"127.0.0.1:{port}"], PATH) for kind in (nginx, caddy)
    }
    flags = ["--root-path", PATH, "--sign-in", "password", "--trusted-proxies", HERE]
    flags += ["--public-url", proxies["nginx"].url + PATH, "--model", "scripted", "--endpoint"]
    async with ScriptedEndpoint() as endpoint:
        app = AppProcess(data, *flags, endpoint.url, port=port, preloaded=True)
        await asyncio.to_thread(app.start)
        with ExitStack() as stack:
            for proxy in proxies.values():
                await asyncio.to_thread(stack.enter_context, proxy)
            yield Fronted(proxies, endpoint, key.token)
        await asyncio.to_thread(app.stop)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("proxy", BOTH)
async def test_a_reply_comes_as_it_is_written_also_over_a_restart_of_the_proxy(
    proxy: str, fronted: Fronted
) -> None:
    """The model is held after nine words until they have been seen, and until another proxy runs."""
    fronted.endpoint.go_on.clear()
    text, words = "", [f"w{number}" for number in range(60)]
    async with fronted.program(proxy) as chat:
        begun = await chat.send("words=60 rate=20 hold=9")
        async for event in chat.follow(begun.reply.id):
            if isinstance(event, Delta):
                text += event.text
            if text.split() == words[:9] and not fronted.endpoint.go_on.is_set():
                await asyncio.to_thread(fronted.proxies[proxy].stop)
                await asyncio.to_thread(fronted.proxies[proxy].start)
                fronted.endpoint.go_on.set()
            if isinstance(event, Done):
                assert event.message.state == "complete"
                assert event.message.text.startswith(text)
                assert event.message.text.split() == words
    assert fronted.endpoint.go_on.is_set()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("proxy", BOTH)
async def test_what_is_too_long_is_explained_by_the_app(proxy: str, fronted: Fronted) -> None:
    """A body over the megabyte that nginx takes by itself, and one over what the app takes."""
    async with fronted.browser(proxy, "127.0.0.1") as program:
        for size, code in ((1_500_000, "message_too_long"), (3_000_000, "too_large")):
            body = {"kind": "send", "text": "x" * size, "client_key": f"{proxy}{size}"}
            answer = await program.post(
                f"{PATH}/api/turns", json=body, headers={"authorization": f"Bearer {fronted.key}"}
            )
            assert answer.json()["error"]["code"] == code, answer.text


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("proxy", "ada_s", "mallory_s"),
    [("nginx", "127.0.0.3", "127.0.0.4"), ("caddy", "127.0.0.5", "127.0.0.6")],
)
async def test_people_are_told_apart_and_nobody_claims_another_address(
    proxy: str, ada_s: str, mallory_s: str, fronted: Fronted
) -> None:
    url = fronted.proxies[proxy].url

    async def tries(browser: httpx.AsyncClient, password: str) -> int:
        claimed = {"x-forwarded-for": ada_s, "forwarded": f"for={ada_s}", "x-real-ip": ada_s}
        body = {"name": "ada", "password": password}
        return (
            await browser.post(f"{PATH}/sign-in/password", json=body, headers={"origin": url, **claimed})
        ).status_code

    async with fronted.browser(proxy, ada_s) as ada, fronted.browser(proxy, mallory_s) as mallory:
        wrong = [await tries(mallory, "guessed") for _ in range(8)]
        assert wrong[:5] == [403] * 5
        assert 429 in wrong, "a stranger is slowed down, whatever address they claim"
        assert await tries(ada, PASSWORD) == 204
        page = await ada.get(f"{PATH}/", headers={"accept": "text/html"})
        assert page.status_code == 200
        assert (await ada.get(f"{PATH}/api/me")).json()["owner"]["name"] == "Ada"
        kept = [cookie for cookie in ada.cookies.jar if cookie.name.startswith("__Host-")]
        assert kept, "no other page can set it"


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_reply_of_ten_minutes_arrives_on_one_connection(fronted: Fronted) -> None:
    """Its first 100 s are silent: more than proxies wait by themselves."""

    async def seconds(proxy: str) -> float:
        async with fronted.program(proxy) as chat:
            reply = (await chat.send("words=1000 rate=2 delay=100")).reply.id
        began = asyncio.get_running_loop().time()
        headers = {"authorization": f"Bearer {fronted.key}"}
        async with (
            fronted.browser(proxy, "127.0.0.1") as program,
            program.stream("GET", f"{PATH}/api/messages/{reply}/events?from=0", headers=headers) as stream,
        ):
            lines = [line async for line in stream.aiter_lines()]
        assert "event: done" in lines
        assert len([line for line in lines if line == "event: delta"]) > 500
        assert "w999" in lines[-2], lines[-3:]
        return asyncio.get_running_loop().time() - began

    print(await asyncio.gather(*map(seconds, BOTH)))
