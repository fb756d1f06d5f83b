"""Every test that takes `url` or `store` runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import PostgresServer, postgres
from tests.store.talk import Talk, settled
from webchat.store import Store

__all__ = ["postgres"]


KINDS = ("sqlite", "postgresql")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database for the tables of this version, empty."""
    if kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'chat.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    again = "store" in request.fixturenames and "unused" not in request.fixturenames
    with server.emptied() if again else server.lent(server.fresh()) as url:
        yield url


@pytest.fixture
def unused() -> None:
    """A database no other test has had: for plans, which depend on what it has held, and changed tables."""


@pytest.fixture
def empty_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without any table."""
    if kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.lent(server.empty()) as url:
        yield url


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store.open(url)
    settled(opened)
    yield opened
    opened.close()


@pytest.fixture(scope="module", params=KINDS)
def shared_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One for a file's tables of cases, each with an owner of its own, as a database for each takes long."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('shared') / 'chat.db'}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.fresh()
    opened = Store.open(url)
    settled(opened)
    yield opened
    opened.close()


@pytest.fixture
def shared_talk(shared_store: Store) -> Talk:
    return Talk(shared_store, shared_store.create_owner("visitor", "Ada").id)


@pytest.fixture
def talk(store: Store) -> Talk:
    """One person talking to one model."""
    return Talk(store, store.create_owner("visitor", "Ada").id)


@pytest.fixture
def stranger(store: Store) -> Talk:
    """Somebody else."""
    return Talk(store, store.create_owner("visitor", "Eve").id)
