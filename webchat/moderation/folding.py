"""The form of text that rules compare: without case, accents, invisible characters and look-alikes.

Each character is folded by itself, so the splitting of a text does not matter, and every folded character
knows its origin. Sources: Unicode NFKD and case folding, UTS 39 for look-alikes (Cyrillic and Greek letters
drawn like Latin ones).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

_LOOK_ALIKES = str.maketrans(
    "авгезікмнорстухѕјһԁԛԝьӏαβεικνορτυχηωγ",
    "abresikmhopctyxsjhdqwblabeiknoptuxnwy",
)
# Of these kinds nothing is seen: marks that lie over a letter, format characters, controls but for spaces.
_UNSEEN = frozenset({"Mn", "Me", "Cf"})


class _Table(dict[str, str]):
    """Folds a character on first use."""

    def __missing__(self, char: str) -> str:
        if char.isspace():
            folded = " "
        elif unicodedata.category(char) in _UNSEEN or char in "\u115f\u1160\u3164\uffa0":
            folded = ""
        else:
            parts = unicodedata.normalize("NFKD", char).casefold()
            kept = "".join(part for part in parts if unicodedata.category(part) not in _UNSEEN)
            folded = kept.translate(_LOOK_ALIKES)
        self[char] = folded
        return folded


_TABLE = _Table()


@dataclass(frozen=True, slots=True)
class Folded:
    """text: folded. at: for each of its characters, the offset of its origin; `None` if nothing
    moved: each is its own index."""

    text: str
    at: Sequence[int] | None

    def start(self, index: int) -> int:
        """Offset in the original of a folded character."""
        return index if self.at is None else self.at[index]

    def end(self, index: int) -> int:
        """Offset after the original of the folded character before `index`."""
        return index if self.at is None else self.at[index - 1] + 1


def fold(text: str) -> Folded:
    """Fold a text, collapsing runs of spaces into one."""
    if text.isascii() and "  " not in text and text.isprintable():
        return Folded(text.lower(), None)
    after_space = False
    pieces: list[str] = []
    at: list[int] = []
    for offset, char in enumerate(text):
        folded = _TABLE[char]
        if folded == " ":
            if after_space:
                continue
            after_space = True
        elif folded:
            after_space = False
        pieces.append(folded)
        at += [offset] * len(folded)
    return Folded("".join(pieces), at)


def is_letter(char: str) -> bool:
    """Whether it continues a word: a letter or digit of a script that puts spaces between words."""
    return char.isalnum() and not is_ideograph(char)


def is_ideograph(char: str) -> bool:
    """Whether it belongs to a script written without spaces: a word may start anywhere."""
    return "\u2e80" <= char <= "\u9fff" or "\uf900" <= char <= "\ufaff" or char >= "\U00020000"
