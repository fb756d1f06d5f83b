"""What a model was sent."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from webchat.api.wire.base import Answer, absent
from webchat.api.wire.conversations import TemplateUse

Why = Literal["running", "person", "off", "unsent", "restart", "unrecorded"]


class SentMessage(Answer):
    """message_id: of the stored message it comes from. tool_calls: in the form of OpenAI's API."""

    role: str
    content: JsonValue
    message_id: str | None
    tool_calls: tuple[JsonValue, ...] = Field(default=(), exclude_if=absent)
    tool_call_id: str | None = Field(default=None, exclude_if=absent)


class Tokens(Answer):
    """pieces: what each token adds to the text."""

    ids: tuple[int, ...]
    pieces: tuple[str, ...]


class Part(Answer):
    """Tokens that belong together. message: index of the message whose words they are, `null` for the chat
    template's. start, end: in tokens."""

    role: str
    message: int | None
    start: int
    end: int


class Cut(Answer):
    """left_out: how many of the oldest messages were not sent."""

    left_out: int
    first_sent: str | None


class MaskedPlace(Answer):
    placeholder: str
    kind: str


class ChatTemplateUse(Answer):
    """number: of a version set by the operator."""

    source: str
    number: int | None


class TemplatesUsed(Answer):
    persona: TemplateUse | None
    user: TemplateUse | None
    chat: ChatTemplateUse | None


class Inspection(Answer):
    """kind: `local` with the `rendered` text and its `tokens`, `endpoint` with the posted JSON `body`. why:
    the reason why nothing is known. curl, python: code that repeats the request."""

    message_id: str
    why: Why | None
    kind: Literal["local", "endpoint"] | None
    messages: tuple[SentMessage, ...]
    rendered: str | None
    tokens: Tokens | None
    parts: tuple[Part, ...] | None
    body: dict[str, JsonValue] | None
    url: str | None
    cut: Cut | None
    masked: tuple[MaskedPlace, ...]
    masked_count: int
    templates: TemplatesUsed
    curl: str | None
    python: str | None
