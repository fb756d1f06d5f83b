"""The rule for personal data: detection by `webchat.privacy.finding`, and the action for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Unpack

from webchat.moderation.kinds.builtin import BuiltIn, Terms
from webchat.moderation.matching import Match, Matching, Rule, Seen
from webchat.moderation.verdicts import Action, Context, Report
from webchat.privacy.finding import KINDS, Personal

SENTENCE = "This text seems to contain personal data."


class PersonalModerator(BuiltIn):
    """A moderator for personal data. rule: its id is the moderator's name; the action for each kind. Raises
    `ValueError` for an unknown kind."""

    kind = "personal"

    def __init__(self, rule: Rule, kinds: Iterable[str] = KINDS, **terms: Unpack[Terms]) -> None:
        super().__init__(rule.id, **terms)
        self._personal = Personal(kinds)
        self._rules = {
            kind: replace(rule, id=f"{rule.id}.{kind}", instead=rule.instead or f"[{kind}]") for kind in kinds
        }
        self.rules = tuple(self._rules.values())

    def open(self, context: Context, report: Report) -> Matching:
        return Matching(self._find, report)

    def _find(self, window: str, begin: int, *, last: bool) -> Seen:
        found, opened = self._personal.look(window, begin, last=last)
        return Seen([Match(start, end, self._rules[kind]) for start, end, kind in found], opened)


def personal(action: Action = "mask", **terms: Unpack[Terms]) -> PersonalModerator:
    """A moderator that detects all kinds of personal data."""
    return PersonalModerator(Rule("personal", action, sentence=SENTENCE), **terms)
