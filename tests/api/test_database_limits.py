"""A PostgreSQL without a free connection, and one whose tables are locked: people are told, the same message
is accepted afterwards, and what runs goes on."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, NullPool, create_engine, make_url, text

from tests.api.conftest import MakeSite, Site
from tests.postgres import PostgresServer, postgres
from tests.turns.conftest import until
from tests.turns.held import Stepped
from webchat.store import StoreUnavailable
from webchat.store.database import postgres as dialect
from webchat.store.database import transactions

__all__ = ["postgres"]

ASK = {"kind": "send", "text": "again", "client_key": "once"}


def engine_of(url: str) -> Engine:
    return create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=NullPool)


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[tuple[str, str]]:
    """A URL, and the one of its user, who is nobody special."""
    url, user = postgres.fresh(), f"webchat_{uuid.uuid4().hex}"
    with engine_of(url).begin() as admin:
        admin.execute(text(f"CREATE ROLE {user} LOGIN PASSWORD 'sesame'"))
        admin.execute(text(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {user}"))
        admin.execute(text(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {user}"))
    theirs = make_url(url).set(username=user, password="sesame")
    yield url, theirs.render_as_string(hide_password=False)
    with engine_of(url).begin() as admin:
        admin.execute(text(f"DROP OWNED BY {user}"))
        admin.execute(text(f"DROP ROLE {user}"))


async def running(site: Site, steps: Stepped) -> tuple[httpx.AsyncClient, str]:
    """Somebody whose reply has begun, and its id."""
    visitor = site.visitor()
    client = site.client(visitor)
    reply: str = (await site.send(client, "go"))["reply"]["id"]
    steps.go(1)
    await until(lambda: site.store.message(visitor.id, reply).text == "one ")
    return client, reply


async def is_told(client: httpx.AsyncClient) -> None:
    refused = await client.post("/api/turns", json=ASK)
    assert refused.status_code == 503, refused.text
    assert refused.json()["error"]["cure"]
    assert (await client.get("/readyz")).status_code == 503


async def goes_on(site: Site, client: httpx.AsyncClient, reply: str, steps: Stepped) -> None:
    steps.go(99)
    while (answer := await client.post("/api/turns", json=ASK)).status_code == 503:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    assert answer.status_code in (200, 201), answer.text
    for one in (reply, answer.json()["reply"]["id"]):
        message = await site.ended(client, one)
        assert (message["state"], message["text"]) == ("complete", "one two")
    while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110
        await asyncio.sleep(0.05)


async def test_without_a_free_connection_people_are_told_and_nothing_is_lost(
    database: tuple[str, str], make_site: MakeSite
) -> None:
    (url, theirs), steps = database, Stepped(["one ", "two"])
    user = make_url(theirs).username
    async with make_site(steps, url=theirs) as site:
        client, reply = await running(site, steps)
        with engine_of(url).begin() as admin:
            admin.execute(text(f"ALTER ROLE {user} CONNECTION LIMIT 0"))
        with engine_of(url).begin() as admin:
            ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = :user"
            admin.execute(text(ends), {"user": user})
        await is_told(client)
        with engine_of(url).begin() as admin:
            admin.execute(text(f"ALTER ROLE {user} CONNECTION LIMIT -1"))
        await goes_on(site, client, reply, steps)


async def test_what_others_lock_makes_nobody_wait_for_ever(
    postgres: PostgresServer, make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect, "WAIT_MS", 200)
    url, steps = postgres.fresh(), Stepped(["one ", "two"])
    async with make_site(steps, url=url) as site:
        client, reply = await running(site, steps)
        with engine_of(url).begin() as other:
            other.execute(text("LOCK TABLE turns, owners IN ACCESS EXCLUSIVE MODE"))
            await is_told(client)
        await goes_on(site, client, reply, steps)


async def test_a_verb_that_waited_too_long_for_the_writer_is_not_run(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "WAIT_SECONDS", 0.0)
    free = threading.Event()
    busy = site.store._threads["write"].submit(free.wait)
    late: Any = asyncio.create_task(site.store.call(site.store.create_owner, "visitor", "Late"))
    await asyncio.sleep(0.01)
    free.set()
    with pytest.raises(StoreUnavailable, match="too busy"):
        await late
    assert busy.result()
