"""Sending messages, and the events of running replies."""

from __future__ import annotations

import time
from typing import Annotated, Literal, Self

from pydantic import Field

from backends.base import LoadProgress
from webchat.api.wire.base import Answer, Body, Id, ModelName
from webchat.api.wire.conversations import Conversation, SettingsBody, TemplateUseBody
from webchat.api.wire.links import Left
from webchat.api.wire.messages import Message
from webchat.store.records import JournalKind, Owner, TurnState
from webchat.turns import events


class AgainstBody(Body):
    """What answers beside the model: another one, or other settings. Testers leave both out: the server
    chooses both sides for them."""

    model: ModelName | None = None
    settings: SettingsBody | None = None


class TurnBody(Body):
    """owner: the owner the page believes it acts for; rejected for anyone else, who may have signed in since.
    client_key: repeating a key returns the same turn. against: for
    two replies side by side."""

    owner: Id | None = None
    kind: Literal["send", "regenerate", "edit", "continue"]
    client_key: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,64}$")]
    conversation_id: Id | None = None
    parent_id: Id | None = None
    message_id: Id | None = None
    text: str | None = None
    model: ModelName | None = None
    settings: SettingsBody | None = None
    template: TemplateUseBody | None = None
    against: AgainstBody | None = None


class BegunTurn(Answer):
    """user: the new user message that the reply answers, if there is one. beside: the other reply of a
    comparison. left: of a guest's link."""

    conversation: Conversation
    user: Message | None
    reply: Message
    beside: Message | None
    left: Left | None


class Loading(Answer):
    """Progress of loading a model into memory. done, total: in bytes."""

    phase: Literal["connecting", "downloading", "loading", "warming"]
    done: int | None
    total: int | None
    eta_seconds: float | None

    @classmethod
    def at(cls, progress: LoadProgress | None, eta_seconds: float | None) -> Self | None:
        if progress is None:
            return None
        return cls(
            phase=progress.phase,
            done=progress.done,
            total=progress.total,
            eta_seconds=None if eta_seconds is None else round(eta_seconds, 1),
        )


class Queue(Answer):
    """place: starts at 1."""

    place: int
    eta_seconds: float | None


class Wait(Answer):
    """Why there is no text yet. Durations relative to now, in ms, because browsers' clocks differ.
    retry_in_ms: until a refusing endpoint is tried again, 0 for now. attempt: how often it has refused."""

    reason: events.WaitReason
    since_ms: int
    retry_in_ms: int | None
    attempt: int

    @classmethod
    def now(cls, wait: events.Wait) -> Self:
        now = time.monotonic()
        retry_in = None if wait.retry_at is None else max(0, round(1000 * (wait.retry_at - now)))
        since = max(0, round(1000 * (now - wait.since)))
        return cls(reason=wait.reason, since_ms=since, retry_in_ms=retry_in, attempt=wait.attempt)


class Status(Answer):
    """The state of a reply. wait: `null` once text arrives."""

    message_id: str
    state: TurnState
    loading: Loading | None
    queue: Queue | None
    wait: Wait | None

    @classmethod
    def now(cls, message_id: str, status: events.Status, reader: Owner) -> Self:
        """How large a model is would tell which one it is to a reader who may not know."""
        queue, wait = None, status.wait
        if status.place is not None:
            eta = None if status.wait_seconds is None else round(status.wait_seconds, 1)
            queue = Queue(place=status.place, eta_seconds=eta)
        return cls(
            message_id=message_id,
            state=status.state,
            loading=None if reader.terms.blind else Loading.at(status.loading, status.eta_seconds),
            queue=queue,
            wait=None if wait is None else Wait.now(wait),
        )


class Delta(Answer):
    """A piece of a reply. seq: from 1, without gaps. Encoded by `webchat.turns.events.Delta`, once for all
    followers."""

    message_id: str
    seq: int
    kind: JournalKind
    text: str


class Done(Answer):
    message: Message


class Gone(Answer):
    """The reply does not exist, or the reader may not see it."""

    message_id: str


class TurnNews(Answer):
    """state: in which it ended."""

    conversation_id: str
    message_id: str
    state: TurnState | None


class Changed(Answer):
    """conversation_id: empty if any of them may have changed."""

    conversation_id: str


class Hello(Answer):
    """owner: the reader's id. running: the ids of all their running replies."""

    owner: str
    running: tuple[str, ...]


class Beat(Answer):
    """Sent during silence."""


class Events(Answer):
    """The events of a stream by name, each with its data."""

    hello: Hello
    status: Status
    delta: Delta
    done: Done
    gone: Gone
    begun: TurnNews
    ended: TurnNews
    changed: Changed
    beat: Beat
