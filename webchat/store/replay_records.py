"""Replays, as the store hands them out: stored replies given again by other models or with other settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from webchat.store.link_records import LinkTerms
from webchat.store.records import ConversationSettings, Failure, PathMessage, TurnState

STORED = ""
"""Names the stored reply where a run is named: by its id."""

ReplayState = Literal["open", "done", "cancelled"]
"""Of a run: `open` while some of its items are to be done."""


@dataclass(frozen=True, slots=True)
class ReplayChoice:
    """Which replies a set is made of; `None` and empty ask for nothing.

    judged: only replies that somebody judged. link_id: of the people of a tester link. model: of the reply.
    rating, reason: of a judgement. since, before: when the reply was given. every_reply: all replies on the
    path that a conversation shows, in place of the last one. judgements: the replies that these were about,
    and those that comparisons with these ids were about.
    """

    judged: bool = False
    link_id: str | None = None
    model: str | None = None
    rating: int | None = None
    reason: str | None = None
    since: datetime | None = None
    before: datetime | None = None
    every_reply: bool = False
    judgements: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ReplayVariant:
    """What answers in a run. model: a key or a name of `webchat.models`. settings: what is set differs from
    the conversations; `None` and unset parameters leave what each of them had."""

    model: str
    settings: ConversationSettings = field(default_factory=ConversationSettings)


@dataclass(frozen=True, slots=True)
class ReplayJudge:
    """A model that is asked what it thinks of the replies of a set. name: of the judge, unlike others' of the
    set. prompt: with placeholders, see `webchat.feedback.replay.judging`. model: its name, as it is shown."""

    name: str
    prompt: str
    variant: ReplayVariant
    model: str


@dataclass(frozen=True, slots=True)
class ReplaySet:
    """A list of replies. chosen: how they were found, as JSON values. assertions: what their replays are
    checked for without a model, as JSON values. items: how many there are; fewer once people delete what is
    theirs."""

    id: str
    owner_id: str
    name: str
    chosen: Mapping[str, Any]
    assertions: Sequence[Mapping[str, Any]]
    created_at: datetime
    items: int
    judges: tuple[ReplayJudge, ...] = ()


@dataclass(frozen=True, slots=True)
class ReplayRun:
    """A set on one variant. done, failed: of its items; what is neither is still to be done. judges: of a run
    of one of the set's judges, the id of the run whose replies it judges, or `STORED`; its replies are
    verdicts."""

    id: str
    set_id: str
    owner_id: str
    name: str
    variant: ReplayVariant
    state: ReplayState
    created_at: datetime
    items: int
    done: int
    failed: int
    judges: str | None = None


@dataclass(frozen=True, slots=True)
class ToJudge:
    """A reply that is judged. path: what the model was sent. reference: the better answer that operators or
    people wrote for the stored reply; empty for none. prompt: of the judge."""

    path: tuple[PathMessage, ...]
    reply: str
    reference: str
    prompt: str


@dataclass(frozen=True, slots=True)
class OpenedReplay:
    """An item whose path was copied for a run, ready to be answered.

    settings: of the conversation that the item is from. terms: the parts of its link's that shape a reply.
    attempt: counts from 1.
    """

    conversation_id: str
    asked_id: str
    settings: ConversationSettings
    terms: LinkTerms
    attempt: int


@dataclass(frozen=True, slots=True)
class ReplayReply:
    """A reply beside others to the same message. state: `None` if none was begun. Times in seconds from the
    start of its turn. prompt: what a judge was asked; of other replies it is not read. liked: how many people
    found it good, less those who found it bad, with their thumbs or in comparisons; what reviewers rejected
    does not count."""

    message_id: str | None
    state: TurnState | None
    text: str = ""
    model: str = ""
    failure: Failure | None = None
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    first_token_seconds: float | None = None
    total_seconds: float | None = None
    queued_seconds: float | None = None
    seed: int | None = None
    prompt: str = ""
    liked: int = 0


@dataclass(frozen=True, slots=True)
class ReplayItem:
    """A message of a set with the reply that is stored, and those of the runs that were asked for, in their
    order."""

    number: int
    conversation_id: str
    asked: str
    stored: ReplayReply
    replies: tuple[ReplayReply, ...]
