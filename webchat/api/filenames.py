"""File names of downloads: a title turned into a name that every system accepts.

Letters, digits and their marks are kept in every script; joiners are kept within words (Persian, Hindi).
Everything else separates words: this includes all characters that file systems forbid, and every dot except
the suffix's. Marks that change the writing direction, which can disguise a suffix, are dropped. Names
reserved on Windows (`CON`, `NUL`) cannot occur, because each name starts with `webchat`.
"""

from __future__ import annotations

import unicodedata
from urllib.parse import quote

_NAME_CHARS = 60
_NAME_BYTES = 180
"""Of UTF-8; the systems' bounds are from 143 to 255, with the suffix."""

_JOINERS = "\u200c\u200d"
_VIRAMA = 9  # the canonical combining class: ties the next consonant to the one before
_TRAILING_VOWELS = "\u0e33\u0eb3"  # letters of Thai and Lao that are drawn as a part of the one before


def disposition(title: str, suffix: str) -> str:
    """`Content-Disposition` of a download according to RFC 6266: in ASCII for old programs, and in full
    according to RFC 8187."""
    name, plain = file_name(title), file_name(_ascii(title))
    return f"attachment; filename=\"{plain}{suffix}\"; filename*=UTF-8''{quote(name + suffix, safe='')}"


def file_name(title: str) -> str:
    """The name without its suffix."""
    words = _words(unicodedata.normalize("NFC", title))
    return _cut("-".join(["webchat", *words])).rstrip("-")


def _words(text: str) -> list[str]:
    kept: list[str] = []
    for char in text:
        if unicodedata.category(char)[0] in "LN":
            kept.append(char)
        elif _is_joined(char):
            if kept and kept[-1] != " ":
                kept.append(char)
        elif unicodedata.category(char) != "Cf":
            kept.append(" ")
    return [word for part in "".join(kept).split() if (word := part.rstrip(_JOINERS))]


def _is_joined(char: str) -> bool:
    return char in _JOINERS or unicodedata.category(char)[0] == "M"


def _cut(name: str) -> str:
    """A prefix within the limit, never cut inside a visible character."""
    end = min(len(name), _NAME_CHARS)
    while len(name[:end].encode()) > _NAME_BYTES:
        end -= 1
    while 0 < end < len(name) and not _may_part(name[end - 1], name[end]):
        end -= 1
    return name[:end]


def _may_part(before: str, after: str) -> bool:
    tied = before == "\u200d" or unicodedata.combining(before) == _VIRAMA
    return not (tied or _is_joined(after) or after in _TRAILING_VOWELS)


def _ascii(title: str) -> str:
    """An ASCII approximation: without accents, and without words in other scripts."""
    return unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
