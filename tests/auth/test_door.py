"""The door around a small application of its own, over a real store."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from webchat.auth import Cookies, Door, DoorSettings, Identities
from webchat.settings.networks import network
from webchat.store import NotFound, Store, StoreUnavailable
from webchat.store.database.codec import new_id
from webchat.store.records import Owner

SECRET = "d" * 43
PAGE = "<html><head><script>1</script><script type=module src=a.js></script></head><body>“hi”</body></html>"


async def _echo(request: Request) -> Response:
    body = await request.body()
    owner = request.state.owner
    return JSONResponse(
        {
            "owner": owner.id if owner else None,
            "path": request.url.path,
            "query": request.url.query,
            "body": body.decode("utf-8", "replace"),
            "length": request.headers.get("content-length"),
        },
        headers={"access-control-allow-origin": "https://evil.example", "x-content-type-options": "wrong"},
    )


async def _page(request: Request) -> Response:
    return HTMLResponse(PAGE.replace("<script", f'<script nonce="{request.state.nonce}"'))


async def _broken(request: Request) -> Response:
    raise RuntimeError("the password is hunter2")


EVERY = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path_factory.mktemp('door') / 'chat.db'}")
    yield opened
    opened.close()


def make_door(store: Store, body: int = 4096, **options: Any) -> Door:
    app = Starlette(
        routes=[
            Route("/", _page),
            Route("/broken", _broken),
            Route("/{rest:path}", _echo, methods=EVERY),
        ]
    )
    return door_around(app, store, body, **options)


def door_around(app: Any, store: Store, body: int = 4096, **options: Any) -> Door:
    settings = DoorSettings(**{"access": "link", "secret": SECRET, **options})
    identities = Identities(store, settings)
    return Door(app, identities=identities, settings=settings, body_limit=lambda method, path: body)


def client(door: Door, owner: Owner | None = None, base: str = "http://chat.test") -> httpx.AsyncClient:
    headers = {}
    if owner is not None:
        headers["cookie"] = Cookies(SECRET).header(owner.id, secure=False).partition(";")[0]
    transport = httpx.ASGITransport(door, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=base, headers=headers)


CHANGES = [
    ("POST", "/api/turns"),
    ("POST", "/t/redeem"),
    ("PATCH", "/api/conversations/1"),
    ("DELETE", "/api/conversations/1"),
    ("PUT", "/api/messages/1/rating"),
    ("POST", "/gradio_api/queue/join"),
    ("POST", "/gradio_api/cancel"),
    ("POST", "/gradio_api/upload"),
    ("POST", "/gradio_api/component_server"),
    ("POST", "/login"),
]


@pytest.mark.parametrize(("method", "path"), CHANGES)
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://chat.test.evil.example", "http://chat.test:81"]
)
async def test_foreign_pages_change_nothing(store: Store, method: str, path: str, origin: str) -> None:
    body = b'{"session_hash":"x"}'
    async with client(make_door(store), store.create_owner("visitor", "Ada")) as ada:
        answer = await ada.request(method, path, headers={"origin": origin}, content=body)
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] == "cross_origin"
        site = {"sec-fetch-site": "cross-site"}
        assert (await ada.request(method, path, headers=site, content=body)).status_code == 403


async def test_the_own_page_and_trusted_pages_may(store: Store) -> None:
    door = make_door(store, trusted_origins=frozenset({"https://chat.example.org"}))
    async with client(door, store.create_owner("visitor", "Ada")) as ada:
        for origin in ("http://chat.test", "https://chat.example.org"):
            assert (await ada.post("/api/turns", headers={"origin": origin})).status_code == 200


async def test_no_other_origin_may_read(store: Store) -> None:
    async with client(make_door(store), store.create_owner("visitor", "Ada")) as ada:
        answer = await ada.get("/api/me", headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in answer.headers
        preflight = {"origin": "https://evil.example", "access-control-request-method": "POST"}
        assert (await ada.options("/api/turns", headers=preflight)).status_code == 403


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:7860", 200),
        ("127.0.0.1:7860", 200),
        ("[::1]:7860", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example:7860", 403),
        ("0.0.0.0:7860", 403),
    ],
)
async def test_a_name_that_was_made_to_point_here_is_not_answered(
    store: Store, host: str, status: int
) -> None:
    async with client(make_door(store, access="local"), base="http://localhost:7860") as local:
        for path in ("/", "/api/me", "/healthz"):
            assert (await local.get(path, headers={"host": host})).status_code == status


async def test_a_loopback_server_answers_under_names_it_was_given(store: Store) -> None:
    door = make_door(store, access="local", extra_hosts=frozenset({"my-box"}))
    async with client(door, base="http://my-box:7860") as local:
        assert (await local.get("/api/me")).status_code == 200


@pytest.mark.parametrize("path", ["/", "/?c=1", "/anything", "/t", "/t/"])
async def test_a_stranger_gets_the_gate_as_a_page(store: Store, path: str) -> None:
    async with client(make_door(store)) as stranger:
        answer = await stranger.get(path, headers={"accept": "text/html,*/*"})
        assert answer.status_code == (200 if path.startswith("/t") else 401)
        assert answer.headers["content-type"].startswith("text/html")
        assert "中文" in answer.text
        assert answer.headers["cache-control"] == "no-store"


async def test_the_gates_policy_allows_its_script_and_style_and_nothing_else(store: Store) -> None:
    async with client(make_door(store)) as stranger:
        answer = await stranger.get("/t", headers={"accept": "text/html"})
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        (found,) = re.findall(rf"<{tag}>(.*?)</{tag}>", answer.text, re.S)
        digest = base64.b64encode(hashlib.sha256(found.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not re.search(r'\son\w+="|style="|https?://(?!www\.w3)(?!…)', answer.text)


@pytest.mark.parametrize(
    ("path", "code"), [("/api/me", "no_owner"), ("/api/x", "no_owner"), ("/v1/models", "key_needed")]
)
async def test_a_stranger_gets_json_where_programs_ask(store: Store, path: str, code: str) -> None:
    async with client(make_door(store)) as stranger:
        answer = await stranger.get(path, headers={"accept": "text/html"})
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == code


async def test_an_open_server_stores_an_owner_with_the_first_thing_they_store(store: Store) -> None:
    door = make_door(store, access="open")
    async with client(door) as someone:
        assert (await someone.get("/api/me")).status_code == 401
        first = await someone.get("/", headers={"accept": "text/html"})
        assert first.status_code == 200
        assert f"{Cookies(SECRET).name}=" in first.headers["set-cookie"]
        owner = (await someone.get("/api/me")).json()["owner"]
        again = await someone.get("/", headers={"accept": "text/html"})
        assert "set-cookie" not in again.headers
        await someone.post("/gradio_api/startup-events", headers={"origin": "http://chat.test"})
        with pytest.raises(NotFound):
            store.owner(owner)
        assert (await someone.post("/api/turns")).json()["owner"] == owner
        assert store.owner(owner).kind == "visitor"
        assert (await someone.get("/api/me")).json()["owner"] == owner


async def test_who_only_looks_costs_no_row_and_nothing_that_writes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    call = store.call

    async def counted(verb: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(verb, "threads", "write") != "read":
            written.append(verb.__name__)
        return await call(verb, *args, **kwargs)

    monkeypatch.setattr(store, "call", counted)
    door = make_door(store, access="open")
    seen = set()
    for _ in range(20):
        async with client(door) as crawler:
            seen.add((await crawler.get("/", headers={"accept": "text/html"})).headers["set-cookie"])
            await crawler.get("/api/conversations")
            await crawler.post("/t/redeem", json={"token": "x"})
    assert len(seen) == 20
    async with client(door) as crawler:
        for _ in range(20):
            await crawler.post("/api/turns", headers={"cookie": f"{Cookies(SECRET).name}=made.up.entirely"})
    assert written == []


async def test_only_an_open_server_takes_a_signed_name_that_is_not_stored(store: Store) -> None:
    nobody = Owner(new_id(), "visitor", "Visitor", None, datetime.now(UTC))
    async with client(make_door(store), nobody) as someone:
        assert (await someone.post("/api/turns")).status_code == 401
    async with client(make_door(store, access="open"), store.local_owner()) as someone:
        assert (await someone.post("/api/turns")).status_code == 401


async def test_the_client_behind_a_trusted_proxy_gets_a_cookie_for_tls(store: Store) -> None:
    by_tls = {"accept": "text/html", "x-forwarded-proto": "https"}
    for trusted, secure in (((), False), ((network("127.0.0.1"),), True)):
        async with client(make_door(store, access="open", trusted_proxies=trusted)) as someone:
            page = await someone.get("/", headers=by_tls)
        assert ("Secure" in page.headers["set-cookie"]) is secure


async def test_a_page_runs_only_the_scripts_it_came_with(store: Store) -> None:
    async with client(make_door(store), store.create_owner("visitor", "Ada")) as ada:
        pages = [await ada.get("/", headers={"accept": "text/html"}) for _ in range(2)]
    nonces = [re.findall(r'<script nonce="([\w-]{22})"', page.text) for page in pages]
    assert all(len(found) == 2 and len(set(found)) == 1 for found in nonces)
    assert nonces[0] != nonces[1]
    for page, found in zip(pages, nonces, strict=True):
        policy = page.headers["content-security-policy"]
        assert f"script-src 'self' 'nonce-{found[0]}'" in policy.split("; ")
        assert page.headers["content-length"] == str(len(page.content))
        assert page.text.replace(f' nonce="{found[0]}"', "") == PAGE


async def test_every_answer_is_hardened(store: Store) -> None:
    door = make_door(store)
    async with client(door, store.create_owner("visitor", "Ada")) as ada, client(door) as stranger:
        answers = [
            await ada.get("/"),
            await ada.get("/api/me"),
            await ada.get("/broken"),
            await ada.post("/x", headers={"origin": "null"}),
            await ada.get("/gradio_api/runs"),
            await stranger.get("/api/me"),
            await stranger.get("/t", headers={"accept": "text/html"}),
        ]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-dns-prefetch-control"] == "off"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert len(answer.headers.get_list("content-security-policy")) == 1


@pytest.mark.parametrize(
    ("base", "tls_only"),
    [
        ("https://chat.test", True),
        ("https://chat.test:443", True),
        ("http://chat.test", False),
        ("https://chat.test:8443", False),  # it would hold for the name's other ports, too
        ("https://localhost", False),
        ("https://127.0.0.1", False),
    ],
)
async def test_who_comes_by_tls_is_told_to_come_so_always(store: Store, base: str, tls_only: bool) -> None:
    async with client(make_door(store), store.create_owner("visitor", "Ada"), base) as ada:
        for path in ("/", "/api/me", "/gradio_api/runs"):
            told = (await ada.get(path)).headers.get("strict-transport-security")
            assert told == ("max-age=31536000" if tls_only else None)


async def test_a_trusted_proxy_or_the_settings_say_that_people_come_by_tls(store: Store) -> None:
    forwarded = {"x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.7"}
    for options, told in (
        ({}, False),
        ({"trusted_proxies": (network("127.0.0.1"),)}, True),
        ({"secure_cookies": True}, True),
    ):
        async with client(make_door(store, **options)) as stranger:
            answer = await stranger.get("/t", headers={"accept": "text/html", **forwarded})
        assert ("strict-transport-security" in answer.headers) is told


async def test_beyond_the_last_connection_only_health_is_told(store: Store) -> None:
    door = make_door(store)

    async def full(scope: Any, receive: Any, send: Any) -> None:
        await door({**scope, "state": {"full": True}}, receive, send)

    transport = httpx.ASGITransport(full)
    async with httpx.AsyncClient(transport=transport, base_url="http://chat.test") as stranger:
        for path in ("/healthz", "/readyz"):
            assert (await stranger.get(path)).status_code == 200
        answer = await stranger.post("/t/redeem", json={})
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "server_full"
    assert answer.headers["connection"] == "close"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_an_embedded_page_names_who_may_frame_it(store: Store) -> None:
    door = make_door(store, embedded=True, frame_ancestors=("https://huggingface.co",))
    async with client(door, store.create_owner("visitor", "Ada")) as ada:
        answer = await ada.get("/")
    assert "frame-ancestors https://huggingface.co" in answer.headers["content-security-policy"]
    assert "x-frame-options" not in answer.headers


async def test_errors_nobody_foresaw_tell_only_an_id(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    door = door_around(_raising, store)
    async with client(door, store.create_owner("visitor", "Ada")) as ada:
        answer = await ada.get("/api/me")
    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    error = answer.json()["error"]
    assert error["code"] == "internal"
    assert error["params"]["id"] in caplog.text
    assert "hunter2" in caplog.text


async def _raising(scope: Any, receive: Any, send: Any) -> None:
    raise RuntimeError("the password is hunter2")


async def test_large_bodies_are_refused_however_they_come(store: Store) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 100

    async with client(make_door(store, body=2000), store.create_owner("visitor", "Ada")) as ada:
        assert (await ada.post("/x", content=b"x" * 2000)).status_code == 200
        declared = await ada.post("/x", content=b"x" * 2001)
        assert declared.status_code == 413
        assert declared.json()["error"]["params"] == {"limit": 2000}
        assert (await ada.post("/x", content=pieces())).status_code == 413
        assert (await ada.get(f"/x?{'a' * 9000}")).status_code == 414
        for length in ("9" * 19, "9" * 5000):
            answer = await ada.post("/x", headers={"content-length": length}, content=b"x")
            assert answer.status_code == 413
        for length in ("-1", "1e3", "²", "x"):
            answer = await ada.post("/x", headers={b"content-length": length.encode()}, content=b"x")
            assert answer.status_code == 400


async def test_a_body_without_a_length_arrives_whole(store: Store) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"one "
        yield b"two"

    async with client(make_door(store), store.create_owner("visitor", "Ada")) as ada:
        seen = (await ada.post("/x", content=pieces())).json()
    assert seen["body"] == "one two"
    assert seen["length"] == "7"


async def test_a_database_that_is_away_is_said_so(store: Store, tmp_path: Path) -> None:
    async def down(scope: Any, receive: Any, send: Any) -> None:
        raise StoreUnavailable("The database cannot be reached.", cure="Wait.")

    door = door_around(down, store)
    async with client(door, store.create_owner("visitor", "Ada")) as ada:
        answer = await ada.get("/api/me")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "store_unavailable"


async def test_websockets_need_an_owner_and_the_own_page(store: Store) -> None:
    reached: list[Owner] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["state"]["owner"])

    ada = store.create_owner("visitor", "Ada")
    cookie = Cookies(SECRET).header(ada.id, secure=False).partition(";")[0].encode()
    door = door_around(app, store)

    async def connect(*headers: tuple[bytes, bytes]) -> list[Any]:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "websocket", "path": "/ws", "headers": [(b"host", b"chat.test"), *headers]}
        await door(scope, receive, send)
        return sent

    own, foreign = (b"origin", b"http://chat.test"), (b"origin", b"https://evil.example")
    assert await connect((b"cookie", cookie), own) == []
    assert reached == [ada]
    for headers in ([own], [(b"cookie", cookie), foreign]):
        assert (await connect(*headers))[0]["type"] == "websocket.close"
    assert len(reached) == 1


header = st.tuples(
    st.sampled_from(
        ["origin", "sec-fetch-site", "cookie", "accept", "content-type", "content-length", "host"]
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(EVERY),
    st.sampled_from(
        ["/", "/t", "/api/me", "/gradio_api/queue/join", "/gradio_api/queue/data", "/gradio_api/cancel"]
    ),
    st.lists(header, max_size=5),
    st.binary(max_size=200),
)
def test_no_request_breaks_the_door(
    store: Store, method: str, path: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    async def ask() -> None:
        ada = store.local_owner()
        assert ada.kind == "local"
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
        sent: list[Any] = []
        waiting = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Any:
            return waiting.pop() if waiting else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"session_hash=" + body.hex().encode(),
            "headers": [(b"host", b"localhost"), *raw],
            "scheme": "http",
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 7860),
            "http_version": "1.1",
        }
        await make_door(store, access="local")(scope, receive, send)
        assert sent[0]["status"] < 500

    asyncio.run(ask())
