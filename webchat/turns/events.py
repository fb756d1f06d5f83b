"""Events for followers. Per reply: first a `Status`, then deltas and further statuses, `Done` last. For all
conversations of an owner: `News`."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import orjson

from backends.base import LoadProgress
from backends.types import TokenLogprob
from webchat.store.records import JournalKind, Message, TurnState


@dataclass(frozen=True)
class Delta:
    """A piece of the reply, already committed. `seq` counts from 1 within the message, without gaps.
    logprobs: where a program asked for them, of the tokens whose text ends in this piece."""

    message_id: str
    seq: int
    kind: JournalKind
    text: str
    logprobs: tuple[TokenLogprob, ...] = field(default=(), repr=False, compare=False)

    @cached_property
    def sse(self) -> bytes:
        """This piece as one server-sent event; encoded once for all followers."""
        piece = {"message_id": self.message_id, "seq": self.seq, "kind": self.kind, "text": self.text}
        return b"event: delta\nid: %d\ndata: %b\n\n" % (self.seq, orjson.dumps(piece))


WaitReason = Literal[
    "review", "loading", "queue", "first_token", "rate_limited", "endpoint_loading", "unavailable"
]
"""`review`: moderators read the prompt. `loading`: the model is on its way. `queue`: others are before it.
`first_token`: the model has the request and has said nothing yet. `rate_limited`, `endpoint_loading`,
`unavailable`: its endpoint refused the request for now, still loads the model, or was not reached, and is
asked again."""


@dataclass(frozen=True, slots=True)
class Wait:
    """What a turn waits for. Times are from `time.monotonic`. since: when that began; for a refusing model,
    the first attempt. retry_at: time of the next attempt. attempt: how often it has refused."""

    reason: WaitReason
    since: float = field(default_factory=time.monotonic, compare=False)
    retry_at: float | None = field(default=None, compare=False)
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a turn. `loading` while its model is loading, `eta_seconds` until it is ready. `place` in
    the queue, from 1, while others are ahead, and `wait_seconds`, the estimated wait. `streaming` once the
    model has the request. `wait`: why there is no text yet."""

    state: TurnState
    loading: LoadProgress | None = None
    eta_seconds: float | None = None
    place: int | None = None
    wait_seconds: float | None = None
    wait: Wait | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The end: the whole stored message."""

    message: Message


@dataclass(frozen=True, slots=True)
class Gone:
    """The reply does not exist, or the follower may not see it."""


@dataclass(frozen=True, slots=True)
class News:
    """Something happened in a conversation: a turn began or ended (in `state`), or its text, title or version
    changed."""

    kind: Literal["begun", "ended", "changed"]
    conversation_id: str
    message_id: str | None = None
    state: TurnState | None = None


TurnEvent = Delta | Status | Done

Followed = tuple[str, TurnEvent | Gone | News]
"""An event for a follower of many replies, with the id of the reply it is about."""
