"""Limits unseen characters: marks and invisible characters must not hide text or pile up on it."""

from __future__ import annotations

import unicodedata
from collections import OrderedDict
from functools import cache

from webchat.moderation.kinds.builtin import BuiltIn
from webchat.moderation.verdicts import Context, Report

MOST_UNSEEN = 16
"""Marks and invisible characters in a row: enough for every script and emoji, too few to hide or pile up."""

REMEMBERED = 8192
"""Messages known to be tidy."""

_KINDS = frozenset({"Mn", "Me", "Cf"})


class Tidy(BuiltIn):
    """Drops invisible characters and marks beyond `MOST_UNSEEN` in a row, wherever the text is cut.

    The messages of a conversation are sent to its model again with each turn; one that was tidy is not read
    again. Only hashes are kept of them.
    """

    kind = "tidy"

    def __init__(self) -> None:
        super().__init__("tidy", stages=("input", "prompt", "output", "stored"), fail="open")
        self._unseen = unseen()
        self._tidy: OrderedDict[tuple[int, int], int] = OrderedDict()

    def open(self, context: Context, report: Report) -> _Tidying:
        return _Tidying(self, remembers=context.stage == "prompt")

    def read(self, text: str, run: int) -> tuple[str, int]:
        """A piece of a text, tidied, and the number of unseen characters at its end. run: the number at the
        end of the text before it."""
        if text.isascii() or self._unseen.isdisjoint(text):
            return text, 0 if text else run
        kept: list[str] = []
        for char in text:
            run = run + 1 if char in self._unseen else 0
            if run <= MOST_UNSEEN:
                kept.append(char)
        return "".join(kept), run

    def read_once(self, text: str) -> tuple[str, int]:
        """The start of a text, as `read`."""
        key = (hash(text), len(text))
        known = self._tidy.pop(key, None)
        if known is None:
            tidied, known = self.read(text, 0)
            if tidied != text:
                return tidied, known
            if len(self._tidy) >= REMEMBERED:
                self._tidy.popitem(last=False)
        self._tidy[key] = known
        return text, known


class _Tidying:
    held = ""

    def __init__(self, tidy: Tidy, *, remembers: bool) -> None:
        self._tidy = tidy
        self._remembers = remembers
        self._run = 0

    async def feed(self, text: str) -> str:
        if self._remembers and not self._run:
            text, self._run = self._tidy.read_once(text)
        else:
            text, self._run = self._tidy.read(text, self._run)
        return text

    async def finish(self) -> str:
        return ""


@cache
def unseen() -> frozenset[str]:
    """All combining marks and invisible characters; they are in three of the seventeen planes."""
    planes = (*range(0x20000), *range(0xE0000, 0xF0000))
    return frozenset(char for char in map(chr, planes) if unicodedata.category(char) in _KINDS)
