"""Judgements of replies, as the store hands them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from backends.types import Role, ToolCall
from webchat.store.link_records import Question
from webchat.store.records import ConversationSettings

Rating = Literal[-1, 0, 1]
"""Bad, none, good."""

Preferred = Literal["left", "right", "tie"]

MOST_COUNTED = 10_000
"""Judgements that match a filter are counted up to this."""

ReviewState = Literal["new", "accepted", "rejected", "edited"]
"""What operators made of a judgement: `edited` is accepted with a better answer of theirs."""


@dataclass(frozen=True, slots=True)
class JudgedMessage:
    """A message before the reply that was judged. template: whether its words come from a prompt template or
    are the link's, not the person's own. tool_calls, tool_call_id: as in `backends.types.Message`."""

    role: Role
    text: str
    template: bool = False
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A reply as it was when it was judged, and what it answered; never changes.

    prompt: the system prompt if there was one, and the path from the first message to the one answered.
    model: as it was named. provenance: revision, adapter, template, sampling, seed, backend and token counts,
    as far as they were known; flat. cut: how many of the first messages of that path the model was not
    sent. masked: in how many places personal data was kept from the model. continues: whether it writes on
    from a reply that had ended. whole: whether it had ended by itself. calls: of tools, after its text.
    options: as in `Provenance`; empty for none.
    """

    message_id: str
    prompt: tuple[JudgedMessage, ...]
    reply: str
    model: str
    provenance: Mapping[str, Any] = field(default_factory=dict)
    cut: int = 0
    masked: int = 0
    continues: bool = False
    whole: bool = True
    calls: tuple[ToolCall, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)


def with_calls(text: str, calls: Sequence[ToolCall]) -> str:
    """A text and its tool calls, for people who judge both."""
    return "\n\n".join(filter(None, (text, *(f"{call.name}({call.arguments})" for call in calls))))


@dataclass(frozen=True, slots=True)
class Consent:
    """What a tester accepted when they judged. covers: whether the link says that what they write may train
    models."""

    version: int
    text: str
    covers: bool


@dataclass(frozen=True, slots=True)
class Review:
    """better: the answer that operators wrote in place of the tester's; empty for none."""

    state: ReviewState = "new"
    by: str | None = None
    at: datetime | None = None
    better: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What an operator decided about judgements, so that it can be undone. state, at: what it left; `None`
    for `new`. before: by their ids, what they were: the columns of their review."""

    state: ReviewState
    at: datetime | None
    before: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Reviewed:
    """How many judgements were reviewed, how many had changed since the operator saw them, and how many were
    not accepted because operators may not read their words."""

    reviewed: int
    changed: int
    unread: int = 0
    decision: Decision | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered to a question of the link about this reply; a number for a scale."""

    question: Question
    value: str | int


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one person thinks of one reply. There is one for each pair of them.

    author_id: the owner of the chat, who is another person if a reviewer judged it.
    seq: how many pieces of the reply had been shown; `None` once it had ended. reasons: keys. better: the
    answer they would have given; empty for none. judged: `None` while the reply runs. link: its name.
    """

    id: str
    owner_id: str
    author_id: str
    conversation_id: str
    message_id: str
    link_id: str | None
    link: str
    at: datetime
    changed_at: datetime
    seq: int | None = None
    rating: Rating = 0
    reasons: tuple[str, ...] = ()
    comment: str = ""
    answers: tuple[Answer, ...] = ()
    better: str = ""
    consent: Consent | None = None
    review: Review = Review()
    judged: Judged | None = None


@dataclass(frozen=True, slots=True)
class JudgementChange:
    """What a person says of a reply now; `None` leaves what they said before. Empty values take it back.

    answers: to these questions; those to others stay. seq: how many pieces of a running reply they had been
    shown, if known. Another rating takes back the reasons of the one before.
    """

    rating: Rating | None = None
    reasons: tuple[str, ...] | None = None
    comment: str | None = None
    answers: tuple[Answer, ...] | None = None
    better: str | None = None
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class JudgementFilter:
    """Which judgements to return; `None` returns all. since, before: by when they were first made. person: an
    owner's id."""

    model: str | None = None
    link_id: str | None = None
    template: str | None = None
    since: datetime | None = None
    before: datetime | None = None
    rating: Rating | None = None
    reason: str | None = None
    person: str | None = None
    review: ReviewState | None = None


@dataclass(frozen=True, slots=True)
class ListedJudgement:
    """A judgement in the operators' list, without its snapshot.

    model, template: of the reply, as they were named. person: a name, or what tells the people of a link
    apart. asked, reply: how the message and the reply begin. Where operators may not read, these, the
    comment, the better answers and answers in words are left out. trains: whether it may be exported once it
    is accepted.
    """

    judgement: Judgement
    model: str
    template: str
    person: str
    asked: str
    reply: str
    trains: bool


@dataclass(frozen=True, slots=True)
class JudgementCount:
    """How often replies of a model were judged on a day (UTC). better: with a better answer."""

    model: str
    day: date
    good: int
    bad: int
    better: int
    total: int


@dataclass(frozen=True, slots=True)
class Thumb:
    """What one person thought of one reply, 1 or -1, without its words. model: as it was named."""

    owner_id: str
    model: str
    rating: Rating


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison. good: what was thought of it by itself. judged: `None` while it runs, or if
    it failed. settings: what it was made with; `None` where many are read."""

    message_id: str
    model: str
    good: bool | None = None
    judged: Judged | None = None
    settings: ConversationSettings | None = field(default=None, hash=False)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two replies to one message, and which of them a person preferred; `None` until they voted.

    "Both are bad" is a tie of two sides that are not good. author_id: as in `Judgement`. closed_at:
    when they voted, or went on without a vote; until then nobody may learn from it which model wrote what.
    """

    id: str
    owner_id: str
    author_id: str
    conversation_id: str
    asked_id: str
    link_id: str | None
    link: str
    at: datetime
    left: Side
    right: Side
    preferred: Preferred | None = None
    comment: str = ""
    voted_at: datetime | None = None
    closed_at: datetime | None = None
    consent: Consent | None = None
    review: Review = Review()

    def side(self, which: Literal["left", "right"]) -> Side:
        return self.left if which == "left" else self.right


@dataclass(frozen=True, slots=True)
class ListedVote:
    """A vote in the operators' list; the fields are those of `ListedJudgement`."""

    vote: Comparison
    person: str
    asked: str
    trains: bool


@dataclass(frozen=True, slots=True)
class JudgementChoices:
    """By what judgements can be filtered, the newest of each. people: id and name."""

    templates: tuple[str, ...]
    reasons: tuple[str, ...]
    people: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Vote:
    """What is thought of a comparison. left_good, right_good: of each side by itself; `None` for nothing."""

    preferred: Preferred
    left_good: bool | None = None
    right_good: bool | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True)
class VoteCount:
    """How often one person voted alike on two models, as they were named. both_bad: of ties. Settings: what
    the replies were made with; `None` where votes are counted by model."""

    owner_id: str
    left: str
    right: str
    preferred: Preferred
    both_bad: bool
    votes: int
    left_settings: ConversationSettings | None = field(default=None, hash=False)
    right_settings: ConversationSettings | None = field(default=None, hash=False)


@dataclass(frozen=True, slots=True)
class PairVotes:
    """The votes on two models, by their names. wins: of each. open: comparisons without a vote so far."""

    models: tuple[str, str]
    wins: tuple[int, int] = (0, 0)
    ties: int = 0
    open: int = 0
