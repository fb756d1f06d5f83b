"""Lines for OpenAI's fine-tuning and for TRL: `messages`; `prompt` with `completion`; `prompt` with `chosen`
and `rejected`, or these alone, which then begin alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

from backends.types import ToolCall
from webchat.imports.archives import Files
from webchat.imports.readers.runs import Part, chained, messages_of, start_of, thinking
from webchat.imports.values import (
    Object,
    arguments_of,
    chosen,
    digest,
    fenced,
    joined,
    mapping,
    named,
    objects,
    text,
)
from webchat.store.import_records import ImportedConversation
from webchat.store.records import ConversationSettings

PRODUCT = "openai"
_KEPT = ("tools", "label", "id", "metadata", "score_chosen", "score_rejected", "margin")


def read(entry: Object, _files: Files) -> ImportedConversation | None:
    if _is_said(entry.get("messages")):
        begin, ends = objects(entry.get("messages")), {}
    elif any(key in entry for key in ("chosen", "completion")):
        ends = {key: _said(entry.get(key)) for key in ("completion", "chosen", "rejected") if key in entry}
        begin = _said(entry.get("prompt"), by="user")
        if "prompt" not in entry:
            begin, ends = _apart(ends)
    else:
        return None
    if not begin and not any(ends.values()):
        return None
    system = joined(*(_words(one)[0] for one in begin if one.get("role") in ("system", "developer")))
    model = named(entry.get("model")) or None
    open_calls: list[str] = []
    parts = list(chained(_parts(begin, "#", model, open_calls)))
    last = parts[-1].id if parts else None
    shown = last
    for name, said in ends.items():
        branch = list(chained(_parts(said, name, model, list(open_calls))))
        if branch:
            branch[0] = replace(
                branch[0], parent=last, details={**branch[0].details, "trl": name}, alone=True
            )
            shown = branch[-1].id if name != "rejected" else shown
        parts += branch
    messages = messages_of(parts)
    return ImportedConversation(
        product=PRODUCT,
        source=digest(begin, ends),
        title=text(entry.get("title")),
        messages=messages,
        leaf=start_of(parts, messages, shown) if shown else None,
        settings=ConversationSettings(system_prompt=system or None),
        details=chosen(entry, *_KEPT),
    )


def _is_said(value: object) -> bool:
    said = objects(value)
    return bool(said) and all("role" in one for one in said)


def _said(value: object, by: str = "assistant") -> list[Object]:
    """Messages: those of a list, or a text as the one of `by`."""
    if isinstance(value, str):
        return [{"role": by, "content": value}] if value else []
    return [one for one in objects(value) if "role" in one]


def _apart(ends: dict[str, list[Object]]) -> tuple[list[Object], dict[str, list[Object]]]:
    """What conversations have in common at their beginning, and the rest of each."""
    first, *others = ends.values()
    same = max(len(first) - 1, 0)
    for other in others:
        alike = takewhile(lambda both: both[0] == both[1], zip(first, other, strict=False))
        same = min(same, sum(1 for _ in alike))
    return first[:same], {name: said[same:] for name, said in ends.items()}


def _parts(said: Sequence[Object], prefix: str, model: str | None, open_calls: list[str]) -> list[Part]:
    """open_calls: ids of tool calls without a result so far."""
    return [
        _part(f"{prefix}{at}", one, model, open_calls)
        for at, one in enumerate(said)
        if one.get("role") not in ("system", "developer")
    ]


def _part(id: str, one: Object, model: str | None, open_calls: list[str]) -> Part:
    words, files = _words(one)
    match one.get("role"):
        case "user":
            return Part(id, None, True, words, files=tuple(files))
        case "tool" | "function":
            if answers := _answered(one, open_calls):
                return Part(id, None, False, words, files=tuple(files), alone=True, answers=answers)
            name = named(one.get("name"))
            return Part(id, None, False, reasoning=joined(f"**{name}**" if name else "", fenced(words)))
    thought, words = thinking(words)
    calls = tuple(_called(call, f"{id}_{at}") for at, call in enumerate(objects(one.get("tool_calls"))))
    open_calls[:] = [call.id for call in calls]
    thought = joined(text(one.get("reasoning_content")) or text(one.get("reasoning")), thought)
    return Part(
        id, None, False, words, thought, model=model, files=tuple(files), alone=bool(calls), calls=calls
    )


def _called(call: Object, id: str) -> ToolCall:
    function = mapping(call.get("function"))
    arguments = function.get("arguments")
    return ToolCall(
        named(call.get("id")) or f"call_{id}",
        named(function.get("name")),
        "{}" if arguments is None else arguments_of(arguments),
    )


def _answered(one: Object, open_calls: list[str]) -> str:
    """The id of the call that a result belongs to: the one it names, else the first without a result. Empty
    for none."""
    id = named(one.get("tool_call_id")) or next(iter(open_calls), "")
    if id not in open_calls:
        return ""
    open_calls.remove(id)
    return id


def _words(one: Object) -> tuple[str, list[str]]:
    """A message's text, and what else is in it."""
    content = one.get("content")
    if isinstance(content, str):
        return content, []
    parts = objects(content)
    others = [named(part.get("type")) for part in parts if "text" not in part]
    return joined(*(text(part.get("text")) for part in parts)), others
