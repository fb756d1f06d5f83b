"""Messages, their provenance, and why they failed."""

from __future__ import annotations

from dataclasses import asdict
from operator import not_
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, JsonValue, ValidationInfo, model_validator

from backends.types import Role
from webchat.api.wire.base import Answer, Body, Time, absent
from webchat.api.wire.conversations import (
    Conversation,
    KeptConversation,
    Sampling,
    Settings,
    TemplateUse,
)
from webchat.api.wire.hidden import base_name, hidden_prompts, without
from webchat.auth.failures import audience, failure_for
from webchat.store import NamedMedia, records
from webchat.turns.comparing.blind import blinded


class Failure(Answer):
    """`code` translates with `params`; `message` and `cure` are English. audience: set if the text contains
    what only operators may read."""

    code: str
    message: str
    cure: str
    params: dict[str, str | int | float]
    retryable: bool
    audience: Literal["operator"] | None = Field(default=None, exclude_if=absent)

    @classmethod
    def read_by(cls, reader: records.Owner | None, failure: records.Failure) -> Self:
        shown = failure_for(failure, reader)
        return cls(
            code=shown.code,
            message=shown.message,
            cure=shown.cure,
            params=dict(shown.params),
            retryable=shown.retryable,
            audience=audience(failure, reader),
        )


def _model_for(found: object, info: ValidationInfo) -> object:
    """The name of a model as its reader may see it."""
    if isinstance(info.context, records.Owner) and isinstance(found, str):
        return info.context.terms.shows_model(found)
    return found


def _as_reader_may(found: object, info: ValidationInfo) -> object:
    return Failure.read_by(info.context, found) if isinstance(found, records.Failure) else found


def _comparison_of(found: object) -> object:
    return found.id if isinstance(found, records.Compared) else found


class ToolCall(Answer):
    """A tool call of a model. arguments: JSON, as the model wrote it."""

    id: str
    name: str
    arguments: str


class Message(Answer):
    """A node of a conversation's tree; the fields are explained at `webchat.store.records.Message`. compared:
    the open comparison that it is a side of; what would tell which model wrote it is left out until then."""

    id: str
    conversation_id: str
    parent_id: str | None
    role: Role
    author_id: str | None
    text: str
    reasoning: str
    state: records.TurnState
    created_at: Time
    finished_at: Time | None
    finish_reason: str | None
    failure: Annotated[Failure | None, BeforeValidator(_as_reader_may)]
    model: Annotated[str | None, BeforeValidator(_model_for)]
    continues: str | None
    reasoning_seconds: float | None
    rating: int
    judged: bool
    seq: int
    siblings: tuple[str, ...]
    prompt_tokens: int | None
    completion_tokens: int | None
    first_sent: str | None
    masked: int
    template: TemplateUse | None
    compared: Annotated[str | None, BeforeValidator(_comparison_of)]
    tool_calls: tuple[ToolCall, ...] = Field(default=(), exclude_if=absent)
    tool_call_id: str | None = Field(default=None, exclude_if=absent)
    cut_calls: int = Field(default=0, exclude_if=not_)

    @model_validator(mode="before")
    @classmethod
    def _blinded(cls, found: object) -> object:
        return blinded(found) if isinstance(found, records.Message) else found


class Thread(Answer):
    """The messages of the active branch, oldest first. older: the message before which to ask for earlier
    ones."""

    conversation: Conversation
    messages: tuple[Message, ...]
    older: str | None

    @classmethod
    def page(
        cls,
        conversation: records.Conversation,
        page: records.Page[records.Message],
        reader: records.Owner,
    ) -> Self:
        return cls.of({"conversation": conversation, "messages": page.items, "older": page.next}, reader)


class Provenance(Answer):
    """The origin of a reply; the fields are explained at `webchat.store.records.Provenance`."""

    backend: str | None
    model: str | None
    model_id: str | None
    revision: str | None
    adapter: str | None
    template: str | None
    sampling: Sampling
    seed: int | None
    prompt: tuple[dict[str, JsonValue], ...]
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    queued_seconds: float | None
    first_token_seconds: float | None
    total_seconds: float | None
    details: dict[str, JsonValue]
    options: dict[str, JsonValue] | None = Field(default=None, exclude_if=absent)

    @classmethod
    def read_by(
        cls,
        reader: records.Owner,
        provenance: records.Provenance,
        settings: records.ConversationSettings,
    ) -> Self:
        """settings: of its conversation."""
        whole = cls.of(provenance)
        if reader.operates:
            return whole
        hidden = hidden_prompts(provenance, settings, reader)
        if not reader.terms.system_prompt:
            whole = whole.model_copy(
                update={
                    "template": None,
                    "details": {k: value for k, value in whole.details.items() if k != "persona"},
                }
            )
        return whole.model_copy(
            update={
                "model_id": base_name(whole.model_id),
                "adapter": base_name(whole.adapter),
                "prompt": tuple(without(message, hidden) for message in whole.prompt),
            }
        )


class Media(Answer):
    """A picture or sound of a reply. address: its URL while it is stored."""

    message_id: str
    name: str
    media_type: str
    size: int
    address: str

    @classmethod
    def named(cls, media: NamedMedia) -> Self:
        address = f"/api/messages/{media.message_id}/media/{media.name}"
        return cls.of({**asdict(media), "address": address})


class ArchivedConversation(KeptConversation):
    """messages: of all branches, parents before children. provenance: by message id."""

    settings: Settings
    messages: tuple[Message, ...]
    provenance: dict[str, Provenance]
    media: tuple[Media, ...]


class Archive(Answer):
    """Whole conversations as a file. Later schemas remain able to read this one."""

    schema_: Literal["webchat/2"] = Field(alias="schema")
    exported_at: Time
    version: str
    conversations: tuple[ArchivedConversation, ...]


class MessageDetails(Answer):
    """provenance: `null` for guests whose link does not show it, and until the vote on a comparison."""

    message: Message
    provenance: Provenance | None


class EditBody(Body):
    text: str


GivenRating = Annotated[int, Field(ge=-1, le=1)]


class RatingBody(Body):
    value: GivenRating
