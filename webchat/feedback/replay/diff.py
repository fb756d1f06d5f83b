"""What differs between two texts, word by word; Chinese and Japanese by character."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import takewhile
from typing import Literal

MOST_WORK = 50_000
"""Pairs of equal words, one of each text, up to which words are compared; of texts with more, lines. Where
those have more as well, all between the common beginning and end counts as changed."""

_CHINESE = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
# Chinese counts as letters, so runs of those end where it begins.
_WORDS = re.compile(rf"\s+|[{_CHINESE}]|(?:(?![{_CHINESE}_])\w)++|.", re.DOTALL)
_LINES = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text: in both, only in the first, or only in the second."""

    kind: Literal["same", "old", "new"]
    text: str


def word_diff(old: str, new: str) -> tuple[Piece, ...]:
    """The pieces of both texts in order: `same` and `old` make up the first, `same` and `new` the second."""
    before, after = _WORDS.findall(old), _WORDS.findall(new)
    begin = _common(before, after)
    rest = min(len(before), len(after)) - begin
    end = min(rest, _common(reversed(before), reversed(after)))
    first, last = "".join(before[:begin]), "".join(before[len(before) - end :])
    pieces = _compared(before[begin : len(before) - end], after[begin : len(after) - end])
    return (*_same(first), *pieces, *_same(last))


def _compared(before: list[str], after: list[str]) -> list[Piece]:
    """The pieces of two texts of these words."""
    old, new = "".join(before), "".join(after)
    if _pairs(before, after) > MOST_WORK:
        before, after = _LINES.findall(old), _LINES.findall(new)
        if _pairs(before, after) > MOST_WORK:
            return _changed(old, new)
    pieces: list[Piece] = []
    removed = added = ""
    # Blanks are equal only beside words that are: else they would be most of the work, and read as noise.
    for _, a, b, c, d in SequenceMatcher(str.isspace, before, after, autojunk=False).get_opcodes():
        gone, come = "".join(before[a:b]), "".join(after[c:d])
        if gone == come and not (gone.isspace() and (removed or added)):
            pieces += [*_changed(removed, added), *_same(gone)]
            removed = added = ""
        else:
            removed, added = removed + gone, added + come
    return [*pieces, *_changed(removed, added)]


def _pairs(before: Iterable[str], after: Iterable[str]) -> int:
    """The pairs of equal parts of two texts, blanks aside: `SequenceMatcher` looks at all of them for every
    stretch that it finds."""
    counts = Counter(after)
    return sum(count * counts[part] for part, count in Counter(before).items() if not part.isspace())


def _common(before: Iterable[str], after: Iterable[str]) -> int:
    """How many parts are equal from the beginning."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False)))


def _same(text: str) -> list[Piece]:
    return [Piece("same", text)] if text else []


def _changed(removed: str, added: str) -> list[Piece]:
    found = (Piece("old", removed), Piece("new", added))
    return [piece for piece in found if piece.text]
