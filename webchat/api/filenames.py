"""What a download is called: a title made into a file name that every system takes.

Letters, digits and their marks stay, of every script; joiners stay within words (Persian, Hindi). Everything
else parts words: what file systems forbid is in there, and so is every dot but the suffix's. Marks that turn
the direction of writing, with which one suffix can look like another, are dropped. The names that Windows
reserves (`CON`, `NUL`) cannot come up, as each name begins with `webchat`.
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
    """`Content-Disposition` of a download by RFC 6266: in ASCII for old programs, and by RFC 8187 in full."""
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
    """Its beginning within the bounds, never in the middle of what is seen as one character."""
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
    """The same as far as ASCII goes: without accents, and without the words of other scripts."""
    return unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
