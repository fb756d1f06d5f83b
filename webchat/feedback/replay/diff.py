"""What differs between two texts, word by word; Chinese and Japanese by character."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

MOST_WORK = 4_000_000
"""Product of both numbers of words up to which words are compared; of longer texts, lines."""

_CHINESE = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
# Chinese counts as letters, so runs of those end where it begins.
_WORDS = re.compile(rf"\s+|[{_CHINESE}]|(?:(?![{_CHINESE}_])\w)+|.", re.DOTALL)
_LINES = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text: in both, only in the first, or only in the second."""

    kind: Literal["same", "old", "new"]
    text: str


def word_diff(old: str, new: str) -> tuple[Piece, ...]:
    """The pieces of both texts in order: `same` and `old` make up the first, `same` and `new` the second."""
    before, after = _WORDS.findall(old), _WORDS.findall(new)
    if len(before) * len(after) > MOST_WORK:
        before, after = _LINES.findall(old), _LINES.findall(new)
    pieces: list[Piece] = []
    removed = added = ""
    for _, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        gone, come = "".join(before[a:b]), "".join(after[c:d])
        # Blanks between two words that both changed are no reason to read on word by word.
        if gone == come and not (gone.isspace() and (removed or added)):
            pieces += [*_changed(removed, added), Piece("same", gone)]
            removed = added = ""
        else:
            removed, added = removed + gone, added + come
    return (*pieces, *_changed(removed, added))


def _changed(removed: str, added: str) -> list[Piece]:
    found = (Piece("old", removed), Piece("new", added))
    return [piece for piece in found if piece.text]
