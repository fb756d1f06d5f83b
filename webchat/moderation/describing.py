"""Descriptions of moderators for the operator's page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from webchat.moderation.filters import Moderator
from webchat.moderation.matching import Rule
from webchat.moderation.verdicts import Stage


@dataclass(frozen=True, slots=True)
class DescribedRule:
    """sentence: shown when it blocks, if the operator wrote it. most: the value of a limit."""

    id: str
    action: str
    sentence: str = ""
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """kind: as in the rules file. action: of all its rules; `None` if they differ or there is none. count: of
    phrases, patterns or limits."""

    name: str
    kind: str
    stages: tuple[Stage, ...]
    action: str | None
    fail: str
    seconds: float
    rules: tuple[DescribedRule, ...]
    count: int


def described(moderators: Sequence[Moderator]) -> list[Description]:
    """Each moderator, in the order they act. For third-party ones, `kind`, `rules` and `count` are read if
    present."""
    return [_described(one) for one in moderators]


def _described(one: Moderator) -> Description:
    bounds: dict[str, int] = getattr(one, "bounds", {})
    found: Sequence[Rule] = getattr(one, "rules", ())
    rules = (
        *(DescribedRule(rule.id, rule.action, rule.sentence if rule.own else "") for rule in found),
        *(DescribedRule(rule, "block", most=most) for rule, most in bounds.items()),
    )
    actions: set[str | None] = {*(rule.action for rule in rules)} or {getattr(one, "action", None)}
    return Description(
        name=one.name,
        kind=str(getattr(one, "kind", type(one).__name__)),
        stages=tuple(stage for stage in get_args(Stage) if stage in one.stages),
        action=actions.pop() if len(actions) == 1 else None,
        fail=one.fail,
        seconds=one.seconds,
        rules=rules,
        count=int(getattr(one, "count", len(rules))),
    )
