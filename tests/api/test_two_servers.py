"""Two servers on one PostgreSQL: whoever is put out at one is out at the other within a second, from what was
open there, too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import pytest

from backends.echo import EchoBackend
from tests.api.conftest import MakeSite, Site, serving
from tests.api.test_keys import held
from tests.beats import beating
from tests.postgres import PostgresServer, postgres
from tests.turns.conftest import until
from webchat.auth import Ways
from webchat.store.records import Owner

__all__ = ["postgres"]


@dataclass
class Servers:
    one: Site
    other: Site
    base: str
    """The address of the other one."""


@pytest.fixture
async def servers(postgres: PostgresServer, make_site: MakeSite) -> AsyncIterator[Servers]:
    url, ways = postgres.fresh(), Ways(link=True, password=True)
    async with AsyncExitStack() as stack:
        one, other = [
            await stack.enter_async_context(
                make_site(EchoBackend(script=["word "] * 100_000, rate=40), url=url, ways=ways)
            )
            for _ in range(2)
        ]
        yield Servers(one, other, await stack.enter_async_context(serving(other.door)))


@dataclass
class Person:
    """Somebody, as they ask the other server; what puts them out at the first one, and what they are told."""

    owner: Owner
    asks: httpx.AsyncClient
    put_out: Callable[[], object]
    told: str


def people(servers: Servers) -> list[Person]:
    one = servers.one
    at_other: dict[str, Any] = {"base_url": servers.base, "transport": None}
    found = []
    for told in ("link_revoked", "link_paused"):
        guest, link = one.guest(told)
        out: Callable[[], object] = partial(one.store.revoke_link, link.id)
        if told == "link_paused":
            out = partial(one.store.change_link, link.id, paused=True)
        found.append(Person(guest, servers.other.client(guest, **at_other), out, told))
    for told in ("signed_out", "person_disabled"):
        owner = one.person(told, "x")
        session, here = one.session(owner)
        asks = servers.other.client(None, headers={"cookie": here.headers["cookie"]}, **at_other)
        out = partial(one.store.end_session, owner.id, session)
        if told == "person_disabled":
            out = partial(one.store.set_disabled, owner.id, True)
        found.append(Person(owner, asks, out, told))
    for told in ("key_revoked", "person_disabled"):
        mine = held(one)
        asks = servers.other.client(None, headers={"authorization": f"Bearer {mine.token}"}, **at_other)
        out = partial(one.store.revoke_key, mine.owner.id, mine.key.id)
        if told == "person_disabled":
            out = partial(one.store.set_disabled, mine.owner.id, True)
        found.append(Person(mine.owner, asks, out, told))
    return found


async def test_who_is_put_out_at_one_server_is_out_at_the_other(servers: Servers) -> None:
    for person in people(servers):
        reply = (await servers.other.send(person.asks))["reply"]["id"]
        got = {f"events?reply={reply}:0": b"", f"messages/{reply}/events": b""}
        following = [asyncio.create_task(follow(person, got, place)) for place in got]
        await until(lambda: all(b"event: delta" in one for one in got.values()))  # noqa: B023
        assert not any(task.done() for task in following)
        await asyncio.to_thread(person.put_out)
        async with beating() as time:
            await asyncio.wait(following)
        assert time.seconds < 1, person.told
        assert not any(b"event: done" in one for one in got.values())
        answer = await person.asks.get("/api/me")
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, person.told)
        await asyncio.gather(*following, return_exceptions=True)
        if person.owner.kind == "guest":
            await until(lambda: not servers.one.store.message(person.owner.id, reply).running)  # noqa: B023


async def follow(person: Person, got: dict[str, bytes], place: str) -> None:
    async with person.asks.stream("GET", f"/api/{place}") as answer:
        async for chunk in answer.aiter_bytes():
            got[place] += chunk
