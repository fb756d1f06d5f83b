"""A relay before a PostgreSQL server that cuts a connection when the answer to its COMMIT comes: what was
written is there, and whoever wrote it does not hear of it."""

from __future__ import annotations

import contextlib
import socket
import threading

from sqlalchemy import URL


class CuttingRelay:
    """Serves on `url` until `close`; `cut_next(table)` cuts the next transaction that inserts there. `cuts`
    counts."""

    def __init__(self, server: URL) -> None:
        host, port = server.query.get("host") or server.host, server.port or 5432
        self._far = (str(host), port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        near = server.set(host="127.0.0.1", port=self._listener.getsockname()[1])
        self.url = near.difference_update_query(["host"]).render_as_string(hide_password=False)
        self.cuts = 0
        self._insert: bytes | None = None
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_next(self, table: str) -> None:
        self._insert = f"INSERT INTO {table}".encode()

    def close(self) -> None:
        self._listener.close()

    def _connect(self) -> socket.socket:
        host, port = self._far
        if host.startswith("/"):
            far = socket.socket(socket.AF_UNIX)
            far.connect(f"{host}/.s.PGSQL.{port}")
            return far
        return socket.create_connection((host, port))

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = self._connect()
                doomed = threading.Event()
                threading.Thread(target=self._up, args=(near, far, doomed), daemon=True).start()
                threading.Thread(target=self._down, args=(far, near, doomed), daemon=True).start()

    def _up(self, near: socket.socket, far: socket.socket, doomed: threading.Event) -> None:
        inserted = False
        with near, contextlib.suppress(OSError):
            while data := near.recv(65536):
                if b"BEGIN" in data:
                    inserted = False
                inserted = inserted or (self._insert is not None and self._insert in data)
                if inserted and b"COMMIT\0" in data and self._insert is not None:
                    self._insert = None
                    doomed.set()
                far.sendall(data)
        with contextlib.suppress(OSError):
            far.shutdown(socket.SHUT_RDWR)

    def _down(self, far: socket.socket, near: socket.socket, doomed: threading.Event) -> None:
        with far, contextlib.suppress(OSError):
            while data := far.recv(65536):
                if doomed.is_set():
                    self.cuts += 1
                    break
                near.sendall(data)
        with contextlib.suppress(OSError):
            near.shutdown(socket.SHUT_RDWR)
