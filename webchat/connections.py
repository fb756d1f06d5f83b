"""uvicorn's connections, each counted in the crowd (`webchat.crowd`).

uvicorn limits only the idle time between two requests: a connection that sends eight bytes and stops is held
forever, and a thousand of them exhaust the files that a process may open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from webchat.auth.forwarding import one_person
from webchat.crowd import Crowd, Member, Owed

FILES = 8192

KEPT_SECONDS = 75
"""How long a connection is kept for its next request: longer than proxies and load balancers keep theirs,
mostly for 60 s. One that is closed just as they use it again is an error 502 to somebody."""

AHEAD = 16_384
"""Maximum bytes of pipelined requests waiting for a response. Browsers do not pipeline."""


def open_files(wanted: int = FILES) -> int:
    """How many files this process may have open, after asking the system for `wanted`."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return soft


LINGER_SECONDS = 5.0
"""How long the rest of a body may still arrive, to be dropped, after an answer that did not wait for it."""


class Lingering:
    """A transport that does not close under somebody who is still sending.

    A socket that is closed with unread bytes resets the connection, and the answer is lost: a browser reports
    no connection, and a proxy its own error, where the server has said that the body is too large.
    """

    def __init__(self, transport: asyncio.Transport, sending: Callable[[], bool]) -> None:
        self._transport = transport
        self._sending = sending
        self.lingers = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self.lingers or self._transport.is_closing()

    def close(self) -> None:
        if self.is_closing() or not self._sending():
            self._transport.close()
            return
        self.lingers = True
        self._transport.write_eof()
        self._transport.resume_reading()
        asyncio.get_running_loop().call_later(LINGER_SECONDS, self._transport.close)


class Connection(H11Protocol):
    """A connection that reports to the crowd what its client still has to send or read."""

    crowd: Crowd
    _member: Member
    _lingering: Lingering

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._lingering = Lingering(transport, lambda: self.conn.their_state is h11.SEND_BODY)
        super().connection_made(cast(asyncio.Transport, self._lingering))
        self.timeout_keep_alive = KEPT_SECONDS
        address = one_person(self.client[0]) if self.client else ""
        self._member = self.crowd.join(transport, address, self._held_up)
        if self._member.full:
            self.app_state = {**self.app_state, "full": True}

    def connection_lost(self, exc: Exception | None) -> None:
        self.crowd.leave(self._member)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._lingering.lingers:
            return
        super().data_received(data)
        self._tell(len(data))

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._tell(0)

    def send_400_response(self, msg: str) -> None:
        self.crowd.note(self._member, "invalid")
        super().send_400_response(msg)

    def _tell(self, size: int) -> None:
        owed: Owed = ""
        if self.conn.their_state is h11.SEND_BODY:
            owed = "body"
        elif self.conn.their_state is h11.IDLE and self.conn.our_state is h11.IDLE:
            owed = "head" if size else "next"
        if not owed and size > AHEAD and len(self.conn.trailing_data[0]) > AHEAD:
            self.crowd.end(self._member, "invalid")
        kept = owed == "body" and not self.cycle.response_complete  # what comes after the answer is dropped
        self.crowd.owes(self._member, owed, self.cycle, size if kept else 0)

    def _held_up(self) -> bool:
        return self.flow.read_paused or self.cycle.waiting_for_100_continue


def connections(crowd: Crowd) -> type[H11Protocol]:
    """The protocol class for a server's connections."""
    return type("CrowdConnection", (Connection,), {"crowd": crowd})
