"""Removes repeated text: some servers send everything so far with each piece, some repeat all of it at the
end.

Both look like a reply that repeats itself, which replies do: "ha ha ha", or a second piece that happens to
start with the first. So a piece that could be either is held until the next one, or the end, decides.
"""

from __future__ import annotations

from typing import Literal

_GROWN = 2
"""So many pieces in a row that begin with the whole one before them, and go on, are no accident."""

_HELD = 4
"""Pieces that are held at most for each that was longer than the one before it."""

_SURE_CHARS = 16
"""Less than this may be said twice by accident; a longer piece that is all so far is a repeat."""


class RepeatCutter:
    """Removes repetitions from the pieces of one text. Call it with each piece, then `flush` at the end; all
    return only new text."""

    def __init__(self) -> None:
        self._each: Literal["unknown", "a piece", "all so far"] = "unknown"
        self._said: list[str] = []  # what was passed on
        self._size = 0
        self._held: list[str] = []
        self._last = ""  # the piece before, in whole characters
        self._half = ""  # what half a character behind them was written as
        self._grown = 0

    def feed(self, piece: str) -> str:
        """piece: what a chunk presents as its own part of the text."""
        if self._each == "a piece":
            if not self._held and 2 * len(piece) < self._size:
                return self._pass(piece)  # nearly always
            return self._perhaps_all(piece) if piece else ""
        if not piece:
            return ""
        return self._first(piece) if self._each == "unknown" else self._longer(piece)

    def feed_whole(self, text: str, *, pieces: bool) -> str:
        """text: what a chunk presents as the whole text. pieces: whether other chunks have sent the parts
        separately, so that a differing text adds nothing; otherwise the server calls pieces so."""
        said = self._said_text()
        if self._each == "unknown" and said:
            self._each = "a piece"
        held = self._release()
        if held and text.strip() == (said + held).strip():
            return self._pass(held)
        new = _beyond(said, text)
        if new is None:
            new = held if pieces else text
        return self._pass(new)

    def flush(self) -> str:
        held = self._release()
        if self._each == "all so far":
            return self._half
        if self._each == "a piece":
            if self._size < _SURE_CHARS:
                return held
            return _beyond(self._said_text(), held) or ""  # all of it once more, at the end
        words = any(character.isalnum() for character in self._said_text())
        if held and words and (self._grown or (self._last == held and self._size >= _SURE_CHARS)):
            return (_beyond(self._said_text(), self._last) or "") + self._half
        return held

    def _first(self, piece: str) -> str:
        """Handles the first pieces, until it is known what each one is."""
        whole, half = _in_whole_characters(piece)
        if not self._said:
            self._last, self._held = whole, [half] if half else []
            if not whole:
                self._each = "a piece"
            return self._pass(whole)
        if not _goes_on(whole, self._last):
            self._each = "a piece"
            return self._pass(self._release() + piece)
        self._grown += len(whole) > len(self._last)
        self._last, self._half = whole, half
        self._held.append(piece)
        if self._grown >= _GROWN and any(character.isalnum() for character in whole):
            self._each = "all so far"
            self._held.clear()
            return self._pass(_beyond(self._said_text(), whole) or "")
        if len(self._held) > _HELD * (1 + self._grown):
            self._each = "a piece"
            return self._pass(self._release())
        return ""

    def _longer(self, piece: str) -> str:
        whole, self._half = _in_whole_characters(piece)
        new = _beyond(self._last, whole)
        if new is None:  # it goes on in pieces
            self._last, new = self._last + whole, whole
        elif len(whole) >= len(self._last):
            self._last = whole
        return self._pass(new)

    def _perhaps_all(self, piece: str) -> str:
        """A piece about as long as everything before it, or the one after such a piece."""
        sure = self._size >= _SURE_CHARS
        if self._held:
            longer = len(piece) > len(self._held[-1])
            if not piece.startswith(self._held[-1]) or not (sure or longer):
                return self._pass(self._release() + piece)
            if not sure and len(piece) < _SURE_CHARS:
                self._held.append(piece)
                return ""
            self._each, self._last = "all so far", self._said_text()
            self._held.clear()
            return self._longer(piece)
        said = self._said_text()
        grown = piece.startswith(said) and (sure or len(piece) > len(said))
        if grown or (sure and _bare(piece) == _bare(said)):
            self._held = [piece]
            return ""
        return self._pass(piece)

    def _said_text(self) -> str:
        self._said = ["".join(self._said)]
        return self._said[0]

    def _release(self) -> str:
        held, self._held = "".join(self._held), []
        return held

    def _pass(self, text: str) -> str:
        self._said.append(text)
        self._size += len(text)
        return text


def _in_whole_characters(piece: str) -> tuple[str, str]:
    """A piece, and separately the replacement for half a character at its end: servers that send everything
    so far will later send the whole character in its place."""
    whole = piece[:-1] if "\ud800" <= piece[-1:] <= "\udbff" else piece.rstrip("\ufffd")
    return whole, piece[len(whole) :]


def _bare(text: str) -> str:
    """Without whitespace, which servers may alter."""
    return "".join(text.split())


def _goes_on(text: str, beginning: str) -> bool:
    """Whether it starts with this text, perhaps without leading whitespace, which servers strip."""
    word = beginning.lstrip()
    return text.startswith(beginning) or (word != "" and text.startswith(word))


def _beyond(said: str, text: str) -> str | None:
    """What a text that contains everything so far adds to it; `None` for another text."""
    if text.startswith(said):
        return text[len(said) :]
    if said.startswith(text):
        return ""
    for word in (said.lstrip(), said.strip()):
        if word and text.lstrip().startswith(word):
            return text.lstrip()[len(word) :]
    if _bare(said) == _bare(text):
        return ""
    same = next((at for at, (one, other) in enumerate(zip(said, text, strict=False)) if one != other), 0)
    return text[len(said) :] if same * 2 >= len(said) else None  # it has edited the end of what it said
