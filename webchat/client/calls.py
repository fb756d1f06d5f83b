"""The requests a client makes, each with the model of its answer."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar, cast
from urllib.parse import quote

import httpx
from pydantic import BaseModel, JsonValue

from webchat.api.wire.base import Answer
from webchat.api.wire.conversations import (
    Conversation,
    ConversationBody,
    ConversationPage,
    SearchPage,
    SettingsBody,
)
from webchat.api.wire.judgements import Judgement, JudgementBody
from webchat.api.wire.messages import Archive, Message, MessageDetails, Thread
from webchat.api.wire.models import ModelList
from webchat.api.wire.people import Me
from webchat.api.wire.prompt_templates import RenderBody, RenderedTemplate, Template, TemplateList
from webchat.api.wire.turns import BegunTurn, TurnBody
from webchat.client.errors import refusal

A = TypeVar("A", bound=Answer | None)
Format = Literal["json", "markdown", "html", "openai", "sharegpt"]


@dataclass(frozen=True, slots=True)
class Call(Generic[A]):
    """A request. answer: the model of its answer, `None` for none. Every one may be repeated when its answer
    is lost: a turn has its client key, and the others do the same again."""

    method: str
    path: str
    answer: type[Answer] | None
    params: Mapping[str, str | int | Sequence[str]] = field(default_factory=dict)
    body: BaseModel | None = None

    @property
    def request(self) -> dict[str, Any]:
        """As httpx takes it."""
        plain: dict[str, Any] = {"method": self.method, "url": self.path, "params": self.params}
        if self.body is None:
            return plain
        content = self.body.model_dump_json(exclude_unset=True).encode()
        return {**plain, "content": content, "headers": {"content-type": "application/json"}}


def answered(call: Call[A], answer: httpx.Response) -> A:
    """What a server answered; fields that a later one adds are ignored. Raises `Refused`."""
    if not answer.is_success:
        raise refusal(answer)
    found = None if call.answer is None else call.answer.model_validate_json(answer.content, extra="ignore")
    return cast(A, found)


def new_key() -> str:
    """A client key: the same one again is the same turn."""
    return secrets.token_hex(16)


def me() -> Call[Me]:
    return Call("GET", "/api/me", Me)


def models() -> Call[ModelList]:
    return Call("GET", "/api/models", ModelList)


def conversations(cursor: str | None, limit: int, archived: bool) -> Call[ConversationPage]:
    params: dict[str, str | int] = {"limit": limit, **({"cursor": cursor} if cursor else {})}
    return Call(
        "GET", "/api/conversations", ConversationPage, params | ({"archived": "1"} if archived else {})
    )


def search(text: str, cursor: str | None) -> Call[SearchPage]:
    return Call("GET", "/api/search", SearchPage, {"q": text, **({"cursor": cursor} if cursor else {})})


def thread(id: str, before: str | None) -> Call[Thread]:
    return Call("GET", _conversation(id), Thread, {"before": before} if before else {})


def change(id: str, body: ConversationBody) -> Call[Conversation]:
    return Call("PATCH", _conversation(id), Conversation, body=body)


def delete(id: str) -> Call[None]:
    return Call("DELETE", _conversation(id), None)


def restore(id: str) -> Call[Conversation]:
    return Call("POST", f"{_conversation(id)}/restore", Conversation)


def turn(body: TurnBody) -> Call[BegunTurn]:
    return Call("POST", "/api/turns", BegunTurn, body=body)


def send(
    text: str, after: Message | None, model: str | None, settings: SettingsBody | None, key: str | None
) -> TurnBody:
    """after: the reply that the text answers; `None` begins a conversation."""
    given: dict[str, object] = {"model": model, "settings": settings}
    if after is not None:
        given |= {"conversation_id": after.conversation_id, "parent_id": after.id}
    chosen = {name: value for name, value in given.items() if value is not None}
    return TurnBody.model_validate({"kind": "send", "client_key": key or new_key(), "text": text, **chosen})


def again(kind: Literal["regenerate", "continue"], message: str, key: str | None = None) -> TurnBody:
    return TurnBody(kind=kind, client_key=key or new_key(), message_id=message)


def stop(message: str) -> Call[None]:
    return Call("POST", f"{_message(message)}/stop", None)


def details(message: str) -> Call[MessageDetails]:
    return Call("GET", _message(message), MessageDetails)


def judgement(message: str) -> Call[Judgement]:
    return Call("GET", f"{_message(message)}/judgement", Judgement)


def judge(message: str, body: JudgementBody) -> Call[Judgement]:
    return Call("PUT", f"{_message(message)}/judgement", Judgement, body=body)


def withdraw(message: str) -> Call[None]:
    return Call("DELETE", f"{_message(message)}/judgement", None)


def templates(text: str) -> Call[TemplateList]:
    return Call("GET", "/api/templates", TemplateList, {"q": text} if text else {})


def template(id: str) -> Call[Template]:
    return Call("GET", f"/api/templates/{quote(id, safe='')}", Template)


def render(id: str, values: Mapping[str, JsonValue]) -> Call[RenderedTemplate]:
    return Call(
        "POST", "/api/templates/render", RenderedTemplate, body=RenderBody(id=id, values=dict(values))
    )


def export(conversations: str | Sequence[str] | None, format: Format) -> Call[Archive]:
    """conversations: one, several (up to 100) or all."""
    if isinstance(conversations, str):
        return Call("GET", f"{_conversation(conversations)}/export", Archive, {"format": format})
    if conversations is None:
        return Call("GET", "/api/export", Archive, {"format": format})
    # Without ids the route would answer with everything.
    if not conversations:
        raise ValueError("no conversations to export")
    return Call("GET", "/api/export", Archive, {"format": format, "id": [*conversations]})


def _conversation(id: str) -> str:
    return f"/api/conversations/{quote(id, safe='')}"


def _message(id: str) -> str:
    return f"/api/messages/{quote(id, safe='')}"
