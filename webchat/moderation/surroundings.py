"""The text around a finding, for a log that keeps it."""

from __future__ import annotations

MOST = 500
"""Characters kept of one finding and what surrounds it."""

_BEFORE = 200
_REMEMBERED = 20_000


class Surroundings:
    """The end of one text, received piece by piece like a moderator's input."""

    def __init__(self) -> None:
        self._text = ""
        self._begins = 0

    def add(self, text: str) -> None:
        """Add the next piece. Only the end of the text before it is kept."""
        forgotten = max(0, len(self._text) - _REMEMBERED)
        self._begins += forgotten
        self._text = self._text[forgotten:] + text

    def around(self, start: int) -> str:
        """The known text around this offset, at most `MOST` characters."""
        first = max(0, start - _BEFORE - self._begins)
        return self._text[first : first + MOST]
