"""Dry runs: what rules would do with a text; nothing is stored, logged or sent on."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from webchat.moderation.moderation import Decision, Moderation
from webchat.moderation.verdicts import Action, Context


@dataclass(frozen=True, slots=True)
class Tried:
    """moderator, rule, action: the source of the finding, and its action. start, end: in characters of the
    original text, whatever earlier moderators changed. instead: the replacement."""

    moderator: str
    rule: str
    action: Action
    start: int
    end: int
    instead: str
    detail: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """result: what would pass. blocked: the rule that blocks the text; sentence: the message people see; own:
    whether the operator wrote it."""

    result: str
    blocked: str | None
    sentence: str
    own: bool
    found: tuple[Tried, ...]


async def try_rules(moderation: Moderation, context: Context, text: str) -> Outcome:
    """Pass one text through the moderators of the stage the context names."""
    trial = await moderation.trial(context, text)
    found = in_the_text([one.name for one in moderation.moderators], trial.decisions, len(text))
    if (verdict := trial.verdict) is None:
        return Outcome(trial.result, None, "", False, tuple(found))
    # Of a message that is refused nothing is kept; a reply is shown as far as it was harmless.
    result = "" if context.stage == "input" else trial.result
    return Outcome(result, verdict.rule, verdict.sentence, verdict.own, tuple(found))


def in_the_text(names: Sequence[str], decisions: Iterable[Decision], length: int) -> list[Tried]:
    """The findings with their places in the first text, in its order. names: of the moderators, in the order
    they act; each was given what the ones before it had made of the text. length: of that text."""
    found = [_tried(decision) for decision in decisions]
    changes = {name: _Changes([one for one in found if one.moderator == name]) for name in names}
    placed = []
    for one in found:
        start, end = one.start, max(one.start, one.end)
        for name in reversed(names[: names.index(one.moderator)]):
            start, end = changes[name].before(start, end)
        start = min(start, length)
        placed.append(replace(one, start=start, end=max(start, min(end, length))))
    return sorted(placed, key=lambda one: (one.start, one.end))


class _Changes:
    """The changes one moderator made to its text."""

    def __init__(self, found: Sequence[Tried]) -> None:
        self._changes = [one for one in found if one.action in ("mask", "replace")]
        self._changes.sort(key=lambda one: one.start)
        self._begins: list[int] = []  # of the replacements, in the text they stand in
        self._grown: list[int] = []  # by how much that text is longer behind each
        grown = 0
        for one in self._changes:
            self._begins.append(one.start + grown)
            grown += len(one.instead) - (one.end - one.start)
            self._grown.append(grown)

    def before(self, start: int, end: int) -> tuple[int, int]:
        """A place in what the moderator made of its text, as a place in that text. What lies within a
        replacement becomes all that it replaced."""
        first, last = bisect_right(self._begins, start) - 1, bisect_left(self._begins, end) - 1
        if first >= 0:
            inside = start < self._begins[first] + len(self._changes[first].instead)
            start = self._changes[first].start if inside else start - self._grown[first]
        if last >= 0:
            inside = end < self._begins[last] + len(self._changes[last].instead)
            end = self._changes[last].end if inside else end - self._grown[last]
        return start, end


def _tried(decision: Decision) -> Tried:
    found = decision.finding
    return Tried(
        decision.moderator, found.rule, found.action, found.start, found.end, found.instead, found.detail
    )
