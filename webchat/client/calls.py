"""The requests a client makes, each with the model of its answer, and the methods made of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import update_wrapper
from secrets import token_hex
from typing import Any, Generic, Literal, ParamSpec, TypeVar, cast
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
P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., object])
Format = Literal["json", "zip", "markdown", "html", "openai", "sharegpt"]


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


def as_method(make: Callable[..., object], method: F) -> F:
    """The method of a client that sends what `make` makes, with its name, docstring and parameters."""
    told = inspect.signature(make)
    of_client = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [of_client, *told.parameters.values()]
    update_wrapper(method, make)
    method.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return method


def me() -> Call[Me]:
    return Call("GET", "/api/me", Me)


def models() -> Call[ModelList]:
    return Call("GET", "/api/models", ModelList)


def conversations(
    cursor: str | None = None, limit: int = 40, *, archived: bool = False
) -> Call[ConversationPage]:
    """A page of the conversations, the latest first. cursor: `next` of the page before."""
    params: dict[str, str | int] = {"limit": limit, **({"cursor": cursor} if cursor else {})}
    return Call(
        "GET", "/api/conversations", ConversationPage, params | ({"archived": "1"} if archived else {})
    )


def search(text: str, cursor: str | None = None) -> Call[SearchPage]:
    return Call("GET", "/api/search", SearchPage, {"q": text, **({"cursor": cursor} if cursor else {})})


def open(conversation_id: str, before: str | None = None) -> Call[Thread]:
    """A conversation with the newest messages of its active branch. before: `older` of such a thread."""
    return Call("GET", _conversation(conversation_id), Thread, {"before": before} if before else {})


def change(conversation_id: str, body: ConversationBody) -> Call[Conversation]:
    return Call("PATCH", _conversation(conversation_id), Conversation, body=body)


def delete(conversation_id: str) -> Call[None]:
    return Call("DELETE", _conversation(conversation_id), None)


def restore(conversation_id: str) -> Call[Conversation]:
    return Call("POST", f"{_conversation(conversation_id)}/restore", Conversation)


def start(body: TurnBody) -> Call[BegunTurn]:
    """Any turn; see `POST /api/turns`."""
    return Call("POST", "/api/turns", BegunTurn, body=body)


def send(
    text: str,
    *,
    after: Message | None = None,
    model: str | None = None,
    settings: SettingsBody | None = None,
    client_key: str | None = None,
) -> Call[BegunTurn]:
    """Send a text and return as soon as it is stored; the reply is written without you. after: the reply
    that it answers; without one, a conversation begins. client_key: the same key again is the same
    turn, also from another process."""
    given: dict[str, object] = {"model": model, "settings": settings}
    if after is not None:
        given |= {"conversation_id": after.conversation_id, "parent_id": after.id}
    chosen = {name: value for name, value in given.items() if value is not None}
    key = client_key or token_hex(16)
    return start(TurnBody.model_validate({"kind": "send", "client_key": key, "text": text, **chosen}))


def regenerate(message_id: str, client_key: str | None = None) -> Call[BegunTurn]:
    """Another reply to the same message."""
    key = client_key or token_hex(16)
    return start(TurnBody(kind="regenerate", client_key=key, message_id=message_id))


def resume(message_id: str) -> Call[BegunTurn]:
    return start(TurnBody(kind="continue", client_key=token_hex(16), message_id=message_id))


def stop(message_id: str) -> Call[None]:
    return Call("POST", f"{_message(message_id)}/stop", None)


def message(message_id: str) -> Call[MessageDetails]:
    return Call("GET", _message(message_id), MessageDetails)


def judgement(message_id: str) -> Call[Judgement]:
    return Call("GET", f"{_message(message_id)}/judgement", Judgement)


def judge(message_id: str, body: JudgementBody) -> Call[Judgement]:
    """Say something of a reply; fields that are not set stay as they are."""
    return Call("PUT", f"{_message(message_id)}/judgement", Judgement, body=body)


def withdraw(message_id: str) -> Call[None]:
    """Delete what you said of a reply."""
    return Call("DELETE", f"{_message(message_id)}/judgement", None)


def templates(text: str = "") -> Call[TemplateList]:
    return Call("GET", "/api/templates", TemplateList, {"q": text} if text else {})


def template(template_id: str) -> Call[Template]:
    return Call("GET", f"/api/templates/{quote(template_id, safe='')}", Template)


def render(template_id: str, values: Mapping[str, JsonValue]) -> Call[RenderedTemplate]:
    body = RenderBody(id=template_id, values=dict(values))
    return Call("POST", "/api/templates/render", RenderedTemplate, body=body)


def export(conversations: str | Sequence[str] | None = None) -> Call[Archive]:
    """One conversation with all its branches, up to 100 that are named, or all."""
    return export_file(conversations)


def export_file(conversations: str | Sequence[str] | None = None, format: Format = "json") -> Call[Archive]:
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
