"""The fields of one chunk of a reply: pure functions.

Source: the API reference of OpenAI, and what vLLM, llama.cpp, SGLang, TGI, Ollama and OpenRouter send.
"""

from __future__ import annotations

import json
from itertools import zip_longest
from typing import Any

import orjson

from backends.markers.thinking import storable
from backends.openai_compat.limits import NAME_CHARS
from backends.types import FinishReason, Logprobs, TokenLogprob, ToolCallDelta, Usage

_FINISH_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "content_filter": "content_filter",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
}

_MOST_TOKENS = 2**31


def parsed(data: str) -> Any:
    """A value of JSON, and of what Python's own reader takes beyond it: half a surrogate pair, NaN. Raises
    `ValueError`, `RecursionError`."""
    try:
        return orjson.loads(data)  # several times as fast
    except orjson.JSONDecodeError:
        return json.loads(data)


def choices_in(chunk: object) -> list[Any] | None:
    """The choices of a chunk, those of a server that does not list them, too."""
    choices = chunk.get("choices") if isinstance(chunk, dict) else None
    if isinstance(choices, dict):
        return [choices] if {"delta", "message", "text"} & choices.keys() else [*choices.values()]
    if choices is None and isinstance(chunk, dict) and isinstance(chunk.get("message"), dict):
        return [chunk]
    return choices if isinstance(choices, list) else None


def finish_reason(word: str) -> FinishReason | None:
    """The meaning of a finish reason, in lower case; `None` for an unknown one."""
    if word not in _FINISH_REASONS and ("length" in word or "max" in word or "limit" in word):
        return "length"
    return _FINISH_REASONS.get(word)


def index_of(told: Any, at: int) -> int:
    """The number of a choice; its position if it has no readable number."""
    if type(told) is int:
        return told
    try:
        return int(told)
    except (TypeError, ValueError, OverflowError):
        return at


def logprobs_in(choice: dict[str, Any]) -> Logprobs | None:
    """The token probabilities in a choice; anything that does not follow the reference is left out."""
    told = choice.get("logprobs")
    told = told if isinstance(told, dict) else {}
    content = told.get("content")
    if content is None:
        content = _of_lists(told)
    tokens = [] if not isinstance(content, list) else [_logprob(token) for token in content]
    known = tuple(token for token in tokens if token is not None)
    return Logprobs(known) if known else None


def _of_lists(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Those of a completion, which has a list for each property, in the form of a chat's."""
    lists = [told.get(name) for name in ("tokens", "token_logprobs", "top_logprobs")]
    tokens, logprobs, best = (one if isinstance(one, list) else [] for one in lists)
    return [
        {
            "token": token,
            "logprob": logprob,
            "top_logprobs": [
                {"token": other, "logprob": its}
                for other, its in (more.items() if isinstance(more, dict) else ())
            ],
        }
        for token, logprob, more in zip_longest(tokens, logprobs, best[: len(tokens)])
    ]


def _logprob(told: Any) -> TokenLogprob | None:
    match told:
        case {"token": str(token), "logprob": int() | float() as logprob}:
            best = told.get("top_logprobs")
            pairs = [_logprob(other) for other in (best if isinstance(best, list) else ())]
            known = tuple((other.token, other.logprob) for other in pairs if other is not None)
            return TokenLogprob(storable(token, NAME_CHARS), float(logprob), known)
    return None


def usage_of(usage: object) -> Usage | None:
    if not isinstance(usage, dict):
        return None
    prompt, completion = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    if prompt is None or completion is None:
        return None
    details = usage.get("prompt_tokens_details")
    return Usage(
        prompt, completion, _count(details.get("cached_tokens")) if isinstance(details, dict) else None
    )


def _count(value: object) -> int | None:
    """A number from a server, if it can be a number of tokens."""
    return value if type(value) is int and 0 <= value < _MOST_TOKENS else None


def tool_call(call: dict[str, Any], at: int) -> ToolCallDelta:
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    index, identity = _count(call.get("index")), call.get("id")
    name, arguments = function.get("name"), function.get("arguments")
    return ToolCallDelta(
        at if index is None else index,
        storable(identity, NAME_CHARS) if isinstance(identity, str) else None,
        storable(name, NAME_CHARS) if isinstance(name, str) else None,
        storable(arguments) if isinstance(arguments, str) else "",
    )
