"""Which tokens of a prompt are a message's words, and which come from the chat template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from webchat.api.wire.inspection import Part

SentMessage = Mapping[str, JsonValue]
"""A message as it is kept: `role`, `content`, and `at`, the characters where its words are."""

Span = tuple[int, int]

MOST_MISSED = 20
"""Messages that are not found. A template that alters this many of them leaves none unchanged."""


def parts_of(rendered: str, pieces: Sequence[str], messages: Sequence[SentMessage]) -> list[Part]:
    """In order, over all tokens; a token belongs to the part where it starts."""
    begins, at = [], 0
    for piece in pieces:
        begins.append(at)
        at += len(piece)
    parts: list[Part] = []
    token = 0
    for index, (start, end) in _spans(rendered, messages):
        first = _next(begins, token, start)
        behind = _next(begins, first, end)
        _add(parts, "template", None, token, first)
        _add(parts, str(messages[index]["role"]), index, first, behind)
        token = behind
    _add(parts, "template", None, token, len(pieces))
    return parts


def _add(parts: list[Part], role: str, message: int | None, start: int, end: int) -> None:
    if end > start:
        parts.append(Part(role=role, message=message, start=start, end=end))


def _next(begins: Sequence[int], token: int, at: int) -> int:
    """The first token, from `token` on, that begins at or behind a character."""
    while token < len(begins) and begins[token] < at:
        token += 1
    return token


def _spans(rendered: str, messages: Sequence[SentMessage]) -> Iterator[tuple[int, Span]]:
    """Where each message's words stand, in order: as the backend told, else where they are found first.
    Templates may strip them; what is not found is passed over, as the template wrote something else."""
    told = [(index, span) for index, message in enumerate(messages) if (span := _reported(message))]
    if told:
        yield from sorted(told, key=lambda one: one[1])
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


def _reported(message: SentMessage) -> Span | None:
    match message.get("at"):
        case [int(start), int(end)]:
            return start, end
    return None


def text_of(message: SentMessage) -> str:
    """The stored words of a message; lone surrogates were not seen by its model either."""
    content = message["content"]
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content).encode("utf-8", "replace").decode()
