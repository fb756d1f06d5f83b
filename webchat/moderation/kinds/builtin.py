"""What the built-in moderators have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TypedDict, Unpack

from webchat.moderation.matching import Rule
from webchat.moderation.verdicts import Context, Fail, Report, Stage
from webchat.moderation.windows import Opinion, OpinionCache, Windows, WindowSettings

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


class Querying(BuiltIn, ABC):
    """A moderator that has a service or a model judge texts. rule: its id is the moderator's name, its action
    the one of whatever the settings do not name."""

    def __init__(self, rule: Rule, settings: WindowSettings, **terms: Unpack[Terms]) -> None:
        super().__init__(rule.id, seconds=settings.seconds, **terms)
        self.action = rule.action
        self.rules = (rule,)
        self._rule = rule
        self._window = settings.window
        self._opinions = OpinionCache()

    def open(self, context: Context, report: Report) -> Windows:
        window = self._window if context.stage == "output" else None
        judge = partial(self._judge, context)
        return Windows(judge, report, name=self.name, fail=self.fail, seconds=self.seconds, window=window)

    @abstractmethod
    async def _judge(self, context: Context, text: str) -> Sequence[Opinion]:
        """Raises whatever leaves it without an opinion."""
