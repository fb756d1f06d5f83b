"""Rows in the shapes of other formats."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
    earlier = [{**turn, "weight": 0} if turn["role"] == "assistant" else turn for turn in body["prompt"]]
    return {"messages": [*earlier, *body["completion"]]}


def openai_preference(body: Body) -> dict[str, Any]:
    """A line of OpenAI's direct preference optimization."""
    return {
        "input": {"messages": body["prompt"]},
        "preferred_output": body["chosen"],
        "non_preferred_output": body["rejected"],
    }


def sharegpt(body: Body) -> dict[str, Any]:
    """A conversation as in ShareGPT."""
    turns = [*body["prompt"], *body["completion"]]
    return {"conversations": [{"from": _FROM[turn["role"]], "value": turn["content"]} for turn in turns]}


def cells(body: Body, about: Mapping[str, Any]) -> list[object]:
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
