"""What the built-in moderators have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

from webchat.moderation.verdicts import Fail, Stage

STAGES: tuple[Stage, ...] = ("input", "output", "stored")
FAIL: Fail = "closed"


class Terms(TypedDict, total=False):
    """The stages of a moderator, and what happens when it fails."""

    stages: Iterable[Stage]
    fail: Fail


class BuiltIn:
    """A moderator whose filters run in linear time and wait only for a service they query."""

    inline = True

    def __init__(
        self, name: str, *, stages: Iterable[Stage] = STAGES, fail: Fail = FAIL, seconds: float = 5.0
    ) -> None:
        self.name = name
        self.stages = frozenset(stages)
        self.fail: Fail = fail
        self.seconds = seconds
