"""A conversation as a line that trainers read, in pieces: the texts of the active branch, with the system
prompt and without reasoning. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backends.types import Role, ToolCall
from webchat.api.exporting.markdown import shown_branch, with_media_named
from webchat.api.wire.conversations import settings_for
from webchat.store import ExportedConversation
from webchat.store.records import Message, Owner, answered_calls

_FROM = {"user": "human", "assistant": "gpt", "system": "system"}


@dataclass(frozen=True, slots=True)
class _Said:
    """What a message says beside its text. answers: the id of the call it is the result of."""

    role: Role
    calls: tuple[ToolCall, ...] = ()
    answers: str | None = None


def openai_line(exported: ExportedConversation, language: str, reader: Owner) -> Iterator[str]:
    """The line of OpenAI's fine-tuning, which allows no other fields. Nothing of a conversation without
    texts. language: `en` or `zh-CN`, for the names of pictures."""
    branch = shown_branch(exported)
    # The last word may be a call whose result is still to come.
    called = answered_calls(branch) | {one.id for one in branch[-1:] if one.tool_calls}
    said = (
        {"role": one.role, "content": text, **_calling(one)}
        for one, text in _said(exported, branch, language, reader, called)
    )
    tools = next(
        (
            found.options["tools"]
            for one in reversed(branch)
            if (found := exported.provenance.get(one.id)) and found.options and found.options.get("tools")
        ),
        (),
    )
    offered = [
        {"type": "function", "function": {k: v for k, v in one.items() if v is not None}} for one in tools
    ]
    yield from _line('{"messages": [', said, {"tools": offered} if offered else {})


def sharegpt_line(exported: ExportedConversation, language: str, reader: Owner) -> Iterator[str]:
    """The line of ShareGPT, with an id and a title. Nothing of a conversation without texts."""
    conversation = exported.conversation
    about = json.dumps({"id": conversation.id, "title": conversation.title}, ensure_ascii=False)
    branch = shown_branch(exported)
    said = (
        {"from": _FROM[one.role], "value": text} for one, text in _said(exported, branch, language, reader)
    )
    yield from _line(about[:-1] + ', "conversations": [', said)


def _said(
    exported: ExportedConversation,
    branch: Sequence[Message],
    language: str,
    reader: Owner,
    called: Collection[str] = (),
) -> Iterator[tuple[_Said, str]]:
    """Messages and their texts; nothing if only the system prompt is written. called: ids of those whose tool
    calls, or call, are said too."""
    prompt = settings_for(exported.conversation.settings, reader).system_prompt or ""
    for message in branch:
        one = _Said(message.role)
        if message.id in called:
            one = _Said(message.role, message.tool_calls, message.tool_call_id)
        elif message.role not in _FROM or not message.text.strip():
            continue  # fine-tuning refuses empty replies, and results of tools without their calls
        if prompt.strip():
            yield _Said("system"), prompt
            prompt = ""
        yield one, with_media_named(message.text, language)


def _calling(one: _Said) -> dict[str, Any]:
    if one.answers is not None:
        return {"tool_call_id": one.answers}
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in one.calls
    ]
    return {"tool_calls": calls} if calls else {}


def _line(head: str, said: Iterator[dict[str, Any]], more: Mapping[str, object] = {}) -> Iterator[str]:
    separator = head
    for one in said:
        yield separator + json.dumps(one, ensure_ascii=False)
        separator = ", "
    if separator != head:
        yield (
            "]"
            + "".join(f', "{name}": {json.dumps(one, ensure_ascii=False)}' for name, one in more.items())
            + "}\n"
        )
