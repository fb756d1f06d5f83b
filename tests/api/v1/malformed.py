"""Bodies that no API under `/v1` may take, each with the field that is wrong: made from one good body per
path by putting every wrong kind of value in the place of each of its fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

MESSAGES = [{"role": "user", "content": "Hello"}]
WRONG: dict[str, tuple[Any, ...]] = {
    "text": (1, True, [], {}, ["a"]),
    "number": ("0.5", True, [], {}, -1, 1e9),
    "count": ("5", True, [], {}, -1, 0, 1.5),
    "flag": ("true", 1, [], {}),
    "list": ("a", 1, True, {}, [1], [[]]),
    "object": ("a", 1, True, [], ["a"]),
}

CHAT: dict[str, tuple[Any, ...]] = {
    "model": (*WRONG["text"], "x" * 500),
    "messages": (
        *WRONG["list"],
        [],
        [{"role": "user", "content": 1}],
        [{"role": "robot", "content": "x"}],
        [{"content": "x"}],
        [{"role": "user", "content": [1]}],
        [{"role": "user", "content": [{"text": "x"}]}],
        [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}],
        [{"role": "user", "content": {"text": "x"}}],
        [{"role": "tool", "content": "x"}],
        [{"role": "system", "content": "x"}],
        [{"role": "assistant", "tool_calls": {}}],
        [{"role": "assistant", "tool_calls": [{}]}],
        [{"role": "assistant", "tool_calls": [{"id": "a", "function": "f"}]}],
        [{"role": "assistant", "tool_calls": [{"id": "a", "function": {"arguments": "{}"}}]}],
        [{"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": {}}}]}],
    ),
    "temperature": (*WRONG["number"], 2.1),
    "top_p": (*WRONG["number"], 0, 1.1),
    "top_k": ("5", True, [], {}, 1.5),
    "min_p": WRONG["number"],
    "repetition_penalty": (*WRONG["number"], 0),
    "seed": ("5", True, [], {}, 1.5, 2**64),
    "stop": (1, True, {}, [1], [None], ["x"] * 17, "x" * 300),
    "max_tokens": WRONG["count"],
    "max_completion_tokens": WRONG["count"],
    "stream": WRONG["flag"],
    "stream_options": WRONG["object"],
    "tools": (
        *WRONG["list"],
        [{}],
        [{"type": "web_search"}],
        [{"type": "function"}],
        [{"type": "function", "function": {}}],
        [{"type": "function", "function": {"name": ""}}],
        [{"type": "function", "function": {"name": "f", "parameters": []}}],
    ),
    "tool_choice": (1, True, [], {}, "f", "required", {"type": "function"}, {"type": "tool", "function": {}}),
    "parallel_tool_calls": WRONG["flag"],
    "response_format": (*WRONG["object"], {}, {"type": "xml"}, {"type": "json_schema"}),
    "logprobs": (*WRONG["flag"], 5),
    "top_logprobs": ("5", True, [], {}, -1, 21, 1.5, 3),
    "n": (0, 2, "1", [], True),
    "logit_bias": ({"1": 1}, [1], "x", 1),
    "functions": ([{"name": "f"}], {}, "f"),
    "function_call": ({"name": "f"}, 1),
    "modalities": (["audio"], ["text", "audio"], "text"),
    "audio": ({}, {"voice": "alloy"}),
    "guided_json": ({}, "{}"),
}

RESPONSES: dict[str, tuple[Any, ...]] = {
    "model": CHAT["model"],
    "input": (
        1,
        True,
        {},
        [],
        [1],
        [{}],
        [{"role": "robot", "content": "x"}],
        [{"role": "user", "content": 1}],
        [{"role": "user", "content": [{"type": "input_image", "image_url": "data:,"}]}],
        [{"type": "function_call", "name": "f"}],
        [{"type": "function_call", "call_id": "a"}],
        [{"type": "function_call_output", "output": "x"}],
        [{"type": "computer_call"}],
        [{"role": "system", "content": "x"}],
    ),
    "instructions": WRONG["text"],
    "max_output_tokens": WRONG["count"],
    "temperature": CHAT["temperature"],
    "top_p": CHAT["top_p"],
    "stream": WRONG["flag"],
    "tools": (
        *WRONG["list"],
        [{}],
        [{"type": ""}],
        [{"type": "function"}],
        [{"type": "function", "name": 1}],
    ),
    "tool_choice": (1, True, [], {}, "f", "required", {"type": "function", "name": "g"}),
    "parallel_tool_calls": WRONG["flag"],
    "text": (
        *WRONG["object"],
        {"format": {}},
        {"format": {"type": "xml"}},
        {"format": {"type": "json_schema"}},
    ),
    "previous_response_id": ("resp_1", 1, {}),
    "conversation": ("conv_1", {"id": "conv_1"}),
    "background": (True, "true"),
    "prompt": ({"id": "pmpt_1"},),
}
ANTHROPIC: dict[str, tuple[Any, ...]] = {
    "model": CHAT["model"],
    "max_tokens": WRONG["count"],
    "messages": (
        *WRONG["list"],
        [],
        [{"role": "user"}],
        [{"role": "user", "content": None}],
        [{"role": "robot", "content": "x"}],
        [{"role": "user", "content": [{"text": "x"}]}],
        [{"role": "user", "content": [{"type": "image", "source": {}}]}],
        [{"role": "user", "content": [{"type": "tool_result", "content": "x"}]}],
        [{"role": "user", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]}],
        [{"role": "assistant", "content": [{"type": "tool_use", "id": "a"}]}],
        [{"role": "assistant", "content": [{"type": "tool_use", "name": "f"}]}],
        [{"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": "{}"}]}],
    ),
    "system": (1, True, {}, [1], [{"type": "image"}]),
    "stop_sequences": (1, "x", {}, [1], ["x"] * 17),
    "temperature": (*WRONG["number"], 1.5),
    "top_p": CHAT["top_p"],
    "top_k": CHAT["top_k"],
    "stream": WRONG["flag"],
    "tools": (*WRONG["list"], [{}], [{"name": ""}], [{"name": "f", "input_schema": []}]),
    "tool_choice": (1, True, [], {}, "auto", {"type": "f"}, {"type": "tool", "name": "g"}, {"type": "any"}),
    "output_config": (1, "x", {"format": {}}, {"format": {"type": "json_schema"}}),
    "mcp_servers": ([{"url": "x"}], {}),
    "container": ("x",),
}
COMPLETIONS: dict[str, tuple[Any, ...]] = {
    **{name: CHAT[name] for name in ("model", "temperature", "top_p", "seed", "stop", "max_tokens", "n")},
    **{name: CHAT[name] for name in ("stream", "stream_options", "logit_bias")},
    "prompt": (1, True, {}, [], [1, 2], [[1, 2]], ["a", "b"], [None]),
    "suffix": ("x", 1, ["x"]),
    "echo": WRONG["flag"],
    "logprobs": (*WRONG["count"][:-2], 21, 1.5),
    "best_of": (2, "1", True),
}
MODERATIONS: dict[str, tuple[Any, ...]] = {
    "model": WRONG["text"],
    "input": (1, True, {}, [], [1], [[]], ["x"] * 33, [{"type": "image_url"}]),
}

GOOD: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "echo", "messages": MESSAGES},
    "/v1/completions": {"model": "echo", "prompt": "Hello"},
    "/v1/responses": {"model": "echo", "input": "Hello"},
    "/v1/messages": {"model": "echo", "max_tokens": 10, "messages": MESSAGES},
    "/v1/moderations": {"input": "Hello"},
}
FIELDS = {
    "/v1/chat/completions": CHAT,
    "/v1/completions": COMPLETIONS,
    "/v1/responses": RESPONSES,
    "/v1/messages": ANTHROPIC,
    "/v1/moderations": MODERATIONS,
}


def _malformed() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, fields in FIELDS.items():
        for field, values in fields.items():
            for value in values:
                yield path, field, {**GOOD[path], field: value}
        for field in GOOD[path]:
            if field != "model":
                yield path, field, {name: value for name, value in GOOD[path].items() if name != field}


MALFORMED = tuple(_malformed())
"""Path, field, body."""
