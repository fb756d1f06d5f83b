"""Removes secrets from texts, in any spelling.

Servers repeat the key they reject in JSON, a page, an address or Python's own notation; libraries log what
they send.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from functools import lru_cache

HIDDEN = "***"
SHORTEST = 4
"""Minimum length of a secret; a shorter one would hide common words."""

_KEY = re.compile(
    r"\b(sk|pk|hf|gsk|xai|key)[-_][\w*.-]{6,512}|\b(Bearer|Basic)\s{1,8}[^\s\"',;)\]}]{1,4096}", re.I
)
"""Anything that looks like a key, no matter whose."""

_LETTERS = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f"}
_NAMED = {'"': "quot", "&": "amp", "<": "lt", ">": "gt", "'": "apos"}


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without these secrets in any spelling, and without anything that looks like a key."""
    pattern = _pattern(tuple(sorted({secret for secret in secrets if len(secret) >= SHORTEST})))
    return _KEY.sub(HIDDEN, text if pattern is None else pattern.sub(HIDDEN, text))


@lru_cache(maxsize=64)
def _pattern(secrets: tuple[str, ...]) -> re.Pattern[str] | None:
    # The longer first: one may begin with another.
    spelled = [
        spelling for secret in sorted(secrets, key=len, reverse=True) for spelling in _spellings(secret)
    ]
    return re.compile("|".join(spelled)) if spelled else None


def _spellings(secret: str) -> list[str]:
    """Each character as itself or escaped for JSON, Python, HTML or a URL, in any mixture; also in base64, at
    any offset."""
    raw = secret.encode()
    encoded = []
    for before in range(3):
        text = b64encode(b"\0" * before + raw).decode().rstrip("=")
        # The characters at both ends hold bits of what stands beside it.
        inner = text[(before * 8 + 5) // 6 : -1 if (before + len(raw)) % 3 else None]
        if len(inner) >= SHORTEST:
            encoded.append(re.escape(inner).replace("/", "[/_]").replace(r"\+", r"[+\-]"))
    return ["".join(map(_spelled, secret)), *encoded]


def _spelled(char: str) -> str:
    units = char.encode("utf-16-be")
    unicode = "".join(rf"\\{{1,8}}u{_any_case(units[at : at + 2].hex())}" for at in range(0, len(units), 2))
    percent = "".join(f"%(?:25){{0,3}}{_any_case(f'{byte:02x}')}" for byte in char.encode())
    octets = "".join(rf"\\{{1,8}}x{_any_case(f'{byte:02x}')}" for byte in char.encode())
    ways = [rf"\\{{0,8}}{re.escape(char)}", unicode, percent, octets]
    ways.append(rf"\\{{1,8}}U{_any_case(f'{ord(char):08x}')}")
    ways.append(f"&(?:amp;){{0,3}}#(?:0{{0,6}}{ord(char)}|[xX]0{{0,6}}{_any_case(f'{ord(char):x}')});")
    if ord(char) < 256:
        ways.append(rf"\\{{1,8}}x{_any_case(f'{ord(char):02x}')}")
    if letter := _LETTERS.get(char):
        ways.append(rf"\\{{1,8}}{letter}")
    if name := _NAMED.get(char):
        ways.append(f"&(?:amp;){{0,3}}{name};")
    if char == " ":
        ways.append(r"\+")
    return f"(?:{'|'.join(ways)})"


def _any_case(digits: str) -> str:
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in digits)
