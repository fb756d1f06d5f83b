"""The text around what a moderator finds, for a log whose operator keeps it."""

from __future__ import annotations

MOST = 500
"""Characters kept of one finding and what surrounds it."""

_BEFORE = 200
_REMEMBERED = 20_000


class Surroundings:
    """The end of one text, as a moderator is given it piece by piece."""

    def __init__(self) -> None:
        self._text = ""
        self._begins = 0

    def add(self, text: str) -> None:
        """The next piece. Of what came before it, the end is remembered."""
        forgotten = max(0, len(self._text) - _REMEMBERED)
        self._begins += forgotten
        self._text = self._text[forgotten:] + text

    def around(self, start: int) -> str:
        """What is known of the text around this offset, at most `MOST` characters."""
        first = max(0, start - _BEFORE - self._begins)
        return self._text[first : first + MOST]
