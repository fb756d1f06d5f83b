"""The routes behind the door, over a real SQLite store, real turns and the echo backend."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import starlette.routing
import uvicorn
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from starlette.applications import Starlette
from starlette.types import ASGIApp

from backends.base import Backend
from backends.echo import EchoBackend
from webchat.api import Edge, Services, body_limit, key_scope, routes
from webchat.api.work import places
from webchat.auth import Cookies, Door, DoorSettings, Identities, Sessions
from webchat.auth.passwords import checking as passwords_room
from webchat.auth.passwords.checking import Passwords
from webchat.auth.proxy import Proxied
from webchat.auth.sessions import make_token
from webchat.feedback.jobs import JudgementExports
from webchat.imports import Importer
from webchat.imports.background import Imports
from webchat.mcp import Mcp
from webchat.models import Create, Models, ModelSpec
from webchat.moderation import GateFactory, OpenGates
from webchat.moderation.filters import Moderator
from webchat.monitoring.live import Live
from webchat.monitoring.monitor import Monitor
from webchat.prompts import PlainRenderer
from webchat.sharing import OperatorLink, Redeemer, StartLink, TermsContent, new_link
from webchat.sharing.links import hash_of
from webchat.sharing.shares import Mode, Shares
from webchat.store import Store
from webchat.store.link_records import Link
from webchat.store.records import Owner
from webchat.turns import Review, Turns

SECRET = "a secret of the tests, and of no server anywhere"
BASE = "http://chat.test"
CANARY = "canary-key-5b0d"
MOST_BODY = 2_000_000


@pytest.fixture(autouse=True, scope="package")
def cheap_hashes() -> Iterator[None]:
    """Hashes of passwords that cost nothing; `tests/auth/test_passwords.py` makes real ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords_room, "_hashes", PasswordHash((Argon2Hasher(1, 8, 1),)))
        yield


@pytest.fixture(autouse=True, scope="package")
def paths_compiled_once() -> Iterator[None]:
    """Of the routes, which every site makes anew."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(starlette.routing, "compile_path", cache(starlette.routing.compile_path))
        yield


@dataclass
class Site:
    """A whole server without Gradio. `client(owner)` speaks as that owner, `client(None)` as a stranger."""

    services: Services
    door: ASGIApp
    start: StartLink
    operator: OperatorLink
    store: Store
    turns: Turns
    models: Models
    _clients: list[httpx.AsyncClient] = field(default_factory=list)
    _keys: int = 0

    def cookie(self, owner: Owner) -> str:
        return Cookies(SECRET).header(owner.id, secure=False).partition(";")[0]

    def client(self, owner: Owner | None, **options: Any) -> httpx.AsyncClient:
        headers = {**options.pop("headers", {}), **({} if owner is None else {"cookie": self.cookie(owner)})}
        options = {"base_url": BASE, "timeout": 60, **options}
        options.setdefault("transport", httpx.ASGITransport(self.door))
        client = httpx.AsyncClient(headers=headers, **options)
        self._clients.append(client)
        return client

    def visitor(self, name: str = "Ada") -> Owner:
        return self.store.create_owner("visitor", name)

    def operating(self) -> Owner:
        """Somebody who came by the operator's link."""
        return self.store.create_owner("operator", "Op")

    def guest(self, name: str = "testers", lifetime: str = "7d", **terms: Any) -> tuple[Owner, Link]:
        given = TermsContent.model_validate(terms)
        profiles = [given.moderation_profile]
        link = new_link(self.store, name, lifetime, datetime.now(UTC), given, profiles).link
        return self.store.create_owner("guest", name, link.id), link

    def person(self, name: str, password_hash: str, *, operates: bool = False) -> Owner:
        """Somebody who signs in with a password."""
        found = self.store.add_person(
            "password", name, name.title(), operates=operates, password_hash=password_hash
        )
        return self.store.owner(found.owner_id)

    def session(self, owner: Owner) -> tuple[str, httpx.AsyncClient]:
        """A new session of somebody who signs in: its id, and a client that has its cookie."""
        token = make_token()
        begun = self.store.start_session(owner.id, hash_of(token), "")
        cookie = Cookies(SECRET).header(token, secure=False).partition(";")[0]
        return begun.id, self.client(None, headers={"cookie": cookie})

    async def send(
        self, client: httpx.AsyncClient, text: str | None = "Hello there", **fields: Any
    ) -> dict[str, Any]:
        """Start a turn over HTTP; the answer's JSON."""
        self._keys += 1
        body = {"kind": "send", "client_key": f"key-{self._keys}", "text": text, **fields}
        answer = await client.post("/api/turns", json=body)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def ended(self, client: httpx.AsyncClient, message_id: str) -> dict[str, Any]:
        """The reply once it has ended."""
        while True:
            message: dict[str, Any] = (await client.get(f"/api/messages/{message_id}")).json()["message"]
            if message["state"] not in ("queued", "streaming"):
                return message
            await asyncio.sleep(0.01)

    async def aclose(self) -> None:
        for client in self._clients:
            await client.aclose()


MakeSite = Callable[..., contextlib.AbstractAsyncContextManager[Site]]


@pytest.fixture
def make_site(tmp_path: Path) -> MakeSite:
    @contextlib.asynccontextmanager
    async def make(
        backend: Backend | None = None,
        moderators: Sequence[Moderator] = (),
        create: Create | None = None,
        spec: ModelSpec | None = None,
        specs: Sequence[ModelSpec] = (),
        gates: GateFactory | None = None,
        titles: bool = False,
        system_prompt: str | None = None,
        message_chars: int = 2000,
        proxied: Callable[[Store], Proxied] | None = None,
        shares: Mode = "on",
        judgement_exports: JudgementExports | None = None,
        url: str | None = None,
        **door: Any,
    ) -> AsyncIterator[Site]:
        store = Store.open(url or f"sqlite:///{tmp_path / 'chat.db'}")
        chosen = backend or EchoBackend()
        echo = ModelSpec(
            name="echo",
            kind="echo",
            source="echo",
            options={"api_key": CANARY},
            system_prompt=system_prompt,
        )
        models = Models(specs or [spec or echo], create or (lambda _: chosen))
        gates, live = gates or OpenGates(), Live()
        turns = Turns(
            store,
            models,
            renderer=PlainRenderer(),
            gates=gates,
            flush_seconds=0.01,
            titles=titles,
            report=live.ended,
        )
        await turns.open()
        start, operator = StartLink(), OperatorLink()
        settings = DoorSettings(**{"access": "link", "secret": SECRET, **door})
        by_proxy = None if proxied is None else proxied(store)
        identities = Identities(store, settings, link_ended=turns.link_ended, proxied=by_proxy)
        review = Review(gates, models)
        imports = Imports(store, Importer(store, review), tmp_path / "imports", turns.changed)
        services = Services(
            store=store,
            turns=turns,
            review=review,
            imports=imports,
            models=models,
            identities=identities,
            sessions=Sessions(store, identities),
            shares=Shares(store, mode=shares, secret=SECRET),
            ways=settings.ways,
            passwords=Passwords(store) if settings.ways.password else None,
            boot="boot-1",
            version="0.test",
            access=settings.access,
            message_chars=message_chars,
            redeemer=Redeemer(store, start=start, operator=operator),
            moderators=moderators,
            judgement_exports=judgement_exports,
            monitor=Monitor(live, turns, models, version="0.test"),
        )
        slots = places()
        mcp = Mcp(services, slots, most_body=MOST_BODY)
        door_ = Door(
            Starlette(routes=[*routes(services, slots), *mcp.routes()]),
            identities=identities,
            settings=settings,
            body_limit=partial(body_limit, most=MOST_BODY),
            key_scope=key_scope,
        )
        site = Site(services, Edge(door_), start, operator, store, turns, models)
        try:
            yield site
        finally:
            await site.aclose()
            await mcp.aclose()
            await imports.aclose()
            await services.shares.aclose()
            await services.sandbox.aclose()
            await turns.aclose()
            await models.aclose()
            store.close()

    return make


@pytest.fixture
async def site(make_site: MakeSite) -> AsyncIterator[Site]:
    async with make_site() as made:
        yield made


@contextlib.asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """A real server on a free port; its address."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()
