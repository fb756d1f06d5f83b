"""OpenAI's responses, stateless: the whole conversation comes with each request, and nothing is kept for the
next one. See the Open Responses description for the events of a stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field

from backends.types import Message, NamedTool, ResponseFormat, Role, Sampling, Tool, ToolCall, ToolChoice
from webchat.api.errors import ApiError
from webchat.api.v1.call import Call, refused, split_system
from webchat.api.v1.chat import MOST_MESSAGES
from webchat.api.v1.edge import envelope
from webchat.api.v1.reading import Allows, Loose, check_unsupported, ignored_in, validated
from webchat.api.v1.replies import CallPiece, Reply
from webchat.api.v1.sampling import ModelName, Name, Plain, Temperature, Tokens, TopP, options

UNSUPPORTED: Mapping[str, Allows] = {
    "previous_response_id": lambda value: value == "",
    "conversation": lambda value: False,
    "background": lambda value: value is False,
    "prompt": lambda value: False,
}
"""Nothing of a response is kept here, so none can be built on."""

_TEXTS = frozenset({"input_text", "output_text", "text", "refusal", "summary_text", "reasoning_text"})


class PartBody(Loose):
    type: str
    text: str | None = None
    refusal: str | None = None


class ItemBody(Loose):
    """Any item of the input; which fields it needs follows from its type."""

    type: str | None = None
    role: Literal["system", "developer", "user", "assistant"] | None = None
    content: str | list[PartBody] | None = None
    call_id: Annotated[str, Field(max_length=200)] | None = None
    name: Annotated[str, Field(max_length=200)] | None = None
    arguments: str | None = None
    output: str | list[PartBody] | None = None


class ToolBody(Loose):
    type: Annotated[str, Field(min_length=1)]
    name: Name | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ChoiceBody(Loose):
    type: Literal["function"]
    name: str


class FormatBody(Loose):
    type: Literal["text", "json_object", "json_schema"]
    name: Name | None = None
    description: str | None = None
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    strict: bool | None = None


class TextBody(Loose):
    format: FormatBody | None = None


class ResponsesBody(Loose):
    model: ModelName | None = None
    input: str | Annotated[list[ItemBody], Field(min_length=1, max_length=MOST_MESSAGES)]
    instructions: str | None = None
    max_output_tokens: Tokens | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    stream: bool | None = None
    tools: Annotated[list[ToolBody], Field(max_length=500)] | None = None
    tool_choice: Plain | ChoiceBody | None = None
    parallel_tool_calls: bool | None = None
    text: TextBody | None = None


def call_of(body: Mapping[str, object]) -> Call:
    """Raises `ApiError`, which names the field."""
    check_unsupported(body, UNSUPPORTED)
    asked = validated(ResponsesBody, body)
    given = [] if asked.instructions is None else [Message("system", asked.instructions)]
    if isinstance(asked.input, str):
        given.append(Message("user", asked.input))
    else:
        given += _messages(asked.input)
    system, path = split_system(given)
    if not path:
        raise refused("input", "there is no message of the user.")
    tools = [tool for tool in asked.tools or () if tool.type == "function"]
    hosted = sorted({tool.type for tool in asked.tools or () if tool.type != "function"})
    # What is kept is the key's choice, and these say only how a client would like the answer.
    calm = frozenset({*UNSUPPORTED, "store", "include", "stream_options"})
    return Call(
        model=asked.model,
        path=path,
        system=system,
        sampling=Sampling(
            temperature=asked.temperature, top_p=asked.top_p, max_tokens=asked.max_output_tokens
        ),
        options=options(
            [_tool(tool, at) for at, tool in enumerate(tools)],
            _choice(asked.tool_choice),
            asked.parallel_tool_calls,
            _wanted(asked.text),
        ),
        streams=bool(asked.stream),
        ignored=(*ignored_in(body, ResponsesBody, but=calm), *(f"tools.{kind}"[:60] for kind in hosted)),
        names={"messages": "input", "max_tokens": "max_output_tokens", "response_format": "text.format"},
    )


def _messages(items: list[ItemBody]) -> Iterator[Message]:
    """The items as messages: calls belong to the assistant's message before them."""
    begun: Message | None = None
    for at, item in enumerate(items):
        kind = item.type or "message"
        if kind == "reasoning":
            continue  # never sent back to a model
        if kind == "function_call":
            begun = begun or Message("assistant", "")
            begun = replace(begun, tool_calls=(*begun.tool_calls, _called(item, at)))
            continue
        if begun is not None:
            yield begun
            begun = None
        message = _message_of(item, kind, at)
        if message.role == "assistant":
            begun = message
        else:
            yield message
    if begun is not None:
        yield begun


def _called(item: ItemBody, at: int) -> ToolCall:
    if not item.call_id or not item.name:
        raise refused(f"input[{at}].{'name' if item.call_id else 'call_id'}", "it is missing.")
    return ToolCall(item.call_id, item.name, item.arguments or "{}")


def _message_of(item: ItemBody, kind: str, at: int) -> Message:
    if kind == "function_call_output":
        if not item.call_id:
            raise refused(f"input[{at}].call_id", "it is missing.")
        return Message("tool", _text(item.output, f"input[{at}].output"), tool_call_id=item.call_id)
    if kind != "message":
        raise refused(f"input[{at}].type", f"items of the type {kind[:40]!r} are not supported.")
    if item.role is None:
        raise refused(f"input[{at}].role", "it is missing.")
    role: Role = "system" if item.role == "developer" else item.role
    return Message(role, _text(item.content, f"input[{at}].content"))


def _text(content: str | list[PartBody] | None, name: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    for at, part in enumerate(content):
        if part.type not in _TEXTS:
            raise refused(
                f"{name}[{at}].type", f"parts of the type {part.type[:40]!r} are not supported.", "Send text."
            )
    return "".join(part.text or part.refusal or "" for part in content)


def _tool(body: ToolBody, at: int) -> Tool:
    if body.name is None:
        raise refused(f"tools[{at}].name", "it is missing.")
    return Tool(body.name, body.description or "", body.parameters or {}, body.strict)


def _choice(body: str | ChoiceBody | None) -> ToolChoice | None:
    match body:
        case "auto" | "none" | "required":
            return body
        case ChoiceBody():
            return NamedTool(body.name)
        case _:
            return None


def _wanted(body: TextBody | None) -> ResponseFormat | None:
    wanted = None if body is None else body.format
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return ResponseFormat()
    if wanted.schema_ is None:
        raise refused("text.format.schema", "it is missing.")
    return ResponseFormat(wanted.schema_, wanted.name or "answer", wanted.description or "", wanted.strict)


class Echoed:
    """The parts of a response that repeat the request."""

    def __init__(self, body: Mapping[str, Any], call: Call) -> None:
        wanted = body.get("text") if isinstance(body.get("text"), dict) else None
        functions = [tool for tool in body.get("tools") or () if tool.get("type") == "function"]
        self._fields: dict[str, Any] = {
            "background": False,
            "frequency_penalty": 0.0,
            "incomplete_details": None,
            "instructions": body.get("instructions"),
            "max_output_tokens": call.sampling.max_tokens,
            "max_tool_calls": None,
            "metadata": body.get("metadata") or {},
            "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
            "presence_penalty": 0.0,
            "previous_response_id": None,
            "prompt_cache_key": None,
            "reasoning": {"effort": None, "summary": None},
            "safety_identifier": None,
            "service_tier": "default",
            "store": False,
            "temperature": 1.0 if call.sampling.temperature is None else call.sampling.temperature,
            "text": {"format": {"type": "text"}, **(wanted or {})},
            "tool_choice": body.get("tool_choice") or "auto",
            "tools": [
                {
                    "type": "function",
                    "name": tool["name"],
                    "description": tool.get("description"),
                    "parameters": tool.get("parameters"),
                    "strict": tool.get("strict"),
                }
                for tool in functions
            ],
            "top_logprobs": 0,
            "top_p": 1.0 if call.sampling.top_p is None else call.sampling.top_p,
            "truncation": "disabled",
        }

    def response(
        self, reply: Reply, status: str, output: list[dict[str, Any]], **more: Any
    ) -> dict[str, Any]:
        return {
            "id": f"resp_{reply.id}",
            "object": "response",
            "created_at": reply.created,
            "completed_at": None,
            "model": reply.model,
            "status": status,
            "error": None,
            "usage": None,
            "output": output,
            **self._fields,
            **more,
        }

    def ended(self, reply: Reply) -> dict[str, Any]:
        """The response of a reply that has ended."""
        why = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(reply.finish)
        status = "completed" if why is None else "incomplete"
        finished = None if reply.message is None else reply.message.finished_at
        return self.response(
            reply,
            status,
            _output(reply, status),
            incomplete_details=None if why is None else {"reason": why},
            completed_at=None if finished is None or why else int(finished.timestamp()),
            usage=_usage(reply),
        )


def _usage(reply: Reply) -> dict[str, Any] | None:
    usage = reply.usage
    if usage is None:
        return None
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": usage.completion,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.prompt + usage.completion,
    }


def _output(reply: Reply, status: str) -> list[dict[str, Any]]:
    """The items of a whole reply."""
    items = [_reasoning(reply, reply.reasoning)] if reply.reasoning else []
    if reply.text or not reply.calls:
        items.append(_message(reply, status, reply.text))
    return [*items, *(_call(call, "completed") for call in reply.calls)]


def _message(reply: Reply, status: str, text: str | None) -> dict[str, Any]:
    """text: `None` before its part begins."""
    content = [] if text is None else [_part(text)]
    return {
        "id": f"msg_{reply.id}",
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": content,
    }


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _reasoning(reply: Reply, text: str) -> dict[str, Any]:
    content = [{"type": "reasoning_text", "text": text}] if text else []
    return {"id": f"rs_{reply.id}", "type": "reasoning", "summary": [], "content": content}


def _call(call: ToolCall, status: str) -> dict[str, Any]:
    return {
        "id": f"fc_{call.id}",
        "type": "function_call",
        "call_id": call.id,
        "name": call.name,
        "arguments": call.arguments,
        "status": status,
    }


class ResponsesWriter:
    """A reply as semantic events: each item is added, grows, and is done."""

    def __init__(self, reply: Reply, echoed: Echoed) -> None:
        self._reply = reply
        self._echoed = echoed
        self._number = 0
        self._index = -1
        self._open: Literal["", "message", "reasoning"] = ""
        self._said = ""
        self._calls: dict[str, int] = {}
        self._messages = 0

    def begin(self) -> bytes:
        response = self._echoed.response(self._reply, "in_progress", [])
        return self._event("response.created", response=response) + self._event(
            "response.in_progress", response=response
        )

    def text(self, text: str) -> bytes:
        opened = self._begin_item("message")
        self._said += text
        return opened + self._event(
            "response.output_text.delta",
            item_id=f"msg_{self._reply.id}",
            output_index=self._index,
            content_index=0,
            delta=text,
            logprobs=[],
        )

    def reasoning(self, text: str) -> bytes:
        opened = self._begin_item("reasoning")
        self._said += text
        return opened + self._event(
            "response.reasoning_text.delta",
            item_id=f"rs_{self._reply.id}",
            output_index=self._index,
            content_index=0,
            delta=text,
        )

    def call(self, piece: CallPiece) -> bytes:
        told = b""
        if piece.begins:
            told = self._end_item()
            self._index += 1
            self._calls[piece.call.id] = self._index
            item = {**_call(piece.call, "in_progress"), "arguments": ""}
            told += self._event("response.output_item.added", output_index=self._index, item=item)
        return told + self._event(
            "response.function_call_arguments.delta",
            item_id=f"fc_{piece.call.id}",
            output_index=self._calls[piece.call.id],
            delta=piece.arguments,
        )

    def logprobs(self, tokens: list[dict[str, Any]]) -> bytes:
        return b""

    def end(self) -> bytes:
        told = b"" if self._messages or self._calls else self._begin_item("message")
        told += self._end_item()
        for call in self._reply.calls:
            at = self._calls[call.id]
            told += self._event(
                "response.function_call_arguments.done",
                item_id=f"fc_{call.id}",
                output_index=at,
                name=call.name,
                arguments=call.arguments,
            )
            told += self._event("response.output_item.done", output_index=at, item=_call(call, "completed"))
        response = self._echoed.ended(self._reply)
        return told + self._event(f"response.{response['status']}", response=response)

    def failed(self, error: ApiError) -> bytes:
        told = {"code": error.code, "message": error.message, "cure": error.cure}
        said = envelope(error.status, told, anthropic=False)["error"]
        response = self._echoed.response(
            self._reply, "failed", [], error={"code": said["code"], "message": said["message"]}
        )
        return self._event("response.failed", response=response)

    def _begin_item(self, kind: Literal["message", "reasoning"]) -> bytes:
        if self._open == kind:
            return b""
        told = self._end_item()
        self._open, self._said = kind, ""
        self._index += 1
        message = kind == "message"
        self._messages += message
        item = _message(self._reply, "in_progress", None) if message else _reasoning(self._reply, "")
        told += self._event("response.output_item.added", output_index=self._index, item=item)
        return told + self._event(
            "response.content_part.added",
            item_id=item["id"],
            output_index=self._index,
            content_index=0,
            part=_part("") if message else {"type": "reasoning_text", "text": ""},
        )

    def _end_item(self) -> bytes:
        """The ends of the item that grows, its text and its part."""
        if not self._open:
            return b""
        message, said = self._open == "message", self._said
        self._open = ""
        item = _message(self._reply, "completed", said) if message else _reasoning(self._reply, said)
        place = {"item_id": item["id"], "output_index": self._index, "content_index": 0}
        kind = "output_text" if message else "reasoning_text"
        more: dict[str, Any] = {"logprobs": []} if message else {}
        part = _part(said) if message else {"type": "reasoning_text", "text": said}
        return (
            self._event(f"response.{kind}.done", **place, text=said, **more)
            + self._event("response.content_part.done", **place, part=part)
            + self._event("response.output_item.done", output_index=self._index, item=item)
        )

    def _event(self, kind: str, **fields: Any) -> bytes:
        told = orjson.dumps({"type": kind, "sequence_number": self._number, **fields})
        self._number += 1
        return b"event: " + kind.encode() + b"\ndata: " + told + b"\n\n"
