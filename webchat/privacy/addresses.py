"""Where in a text an address is: the destination of a link or image, or a URL.

A reader's program may fetch an address, or open it at a click, so nothing may be inserted into one. The rule
is wider than Markdown's: from `](`, `]:`, a scheme that a page follows, `//` or `www.`, to where no Markdown
continues the address. The page ends a bare URL here at the latest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

_TRIGGER = re.compile(r"\]\(|\]:|(?i:(?:https?|wss?|ftps?|mailto):|www\.)|//")
_CARRIED = 12
"""Characters of the longest trigger, and one in front."""

ENDS_BARE = (
    "\\s<>\u3000-\u303f\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\u201c\u201d\u2018\u2019\u2026"
)
_BARE = re.compile(f"[{ENDS_BARE}]")
_ANGLE = re.compile(r"[\s<>]")
_LINK = re.compile(r"[()<>\n]")
_NOT_SPACE = re.compile(r"[^ \t]")
_SPACE = re.compile(r"\s")

_Mode = Literal["", "bare", "angle", "link", "before", "definition"]
_ENDS: Mapping[_Mode, re.Pattern[str]] = {"bare": _BARE, "angle": _ANGLE, "definition": _SPACE}


@dataclass(frozen=True, slots=True)
class Span:
    start: int
    end: int


class Addresses:
    """Reads a text in pieces.

    fresh: whether the text ends directly after the mark that opens an address (`](`, `]:`), so that what
    follows is all of it.
    """

    def __init__(self) -> None:
        self._mode: _Mode = ""
        self._tail = ""
        self._depth = 0
        self._quoted = False
        self._start = 0
        self._read = 0

    def takes(self, text: str) -> bool:
        """Whether a text that came next would be part of an address."""
        if self._mode in _ENDS:
            return _ENDS[self._mode].match(text) is None
        return self._mode != ""

    @property
    def fresh(self) -> bool:
        return self._mode == "before" or (self._mode == "link" and self._start == self._read)

    def feed(self, text: str) -> list[Span]:
        """Read on. Returns the addresses that ended, as offsets in the whole text."""
        if not text:
            return []
        base = self._read - len(self._tail)
        text, at = self._tail + text, len(self._tail)
        ended: list[Span] = []
        while at < len(text):
            if self._mode == "":
                at = self._outside(text, at, base)
                continue
            end = self._inside(text, at, base)
            if end is None:
                at = len(text)
                break
            if self._mode != "before" and base + end > self._start:
                ended.append(Span(self._start, base + end))
            self._mode, at = "", end
        self._read = base + len(text)
        self._tail = text[-_CARRIED:]
        return ended

    def finish(self) -> list[Span]:
        """The address the text ends in."""
        open_ = self._mode not in ("", "before") and self._start < self._read
        return [Span(self._start, self._read)] if open_ else []

    def _outside(self, text: str, at: int, base: int) -> int:
        """Skip to the end of the next trigger that ends after `at`."""
        for found in _TRIGGER.finditer(text, max(0, at - _CARRIED)):
            if found.end() <= at:
                continue
            marked = found[0]
            if marked == "](":
                self._mode, self._depth, self._quoted = "link", 0, False
                self._start = base + found.end()
            elif marked == "]:":
                self._mode = "before"
            else:
                quoted = found.start() > 0 and text[found.start() - 1] in "<\"'="
                self._mode, self._start = "angle" if quoted else "bare", base + found.start()
            return found.end()
        return len(text)

    def _inside(self, text: str, at: int, base: int) -> int | None:
        """Where the address ends, from `at` on; `None` if it has not ended yet."""
        if self._mode == "before":
            found = _NOT_SPACE.search(text, at)
            if found is None:
                return None
            if text[found.start()].isspace():
                return found.start()
            self._mode, self._start, at = "definition", base + found.start(), found.start()
        if self._mode == "link":
            return self._in_link(text, at)
        found = _ENDS[self._mode].search(text, at)
        return None if found is None else found.start()

    def _in_link(self, text: str, at: int) -> int | None:
        for found in _LINK.finditer(text, at):
            char = found[0]
            if char == "\n":
                # An address may stand on the next line, but not behind an empty one.
                if text[found.start() - 1 : found.start()] == "\n":
                    return found.start()
                continue
            if text[found.start() - 1 : found.start()] == "\\":
                continue
            if char in "<>":
                self._quoted = char == "<"
            elif not self._quoted:
                self._depth += 1 if char == "(" else -1
                if self._depth < 0:
                    return found.start()
        return None


def addresses(text: str) -> Iterator[Span]:
    """The addresses in a whole text, in order."""
    reading = Addresses()
    yield from reading.feed(text)
    yield from reading.finish()
