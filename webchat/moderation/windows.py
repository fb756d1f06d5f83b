"""The filter under moderators that ask: a service or a model reads a text and says what it thinks of it.

What people write is read whole, up to `WHOLE` characters. A reply is read sentence by sentence, each with the
end of what came before; a sentence is released when the opinion of it is in. Where a window ends depends on
the text alone, so for the same opinions of the same windows the same is released, however the text is cut.
The first window is short, so that words appear soon; the later ones are longer, so that fewer are asked
about.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from webchat.moderation.filters import Run
from webchat.moderation.matching import Rule
from webchat.moderation.verdicts import (
    UNCHECKED,
    UNCHECKED_CURE,
    Action,
    Fail,
    Finding,
    Refused,
    Report,
    Verdict,
)

FIRST = 20
LEAST = 160
WHOLE = 12_000
"""Characters of a window, at least, before a sentence's end counts: of the first, of the others, of what is
not streamed."""

SLACK = 320
"""How much longer a window gets, at most, while no sentence ends."""

OVERLAP = 240
"""Characters before a window that are included as context."""

REMEMBERED = 1024
"""Cached opinions."""

_CLOSING = "\"'”’)\\]」』）》"
# An end needs what follows it: a space, or after a Chinese mark anything that does not belong to the end.
_END = re.compile(rf"[.!?…]+[{_CLOSING}]*\s|[。！？；]+[{_CLOSING}]*(?=[^。！？；{_CLOSING}])|\n")
_STRENGTH: tuple[Action, ...] = ("allow", "flag", "mask", "replace", "block")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opinion:
    """The opinion of a text: rule and action; detail for the log only. read: whether it was checked at
    all."""

    rule: Rule
    detail: str = ""
    read: bool = True


Seconds = Annotated[float, Field(gt=0, le=120)]


class WindowSettings(BaseModel):
    """seconds: time limit of one check. window: minimum characters of a window of a reply."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    seconds: Seconds = 5.0
    window: Annotated[int, Field(ge=20, le=4000)] = LEAST


Judge = Callable[[str], Awaitable[Sequence[Opinion]]]
"""Reads a text. What it raises means that there is no opinion."""


class Windows:
    """See the module. A `Filter`.

    name, fail, seconds: of the moderator; the time is for one look, and it is kept here. window: least
    characters of one, but for the first; `None` reads the whole.
    """

    def __init__(
        self, judge: Judge, report: Report, *, name: str, fail: Fail, seconds: float, window: int | None
    ) -> None:
        self._judge = judge
        self._report = report
        self._name = name
        self._fail = fail
        self._seconds = seconds
        self._later = WHOLE if window is None else window
        self._least = WHOLE if window is None else min(FIRST, window)
        self._before = ""
        self._text = ""
        self._at = 0  # where the next window of it begins
        # What may be released stays here until it is: a look that is broken off takes nothing with it.
        self._ready: list[str] = []
        self._done = 0
        self._verdict: Verdict | None = None

    @property
    def held(self) -> str:
        return "".join(self._ready) + self._text[self._at :]

    def look_in(self, run: Run) -> None:
        """Have the checks run by `run`."""
        judge, seconds = self._judge, self._seconds

        async def elsewhere(text: str) -> Sequence[Opinion]:
            opinions: Sequence[Opinion] = await run(partial(_judged, judge, text), seconds)
            return opinions

        self._judge = elsewhere

    def remember(self, text: str) -> str:
        """Take in text that is already shown: it is read as context of what follows, and not checked
        again."""
        self._before = text[-OVERLAP:]
        self._done = len(text)
        return text

    async def feed(self, text: str) -> str | Refused:
        self._text, self._at = self._text[self._at :] + text, 0
        await self._look_ahead()
        return self._release()

    async def finish(self) -> str | Refused:
        await self._look_ahead()
        if self._at < len(self._text) and self._verdict is None:
            await self._look(len(self._text))
        return self._release()

    def _release(self) -> str | Refused:
        ready = "".join(self._ready)
        self._ready.clear()
        return ready if self._verdict is None else Refused(ready, self._verdict)

    async def _look_ahead(self) -> None:
        while self._verdict is None and (end := window_end(self._text, self._least, self._at)):
            await self._look(end)

    async def _look(self, end: int) -> None:
        """Have the text up to `end` checked, and queue the result."""
        window = self._text[self._at : end]
        opinions: Sequence[Opinion] = ()
        try:
            # A blank is nothing to ask about.
            if window.strip():
                async with asyncio.timeout(self._seconds):
                    opinions = await self._judge(self._before + window)
        except Exception as error:
            opinions = (self._failed(error),)
        start, self._done = self._done, self._done + len(window)
        self._at = end
        self._least = self._later
        # What was found once is not found again in the next window.
        self._before = "" if any(one.read for one in opinions) else (self._before + window)[-OVERLAP:]
        strongest: Rule | None = None
        for opinion in opinions:
            rule = opinion.rule
            told = rule.shown if rule.action in ("mask", "replace") else ""
            self._report(Finding(rule.id, rule.action, start, self._done, told, opinion.detail))
            if strongest is None or _STRENGTH.index(rule.action) > _STRENGTH.index(strongest.action):
                strongest = rule
        if strongest is not None and strongest.action == "block":
            self._verdict, self._text, self._at = strongest.verdict, "", 0
            return
        if strongest is not None and strongest.action in ("mask", "replace"):
            window = strongest.shown + window[len(window.rstrip()) :]
        self._ready.append(window)

    def _failed(self, error: Exception) -> Opinion:
        """Handles a window without an opinion."""
        why = "timed out" if isinstance(error, TimeoutError) else "gave no opinion"
        _log.warning("the moderator %s %s: %s", self._name, why, error or type(error).__name__)
        rule = f"{self._name}.failed"
        if self._fail == "open":
            return Opinion(Rule(rule, "flag"), why, read=False)
        return Opinion(Rule(rule, "block", sentence=UNCHECKED, cure=UNCHECKED_CURE), why, read=False)


async def _judged(judge: Judge, text: str) -> Sequence[Opinion]:
    return await judge(text)


def window_end(text: str, least: int, start: int = 0) -> int:
    """Where the window of a text that starts at `start` ends; 0 while more text could change that."""
    most = start + least + SLACK
    # One character more than a window may have: what stands behind its last decides, too.
    found = _END.search(text, start + least - 1, most + 1)
    if found is not None and found.end() <= most:
        return found.end()
    if len(text) <= most:
        return 0
    space = text.rfind(" ", start + least, most)
    return most if space < 0 else space + 1


class OpinionCache:
    """Cache of recent opinions: text that is sent again with each turn is checked once."""

    def __init__(self) -> None:
        self._opinions: OrderedDict[bytes, Sequence[Opinion]] = OrderedDict()

    async def or_ask(self, text: str, ask: Callable[[], Awaitable[Sequence[Opinion]]]) -> Sequence[Opinion]:
        """The opinion of a text, of which only a digest is stored. Raises what `ask` raises."""
        key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        if key in self._opinions:
            self._opinions.move_to_end(key)
            return self._opinions[key]
        opinions = await ask()
        self._opinions[key] = opinions
        if len(self._opinions) > REMEMBERED:
            self._opinions.popitem(last=False)
        return opinions
