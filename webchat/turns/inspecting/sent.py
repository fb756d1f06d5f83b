"""What a backend says it sent, as it is kept with the reply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backends.types import Message, Sent, TextPart
from webchat.store.records import Inspection


def inspection_of(sent: Sent, ids: Sequence[str | None]) -> Inspection:
    """ids: for each message the stored one it is from. Images stand as a line of text."""
    known = ids if len(ids) == len(sent.messages) else [None] * len(sent.messages)
    places = sent.spans or [None] * len(sent.messages)
    return Inspection(
        messages=tuple(
            {
                "role": message.role,
                "content": _content(message),
                "id": id,
                "at": None if at is None else list(at),
                **_calling(message),
            }
            for message, id, at in zip(sent.messages, known, places, strict=True)
        ),
        rendered=sent.rendered,
        token_ids=sent.token_ids,
        pieces=sent.pieces,
        body=None if sent.body is None else {name: _kept(value) for name, value in sent.body.items()},
        url=sent.url,
        template=sent.template,
    )


def _content(message: Message) -> str | list[dict[str, str]]:
    if isinstance(message.content, str):
        return message.content
    return [{"type": "text", "text": part.text} for part in message.content if isinstance(part, TextPart)]


def _calling(message: Message) -> dict[str, Any]:
    """Its tool calls, or the call it answers, as OpenAI has them."""
    if message.tool_call_id is not None:
        return {"tool_call_id": message.tool_call_id}
    if not message.tool_calls:
        return {}
    return {
        "tool_calls": [
            {"id": one.id, "type": "function", "function": {"name": one.name, "arguments": one.arguments}}
            for one in message.tool_calls
        ]
    }


def _kept(value: object) -> Any:
    """A value of a body; what an image is posted as, without its bytes."""
    if isinstance(value, Mapping):
        return {name: _kept(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_kept(inner) for inner in value]
    if isinstance(value, str) and value.startswith("data:") and ";base64," in value[:100]:
        head, _, data = value.partition(";base64,")
        return f"{head};base64,<{len(data) * 3 // 4} bytes>"
    return value
