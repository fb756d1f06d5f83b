"""Messages as they are told of: with a line of text where an image is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from backends.types import ImagePart, Message, Part, TextPart


def told(messages: Iterable[Message]) -> tuple[Message, ...]:
    """The messages without the bytes of their images."""
    return tuple(
        message
        if isinstance(message.content, str)
        else replace(message, content=tuple(_told(part) for part in message.content))
        for message in messages
    )


def _told(part: Part) -> Part:
    if isinstance(part, ImagePart):
        return TextPart(f"[{part.media_type}, {len(part.data)} bytes]")
    return part
