"""The moderation rules, what they would do, and what they did."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from backends.types import Role
from webchat.api.wire.base import Answer, Body, Time, absent
from webchat.moderation.verdicts import Action, Stage


class ModeratorRule(Answer):
    """sentence: the operator's message when it blocks. most: the value of a limit."""

    id: str
    action: str
    sentence: str
    most: int | None


class Moderator(Answer):
    """action: of all its rules; `null` if they differ. count: of phrases, patterns or limits."""

    name: str
    kind: str
    stages: tuple[Stage, ...]
    action: str | None
    fail: str
    seconds: float
    rules: tuple[ModeratorRule, ...]
    count: int


class Masking(Answer):
    """kinds: of personal data that is masked for models."""

    when: Literal["off", "remote", "always"]
    keep: Literal["encrypted", "never"]
    kinds: tuple[str, ...]


class Moderation(Answer):
    """profiles: the moderators of tester links that name one, by its name. keeps_content: whether the log
    stores the text around each finding. days: how long decisions are kept. dropped: how many were lost."""

    moderators: tuple[Moderator, ...]
    profiles: dict[str, tuple[Moderator, ...]]
    masking: Masking | None
    file: str | None
    keeps_content: bool
    days: int
    dropped: int


class ModerationFinding(Answer):
    """start, end: in characters of the given text. instead: its replacement."""

    moderator: str
    rule: str
    action: Action
    start: int
    end: int
    instead: str
    detail: str


class TriedText(Answer):
    """What the rules would do with a text. text: starts at character `from` of it. blocked: the rule that
    blocks it; sentence: the message people see then; own: whether the operator wrote it. result: the text
    that would pass. The fields from `message_id` to `length` describe a stored message."""

    message_id: str | None = Field(default=None, exclude_if=absent)
    conversation_id: str | None = Field(default=None, exclude_if=absent)
    owner_id: str | None = Field(default=None, exclude_if=absent)
    role: Role | None = Field(default=None, exclude_if=absent)
    at: Time | None = Field(default=None, exclude_if=absent)
    length: int | None = Field(default=None, exclude_if=absent)
    text: str
    start: int = Field(serialization_alias="from")
    result: str | None
    blocked: str | None
    sentence: str
    own: bool
    findings: tuple[ModerationFinding, ...]
    found: int


class Trial(Answer):
    """checked: how many texts. whole: whether all were checked."""

    items: tuple[TriedText, ...]
    checked: int
    whole: bool


class ModerationDecision(Answer):
    number: int
    at: Time
    moderator: str
    rule: str
    stage: str
    action: str
    owner_id: str | None
    conversation_id: str | None
    message_id: str | None
    model: str | None
    start: int
    end: int
    detail: str | None
    content: str | None


class DecisionPage(Answer):
    items: tuple[ModerationDecision, ...]
    next: str | None


class DecisionCount(Answer):
    rule: str
    moderator: str
    action: str
    count: int


class DecisionCounts(Answer):
    items: tuple[DecisionCount, ...]


class TrialBody(Body):
    """A text, or the newest stored messages. rules: in the file format, instead of the active ones."""

    stage: Stage = "input"
    text: Annotated[str, Field(max_length=100_000)] | None = None
    last: Annotated[int, Field(ge=1, le=500)] | None = None
    rules: Annotated[str, Field(max_length=50_000)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.text is None) == (self.last is None):
            raise ValueError("give either text or last")
        return self
