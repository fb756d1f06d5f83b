"""OpenAI's chat completions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field

from backends.types import Message, NamedTool, ResponseFormat, Role, ToolCall, ToolChoice
from webchat.api.errors import ApiError
from webchat.api.v1.call import Call, refused, split_system
from webchat.api.v1.edge import envelope
from webchat.api.v1.reading import (
    Allows,
    Loose,
    check_unsupported,
    ignored_below,
    ignored_in,
    validated,
)
from webchat.api.v1.replies import CallPiece, Reply, Usage
from webchat.api.v1.sampling import FunctionBody, ModelName, Plain, Sampled, SchemaBody, Tokens, options

MOST_MESSAGES = 2000
DONE = b"data: [DONE]\n\n"

UNSUPPORTED: Mapping[str, Allows] = {
    "n": lambda value: value == 1 and not isinstance(value, bool),
    "best_of": lambda value: value == 1 and not isinstance(value, bool),
    "logit_bias": lambda value: value == {},
    "functions": lambda value: value == [],
    "function_call": lambda value: value in ("none", "auto"),
    "audio": lambda value: False,
    "modalities": lambda value: value == ["text"],
    "guided_json": lambda value: False,
    "guided_regex": lambda value: False,
    "guided_choice": lambda value: False,
    "guided_grammar": lambda value: False,
    "structured_outputs": lambda value: False,
    "grammar": lambda value: False,
}
"""Fields that change what the answer is, with the values that do not."""


class PartBody(Loose):
    type: str
    text: str | None = None
    refusal: str | None = None


class CalledFunction(Loose):
    name: Annotated[str, Field(min_length=1, max_length=200)]
    arguments: str | None = None


class ToolCallBody(Loose):
    id: Annotated[str, Field(min_length=1, max_length=200)]
    type: Literal["function"] | None = None
    function: CalledFunction


class MessageBody(Loose):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[PartBody] | None = None
    tool_calls: list[ToolCallBody] | None = None
    tool_call_id: Annotated[str, Field(max_length=200)] | None = None
    refusal: str | None = None


class ToolBody(Loose):
    type: Literal["function"]
    function: FunctionBody


class ChosenFunction(Loose):
    name: str


class ChoiceBody(Loose):
    type: Literal["function"]
    function: ChosenFunction


class FormatBody(Loose):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: SchemaBody | None = None


class StreamBody(Loose):
    include_usage: bool | None = None


class ChatBody(Sampled):
    model: ModelName | None = None
    messages: Annotated[list[MessageBody], Field(min_length=1, max_length=MOST_MESSAGES)]
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    stream: bool | None = None
    stream_options: StreamBody | None = None
    tools: Annotated[list[ToolBody], Field(max_length=500)] | None = None
    tool_choice: Plain | ChoiceBody | None = None
    parallel_tool_calls: bool | None = None
    response_format: FormatBody | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None


def call_of(body: Mapping[str, object]) -> Call:
    """Raises `ApiError`, which names the field."""
    check_unsupported(body, UNSUPPORTED)
    asked = validated(ChatBody, body)
    if asked.top_logprobs and not asked.logprobs:
        raise refused("top_logprobs", "it needs logprobs: true.")
    system, path = split_system([_message(one, at) for at, one in enumerate(asked.messages)])
    if not path:
        raise refused("messages", "there is no message of the user.")
    calm = {"reasoning_effort"} if body.get("reasoning_effort") == "none" else set[str]()
    # They ask for nothing here, or repeat what is the case.
    calm |= {name for name in UNSUPPORTED if name in body}
    calm |= {name for name in ("store", "frequency_penalty", "presence_penalty") if not body.get(name)}
    ignored = [
        *ignored_in(body, ChatBody, but=frozenset(calm)),
        *ignored_below(body.get("messages"), MessageBody, "messages"),
    ]
    return Call(
        model=asked.model,
        path=path,
        system=system,
        sampling=asked.sampling(asked.max_completion_tokens or asked.max_tokens),
        options=options(
            [one.function.tool() for one in asked.tools or ()],
            _choice(asked.tool_choice),
            asked.parallel_tool_calls,
            _wanted(asked.response_format),
        ),
        logprobs=(asked.top_logprobs or 0) if asked.logprobs else None,
        streams=bool(asked.stream),
        usage=asked.stream_options is not None and bool(asked.stream_options.include_usage),
        ignored=tuple(ignored),
    )


def _message(body: MessageBody, at: int) -> Message:
    role: Role = "system" if body.role == "developer" else body.role
    text = _text(body, at)
    if role == "tool" and not body.tool_call_id:
        raise refused(f"messages[{at}].tool_call_id", "a tool's message has to name its call.")
    calls = body.tool_calls or () if role == "assistant" else ()
    return Message(
        role,
        text,
        tuple(ToolCall(one.id, one.function.name, one.function.arguments or "{}") for one in calls),
        body.tool_call_id if role == "tool" else None,
    )


def _text(body: MessageBody, at: int) -> str:
    if body.content is None:
        return body.refusal or ""
    if isinstance(body.content, str):
        return body.content
    for number, part in enumerate(body.content):
        if part.type not in ("text", "refusal"):
            name = f"messages[{at}].content[{number}].type"
            raise refused(name, f"parts of the type {part.type[:40]!r} are not supported.", "Send text.")
    return "".join(part.text or part.refusal or "" for part in body.content)


def _choice(body: str | ChoiceBody | None) -> ToolChoice | None:
    match body:
        case "auto" | "none" | "required":
            return body
        case ChoiceBody():
            return NamedTool(body.function.name)
        case _:
            return None


def _wanted(body: FormatBody | None) -> ResponseFormat | None:
    if body is None or body.type == "text":
        return None
    if body.type == "json_object":
        return ResponseFormat()
    if body.json_schema is None:
        raise refused("response_format.json_schema", "the schema is missing.")
    return body.json_schema.wanted()


def answer(reply: Reply) -> dict[str, Any]:
    """A whole reply."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.text}
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    if reply.calls:
        message["content"] = reply.text or None
        message["tool_calls"] = [_called(call) for call in reply.calls]
    choice = {
        "index": 0,
        "message": message,
        "logprobs": {"content": reply.logprobs, "refusal": None} if reply.logprobs else None,
        "finish_reason": reply.finish,
    }
    return {
        "id": f"chatcmpl-{reply.id}",
        "object": "chat.completion",
        "created": reply.created,
        "model": reply.model,
        "choices": [choice],
        **({} if reply.usage is None else {"usage": usage_of(reply.usage)}),
    }


def _called(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def usage_of(usage: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
    }


class ChatWriter:
    """A reply as chunks. The fixed parts of a chunk are encoded once."""

    OPENS, CLOSES = b'"delta":{', b"}"
    LAST: Mapping[str, Any] = {"delta": {}}

    def __init__(self, reply: Reply, call: Call) -> None:
        self._reply = reply
        self._usage = call.usage
        self._fixed = self.fixed()
        self._head = b"data: " + orjson.dumps(self._fixed)[:-1] + b',"choices":[{"index":0,' + self.OPENS
        # With the usage asked for, clients expect its name in every chunk.
        usage = b',"usage":null' if call.usage else b""
        self._tail = self.CLOSES + b',"finish_reason":null}]' + usage + b"}\n\n"

    def fixed(self) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self._reply.id}",
            "object": "chat.completion.chunk",
            "created": self._reply.created,
            "model": self._reply.model,
        }

    def begin(self) -> bytes:
        return self._chunk(b'"role":"assistant","content":""')

    def text(self, text: str) -> bytes:
        return self._chunk(b'"content":' + orjson.dumps(text))

    def reasoning(self, text: str) -> bytes:
        return self._chunk(b'"reasoning_content":' + orjson.dumps(text))

    def call(self, piece: CallPiece) -> bytes:
        told: dict[str, Any] = {"index": piece.index, "function": {"arguments": piece.arguments}}
        if piece.begins:
            told |= {"id": piece.call.id, "type": "function"}
            told["function"] = {"name": piece.call.name, "arguments": piece.arguments}
        return self._chunk(b'"tool_calls":' + orjson.dumps([told]))

    def logprobs(self, tokens: list[dict[str, Any]]) -> bytes:
        return self._event(
            [{"index": 0, "delta": {}, "logprobs": {"content": tokens}, "finish_reason": None}]
        )

    def end(self) -> bytes:
        last = self._event([{"index": 0, **self.LAST, "finish_reason": self._reply.finish}])
        if self._usage and self._reply.usage is not None:
            last += self._event([], usage=usage_of(self._reply.usage))
        return last + DONE

    def failed(self, error: ApiError) -> bytes:
        return failed(error)

    def _chunk(self, delta: bytes) -> bytes:
        return self._head + delta + self._tail

    def _event(self, choices: Iterable[dict[str, Any]], **more: Any) -> bytes:
        more = {"usage": None, **more} if self._usage else more
        return b"data: " + orjson.dumps({**self._fixed, "choices": list(choices), **more}) + b"\n\n"


def failed(error: ApiError) -> bytes:
    """The end of a stream of OpenAI's that went wrong."""
    told = {
        "code": error.code,
        "message": error.message,
        "cure": error.cure,
        "params": dict(error.params),
    }
    return b"data: " + orjson.dumps(envelope(error.status, told, anthropic=False)) + b"\n\n" + DONE
