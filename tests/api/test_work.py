"""Long work waits for its place among other people's, and ends when whoever asked has gone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from tests.api.conftest import MakeSite
from webchat.api.errors import answering
from webchat.api.work import SHORT_AT_ONCE, in_its_place
from webchat.slots import MOST_WAITING, Slots
from webchat.store.database.transactions import READERS
from webchat.store.records import Owner

Handler = Callable[[Request], Awaitable[Any]]


class Client:
    """Somebody who sends a request and may leave."""

    def __init__(self, name: str) -> None:
        self.gone = asyncio.Event()
        owner = Owner(name, "guest", name, None, datetime.now(UTC))
        scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "state": {"owner": owner}}
        self.request = Request(scope, self._receive)
        self._sent = False

    async def _receive(self) -> dict[str, Any]:
        if not self._sent:
            self._sent = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}


class Endless:
    """Work that ends only when it is told to."""

    def __init__(self) -> None:
        self.at_work: list[str] = []
        self.ended: list[str] = []
        self.enough = asyncio.Event()

    async def __call__(self, request: Request) -> Response:
        name = request.state.owner.id
        self.at_work.append(name)
        try:
            await self.enough.wait()
        finally:
            self.at_work.remove(name)
            self.ended.append(name)
        return Response(name)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_each_has_one_place_and_nobody_is_passed_over() -> None:
    work = Endless()
    handler = in_its_place(work, Slots(2), leaves=True)
    first = [asyncio.ensure_future(handler(Client("eve").request)) for _ in range(5)]
    await settle()
    assert work.at_work == ["eve"], "one place, however much she asks for"
    others = [asyncio.ensure_future(handler(Client(name).request)) for name in ("ada", "bob")]
    await settle()
    assert work.at_work == ["eve", "ada"]
    work.enough.set()
    await asyncio.gather(*first, *others)
    assert work.ended.index("bob") < 4, "not behind all of hers"


@pytest.mark.parametrize("waits", [False, True])
async def test_work_ends_with_its_client_also_in_line(waits: bool) -> None:
    work, slots = Endless(), Slots(1)
    handler = in_its_place(work, slots, leaves=True)
    before = asyncio.ensure_future(handler(Client("ada").request)) if waits else None
    await settle()
    client = Client("eve")
    asked = asyncio.ensure_future(handler(client.request))
    await settle()
    client.gone.set()
    with pytest.raises(ClientDisconnect):
        await asked
    assert work.ended == ([] if waits else ["eve"])
    if before is not None:
        work.enough.set()
        await before
    assert not slots._lines, "nothing is left of them"


async def test_what_is_saved_is_saved_although_the_client_goes() -> None:
    work = Endless()
    client = Client("ada")
    asked = asyncio.ensure_future(in_its_place(work, Slots(1), leaves=False)(client.request))
    await settle()
    client.gone.set()
    await settle()
    work.enough.set()
    assert (await asked).status_code == 200  # type: ignore[attr-defined]


async def test_who_has_too_many_waiting_is_told() -> None:
    work = Endless()
    handler = answering(in_its_place(work, Slots(1), leaves=True))
    asked = [asyncio.ensure_future(handler(Client("eve").request)) for _ in range(MOST_WAITING)]
    await settle()
    told: Any = await handler(Client("eve").request)
    assert told.status_code == 429
    assert b"too_many_waiting" in told.body
    work.enough.set()
    await asyncio.gather(*asked)


async def test_whoever_asks_for_much_leaves_a_reader_to_others(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with make_site() as site:
        eve, ada = site.visitor("Eve"), site.visitor("Ada")
        at_work, enough, listed = set[int](), threading.Event(), site.store.list_conversations

        @wraps(listed)
        def slow(owner: str, **options: Any) -> Any:
            if owner == eve.id:
                at_work.add(threading.get_ident())
                enough.wait()
            return listed(owner, **options)

        monkeypatch.setattr(site.store, "list_conversations", slow)
        hers, others = site.client(eve), site.client(ada)
        many = [asyncio.ensure_future(hers.get("/api/conversations")) for _ in range(20)]
        try:
            while len(at_work) < SHORT_AT_ONCE:  # noqa: ASYNC110  they are threads
                await asyncio.sleep(0.01)
            assert (await others.get("/api/conversations")).status_code == 200
            reply = (await site.send(hers))["reply"]["id"]
            assert (await hers.post(f"/api/messages/{reply}/stop", json={})).status_code == 202
            assert len(at_work) == SHORT_AT_ONCE < READERS
        finally:
            enough.set()
        assert {answer.status_code for answer in await asyncio.gather(*many)} == {200}
