"""Rows in the shapes of other formats."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

_FROM = {"user": "human", "assistant": "gpt", "system": "system"}

COLUMNS = (
    "judgement", "source", "split", "person", "conversation", "at", "link", "model", "other_model", "rating",
    "preferred", "good", "other_good", "reasons", "comment", "answers", "question", "reply", "other_reply",
    "better", "review", "system", "earlier", "provenance",
)  # fmt: skip
"""Of the CSV file."""

Body = Mapping[str, Any]


def openai_sft(body: Body) -> dict[str, Any]:
    """A line of OpenAI's supervised fine-tuning. Only the last reply is trained on: `weight` is 0 for the
    earlier ones, which nobody accepted."""
    earlier = [
        {**turn, "weight": 0} if turn["role"] == "assistant" else turn for turn in _messages(body["prompt"])
    ]
    return {"messages": [*earlier, *_messages(body["completion"])], **_tools(body)}


def openai_preference(body: Body) -> dict[str, Any]:
    """A line of OpenAI's direct preference optimization."""
    return {
        "input": {"messages": _messages(body["prompt"]), **_tools(body)},
        "preferred_output": _messages(body["chosen"]),
        "non_preferred_output": _messages(body["rejected"]),
    }


def _messages(turns: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """As OpenAI has them: arguments are texts, and results have no names."""
    return [
        {
            name: [_called(call) for call in value] if name == "tool_calls" else value
            for name, value in turn.items()
            if name != "name"
        }
        for turn in turns
    ]


def _called(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call["function"]
    arguments = json.dumps(function["arguments"], ensure_ascii=False)
    return {**call, "function": {**function, "arguments": arguments}}


def _tools(body: Body) -> dict[str, Any]:
    tools = json.loads(body.get("tools", "[]"))
    return {"tools": tools} if tools else {}


def sharegpt(body: Body) -> dict[str, Any]:
    """A conversation as in ShareGPT."""
    turns = [*body["prompt"], *body["completion"]]
    return {"conversations": [{"from": _FROM[turn["role"]], "value": turn["content"]} for turn in turns]}


def cells(body: Body, about: Mapping[str, object]) -> list[object]:
    """A line of the CSV file, for `COLUMNS`."""
    prompt = list(body["prompt"])
    system = prompt.pop(0)["content"] if prompt[0]["role"] == "system" else ""
    values = {
        **about,
        **body,
        "question": prompt[-1]["content"],
        "system": system,
        "earlier": json.dumps(prompt[:-1], ensure_ascii=False) if prompt[:-1] else "",
    }
    return [safe(values[name]) for name in COLUMNS]


def safe(value: object) -> object:
    """A value that no spreadsheet executes as a formula. Source: OWASP, CSV injection."""
    if isinstance(value, str) and value.lstrip().startswith(
        ("=", "+", "-", "@", "＝", "＋", "－", "＠", "|")
    ):
        return "'" + value
    if isinstance(value, str) and value.startswith(("\t", "\r", "\n")):
        return "'" + value
    return value
