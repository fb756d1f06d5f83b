"""What the tools take and what they answer. Their fields are described to the model that uses them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from webchat.api.wire.base import Answer, Body, Id, ModelName, Time
from webchat.store.records import TurnState

MOST_HISTORY = 200

Cursor = Annotated[str, Field(max_length=1000, description="`next` of the page before")]
Limit = Annotated[int, Field(ge=1, le=100)]


class ListArguments(Body):
    cursor: Cursor | None = None
    limit: Limit = 20


class SearchArguments(Body):
    query: Annotated[str, Field(min_length=1, max_length=500, description="words of a title or a message")]
    cursor: Cursor | None = None
    limit: Limit = 10


class ReadArguments(Body):
    id: Annotated[Id, Field(description="of the conversation")]
    before: Annotated[Id | None, Field(description="`older` of the page before, for earlier messages")] = None
    limit: Limit = 30


class TemplateArguments(Body):
    query: Annotated[str, Field(max_length=500, description="part of a name or description")] = ""


class NoArguments(Body):
    pass


class PastMessage(Body):
    role: Literal["user", "assistant"]
    text: Annotated[str, Field(min_length=1)]


class AskArguments(Body):
    message: Annotated[str, Field(min_length=1)]
    model: Annotated[
        ModelName | None, Field(description="a name from list_models; without one, the usual model")
    ] = None
    system: Annotated[str, Field(description="a system prompt")] = ""
    history: Annotated[
        list[PastMessage],
        Field(max_length=MOST_HISTORY, description="the conversation so far, oldest first"),
    ] = Field(default_factory=list)


class McpConversation(Answer):
    id: str
    title: str
    updated_at: Time


class McpConversations(Answer):
    """next: cursor of the next page, `null` at the end."""

    items: tuple[McpConversation, ...]
    next: str | None


class McpHit(Answer):
    """message_id: `null` if the title matched."""

    conversation_id: str
    message_id: str | None
    title: str
    snippet: str
    at: Time


class McpHits(Answer):
    items: tuple[McpHit, ...]
    next: str | None


class McpMessage(Answer):
    """state: `complete` for all but replies that were cut short or are being written."""

    id: str
    role: str
    text: str
    model: str | None
    state: TurnState
    created_at: Time


class McpThread(Answer):
    """The messages of the active branch, oldest first. older: pass it as `before` for earlier ones."""

    id: str
    title: str
    model: str | None
    system_prompt: str | None
    messages: tuple[McpMessage, ...]
    older: str | None


class McpTemplate(Answer):
    """model: what to pass to ask_model as its model; `null` for one without a system prompt."""

    id: str
    name: str
    description: str
    version: int
    model: str | None


class McpTemplates(Answer):
    items: tuple[McpTemplate, ...]


class McpModel(Answer):
    """kind: `template` for a prompt template, answered by the usual model."""

    name: str
    kind: Literal["model", "template"]


class McpModels(Answer):
    items: tuple[McpModel, ...]


class McpReply(Answer):
    """finish: `stop`, `length`, or another reason for its end."""

    text: str
    model: str
    finish: str
