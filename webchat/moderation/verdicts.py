"""The vocabulary of moderation: the stages at which a text is checked, the actions, and the findings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from backends.types import ReasoningDelta, TextDelta, TextWasReasoning, ToolCallDelta

Piece = TextDelta | ReasoningDelta | TextWasReasoning | ToolCallDelta
"""What passes through a gate."""

Pieces = Sequence[Piece]
"""What may be shown, in order."""

Stage = Literal["input", "prompt", "output", "stored"]
"""`input`: what a person writes, before it is stored. `prompt`: what a model is sent. `output`: what a model
says, before anybody sees it. `stored`: what is already there: imports, changed rules."""

Action = Literal["allow", "flag", "mask", "replace", "block"]
"""`flag` only tells the log. `mask` and `replace` change the text found; `block` ends it there."""

Act = Literal["flag", "mask", "replace", "block"]
"""What a rule may do about what it finds."""

Fail = Literal["open", "closed"]
"""What a moderator that breaks or takes too long means: the text passes (and the log says so), or is
blocked."""


UNCHECKED = "This text could not be checked, so it is not shown."
UNCHECKED_CURE = "Try again in a moment."
"""What people read when a moderator fails closed."""

WITHHELD = "[Withheld by the moderation rules]"
"""In the place of a text that rules of the stage `stored` block."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A match of a rule. start, end: offsets in characters of the text the moderator received. instead: its
    replacement, for `mask` and `replace`. detail: for the log only, such as a score or a category; never the
    text."""

    rule: str
    action: Action
    start: int
    end: int
    instead: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """Whose text it is and where it goes. link: by which its owner came. message_id: of the reply that is
    being made. remote: the model runs on another's machine. trial: only to see what rules would do, so
    nothing is counted or kept. counts: it is one more message of this person.

    asked: for moderators that judge a reply by what it answers, the person's last words. so_far: what is
    shown already of a reply that is continued. Neither is in a `Decision`.
    profile: name of the rules that apply beside everybody's, those of the link its owner came by.
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
    link: str | None = None
    profile: str = ""

    def give_back(self) -> None:
        """Undo the counts for this text: it, or something it belongs to, was refused."""
        while self.used:
            self.used.pop()()


Report = Callable[[Finding], None]
"""Told each finding, in the order of the text."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A moderator refuses the text: nothing after that is ever released.

    rule: id of the rule, for the log and for translation. sentence: the public message; cure: what people can
    do. own: the operator wrote the message, which is the same in every language.
    """

    rule: str
    sentence: str
    cure: str = ""
    own: bool = False

    @property
    def params(self) -> dict[str, str | int | float]:
        """For translation: the rule, and whether to keep its own message."""
        return {"rule": self.rule, **({"own": 1} if self.own else {})}


PROFILE_MISSING = Verdict(
    "profile_missing",
    "The moderation rules for this link are missing, so nothing can be sent.",
    "Tell the person who gave you the link.",
)
"""Of every text that a profile applies to which the rules file does not define."""


def fixed(place: str) -> Verdict:
    """Something in a field of a program's request had to be changed, which cannot be: others refer to it."""
    return Verdict(
        "unchangeable",
        f"{place} contains something that would have to be replaced, and this field cannot be changed.",
        "Change it, and send the request again.",
    )


@dataclass(frozen=True, slots=True)
class Refused:
    """Returned by a filter that refuses the text. before: what may still be released before the refused
    part."""

    before: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Passed:
    """The result for a text. verdict: why the rest is missing."""

    text: str
    verdict: Verdict | None = None


class Released(NamedTuple):
    """The output of a gate. pieces: what may be shown now, in order, even if there is a verdict. verdict: why
    nothing more will follow. Created for each token."""

    pieces: Pieces = ()
    verdict: Verdict | None = None


class Blocked(Exception):
    """A text is refused as a whole: what a person wrote, or what a model was to receive."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.sentence)
        self.verdict = verdict

    @property
    def rule(self) -> str:
        return self.verdict.rule
