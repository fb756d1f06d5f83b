"""What a follower of a turn is told: first a `Status`, then deltas and further statuses, `Done` last."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property

from backends.base import LoadProgress
from webchat.store.records import JournalKind, Message, TurnState


@dataclass(frozen=True)
class Delta:
    """A piece of the reply, already committed. `seq` counts from 1 within the message, without gaps."""

    seq: int
    kind: JournalKind
    text: str

    @cached_property
    def sse(self) -> bytes:
        """This piece as one server-sent event; encoded once, however many follow the turn."""
        data = json.dumps({"seq": self.seq, "kind": self.kind, "text": self.text}, ensure_ascii=False)
        return f"event: delta\nid: {self.seq}\ndata: {data}\n\n".encode()


@dataclass(frozen=True, slots=True)
class Status:
    """Where the turn stands. `loading` while its model is on the way, `eta_seconds` from being there. `place`
    in line, from 1, while others are before it, and `wait_seconds`, about how long that will be."""

    state: TurnState
    loading: LoadProgress | None = None
    eta_seconds: float | None = None
    place: int | None = None
    wait_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The end: the whole message as it is stored."""

    message: Message


TurnEvent = Delta | Status | Done
