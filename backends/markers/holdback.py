"""Holds back text that could be the start of a marker."""

from __future__ import annotations

from collections.abc import Sequence


def held_length(text: str, markers: Sequence[str]) -> int:
    """Length of the longest suffix of `text` that is a proper prefix of one of `markers`."""
    longest = max((len(marker) for marker in markers), default=0)
    for start in range(max(0, len(text) - longest + 1), len(text)):
        end = text[start:]
        if any(marker.startswith(end) and len(marker) > len(end) for marker in markers):
            return len(end)
    return 0


class StopCutter:
    """Cuts a stream of text before the first of several stop strings, however it is split into pieces.

    `feed` returns the text that may be shown. Once `stopped`, no more text comes. `flush` returns what was
    held back when the stream ended on its own.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.stopped = False

    def feed(self, text: str) -> str:
        if not self._stops or self.stopped:
            return "" if self.stopped else text
        text = self._held + text
        found = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)]
        shown = len(text) - held_length(text, self._stops)
        self._held = text[shown:]
        return text[:shown]

    def flush(self) -> str:
        text, self._held = self._held, ""
        return text
