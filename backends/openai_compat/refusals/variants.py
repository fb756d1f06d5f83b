"""What a chat completion can do without, and how it says the same without it: pure functions over its body.

A feature is a name for something an endpoint may reject. Most are fields of that name; the others are

    system   the role of system messages; they are folded into the user's
    opening  a message of the assistant before any of the user; what comes first is told of it
    turns    neighbours of one role; they are merged, so that user and assistant alternate
    parts    a text in parts; it is given as one string
    prefill  the fields that have a model write on from the last message
    stream   asking for pieces; the reply is then awaited whole

`max_tokens` is first said as `max_completion_tokens`, itself a feature, and left out where that is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, get_args

from backends.types import opened_with

Feature = Literal[
    "stream_options",
    "opening",
    "system",
    "turns",
    "top_k",
    "min_p",
    "repetition_penalty",
    "max_tokens",
    "max_completion_tokens",
    "top_logprobs",
    "logprobs",
    "seed",
    "top_p",
    "temperature",
    "stop",
    "prefill",
    "cache_prompt",
    "parts",
    "stream",
]
"""What a request can do without."""

FEATURES: tuple[str, ...] = get_args(Feature)
"""The most commonly rejected first; `stream` last, because a reply that arrives in one piece cannot be shown
as it is generated."""

_FIELDS: Mapping[str, tuple[str, ...]] = {
    "repetition_penalty": ("repetition_penalty", "repeat_penalty"),
    "logprobs": ("logprobs", "top_logprobs"),
    "prefill": ("continue_final_message", "add_generation_prompt"),
    "stream": ("stream", "stream_options"),
    "system": (),
    "opening": (),
    "turns": (),
    "parts": (),
}
"""Fields that go with a feature, where they are not just the one of its name."""

SWAPPED = "max_completion_tokens"
"""How `max_tokens` is said where that is refused."""

NEEDS: Mapping[str, str] = {"stream_options": "stream", "top_logprobs": "logprobs", SWAPPED: "max_tokens"}
"""Features that mean nothing without another, or stand for it."""

Body = Mapping[str, Any]


def fields_of(feature: str) -> tuple[str, ...]:
    """The fields of a body that are left out with a feature."""
    return _FIELDS.get(feature, (feature,))


def features(body: Body) -> tuple[str, ...]:
    """The parts of a body that can be left out or expressed differently, in the order of `FEATURES`."""
    messages = body.get("messages", ())  # none beside a bare prompt
    roles = [message["role"] for message in messages]
    found = {
        feature
        for feature in FEATURES
        if any(field in body for field in fields_of(feature) if field == feature or field not in NEEDS)
    }
    if "system" in roles:
        found.add("system")
    if _opening(messages) is not None:
        found.add("opening")
    if any(one == other != "tool" for one, other in pairwise(roles)):
        found.add("turns")
    if any(_text_in_parts(message["content"]) for message in messages):
        found.add("parts")
    return tuple(feature for feature in FEATURES if feature in found)


def variant(body: Body, out: Collection[str]) -> dict[str, Any]:
    """The body without these features."""
    dropped = {field for feature in out for field in fields_of(feature)}
    said = {field: value for field, value in body.items() if field not in dropped}
    if "max_tokens" in out and "max_tokens" in body and SWAPPED not in out:
        said[SWAPPED] = body["max_tokens"]
    if not {"system", "opening", "turns", "parts"}.isdisjoint(out):
        messages = body["messages"]
        if "opening" in out:
            messages = _told_of_opening(messages)
        if "parts" in out:
            messages = [{**message, "content": _in_one(message["content"])} for message in messages]
        said["messages"] = _merged(messages, folded="system" in out, turns="turns" in out)
    return said


def _opening(messages: Sequence[Body]) -> int | None:
    """Where the assistant speaks before any user; `None` if it does not."""
    at = next((at for at, message in enumerate(messages) if message["role"] != "system"), None)
    spoken = at is not None and messages[at]["role"] == "assistant"
    return at if spoken and at is not None and at + 1 < len(messages) else None


def _told_of_opening(messages: Sequence[Body]) -> list[Body]:
    """Without a first message of the assistant: the system prompt, or else the next message, quotes it."""
    at = _opening(messages)
    if at is None:
        return list(messages)
    said = opened_with("".join(part.get("text", "") for part in _parts(messages[at]["content"])))
    before, after = list(messages[:at]), list(messages[at + 1 :])
    if before:
        before[-1] = {**before[-1], "content": _joined(before[-1]["content"], said)}
    else:
        after[0] = {**after[0], "content": _joined(said, after[0]["content"])}
    return before + after


def _merged(messages: Iterable[Body], *, folded: bool, turns: bool) -> list[dict[str, Any]]:
    """folded: system messages become part of the adjacent user message. turns: all adjacent messages of one
    role are merged."""
    kept: list[dict[str, Any]] = []
    was_system = False  # the one before was a system message
    for message in messages:
        is_system = folded and message["role"] == "system"
        role = "user" if is_system else message["role"]
        if (
            kept
            and kept[-1]["role"] == role != "tool"
            and "tool_calls" not in kept[-1]
            and "tool_calls" not in message
            and (turns or (role == "user" and (is_system or was_system)))
        ):
            kept[-1] = {**kept[-1], "content": _joined(kept[-1]["content"], message["content"])}
        else:
            kept.append({**message, "role": role})
        was_system = is_system
    return kept


def _joined(one: object, other: object) -> Any:
    if isinstance(one, str) and isinstance(other, str):
        return f"{one}\n\n{other}"
    return [*_parts(one), {"type": "text", "text": "\n\n"}, *_parts(other)]


def _parts(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _text_in_parts(content: object) -> bool:
    return isinstance(content, list) and all(part["type"] == "text" for part in content)


def _in_one(content: Any) -> Any:
    return "".join(part["text"] for part in content) if _text_in_parts(content) else content
