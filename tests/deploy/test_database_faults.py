"""PostgreSQL itself ends while people chat on one server, and on several: nothing shown is lost, each person
is told, and the servers go on by themselves."""

from __future__ import annotations

import asyncio
import random
from contextlib import closing
from pathlib import Path

import pytest

from tests.deploy.test_replicas import Person, are_ready, nothing_was_lost, served
from tests.load import newcomers
from tests.postgres import PostgresServer, restartable

PEOPLE = 8
AWAY_SECONDS = (0.0, 2.0, 8.0, 22.0)
"""Within the time that replies wait for it, after it, and longer than a lease."""


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("servers", [1, 3])
@pytest.mark.parametrize("how", ["restarts", "is killed"])
async def test_a_database_that_ends_and_comes_back_loses_nothing(
    how: str, servers: int, tmp_path: Path
) -> None:
    with restartable() as server:
        with closing(PostgresServer(server.url)) as databases:
            databases.forget_the_disk()
            url = databases.fresh()
        over = asyncio.Event()
        async with served(url, tmp_path, servers) as (replicas, port, endpoint):
            people = [Person(port, cookie, over, random.Random()) for cookie in await newcomers(port, PEOPLE)]
            chatting = [asyncio.create_task(person.chat()) for person in people]
            for away in AWAY_SECONDS:
                await asyncio.sleep(4)
                await asyncio.to_thread(server.stop if how == "restarts" else server.kill)
                await asyncio.sleep(away)
                await asyncio.to_thread(server.start)
                await are_ready(replicas)
            over.set()
            await asyncio.gather(*chatting)
        nothing_was_lost(url, people, endpoint)
