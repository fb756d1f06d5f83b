"""Every test that takes `url` or `store` runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import PostgresServer, postgres
from tests.store.talk import Talk, settled
from webchat.store import Store

__all__ = ["postgres"]


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database for the tables of this version, empty."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'chat.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.fresh()


@pytest.fixture
def empty_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without any table."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.empty()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store.open(url)
    settled(opened)
    yield opened
    opened.close()


@pytest.fixture
def talk(store: Store) -> Talk:
    """One person talking to one model."""
    return Talk(store, store.create_owner("visitor", "Ada").id)


@pytest.fixture
def stranger(store: Store) -> Talk:
    """Somebody else."""
    return Talk(store, store.create_owner("visitor", "Eve").id)
