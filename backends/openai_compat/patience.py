"""How long to wait for an endpoint."""

from __future__ import annotations

from dataclasses import dataclass

from backends._plurals import counted
from backends.errors import Timeout
from backends.openai_compat.replies.reply import Reply

ALIVE = 10
"""Factor of extra time for an endpoint that shows signs of life (comments, chunks without text)."""

_AFTER_END = 10.0
_AFTER_USAGE = 2.0
_AFTER_STOP = 2.0
_AFTER_DONE = 0.25
"""Seconds for the rest of a stream: behind a reason to end, behind the usage that follows one, behind a stop
string of ours, and behind `[DONE]`, where only the connection still has to be brought to its end."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds. `first_token` starts with the request and includes queueing, loading, prefill and
    retries."""

    connect: float = 10.0
    first_token: float = 600.0
    next_token: float = 120.0


class Patience:
    """How long a reply is waited for. until: in the event loop's time; seconds: the duration.

    now: when the request was sent.
    """

    def __init__(self, timeouts: Timeouts, now: float) -> None:
        self._next_token = timeouts.next_token
        self._limit = self.seconds = timeouts.first_token
        self._spoke = now
        self.until = now + self._limit

    def heard(self, now: float, reply: Reply, *, spoke: bool) -> None:
        """Something arrived. spoke: it contained text or the like."""
        if reply.done or reply.cut:
            self.until = min(self.until, now + (_AFTER_DONE if reply.done else _AFTER_STOP))
            return
        if spoke:
            self._spoke, self._limit = now, self._next_token
        limit = self._limit
        if reply.ended and reply.trusted:
            limit = min(limit, _AFTER_USAGE if reply.counted else _AFTER_END)
        self.until, self.seconds = now + limit, limit
        if self.until > self._spoke + ALIVE * limit:
            self.until, self.seconds = self._spoke + ALIVE * limit, ALIVE * limit


def too_slow(place: str, seconds: float) -> Timeout:
    return Timeout(
        f"{place} sent nothing for {counted(seconds, 'second')}.",
        cure="Try again, or set a longer timeout.",
        params={"seconds": seconds},
    )
