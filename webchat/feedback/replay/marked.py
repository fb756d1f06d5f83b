"""Differences as HTML: escaped text in which what differs is marked."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from webchat.feedback.replay.diff import Piece

_TAGS = {"old": "del", "new": "ins"}


def marked(pieces: Iterable[Piece]) -> str:
    """Both texts in one, with what only the first has as `<del>` and what only the second has as `<ins>`."""
    return "".join(_piece(piece) for piece in pieces)


def marked_new(pieces: Iterable[Piece]) -> str:
    """The second text."""
    return marked(piece for piece in pieces if piece.kind != "old")


def marked_old(pieces: Iterable[Piece]) -> str:
    """The first text."""
    return marked(piece for piece in pieces if piece.kind != "new")


def _piece(piece: Piece) -> str:
    tag, text = _TAGS.get(piece.kind), escape(piece.text)
    return text if tag is None else f"<{tag}>{text}</{tag}>"
