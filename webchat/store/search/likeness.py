"""Text as the search compares it: without case, accents and width.

`fold` is NFKC without case and without accents, Hebrew and Arabic points, tatweel, skin tones and characters
that are not seen. Marks are told apart by their combining class: nuktas, viramas, vowel signs and the voicing
of kana stay, as words differ by them. Latin letters with a stroke or a hook are those without; quotes and
dashes of all kinds are one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache

Span = tuple[int, int]
"""(start, end) in characters."""

_ACCENTS = frozenset((*range(10, 37), *range(200, 241)))
"""Combining classes of Hebrew and Arabic points, and of marks around a letter."""

_MOST_MARKS = 30
"""On one letter; more are passed over, as normalizing takes the square of their number. The same as in the
stream-safe format of UAX #15."""

_SPELLED = {"æ": "ae", "œ": "oe", "ı": "i", "\u2212": "-"}
_SPELLED |= dict.fromkeys("‘’‚‛ʼ′", "'") | dict.fromkeys("“”„‟″", '"')
_SPELLED |= dict.fromkeys("\u0640\u034f", "")  # tatweel, grapheme joiner

_STROKE = re.compile(r"LATIN SMALL LETTER ([A-Z]) WITH ")

_BLOCK = 64
"""Characters skipped at a time on the way to a position."""


def fold(text: str) -> str:
    """The text in the form in which it is compared."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", _many_marks().sub(_most, text.translate(_TABLE)))


class _Table(dict[int, str]):
    """What becomes of a character, found out when it is first met."""

    def __missing__(self, code: int) -> str:
        parts = unicodedata.normalize("NFKD", chr(code)).casefold()
        self[code] = unicodedata.normalize("NFC", "".join(map(_plain, parts)))
        return self[code]


_TABLE = _Table()


def _plain(char: str) -> str:
    """A character that is normalized and without case, or what is written for it."""
    if char in _SPELLED:
        return _SPELLED[char]
    combining = unicodedata.combining(char)
    # Marks beyond the first plane are of scripts that nobody writes any more.
    if combining in _ACCENTS or (combining and char > "\uffff") or _is_unseen(char):
        return ""
    match unicodedata.category(char):
        case "Pd":
            return "-"
        case "Ll" if stroke := _STROKE.match(unicodedata.name(char)):
            return stroke[1].lower()
    return char


def _is_unseen(char: str) -> bool:
    """Format characters, variation selectors, skin tones."""
    return (
        unicodedata.category(char) == "Cf"
        or "\ufe00" <= char <= "\ufe0f"
        or "\U0001f3fb" <= char <= "\U0001f3ff"
        or "\U000e0100" <= char <= "\U000e01ef"
    )


def _most(marks: re.Match[str]) -> str:
    return marks[0][:_MOST_MARKS]


@cache
def _many_marks() -> re.Pattern[str]:
    marks = "".join(filter(unicodedata.combining, map(chr, range(0x300, 0xAC00))))
    return re.compile(f"[{marks}]{{{_MOST_MARKS + 1},}}")


def unfold(text: str, spans: Sequence[Span]) -> list[Span]:
    """Where spans of the folded text are in the text itself, as whole letters. They must be in order and not
    overlap."""
    if text.isascii() or not spans:
        return list(spans)
    found: list[Span] = []
    letters = _letters(text, spans[0][0])
    at, stop, past = next(letters)
    for start, end in spans:
        while past <= start:
            at, stop, past = next(letters)
        first = at
        while past < end:
            at, stop, past = next(letters)
        found.append((first, stop))
    return found


def _letters(text: str, place: int) -> Iterator[tuple[int, int, int]]:
    """Letters as start, end, and end in the folded text, from shortly before the folded `place` on."""
    past = 0
    for at, stop in _pieces(text, 0, _BLOCK):
        size = len(fold(text[at:stop]))
        if past + size > place:
            break
        past += size
    for start, end in _pieces(text, at, 1):
        past += len(fold(text[start:end]))
        yield start, end, past


def _pieces(text: str, at: int, size: int) -> Iterator[Span]:
    """Pieces of about `size` characters, each of which is folded for itself."""
    while at < len(text):
        stop = at + size
        while stop < len(text) and _goes_on(text[stop]):
            stop += 1
        yield at, min(stop, len(text))
        at = stop


def _goes_on(char: str) -> bool:
    """Whether it continues the previous letter: invisible by itself, a mark, a vowel or a Hangul final."""
    first = _TABLE[ord(char)][:1]
    return not first or unicodedata.category(first)[0] == "M" or "\u1160" <= first <= "\u11ff"
