"""Two servers on one PostgreSQL: whoever is put out at one is out at the other within a second, from what was
open there, too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

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


Put = tuple[Owner, httpx.AsyncClient, Callable[[], object], str]
"""Somebody, as they ask the other server, what puts them out at the first one, and what they are told."""


def _guest(servers: Servers) -> Put:
    guest, link = servers.one.guest()
    asks = servers.other.client(guest, base_url=servers.base, transport=None)
    return guest, asks, lambda: servers.one.store.revoke_link(link.id), "link_revoked"


def _paused(servers: Servers) -> Put:
    guest, link = servers.one.guest()
    asks = servers.other.client(guest, base_url=servers.base, transport=None)
    return guest, asks, lambda: servers.one.store.change_link(link.id, paused=True), "link_paused"


def _signed_in(servers: Servers) -> tuple[Owner, str, httpx.AsyncClient]:
    owner = servers.one.person("ada", "x")
    session, here = servers.one.session(owner)
    asks = servers.other.client(
        None, base_url=servers.base, transport=None, headers={"cookie": here.headers["cookie"]}
    )
    return owner, session, asks


def _session(servers: Servers) -> Put:
    owner, session, asks = _signed_in(servers)
    return owner, asks, lambda: servers.one.store.end_session(owner.id, session), "signed_out"


def _person(servers: Servers) -> Put:
    owner, _, asks = _signed_in(servers)
    return owner, asks, lambda: servers.one.store.set_disabled(owner.id, True), "person_disabled"


def _key(servers: Servers) -> Put:
    mine = held(servers.one)
    asks = servers.other.client(
        None, base_url=servers.base, transport=None, headers={"authorization": f"Bearer {mine.token}"}
    )
    revoke = servers.one.store.revoke_key
    return mine.owner, asks, lambda: revoke(mine.owner.id, mine.key.id), "key_revoked"


def _person_with_a_key(servers: Servers) -> Put:
    mine = held(servers.one)
    asks = servers.other.client(
        None, base_url=servers.base, transport=None, headers={"authorization": f"Bearer {mine.token}"}
    )
    return mine.owner, asks, lambda: servers.one.store.set_disabled(mine.owner.id, True), "person_disabled"


@pytest.mark.parametrize("who", [_guest, _paused, _session, _person, _key, _person_with_a_key])
async def test_who_is_put_out_at_one_server_is_out_at_the_other(
    servers: Servers, who: Callable[[Servers], Put]
) -> None:
    owner, asks, put_out, told = who(servers)
    reply = (await servers.other.send(asks))["reply"]["id"]
    got = {"events?reply=" + reply + ":0": b"", f"messages/{reply}/events": b""}

    async def follow(place: str) -> None:
        async with asks.stream("GET", f"/api/{place}") as answer:
            async for chunk in answer.aiter_bytes():
                got[place] += chunk

    following = [asyncio.create_task(follow(place)) for place in got]
    await until(lambda: all(b"event: delta" in one for one in got.values()))
    assert not any(task.done() for task in following)
    await asyncio.to_thread(put_out)
    async with beating() as time:
        await asyncio.wait(following)
    assert time.seconds < 1
    for task in following:
        assert not isinstance(task.exception(), AssertionError)
    assert not any(b"event: done" in one for one in got.values())
    answer = await asks.get("/api/me")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, told)
    if owner.kind == "guest":
        await until(lambda: not servers.one.store.message(owner.id, reply).running)
