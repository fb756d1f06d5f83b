"""Messages as they are reported: without image bytes, and with the position of each in a rendered prompt."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from backends.types import ImagePart, Message, Part, TextPart

Span = tuple[int, int]

_MARK = re.compile("\ue000(\\d+)\ue001")
"""Stands for a message's words: characters of nobody, so that a template takes them for words."""


def reported(messages: Iterable[Message]) -> tuple[Message, ...]:
    """The messages without the bytes of their images."""
    return tuple(
        message
        if isinstance(message.content, str)
        else replace(message, content=tuple(_reported(part) for part in message.content))
        for message in messages
    )


def _reported(part: Part) -> Part:
    if isinstance(part, ImagePart):
        return TextPart(f"[{part.media_type}, {len(part.data)} bytes]")
    return part


def marked(messages: Iterable[Message]) -> tuple[Message, ...]:
    """The same conversation with a mark in place of each message's words; see `spans`."""
    return tuple(Message(message.role, f"\ue000{at}\ue001") for at, message in enumerate(messages))


def spans(outline: str, rendered: str, messages: Sequence[Message]) -> tuple[Span | None, ...]:
    """Start and end of each message's words in a rendered prompt; `None` for words that are not in it.

    outline: the rendering of the `marked` messages by the same template. Empty if the two renderings do not
    match, because the template depends on the words. Templates may strip words.
    """
    pieces = _MARK.split(outline)  # template, number, template, number, ..., template
    found: list[Span | None] = [None] * len(messages)
    at = len(rendered) - len(rendered.removeprefix(pieces[0]))
    if not rendered.startswith(pieces[0]):
        return ()
    for number, behind in zip(pieces[1::2], pieces[2::2], strict=True):
        index = int(number)
        whole = messages[index].text.encode("utf-8", "replace").decode() if index < len(messages) else ""
        for words in (whole, whole.strip(), whole.lstrip(), whole.rstrip()):
            if rendered.startswith(words + behind, at):
                break
        else:
            return ()
        found[index] = (at, at + len(words))
        at += len(words) + len(behind)
    return tuple(found) if at == len(rendered) else ()
