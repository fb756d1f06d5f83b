"""Rules, actions and stages in the reader's words."""

from __future__ import annotations

from typing import get_args

from webchat.console.asking import Caller
from webchat.moderation.verdicts import Action, Stage
from webchat.sentences import locale

STAGES: tuple[Stage, ...] = get_args(Stage)
ACTIONS: tuple[Action, ...] = ("block", "mask", "replace", "flag")
"""Those that are logged."""

_FAILED = ".failed"


def rule_name(caller: Caller, rule: str) -> str:
    """Built-in rules have names in the tables, the operator's the one they were given."""
    known = locale(caller.language).get(f"moderation.rule.{rule}")
    if known is not None:
        return known
    if rule.endswith(_FAILED):
        return caller.t("moderation.rule_failed", name=rule.removesuffix(_FAILED))
    return rule


def kind_name(caller: Caller, kind: str) -> str:
    return locale(caller.language).get(f"moderation.kind.{kind}", kind)


def stage_name(caller: Caller, stage: str) -> str:
    return caller.t(f"moderation.stage.{stage}")


def action_name(caller: Caller, action: str) -> str:
    """What was done about a text."""
    return caller.t(f"moderation.action.{action}")


def sentences(caller: Caller, *said: str) -> str:
    return ("" if caller.language == "zh-CN" else " ").join(filter(None, said))


def listed(caller: Caller, names: list[str]) -> str:
    return ("、" if caller.language == "zh-CN" else ", ").join(names)
