"""The filter of all moderators that find matches in a text and act on them.

A moderator reports its matches in the text so far, and from where on more text could change them; the rest is
common to all: what is released, when, and what replaces a match.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from webchat.moderation.folding import fold
from webchat.moderation.verdicts import Action, Finding, Refused, Report, Verdict

CONTEXT = 32
"""Characters before the text that are still known: whether a word begins there, and after what."""

SENTENCE = "This text is not allowed here."
CURE = "Change it and try again."


@dataclass(frozen=True, slots=True)
class Rule:
    """The action for a match. id: for the log and for translation. instead: the replacement for `replace`,
    and for `mask` if it has its own. sentence, cure: the message shown when it blocks; own: whether the
    operator wrote it."""

    id: str
    action: Action
    instead: str = ""
    sentence: str = SENTENCE
    cure: str = CURE
    own: bool = False

    @property
    def shown(self) -> str:
        """The text shown in place of a match."""
        return self.instead or ("" if self.action == "replace" else "***")

    @property
    def verdict(self) -> Verdict:
        """The verdict for a match that blocks."""
        return Verdict(self.id, self.sentence, self.cure, self.own)


@dataclass(frozen=True, slots=True)
class Match:
    """A match of a rule, in characters of the window it was found in."""

    start: int
    end: int
    rule: Rule


@dataclass(frozen=True, slots=True)
class Seen:
    """matches: not overlapping, in order, each one certain. open: from here on, more text could change the
    matches; no match starts after it."""

    matches: Sequence[Match]
    open: int


class Finder(Protocol):
    """Looks at a window of a text. window: the text from a little before where matches may begin.
    begin: where they may. last: whether nothing follows. Pure: what it finds before `open` never changes,
    however the text goes on."""

    def __call__(self, window: str, begin: int, *, last: bool) -> Seen: ...


class Matching:
    """See the module. A `Filter`.

    report: called with the findings and their position in the whole text.
    """

    def __init__(self, find: Finder, report: Report) -> None:
        self._find = find
        self._report = report
        self._context = ""
        self._held = ""
        self._done = 0  # characters released or replaced so far

    @property
    def held(self) -> str:
        return self._held

    async def feed(self, text: str) -> str | Refused:
        return self._look(text, last=False)

    async def finish(self) -> str | Refused:
        return self._look("", last=True)

    def _look(self, text: str, *, last: bool) -> str | Refused:
        self._held += text
        begin = len(self._context)
        window = self._context + self._held
        seen = self._find(window, begin, last=last)
        released: list[str] = []
        at = begin
        for match in seen.matches:
            released.append(window[at : match.start])
            at = match.end
            rule = match.rule
            instead = rule.shown if rule.action in ("mask", "replace") else ""
            start = self._done + match.start - begin
            self._report(Finding(rule.id, rule.action, start, self._done + at - begin, instead))
            if rule.action == "block":
                return Refused("".join(released), rule.verdict)
            released.append(instead if rule.action in ("mask", "replace") else window[match.start : at])
        end = max(at, len(window) if last else seen.open)
        released.append(window[at:end])
        self._done += end - begin
        self._context = _behind(window[:end])
        self._held = window[end:]
        return "".join(released)


def _behind(text: str) -> str:
    """The end of a text as the next look needs it: with a character that is seen, however many that are not
    stand behind it."""
    end = text[-CONTEXT:]
    if not end or fold(end).text:
        return end
    seen = next((char for char in reversed(text) if fold(char).text), "")
    return seen + end
