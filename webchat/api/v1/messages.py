"""Anthropic's messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field

from backends.types import Message, NamedTool, ResponseFormat, Sampling, Tool, ToolCall, ToolChoice
from webchat.api.errors import ApiError
from webchat.api.v1.call import Call, refused, split_system
from webchat.api.v1.chat import MOST_MESSAGES
from webchat.api.v1.edge import envelope
from webchat.api.v1.names import ListedName
from webchat.api.v1.reading import Allows, Loose, check_unsupported, ignored_in, validated
from webchat.api.v1.replies import CallPiece, Reply
from webchat.api.v1.sampling import ModelName, Name, Stop, Tokens, TopP, options

UNSUPPORTED: Mapping[str, Allows] = {
    "mcp_servers": lambda value: value == [],
    "container": lambda value: False,
}
"""Fields that change what the answer is, with the values that do not."""

_STOPS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
_OF_REASONING = ("thinking", "redacted_thinking")


class BlockBody(Loose):
    """A block of any type; which fields it needs follows from that."""

    type: str
    text: str | None = None
    id: Annotated[str, Field(max_length=200)] | None = None
    name: Annotated[str, Field(max_length=200)] | None = None
    input: dict[str, Any] | None = None
    tool_use_id: Annotated[str, Field(max_length=200)] | None = None
    content: str | list[BlockBody] | None = None


class MessageBody(Loose):
    role: Literal["user", "assistant", "system"]
    content: str | list[BlockBody]


class ToolBody(Loose):
    type: str | None = None
    name: Name
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    strict: bool | None = None


class ChoiceBody(Loose):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class FormatBody(Loose):
    type: Literal["json_schema"]
    schema_: Annotated[dict[str, Any], Field(alias="schema")]


class OutputBody(Loose):
    format: FormatBody | None = None


class MessagesBody(Loose):
    model: ModelName
    max_tokens: Tokens
    messages: Annotated[list[MessageBody], Field(min_length=1, max_length=MOST_MESSAGES)]
    system: str | list[BlockBody] | None = None
    stop_sequences: Annotated[list[Stop], Field(max_length=16)] | None = None
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    top_p: TopP | None = None
    top_k: int | None = None
    stream: bool | None = None
    tools: Annotated[list[ToolBody], Field(max_length=500)] | None = None
    tool_choice: ChoiceBody | None = None
    output_config: OutputBody | None = None


def call_of(body: Mapping[str, object]) -> Call:
    """Raises `ApiError`, which names the field."""
    check_unsupported(body, UNSUPPORTED)
    asked = validated(MessagesBody, body)
    given = [] if asked.system is None else [Message("system", _text(asked.system, "system"))]
    for at, message in enumerate(asked.messages):
        given += _messages(message, f"messages[{at}].content")
    system, path = split_system(given)
    if not path:
        raise refused("messages", "there is no message of the user.")
    tools = [tool for tool in asked.tools or () if tool.type in (None, "custom")]
    hosted = sorted({tool.type or "" for tool in asked.tools or () if tool.type not in (None, "custom")})
    thinking = body.get("thinking")
    calm = {*UNSUPPORTED} | ({"thinking"} if thinking == {"type": "disabled"} else set())
    return Call(
        model=asked.model,
        path=path,
        system=system,
        sampling=Sampling(
            temperature=asked.temperature,
            top_p=asked.top_p,
            top_k=asked.top_k if asked.top_k and asked.top_k > 0 else None,
            max_tokens=asked.max_tokens,
            stop=tuple(one for one in asked.stop_sequences or () if one.strip()),
        ),
        options=options(
            [Tool(one.name, one.description or "", one.input_schema or {}, one.strict) for one in tools],
            _choice(asked.tool_choice),
            None if asked.tool_choice is None else _parallel(asked.tool_choice),
            _wanted(asked.output_config),
        ),
        streams=bool(asked.stream),
        ignored=(
            *ignored_in(body, MessagesBody, but=frozenset(calm)),
            *(f"tools.{kind}"[:60] for kind in hosted),
        ),
        names={"response_format": "output_config.format", "stop": "stop_sequences"},
    )


def _messages(body: MessageBody, name: str) -> Iterator[Message]:
    """A message as ours: results of tools are messages of their own."""
    if isinstance(body.content, str):
        yield Message(body.role, body.content)
        return
    texts: list[str] = []
    calls: list[ToolCall] = []
    for at, block in enumerate(body.content):
        place = f"{name}[{at}]"
        if block.type == "tool_result" and body.role == "user":
            if not block.tool_use_id:
                raise refused(f"{place}.tool_use_id", "it is missing.")
            yield Message("tool", _text(block.content, f"{place}.content"), tool_call_id=block.tool_use_id)
        elif block.type == "tool_use" and body.role == "assistant":
            if not block.id or not block.name:
                raise refused(f"{place}.{'name' if block.id else 'id'}", "it is missing.")
            calls.append(ToolCall(block.id, block.name, orjson.dumps(block.input or {}).decode()))
        elif block.type not in _OF_REASONING:
            texts.append(_text([block], f"{name}", first=at))
    if texts or calls or not body.content:
        yield Message(body.role, "".join(texts), tuple(calls))


def _text(content: str | list[BlockBody] | None, name: str, first: int = 0) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    for at, block in enumerate(content, first):
        if block.type != "text":
            raise refused(
                f"{name}[{at}].type",
                f"blocks of the type {block.type[:40]!r} are not supported.",
                "Send text.",
            )
    return "".join(block.text or "" for block in content)


def _choice(body: ChoiceBody | None) -> ToolChoice | None:
    if body is None or body.type == "auto":
        return None
    if body.type == "tool":
        return NamedTool(body.name or "")
    return "required" if body.type == "any" else "none"


def _parallel(body: ChoiceBody) -> bool | None:
    return None if body.disable_parallel_tool_use is None else not body.disable_parallel_tool_use


def _wanted(body: OutputBody | None) -> ResponseFormat | None:
    return None if body is None or body.format is None else ResponseFormat(body.format.schema_)


def answer(reply: Reply) -> dict[str, Any]:
    """A whole reply."""
    blocks: list[dict[str, Any]] = []
    if reply.reasoning:
        blocks.append({"type": "thinking", "thinking": reply.reasoning, "signature": ""})
    if reply.text:
        blocks.append({"type": "text", "text": reply.text})
    blocks += [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": _input(call.arguments)}
        for call in reply.calls
    ]
    return {
        **_begun(reply),
        "content": blocks,
        "stop_reason": _STOPS.get(reply.finish, "end_turn"),
        "usage": _usage(reply),
    }


def _begun(reply: Reply) -> dict[str, Any]:
    return {
        "id": f"msg_{reply.id}",
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 0, "output_tokens": 0},
    }


def _input(arguments: str) -> Any:
    """What a model wrote, which may be no JSON."""
    try:
        return orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError:
        return {"arguments": arguments}


def _usage(reply: Reply) -> dict[str, int]:
    """This API has no way to say that a model did not count."""
    usage = reply.usage
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    return {"input_tokens": usage.prompt, "output_tokens": usage.completion}


class MessagesWriter:
    """A reply as blocks, each started, filled and stopped."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._index = -1
        self._open = ""
        self._calls: dict[str, int] = {}

    def begin(self) -> bytes:
        return _event("message_start", message=_begun(self._reply)) + _event("ping")

    def text(self, text: str) -> bytes:
        return self._block("text", {"type": "text", "text": ""}) + self._delta(
            self._index, {"type": "text_delta", "text": text}
        )

    def reasoning(self, text: str) -> bytes:
        block = {"type": "thinking", "thinking": "", "signature": ""}
        return self._block("thinking", block) + self._delta(
            self._index, {"type": "thinking_delta", "thinking": text}
        )

    def call(self, piece: CallPiece) -> bytes:
        told = b""
        if piece.begins:
            block = {"type": "tool_use", "id": piece.call.id, "name": piece.call.name, "input": {}}
            told = self._block(piece.call.id, block)
            self._calls[piece.call.id] = self._index
        if not piece.arguments:
            return told
        delta = {"type": "input_json_delta", "partial_json": piece.arguments}
        return told + self._delta(self._calls[piece.call.id], delta)

    def logprobs(self, tokens: list[dict[str, Any]]) -> bytes:
        return b""

    def end(self) -> bytes:
        told = {"stop_reason": _STOPS.get(self._reply.finish, "end_turn"), "stop_sequence": None}
        return (
            self._stop()
            + _event("message_delta", delta=told, usage=_usage(self._reply))
            + _event("message_stop")
        )

    def failed(self, error: ApiError) -> bytes:
        told = {"code": error.code, "message": error.message, "cure": error.cure}
        return _event("error", error=envelope(error.status, told, anthropic=True)["error"])

    def _block(self, kind: str, block: dict[str, Any]) -> bytes:
        """Start a block, unless the open one is of the kind. kind: or the id of a call."""
        if self._open == kind:
            return b""
        told = self._stop()
        self._open = kind
        self._index += 1
        return told + _event("content_block_start", index=self._index, content_block=block)

    def _stop(self) -> bytes:
        if not self._open:
            return b""
        self._open = ""
        return _event("content_block_stop", index=self._index)

    def _delta(self, index: int, delta: dict[str, Any]) -> bytes:
        return _event("content_block_delta", index=index, delta=delta)


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind, **fields}))


MOST_MODELS = 1000


def model(one: ListedName) -> dict[str, Any]:
    """A name that a call may have for its model."""
    created = datetime.fromtimestamp(one.created, UTC).isoformat().replace("+00:00", "Z")
    return {"type": "model", "id": one.id, "display_name": one.id, "created_at": created}


def models(listed: Sequence[ListedName], asked: Mapping[str, str]) -> dict[str, Any]:
    """A page of them. asked: `limit`, and the id after or before which the page is. Raises `ApiError`."""
    limit = asked.get("limit") or "20"
    if not (limit.isascii() and limit.isdigit() and len(limit) < 5 and 1 <= int(limit) <= MOST_MODELS):
        raise refused("limit", f"it has to be a number from 1 to {MOST_MODELS}.")
    ids = [one.id for one in listed]
    first, last = 0, len(ids)
    for name in ("after_id", "before_id"):
        place = asked.get(name)
        if not place:
            continue
        if place not in ids:
            raise refused(name, "there is no such model.")
        if name == "after_id":
            first = ids.index(place) + 1
        else:
            last = ids.index(place)
    backwards = bool(asked.get("before_id")) and not asked.get("after_id")
    inside = listed[first:last]
    page = inside[-int(limit) :] if backwards else inside[: int(limit)]
    return {
        "data": [model(one) for one in page],
        "has_more": len(inside) > len(page),
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
    }
