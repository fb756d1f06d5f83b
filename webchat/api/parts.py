"""Which tokens of a prompt are a message's words, and which its chat template's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Json = dict[str, Any]
Span = tuple[int, int]

MOST_MISSED = 20
"""Messages that are not found. A template that writes so many of them otherwise writes none as it is."""


def parts_of(rendered: str, pieces: Sequence[str], messages: Sequence[Mapping[str, Any]]) -> list[Json]:
    """`{"role", "message", "start", "end"}` in order, over all tokens; a token belongs where it begins.

    message: index of the message whose words these are, `None` for the template's. start, end: tokens.
    """
    begins, at = [], 0
    for piece in pieces:
        begins.append(at)
        at += len(piece)
    parts: list[Json] = []
    token = 0
    for index, (start, end) in _spans(rendered, messages):
        first = _next(begins, token, start)
        behind = _next(begins, first, end)
        _add(parts, "template", None, token, first)
        _add(parts, str(messages[index]["role"]), index, first, behind)
        token = behind
    _add(parts, "template", None, token, len(pieces))
    return parts


def _add(parts: list[Json], role: str, message: int | None, start: int, end: int) -> None:
    if end > start:
        parts.append({"role": role, "message": message, "start": start, "end": end})


def _next(begins: Sequence[int], token: int, at: int) -> int:
    """The first token, from `token` on, that begins at or behind a character."""
    while token < len(begins) and begins[token] < at:
        token += 1
    return token


def _spans(rendered: str, messages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Span]]:
    """Where each message's words stand, in order: as the backend told, else where they are found first.
    Templates may strip them; what is not found is passed over, as the template wrote something else."""
    if any(message.get("at") for message in messages):
        places = ((index, message.get("at")) for index, message in enumerate(messages))
        yield from sorted(((index, (at[0], at[1])) for index, at in places if at), key=lambda one: one[1])
        return
    at = missed = 0
    for index, message in enumerate(messages):
        for words in (text := text_of(message), text.strip()):
            start = rendered.find(words, at) if words else -1
            if start >= 0:
                at = start + len(words)
                yield index, (start, at)
                break
        else:
            # Each costs a look at all that is left.
            missed += 1
            if missed == MOST_MISSED:
                return


def text_of(message: Mapping[str, Any]) -> str:
    """The words of a message as it is kept: half a character was no character for its model either."""
    content = message["content"]
    if not isinstance(content, str):
        content = "".join(part.get("text", "") for part in content)
    whole: str = content.encode("utf-8", "replace").decode()
    return whole
