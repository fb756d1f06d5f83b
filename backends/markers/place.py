"""Where in a Markdown text the next word would be: at the start of a line, or inside code."""

from __future__ import annotations

import re

_CONTAINER = re.compile(r"(?:[ \t>]|[-*+] |\d{1,9}[.)] )*+")
_FENCE = re.compile(r"`{3,}|~{3,}")
_RUNS = re.compile(r"`+|[^`]+")
_HEAD = 200
"""Characters of a line that are looked at for a fence."""


class Place:
    """Follows a text that arrives in pieces, however it is split.

    before: the last non-space character of the line. spaced: whether a space follows it.
    """

    def __init__(self) -> None:
        self._fence = ""
        self._begin_line()

    def _begin_line(self) -> None:
        self._head = ""
        self._run = 0  # backticks the line ends with
        self._span = 0  # backticks that opened the code the line is in
        self.before = ""
        self.spaced = False

    def feed(self, text: str) -> None:
        """Add more text."""
        first, *rest = text.split("\n")
        self._more(first)
        for line in rest:
            self._end_line()
            self._more(line)

    @property
    def starts_line(self) -> bool:
        """Whether the line is empty, or has too few spaces to be a code block."""
        return not self.before and len(self._head) < 4 and "\t" not in self._head

    @property
    def in_block(self) -> bool:
        """Whether it is inside a fence."""
        return bool(self._fence or _opens(self._head))

    @property
    def in_span(self) -> bool:
        """Whether it follows backticks that are not closed in this line yet."""
        return bool(_after(self._span, self._run))

    def _more(self, text: str) -> None:
        if not text:
            return
        if len(self._head) < _HEAD:
            self._head = (self._head + text)[:_HEAD]
        if word := text.rstrip():
            self.before = word[-1]
        self.spaced = len(word) < len(text)
        if not self._run and "`" not in text:
            return
        for part in _RUNS.findall(text):
            if part[0] == "`":
                self._run += len(part)
            else:
                self._span, self._run = _after(self._span, self._run), 0

    def _end_line(self) -> None:
        if not self._fence:
            self._fence = _opens(self._head)
        else:
            inside = self._head.strip()
            if inside.startswith(self._fence) and not inside.strip(self._fence[0]):
                self._fence = ""
        self._begin_line()


def _after(span: int, run: int) -> int:
    """The backticks that opened the code preceding a run of them."""
    return 0 if span == run else span or run


def _opens(line: str) -> str:
    """The fence that a line opens."""
    behind = _CONTAINER.match(line)
    found = _FENCE.match(line, behind.end() if behind else 0)
    if found is None or (found[0][0] == "`" and "`" in line[found.end() :]):
        return ""
    return found[0]
