"""What each token of a prompt adds to its text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

_CONTEXT = 8
"""Tokens a token is decoded behind: some tokenizers drop a space at the beginning of a text."""
_LONGEST_CHARACTER = 4
"""Tokens: one for each byte."""


def pieces_of(tokenizer: Any, text: str, ids: Sequence[int]) -> tuple[str, ...]:
    """One piece per id; joined they equal `text`. A token that ends inside a character adds nothing, and the
    one that completes it adds the character; text that a tokenizer leaves out of its tokens is added to the
    next one."""
    if tokenizer.is_fast:
        told = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        if list(told["input_ids"]) == list(ids):
            return _cut(text, told["offset_mapping"])
    return _aligned(decoded(tokenizer, ids), text)


def decoded(tokenizer: Any, ids: Sequence[int]) -> tuple[str, ...]:
    """What each token adds to the text that its tokenizer decodes from all of them."""

    def decode(some: Sequence[int]) -> str:
        whole: str = tokenizer.decode(
            list(some), skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        return whole

    pieces: list[str] = []
    shown = 0  # tokens whose text is in the pieces
    for end in range(1, len(ids) + 1):
        before = ids[max(0, shown - _CONTEXT) : shown]
        text = decode([*before, *ids[shown:end]])
        if text.endswith("\ufffd") and end - shown < _LONGEST_CHARACTER and end < len(ids):
            pieces.append("")
            continue
        pieces.append(text[len(decode(before)) :])
        shown = end
    return tuple(pieces)


def _cut(text: str, offsets: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    """offsets: (start, end) of each token in the text; equal for tokens of the same character."""
    ends = [end for _, end in offsets]
    for at in range(len(offsets) - 1):
        ends[at] = min(ends[at], offsets[at + 1][0])
    pieces: list[str] = []
    begin = 0
    for end in [*ends[:-1], len(text)]:
        end = max(begin, end)
        pieces.append(text[begin:end])
        begin = end
    return tuple(pieces)


def _aligned(pieces: Iterable[str], text: str) -> tuple[str, ...]:
    """The pieces as they occur in the text, which may contain what the tokenizer normalizes."""
    aligned: list[str] = []
    at = 0
    for piece in pieces:
        found = piece if text.startswith(piece, at) else piece.strip()
        found = found if text.startswith(found, at) else ""
        aligned.append(found)
        at += len(found)
    aligned[-1] += text[at:]
    return tuple(aligned)
