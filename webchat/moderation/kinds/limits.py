"""Limits for people: the length of a text, repetition within it, and the rate of messages."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from backends._plurals import counted
from webchat.moderation.kinds.builtin import FAIL, BuiltIn
from webchat.moderation.verdicts import Context, Fail, Finding, Refused, Report, Stage, Verdict


class Bounds(BaseModel):
    """The settings of `Limits`; `None` sets no limit.

    most_chars: of one text. most_repeats: of one character or line in a row. most_a_minute: messages of one
    person that are taken; most_a_minute_by_link: of all who came by one link.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    most_chars: Annotated[int, Field(ge=1)] | None = None
    most_repeats: Annotated[int, Field(ge=2)] | None = None
    most_a_minute: Annotated[int, Field(ge=1)] | None = None
    most_a_minute_by_link: Annotated[int, Field(ge=1)] | None = None


class Limits(BuiltIn):
    """What one person may write. each: settings of `Bounds` per limit. Raises `ValueError` for bounds that
    limit nothing."""

    kind = "limits"

    def __init__(
        self,
        bounds: Bounds | None = None,
        name: str = "limits",
        *,
        stages: Iterable[Stage] = ("input",),
        fail: Fail = FAIL,
        clock: Callable[[], float] = time.monotonic,
        **each: int | None,
    ) -> None:
        super().__init__(name, stages=stages, fail=fail)
        bounds = bounds or Bounds(**each)
        if not any(getattr(bounds, name) for name in Bounds.model_fields):
            raise ValueError(f"{name}: set most_chars, most_repeats or most_a_minute")
        for limit in ("most_a_minute", "most_a_minute_by_link"):
            if getattr(bounds, limit) and "input" not in self.stages:
                raise ValueError(
                    f'{name}: {counted} counts what people write, so stages must include "input"'
                )
        self._bounds = bounds
        self._clock = clock
        self._lock = threading.Lock()
        self._written: dict[str, deque[float]] = {}

    @property
    def bounds(self) -> dict[str, int]:
        """The limits that are set, by rule."""
        set_to = {
            "limits.length": self._bounds.most_chars,
            "limits.repeats": self._bounds.most_repeats,
            "limits.rate": self._bounds.most_a_minute,
            "limits.link_rate": self._bounds.most_a_minute_by_link,
        }
        return {rule: most for rule, most in set_to.items() if most is not None}

    def open(self, context: Context, report: Report) -> _Limiting:
        return _Limiting(self, context, report)

    def check(self, text: str) -> Verdict | None:
        """What is wrong with a whole text."""
        bounds = self._bounds
        if bounds.most_chars is not None and len(text) > bounds.most_chars:
            return Verdict(
                "limits.length",
                f"The message has {counted(len(text), 'character')}; the limit is {bounds.most_chars}.",
                "Shorten it or send it in parts.",
            )
        if bounds.most_repeats is not None and _longest_run(text) > bounds.most_repeats:
            return Verdict("limits.repeats", "The message repeats itself.", "Shorten it.")
        return None

    def take_one(self, owner: str, link: str | None, used: list[Callable[[], None]]) -> Verdict | None:
        """Count one more message of a person and of their link; refused if the limit per minute is reached.
        used: receives a function that undoes the count."""
        mine, ours = self._bounds.most_a_minute, self._bounds.most_a_minute_by_link
        if mine is not None and not self._count(f"owner {owner}", mine, used):
            return Verdict(
                "limits.rate",
                f"You have sent {counted(mine, 'message')} within a minute.",
                "Wait a moment, then send it again.",
            )
        if ours is not None and link is not None and not self._count(f"link {link}", ours, used):
            return Verdict(
                "limits.link_rate",
                f"People with your link have sent {counted(ours, 'message')} within a minute.",
                "Wait a moment, then send it again.",
            )
        return None

    def _count(self, key: str, most: int, used: list[Callable[[], None]]) -> bool:
        with self._lock:
            now = self._clock()
            for name in [name for name, times in self._written.items() if times[-1] < now - 60]:
                del self._written[name]
            times = self._written.setdefault(key, deque())
            while times and times[0] < now - 60:
                times.popleft()
            if len(times) >= most:
                return False
            times.append(now)
            used.append(partial(self._give_back, key, now))
            return True

    def _give_back(self, key: str, moment: float) -> None:
        with self._lock:
            times = self._written.get(key, deque())
            if moment in times:
                times.remove(moment)
            if not times:
                self._written.pop(key, None)


class _Limiting:
    """Receives the whole text before it decides, because the limits apply to the whole."""

    def __init__(self, limits: Limits, context: Context, report: Report) -> None:
        self._limits = limits
        self._owner = context.owner
        self._link = context.link
        self._counts = context.stage == "input" and context.counts and not context.trial
        self._used = context.used
        self._report = report
        self._pieces: list[str] = []

    @property
    def held(self) -> str:
        return "".join(self._pieces)

    async def feed(self, text: str) -> str:
        self._pieces.append(text)
        return ""

    async def finish(self) -> str | Refused:
        text = self.held
        verdict = self._limits.check(text)
        if verdict is None and self._counts:
            verdict = self._limits.take_one(self._owner, self._link, self._used)
        if verdict is not None:
            self._report(Finding(verdict.rule, "block", 0, len(text)))
            return Refused("", verdict)
        self._pieces.clear()
        return text


def _longest_run(text: str) -> int:
    """Of one character, or of one non-empty line."""
    longest = run = 0
    before = ""
    for char in text:
        run = run + 1 if char == before and not char.isspace() else 1
        before, longest = char, max(longest, run)
    run, line_before = 0, ""
    for line in text.splitlines():
        run = run + 1 if line.strip() and line == line_before else 1
        line_before, longest = line, max(longest, run)
    return longest
