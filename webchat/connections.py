"""uvicorn's connections, each with a place in the crowd (`webchat.crowd`).

uvicorn times nothing but the silence between two requests: a connection that sends eight bytes and no more is
held for ever, and a thousand of them use up the files that a process may have open.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from webchat.auth.forwarding import one_person
from webchat.crowd import Crowd, Member, Owed

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

FILES = 8192

HEAD_BYTES = 65_536
"""Of one request's head."""

AHEAD = 16_384
"""Bytes of further requests that may wait for the end of an answer. Browsers send none."""

AHEAD_REQUESTS = 8
"""How many those may be."""


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


class Connection(HttpToolsProtocol):
    """A connection that tells the crowd what its client owes.

    uvicorn limits neither a head nor requests that come ahead of an answer, and takes what follows a body in
    chunks for headers too. When the client goes, it tells only the last request.
    """

    crowd: Crowd
    _member: Member
    _answering: RequestResponseCycle | None = None  # what comes ahead waits in `pipeline`
    _part: Owed = ""  # of a request, that has begun to come
    _headers_bytes = 0
    _early = 0  # bytes of a head that is not whole, and of all that comes ahead

    @property
    def _busy(self) -> bool:
        return self._answering is not None and not self._answering.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        address = one_person(self.client[0]) if self.client else ""
        self._member = self.crowd.join(transport, address, self._held_up)
        if self._member.full:
            self.app_state = {**self.app_state, "full": True}

    def connection_lost(self, exc: Exception | None) -> None:
        self.crowd.leave(self._member)
        if self._answering is not None:
            self._answering.disconnected = True
            self._answering.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._early = self._early + len(data) if self._part == "head" or self.pipeline else 0
        if self._early > (AHEAD if self._busy else HEAD_BYTES):
            self.send_400_response("The head of the request is too long.")
        self._tell(len(data))

    def on_message_begin(self) -> None:
        if len(self.pipeline) == AHEAD_REQUESTS:
            raise ValueError("too many requests ahead")  # as for what is no request
        super().on_message_begin()
        self._part, self._headers_bytes = "head", 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers_bytes += len(name) + len(value)
        if self._headers_bytes > HEAD_BYTES:
            raise ValueError("too long a head")
        if self._part == "head":
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._part = "body"

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._part = ""

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._tell(0)

    def send_400_response(self, msg: str) -> None:
        if self._busy:  # nothing can be said in the middle of an answer
            self.crowd.end(self._member, "invalid")
        else:
            self.crowd.note(self._member, "invalid")
            super().send_400_response(msg)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _tell(self, size: int) -> None:
        owed: Owed = self._part if self._part == "body" else "" if self._busy else "head"
        kept = owed == "body" and not self.cycle.response_complete  # what comes after the answer is dropped
        self.crowd.owes(self._member, owed, self.cycle, size if kept else 0)

    def _held_up(self) -> bool:
        return self.flow.read_paused or self.cycle.waiting_for_100_continue


def connections(crowd: Crowd) -> type[HttpToolsProtocol]:
    """The protocol of a server's connections."""
    return type("CrowdConnection", (Connection,), {"crowd": crowd})
