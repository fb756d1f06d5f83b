"""The rule of personal data: what is found by `webchat.privacy.finding`, and what is done about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from webchat.moderation.matching import CURE, Match, Matching, Rule, Seen
from webchat.moderation.verdicts import Action, Context, Fail, Report, Stage
from webchat.privacy.finding import KINDS, Personal

SENTENCE = "This text holds what looks like personal data."


class PersonalModerator:
    """A moderator of personal data. rules: what is done about each kind, by its name."""

    kind = "personal"

    def __init__(
        self,
        name: str,
        rules: dict[str, Rule],
        *,
        stages: Iterable[Stage] = ("input", "output"),
        fail: Fail = "closed",
        seconds: float = 5.0,
    ) -> None:
        self.name = name
        self.stages = frozenset(stages)
        self.fail: Fail = fail
        self.seconds = seconds
        self.rules = tuple(rules.values())
        self._rules = rules
        self._personal = Personal(rules)

    def open(self, context: Context, report: Report) -> Matching:
        return Matching(self._find, report)

    def _find(self, window: str, begin: int, *, last: bool) -> Seen:
        found, opened = self._personal.look(window, begin, last=last)
        return Seen([Match(start, end, self._rules[kind]) for start, end, kind in found], opened)


def personal(
    action: Action = "mask",
    *,
    name: str = "personal",
    kinds: Sequence[str] = KINDS,
    instead: str = "",
    sentence: str = SENTENCE,
    cure: str = CURE,
    stages: Iterable[Stage] = ("input", "output"),
    fail: Fail = "closed",
) -> PersonalModerator:
    """A moderator that finds personal data. Raises `ValueError` for a kind there is not."""
    Personal(kinds)
    own = sentence != SENTENCE
    rules = {
        kind: Rule(f"{name}.{kind}", action, instead or f"[{kind}]", sentence, cure, own) for kind in kinds
    }
    return PersonalModerator(name, rules, stages=stages, fail=fail)
