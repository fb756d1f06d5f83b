"""The words of moderation: where a text is looked at, what may be done about it, and what was found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from backends.types import ReasoningDelta, TextDelta, ToolCallDelta

Piece = TextDelta | ReasoningDelta | ToolCallDelta
"""What passes a gate."""

Pieces = Sequence[Piece]
"""What may be shown, in order."""

Stage = Literal["input", "prompt", "output", "stored"]
"""`input`: what a person writes, before it is stored. `prompt`: what a model is sent. `output`: what a model
says, before anybody sees it. `stored`: what is already there: imports, changed rules."""

Action = Literal["allow", "flag", "mask", "replace", "block"]
"""`flag` only tells the log. `mask` and `replace` change the text found; `block` ends it there."""

Fail = Literal["open", "closed"]
"""What a moderator that breaks or takes too long means: the text passes (and the log says so), or is
blocked."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a rule found. start, end: offsets in characters of the text as the moderator was given it.
    instead: what stands there now, for `mask` and `replace`. detail: more about it, for the log alone: a
    score, a category; never the text."""

    rule: str
    action: Action
    start: int
    end: int
    instead: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """Whose text it is and where it goes. message_id: of the reply that is being made. remote: the model runs
    on another's machine. trial: only to see what rules would do, so nothing is counted or kept. counts:
    it is one more message of this person.

    asked: for moderators that judge a reply by what it answers, the person's last words. so_far: what is
    shown already of a reply that is continued. Neither is in a `Decision`.
    used: how to give back what a moderator counted, should the text be refused after all.
    """

    stage: Stage
    owner: str = ""
    model: str = ""
    conversation_id: str | None = None
    message_id: str | None = None
    remote: bool = False
    trial: bool = False
    counts: bool = True
    asked: str = field(default="", repr=False)
    so_far: str = field(default="", repr=False)
    used: list[Callable[[], None]] = field(default_factory=list, repr=False, compare=False)

    def give_back(self) -> None:
        """What was counted for this text was not used: it, or something it belongs to, was refused."""
        while self.used:
            self.used.pop()()


Report = Callable[[Finding], None]
"""Told each finding, in the order of the text."""


class Blocked(Exception):
    """A moderator refuses the text. What was released before stays, nothing more is.

    rule: id of the rule, for the log and for translation. sentence: what the person may read about it; own:
    the operator's words, which stand in every language.
    before: text in front of what is refused that may still be released; `pieces`: the same, as a gate says
    it.
    """

    def __init__(
        self,
        rule: str,
        sentence: str,
        *,
        cure: str = "",
        before: str = "",
        pieces: Pieces = (),
        own: bool = False,
    ) -> None:
        super().__init__(sentence)
        self.rule = rule
        self.sentence = sentence
        self.cure = cure
        self.before = before
        self.pieces = pieces
        self.own = own

    @property
    def params(self) -> dict[str, str | int | float]:
        """For whoever translates: the rule, and whether its sentence is to stay as it is."""
        return {"rule": self.rule, **({"own": 1} if self.own else {})}
