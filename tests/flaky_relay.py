"""A relay before a PostgreSQL server whose network fails as a test says: it is cut, or stands still."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from sqlalchemy import URL


class FlakyRelay:
    """`async with FlakyRelay(server) as relay:` serves on `relay.url`; lives on the test's event loop."""

    def __init__(self, server: URL) -> None:
        self._far = str(server.query.get("host") or server.host), server.port or 5432
        self._near = server
        self._flows = asyncio.Event()
        self._flows.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._refuses = False
        self.url = ""

    async def __aenter__(self) -> FlakyRelay:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=256)
        near = self._near.set(host="127.0.0.1", port=self._server.sockets[0].getsockname()[1])
        self.url = near.difference_update_query(["host"]).render_as_string(hide_password=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()
        self._server.close()

    def cut(self) -> None:
        """Close every connection, and new ones."""
        self._refuses = True
        for writer in list(self._open):
            writer.transport.abort()

    def stand_still(self) -> None:
        """Pass nothing on, and close nothing."""
        self._flows.clear()

    def mend(self) -> None:
        self._refuses = False
        self._flows.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.transport.abort()
            return
        host, port = self._far
        try:
            if host.startswith("/"):
                far = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
            else:
                far = await asyncio.open_connection(host, port)
        except OSError:  # it is down
            writer.transport.abort()
            return
        both = {writer, far[1]}
        self._open |= both
        pumps = [
            asyncio.create_task(self._pump(reader, far[1])),
            asyncio.create_task(self._pump(far[0], writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            for one in both:
                one.transport.abort()
            self._open -= both

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
