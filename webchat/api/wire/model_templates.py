"""The chat templates of models in this process."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from webchat.api.wire.base import Answer, Body, Note, Time

Text = Annotated[str, Field(min_length=1, max_length=500_000)]


class ChatTemplateVersion(Answer):
    """text: `null` if it restored the model's own."""

    number: int
    created_at: Time
    author: str
    note: str
    text: str | None


class ChatTemplate(Answer):
    """text: the one in use; source: its origin: the operator (`override`), the settings (`file`), a default,
    or the model itself. own: the model's own. number: of the newest version."""

    model: str
    own: str | None
    text: str | None
    source: str
    number: int | None
    versions: tuple[ChatTemplateVersion, ...]


class ChatTemplateProblem(Answer):
    message: str
    line: int | None


class ChatTemplatePreview(Answer):
    """text: what the model would read. system_as: `user` if the system prompt is put before the first user
    message."""

    text: str
    tokens: int | None
    problem: ChatTemplateProblem | None
    system_as: Literal["user"] | None


class ChatTemplateBody(Body):
    """text: `null` restores the model's own. based_on: the version that was changed."""

    text: Text | None
    note: Note = ""
    based_on: Annotated[int, Field(ge=0, le=2**31)] | None = None


class PreviewMessage(Body):
    role: Literal["system", "user", "assistant"]
    content: Annotated[str, Field(max_length=100_000)]


class PreviewBody(Body):
    text: Text
    messages: Annotated[list[PreviewMessage], Field(min_length=1, max_length=100)] | None = None
