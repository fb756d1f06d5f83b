"""Where to go after a sign-in: only to a page of this server."""

from __future__ import annotations

import re

MOST_LENGTH = 2_000

_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@%-]*)+(?:\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?")
_ESCAPE = re.compile(r"%(..)?", re.DOTALL)
_IN_PATH = frozenset("./\\%")
"""Characters that change where a path leads once somebody decodes it."""


def local_path(text: str) -> str:
    """The text if it is surely a path of this server, with or without a query, else `/`.

    Browsers drop tabs and line breaks, take a backslash for a slash, and `//name` for another server; proxies
    and scripts may decode a path once more. So only characters that need no interpretation are accepted, no
    empty, `.` or `..` segments, and no escape that would decode to any of that or to a control character.
    """
    if len(text) > MOST_LENGTH or _PATH.fullmatch(text) is None:
        return "/"
    path, _, query = text.partition("?")
    segments = path.split("/")[1:]
    if "" in segments[:-1] or not {".", ".."}.isdisjoint(segments):
        return "/"
    return text if _plain(path, _IN_PATH) and _plain(query, frozenset()) else "/"


def _plain(text: str, refused: frozenset[str]) -> bool:
    """Whether all escapes are well formed and decode neither to control characters nor to these."""
    for escape in _ESCAPE.finditer(text):
        digits = escape[1] or ""
        if not (len(digits) == 2 and all(digit in "0123456789abcdefABCDEF" for digit in digits)):
            return False
        char = chr(int(digits, 16))
        if char < " " or char == "\x7f" or char in refused:
            return False
    return True
