"""What rules would do with a text, without doing it: nothing is stored, logged or sent on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from webchat.moderation.moderation import Decision, Moderation
from webchat.moderation.verdicts import Action, Context


@dataclass(frozen=True, slots=True)
class Tried:
    """moderator, rule, action: who found what and does what about it. start, end: in characters of the text
    as it was given, whatever moderators before this one changed in it. instead: what stands there then."""

    moderator: str
    rule: str
    action: Action
    start: int
    end: int
    instead: str
    detail: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """result: what would have been let through. blocked: the rule that refuses the text; sentence: what the
    person reads then; own: in the operator's words."""

    result: str
    blocked: str | None
    sentence: str
    own: bool
    found: tuple[Tried, ...]


async def try_rules(moderation: Moderation, context: Context, text: str) -> Outcome:
    """One text through the moderators of the stage the context names."""
    trial = await moderation.trial(context, text)
    found = in_the_text([one.name for one in moderation.moderators], trial.decisions, len(text))
    if (blocked := trial.blocked) is None:
        return Outcome(trial.result, None, "", False, tuple(found))
    # Of a message that is refused nothing is kept; a reply is shown as far as it was harmless.
    result = "" if context.stage == "input" else trial.result
    return Outcome(result, blocked.rule, blocked.sentence, blocked.own, tuple(found))


def in_the_text(names: Sequence[str], decisions: Iterable[Decision], length: int) -> list[Tried]:
    """The findings with their places in the first text, in its order. names: of the moderators, in the order
    they act; each was given what the ones before it had made of the text. length: of that text."""
    found = [_tried(decision) for decision in decisions]
    changed: dict[str, list[Tried]] = {}
    for one in found:
        if one.action in ("mask", "replace"):
            changed.setdefault(one.moderator, []).append(one)
    placed = []
    for one in found:
        start, end = one.start, max(one.start, one.end)
        for name in reversed(names[: names.index(one.moderator)] if one.moderator in names else ()):
            start, end = _before(changed.get(name, ()), start, end)
        start = min(start, length)
        placed.append(replace(one, start=start, end=max(start, min(end, length))))
    return sorted(placed, key=lambda one: (one.start, one.end))


def _before(changes: Iterable[Tried], start: int, end: int) -> tuple[int, int]:
    """A place in what a moderator made of a text, as a place in that text."""
    grown = 0
    first, last = start, end
    for change in sorted(changes, key=lambda one: one.start):
        begins = change.start + grown
        ends = begins + len(change.instead)
        grown += len(change.instead) - (change.end - change.start)
        if begins <= start:
            first = change.start if start < ends else start - grown
        if begins < end:
            last = change.end if end < ends else end - grown
    return first, last


def _tried(decision: Decision) -> Tried:
    found = decision.finding
    return Tried(
        decision.moderator, found.rule, found.action, found.start, found.end, found.instead, found.detail
    )
