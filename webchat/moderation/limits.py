"""What keeps a text within bounds: how long it is, how often it repeats itself, how often one person writes,
and how much of it is unseen."""

from __future__ import annotations

import time
import unicodedata
from collections import deque
from collections.abc import Callable
from functools import partial

from webchat.moderation.verdicts import Blocked, Context, Fail, Finding, Report, Stage

MOST_UNSEEN = 16
"""Marks and invisible characters in a row: enough for every script and emoji, too few to hide or pile up."""

_UNSEEN = frozenset({"Mn", "Me", "Cf"})


class Tidy:
    """Drops invisible characters and marks beyond `MOST_UNSEEN` in a row, wherever the text is cut."""

    name = kind = "tidy"
    stages: frozenset[Stage] = frozenset({"input", "prompt", "output", "stored"})
    fail: Fail = "open"
    seconds = 5.0

    def open(self, context: Context, report: Report) -> _Tidying:
        return _Tidying()


class _Tidying:
    held = ""

    def __init__(self) -> None:
        self._run = 0

    async def feed(self, text: str) -> str:
        if text.isascii():
            self._run = 0
            return text
        kept: list[str] = []
        for char in text:
            self._run = self._run + 1 if unicodedata.category(char) in _UNSEEN else 0
            if self._run <= MOST_UNSEEN:
                kept.append(char)
        return "".join(kept)

    async def finish(self) -> str:
        return ""


class Limits:
    """What one person may write. most_chars: of one text. most_repeats: of one character or line in a row.
    most_a_minute: texts of one person. `None` sets no limit."""

    name = kind = "limits"
    stages: frozenset[Stage] = frozenset({"input"})
    fail: Fail = "open"
    seconds = 5.0

    def __init__(
        self,
        *,
        most_chars: int | None = None,
        most_repeats: int | None = 2000,
        most_a_minute: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most_chars = most_chars
        self._most_repeats = most_repeats
        self._most_a_minute = most_a_minute
        self._clock = clock
        self._written: dict[str, deque[float]] = {}

    @property
    def bounds(self) -> dict[str, int]:
        """What is set, by rule."""
        set_to = {
            "limits.length": self._most_chars,
            "limits.repeats": self._most_repeats,
            "limits.rate": self._most_a_minute,
        }
        return {rule: most for rule, most in set_to.items() if most is not None}

    def open(self, context: Context, report: Report) -> _Limiting:
        return _Limiting(self, context, report)

    def check(
        self, owner: str, text: str, *, counts: bool = True, used: list[Callable[[], None]] | None = None
    ) -> Blocked | None:
        """What is wrong with a whole text of a person. counts: it is one more that they write. used: gets how
        to give that back."""
        if self._most_chars is not None and len(text) > self._most_chars:
            return Blocked(
                "limits.length",
                f"The message has {len(text)} characters; {self._most_chars} are allowed.",
                cure="Shorten it or send it in parts.",
            )
        if self._most_repeats is not None and _longest_run(text) > self._most_repeats:
            return Blocked(
                "limits.repeats", "The message says one thing again and again.", cure="Shorten it."
            )
        if counts and self._most_a_minute is not None:
            now = self._clock()
            if self._too_often(owner, now, self._most_a_minute):
                return Blocked(
                    "limits.rate",
                    f"You have written {self._most_a_minute} messages within a minute.",
                    cure="Wait a moment, then send it again.",
                )
            if used is not None:
                used.append(partial(self._give_back, owner, now))
        return None

    def _give_back(self, owner: str, moment: float) -> None:
        times = self._written.get(owner, deque())
        if moment in times:
            times.remove(moment)
        if not times:
            self._written.pop(owner, None)

    def _too_often(self, owner: str, now: float, most: int) -> bool:
        for name in [name for name, times in self._written.items() if times[-1] < now - 60]:
            del self._written[name]
        times = self._written.setdefault(owner, deque())
        while times and times[0] < now - 60:
            times.popleft()
        if len(times) >= most:
            return True
        times.append(now)
        return False


class _Limiting:
    """Takes the whole text before it says anything: what is asked is of the whole."""

    def __init__(self, limits: Limits, context: Context, report: Report) -> None:
        self._limits = limits
        self._owner = context.owner
        self._counts = context.counts and not context.trial
        self._used = context.used
        self._report = report
        self.held = ""

    async def feed(self, text: str) -> str:
        self.held += text
        return ""

    async def finish(self) -> str:
        text, self.held = self.held, ""
        blocked = self._limits.check(self._owner, text, counts=self._counts, used=self._used)
        if blocked is not None:
            self._report(Finding(blocked.rule, "block", 0, len(text)))
            raise blocked
        return text


def _longest_run(text: str) -> int:
    """Of one character, or of one line that is not empty."""
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
