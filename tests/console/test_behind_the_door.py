"""The console over real HTTP: who reaches it and its handlers, and what of Gradio nobody reaches."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
import pytest_asyncio

from tests.auth.test_real_app import Real, real, routes_within
from webchat.auth import Cookies
from webchat.auth.sessions import make_token
from webchat.console.queue import MOST_OF_ONE
from webchat.sharing.links import hash_of
from webchat.store.records import Owner

pytestmark = pytest.mark.asyncio(loop_scope="module")

HASH = "abc123"
JOIN, DATA = "/operator/gradio_api/queue/join", "/operator/gradio_api/queue/data"
CLOSED = (
    ("POST", "cancel"), ("POST", "reset"), ("GET", f"heartbeat/{HASH}"), ("GET", "startup-events"),
    ("GET", f"deep_link?session_hash={HASH}"), ("POST", "upload"), ("GET", "file=/etc/passwd"),
    ("GET", "file/etc/passwd"), ("GET", "runs"), ("GET", "runs/"), ("GET", "info"), ("GET", "openapi.json"),
    ("POST", "run/show"), ("POST", "api/show"), ("POST", "call/show"), ("POST", "call/v2/show"),
    ("GET", "queue/status"), ("POST", "queue/join/"), ("POST", "component_server"), ("POST", "stream/x"),
    ("GET", "proxy=http://localhost"), ("GET", "token"), ("GET", "app_id/"), ("GET", "login_check"),
    ("GET", "theme.css"),
)  # fmt: skip
"""Of Gradio, below its prefix."""
CLOSED_ABOVE = ("config", "monitoring", "manifest.json", "svelte/x.js", "login", "operator/gradio_api/info")


def blocks_of(site: Real) -> gr.Blocks:
    routes = [route for route in routes_within(site.app.asgi) if getattr(route, "path", "") == "/operator"]
    mounted: Any = routes[-1]
    blocks: gr.Blocks = mounted.app._app._blocks
    return blocks


def signed_in(site: Real, name: str, *, operates: bool) -> httpx.AsyncClient:
    person = site.app.store.add_person("password", name, name, operates=operates, password_hash="x")
    token = make_token()
    site.app.store.start_session(person.owner_id, hash_of(token), "")
    cookie = Cookies("canary-cookie-9f3e-long-enough-for-a-secret").header(token, secure=False)
    return site.client(None, cookie=cookie.partition(";")[0])


def operator(site: Real) -> Owner:
    return site.app.store.create_owner("operator", "Op")


def event(index: int, data: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"session_hash": HASH, "fn_index": index, "data": data or [], "trigger_id": None, **more}


def index_of(site: Real, name: str) -> int:
    """The first handler of this name."""
    fns = blocks_of(site).fns
    return next(at for at, fn in fns.items() if fn.fn is not None and fn.name == name)


async def ended(client: httpx.AsyncClient, hash: str = HASH) -> dict[str, Any]:
    """What the stream says once an event has ended."""
    async with client.stream("GET", DATA, params={"session_hash": hash}) as stream:
        assert stream.status_code == 200
        async for line in stream.aiter_lines():
            said = json.loads(line[5:]) if line.startswith("data:") else {}
            if said.get("msg") == "process_completed":
                return dict(said)
    raise AssertionError("the stream ended before the event")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Real]:
    """One for all, as building it takes long; it runs on the module's loop."""
    async with real(tmp_path_factory.mktemp("site"), access="link") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def own_site(tmp_path: Path) -> AsyncIterator[Real]:
    """For a test that leaves events in the queue."""
    async with real(tmp_path, access="link") as running:
        yield running


async def test_only_operators_reach_the_page_and_any_handler(own_site: Real) -> None:
    site = own_site
    guest = site.app.store.create_owner("guest", "g", site.app.store.create_link("l", "h", None).id)
    asked = [
        (site.client(), 401),
        (site.client(guest), 404),
        (site.client(site.visitor("Ada")), 404),
        (signed_in(site, "bob", operates=False), 404),
        (signed_in(site, "eve", operates=True), 200),
        (site.client(operator(site)), 200),
    ]
    every = [asked[3][0], asked[4][0]]
    handlers = [at for at, fn in blocks_of(site).fns.items() if fn.fn is not None]
    assert len(handlers) > 30
    for client, expected in asked:
        async with client:
            for path in ("/operator/", "/operator/theme.css"):
                assert (await client.get(path)).status_code == expected
            assert (await client.get("/operator")).status_code == (307 if expected == 200 else expected)
            # The door knows one role of operators, and one of those who are none: a few tell of the others.
            for at in handlers if client in every else handlers[::20]:
                # Values that no handler can use: those who may are told so by the stream.
                while (answer := await client.post(JOIN, json=event(at, ["x"] * 30))).status_code == 503:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)  # too many wait
                assert answer.status_code == expected, at


async def test_nothing_else_of_gradio_is_reached_even_by_operators(site: Real) -> None:
    async with site.client(operator(site)) as client:
        for method, path in CLOSED:
            answer = await client.request(method, f"/operator/gradio_api/{path}", content=b"{}")
            assert answer.status_code in (404, 405), path
            assert b"gradio" not in answer.content.lower()
        for path in CLOSED_ABOVE:
            assert (await client.get(f"/operator/{path}")).status_code == 404, path


@pytest.mark.parametrize(("query", "tab"), [("tab=models&x=1", "models"), ("tab=../x", None), ("", None)])
async def test_the_address_names_a_tab(site: Real, query: str, tab: str | None) -> None:
    async with site.client(operator(site)) as client:
        await client.post(f"{JOIN}?{query}", json=event(index_of(site, "tab_wanted")))
        said, *timers = (await ended(client))["output"]["data"]
    assert said.get("selected") == tab
    assert [timer["active"] for timer in timers if "active" in timer] == [True] * (tab is not None)


async def test_another_operators_session_hash_names_nothing(site: Real) -> None:
    async with site.client(operator(site)) as first, site.client(operator(site)) as second:
        for who, status in ((first, 404), (second, 404)):
            assert (await who.get(DATA, params={"session_hash": HASH})).status_code == status
        joined = await first.post(JOIN, json=event(index_of(site, "first"), [""]))
        assert joined.status_code == 200
        assert (await second.get(DATA, params={"session_hash": HASH})).status_code == 404
        assert (await ended(first))["success"]
        queue = blocks_of(site)._queue
        assert HASH not in queue.pending_messages_per_session
        assert all(HASH not in name for name in queue.pending_event_ids_session)


async def test_one_person_does_not_fill_the_queue(own_site: Real, monkeypatch: pytest.MonkeyPatch) -> None:
    site = own_site
    monkeypatch.setattr(blocks_of(site)._queue, "get_events", lambda: None)  # they wait
    async with site.client(operator(site)) as first, site.client(operator(site)) as second:
        show = index_of(site, "first")
        for at in range(MOST_OF_ONE):
            assert (await first.post(JOIN, json=event(show, [""], session_hash=f"w{at}"))).status_code == 200
        assert (await first.post(JOIN, json=event(show, [""]))).status_code == 503
        assert (await second.post(JOIN, json=event(show, [""]))).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"fn_index": 10_000}, {"fn_index": -1}, {"fn_index": None}, {"fn_index": "0"}, {"session_hash": ""},
        {"session_hash": "../x"}, {"session_hash": None}, {"data": {}}, {"data": [0] * 65},
        {"data": [{"path": "http://127.0.0.1/", "meta": {"_type": "gradio.FileData"}}]},
        {"data": [["x", {"image": {"path": "/etc/picture.png", "url": None}}]]},
        {"data": ["x", {"url": "http://127.0.0.1/", "meta": {"_type": "gradio.FileData"}}]},
    ],
    ids=str,
)  # fmt: skip
async def test_what_is_no_event_is_refused(site: Real, body: dict[str, Any]) -> None:
    async with site.client(operator(site)) as client:
        answer = await client.post(JOIN, json=event(0) | body)
        assert answer.status_code in (400, 404)
        assert (await client.post(JOIN, content=b"[" * 3000)).status_code == 400


async def test_a_foreign_page_neither_joins_nor_reads(site: Real) -> None:
    owner = operator(site)
    for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        async with site.client(owner, **headers) as client:
            assert (await client.post(JOIN, json=event(0))).status_code == 403
            read = await client.get(DATA, params={"session_hash": HASH})
            assert read.status_code in (403, 404)
            assert "access-control-allow-origin" not in read.headers
    async with site.client(owner, **{"sec-fetch-site": "cross-site"}) as client:
        assert (await client.get(DATA, params={"session_hash": HASH})).status_code == 403


async def test_the_page_keeps_no_history_describes_no_handler_and_has_its_policy(site: Real) -> None:
    async with site.client(operator(site)) as client:
        page = await client.get("/operator/", headers={"accept": "text/html"})
    config = json.loads(page.text.partition("window.gradio_config = ")[2].partition(";</script>")[0])
    assert config["run_history"] is False
    assert config["show_error"] is False
    info = json.loads(page.text.partition("window.gradio_api_info = ")[2].partition(";</script>")[0])
    assert not info["named_endpoints"]
    policy = page.headers["content-security-policy"]
    assert "unsafe-eval" not in policy
    assert "script-src 'self' 'nonce-" in policy


async def test_an_error_says_an_id_and_nothing_else(site: Real, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("canary-in-an-exception")

    monkeypatch.setattr(site.app.store, "search_people", fails)
    async with site.client(operator(site), **{"accept-language": "zh-CN"}) as client:
        await client.post(JOIN, json=event(index_of(site, "first"), [""]))
        said = await ended(client)
    assert not said["success"]
    assert "canary" not in json.dumps(said)
    assert "日志中的编号" in said["output"]["error"]


async def test_a_role_that_is_taken_away_counts_for_a_page_that_is_open(site: Real) -> None:
    async with signed_in(site, "ada", operates=True) as client:
        assert (await client.post(JOIN, json=event(index_of(site, "first"), [""]))).status_code == 200
        found = site.app.store.find_person("password", "ada")
        site.app.store.set_operates(found.owner_id, False)
        while True:
            answer = await client.post(JOIN, json=event(index_of(site, "first"), [""]))
            if answer.status_code != 200:  # within a second
                break
        assert answer.status_code == 404


async def test_under_the_path_of_a_proxy(tmp_path: Any) -> None:
    async with real(tmp_path, root_path="/chat") as site, site.client() as client:
        page = await client.get("/chat/operator/", headers={"accept": "text/html"})
        assert page.status_code == 200
        assert '/chat/operator"' in page.text.partition("window.gradio_config = ")[2]
        assert (await client.get("/chat/operator")).headers["location"] == "operator/"
        joined = await client.post(f"/chat{JOIN}", json=event(index_of(site, "first"), [""]))
        assert joined.status_code == 200
