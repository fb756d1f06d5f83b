"""Every text of a request, listed and replaced: whoever checks or masks a request misses none of them.

Beside the words of messages these are what programs send along: arguments of earlier calls, tools, formats,
stop strings, and inputs of functions. Nothing can be put in the place of names and the keys of schemas:
something else refers to them. The id of a call is changed wherever it stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backends.types import Message, NamedTool, Part, Request, TextPart, ToolCall

_ESCAPES = re.compile(r"(?:\\u[0-9a-fA-F]{4})++|\\.", re.DOTALL)
_REFERRING = ("$ref", "$dynamicRef", "pattern", "type", "format")
"""Of a schema: their values are no words, or name something."""

_LIMITS = (
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
    "minItems", "maxItems", "minProperties", "maxProperties", "minContains", "maxContains",
)  # fmt: skip
"""Of a schema: their values can only be numbers."""

_DIGITS = 6
"""Shorter numbers identify nobody."""

MOST_LEVELS = 100
"""Of arguments that are looked into; those of deeper ones are looked at as one text."""

_CONTENT = "messages[].content"
_KEPT_ESCAPES = ('\\"', "\\\\")


@dataclass(frozen=True, slots=True)
class Text:
    """A text of a request. place: its field, as OpenAI
    names it. said: of a message's
    content, which several may belong to. fixed: nothing can be put in its place."""

    place: str
    text: str
    said: bool = False
    fixed: bool = False


class Unchangeable(Exception):
    """A text that something was to be put in the place of, and cannot. place: its field."""

    def __init__(self, place: str) -> None:
        super().__init__(f"{place} cannot be changed")
        self.place = place


_Change = Callable[[Text], str]


def texts_of(request: Request) -> list[Text]:
    """All texts, in order. Arguments of calls come without the escapes of JSON that could hide something."""
    found: list[Text] = []

    def listed(text: Text) -> str:
        found.append(text)
        return text.text

    _changed(request, listed)
    return found


def with_texts(request: Request, texts: Sequence[str]) -> Request:
    """The request with other texts, as many and in the same order. Raises `Unchangeable`."""
    coming = iter(texts)

    def put(text: Text) -> str:
        new = next(coming)
        if text.fixed and new != text.text:
            raise Unchangeable(text.place)
        return new

    return _changed(request, put)


def _changed(request: Request, change: _Change) -> Request:
    messages = tuple(_message(message, change) for message in request.messages)
    options = request.options
    tools = []
    for at, tool in enumerate(options.tools):
        place = f"tools[{at}].function"
        change(Text(f"{place}.name", tool.name, fixed=True))
        description = change(Text(f"{place}.description", tool.description))
        parameters = _schema(tool.parameters, f"{place}.parameters", change)
        tools.append(replace(tool, description=description, parameters=parameters))
    if isinstance(options.tool_choice, NamedTool):
        change(Text("tool_choice", options.tool_choice.name, fixed=True))
    wanted = options.response_format
    if wanted is not None:
        change(Text("response_format.json_schema.name", wanted.name, fixed=True))
        description = change(Text("response_format.json_schema.description", wanted.description))
        schema = wanted.schema
        if schema is not None:
            schema = _schema(schema, "response_format.json_schema.schema", change)
        wanted = replace(wanted, description=description, schema=schema)
    stop = tuple(change(Text(f"stop[{at}]", one)) for at, one in enumerate(request.sampling.stop))
    inputs = {
        name: change(Text(f"inputs.{name}", one)) if isinstance(one, str) else one
        for name, one in request.inputs.items()
    }
    return replace(
        request,
        messages=messages,
        inputs=inputs,
        sampling=replace(request.sampling, stop=stop),
        options=replace(options, tools=tuple(tools), response_format=wanted),
    )


def _message(message: Message, change: _Change) -> Message:
    content: str | tuple[Part, ...]
    if isinstance(message.content, str):
        content = change(Text(_CONTENT, message.content, said=True))
    else:
        content = tuple(
            TextPart(change(Text(_CONTENT, part.text, said=True))) if isinstance(part, TextPart) else part
            for part in message.content
        )
    calls = []
    for call in message.tool_calls:
        calls.append(_call(call, change))
    answered = message.tool_call_id
    if answered is not None:
        answered = change(Text("messages[].tool_call_id", answered))
    return replace(message, content=content, tool_calls=tuple(calls), tool_call_id=answered)


def _call(call: ToolCall, change: _Change) -> ToolCall:
    place = "messages[].tool_calls[]"
    id = change(Text(f"{place}.id", call.id))
    change(Text(f"{place}.function.name", call.name, fixed=True))
    said = opened(call.arguments)
    arguments = change(Text(f"{place}.function.arguments", said))
    return replace(call, id=id, arguments=call.arguments if arguments == said else closed(arguments))


def _schema(value: object, place: str, change: _Change, fixed: bool = False) -> Any:
    """A JSON value. fixed: its texts name something."""
    if isinstance(value, Mapping):
        changed = {}
        for key, one in value.items():
            change(Text(place, key, fixed=True))
            names = key in (_REFERRING if isinstance(one, str) else _LIMITS)
            changed[key] = _schema(one, f"{place}.{key}", change, names)
        return changed
    if isinstance(value, (list, tuple)):
        return [_schema(one, place, change) for one in value]
    if isinstance(value, str):
        return change(Text(place, value, fixed=fixed))
    if isinstance(value, bool) or not isinstance(value, (int, float)) or len(written := str(value)) < _DIGITS:
        return value
    # A number of somebody's is as private as a text; a placeholder takes its place as one.
    changed_number = change(Text(place, written, fixed=fixed))
    return value if changed_number == written else changed_number


def is_deep(value: object) -> bool:
    """Whether a JSON value has more levels than `MOST_LEVELS`."""
    inside = [value]
    for _ in range(MOST_LEVELS):
        inside = [
            inner
            for one in inside
            for inner in (one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
        ]
    return bool(inside)


def opened(arguments: str) -> str:
    """JSON with what its escapes stand for, except quotes and backslashes."""
    return _ESCAPES.sub(_unescaped, arguments) if "\\" in arguments else arguments


def _unescaped(match: re.Match[str]) -> str:
    escape = match[0]
    if escape in _KEPT_ESCAPES:
        return escape
    try:
        said: str = json.loads(f'"{escape}"')
        said.encode()
    except ValueError:
        return escape  # JSON knows no such escape, or it is half a character
    return said.replace("\\", "\\\\").replace('"', '\\"')


def closed(opened: str) -> str:
    """A changed text of `opened` as JSON again, where it still is JSON."""
    try:
        return json.dumps(json.loads(opened, strict=False), ensure_ascii=False)
    except (ValueError, RecursionError):
        return opened
