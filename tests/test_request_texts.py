"""No text of a program's request passes moderation or masking: calls, tools, formats and stop strings."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backends.texts import Unchangeable, texts_of, with_texts
from backends.types import Message, Options, Request, ResponseFormat, Sampling, Tool, ToolCall
from webchat.moderation import Blocked, Context, Moderation
from webchat.moderation.rules import load_rules
from webchat.privacy import Finder, masked_once

PLACES = (
    "arguments",
    "escaped arguments",
    "a call's id",
    "a tool's description",
    "parameters",
    "an enum",
    "a format's description",
    "a format's schema",
    "stop",
)
NAMES = (
    "a call's name",
    "a tool's name",
    "a parameter",
    "a reference",
    "a format's name",
    "a key of a format",
)


def request(place: str, said: str) -> Request:
    """A call that says something in one place only."""

    def at(*places: str, otherwise: str = "x") -> str:
        return said if place in places else otherwise

    hidden = "".join(f"\\u{ord(sign):04x}" for sign in said)
    arguments = f'{{"q": "a\\n{hidden}"}}' if place == "escaped arguments" else json.dumps(at("arguments"))
    id = at("a call's id")
    made = (ToolCall(id, at("a call's name"), arguments),)
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {
            at("a parameter"): {
                "description": at("parameters"),
                "enum": [at("an enum")],
                "$ref": at("a reference"),
            }
        },
    }
    answer = {"anyOf": [{"const": at("a format's schema")}, {at("a key of a format"): 1}]}
    tool = Tool(at("a tool's name"), at("a tool's description"), schema)
    wanted = ResponseFormat(answer, at("a format's name"), at("a format's description"))
    path = (Message("user", "go"), Message("assistant", "", made), Message("tool", "ok", tool_call_id=id))
    return Request(path, Sampling(stop=(at("stop"),)), options=Options(tools=(tool,), response_format=wanted))


def moderation(tmp_path: Path, action: str) -> Moderation:
    rules = tmp_path / "rules.toml"
    rules.write_text(
        '[[moderators]]\nkind = "phrases"\nstages = ["prompt"]\nphrases = ["forbidden"]\n'
        f'action = "{action}"\n'
    )
    return Moderation(load_rules(rules), lambda _: None)


@pytest.mark.parametrize("place", [*PLACES, *NAMES])
async def test_a_blocked_phrase_reaches_the_model_nowhere(place: str, tmp_path: Path) -> None:
    rules = moderation(tmp_path, "block")
    harmless = request(place, "allowed")
    assert (await rules.prepare(Context("prompt"), harmless)).request == harmless
    with pytest.raises(Blocked):
        await rules.prepare(Context("prompt"), request(place, "forbidden"))


@pytest.mark.parametrize("place", PLACES)
async def test_what_has_to_change_is_changed_wherever_it_stands(place: str, tmp_path: Path) -> None:
    sent = (
        await moderation(tmp_path, "mask").prepare(Context("prompt"), request(place, "forbidden"))
    ).request
    assert [text for text in texts_of(sent) if "forbidden" in text.text] == []
    assert isinstance(json.loads(sent.messages[1].tool_calls[0].arguments), (str, dict))
    assert sent.messages[1].tool_calls[0].id == sent.messages[2].tool_call_id

    masked = masked_once(request(place, "jane.doe@example.com"), Finder())
    assert [text for text in texts_of(masked) if "jane" in text.text] == []
    assert any("[EMAIL_1]" in text.text for text in texts_of(masked))


@pytest.mark.parametrize("place", NAMES)
async def test_a_name_that_would_have_to_change_refuses_the_call(place: str, tmp_path: Path) -> None:
    with pytest.raises(Blocked) as blocked:
        await moderation(tmp_path, "mask").prepare(Context("prompt"), request(place, "forbidden"))
    with pytest.raises(Unchangeable) as unchangeable:
        masked_once(request(place, "jane.doe@example.com"), Finder())
    assert unchangeable.value.place in blocked.value.verdict.sentence


def test_a_request_with_its_own_texts_is_itself() -> None:
    asked = request("escaped arguments", 'a "quoted" \\ word')
    assert with_texts(asked, [text.text for text in texts_of(asked)]) == asked
    half = replace(asked, messages=(Message("assistant", "", (ToolCall("a", "f", '{"q": "\\ud800 \\x"}'),)),))
    assert with_texts(half, [text.text for text in texts_of(half)]) == half


async def test_many_short_reviews_give_others_their_turn(tmp_path: Path) -> None:
    rules = moderation(tmp_path, "block")
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.create_task(other())
    for _ in range(40):
        await rules.review(Context("prompt"), "word " * 200)
    task.cancel()
    assert turns >= 8


def schema_of(request: Request) -> Any:
    return request.options.tools[0].parameters


def test_numbers_of_a_schema_are_masked_and_its_limits_stay() -> None:
    schema = {"enum": [4111111111111111, 12], "default": 1.5, "maximum": 99, "nullable": True}
    asked = Request((Message("user", "go"),), options=Options(tools=(Tool("pay", "", schema),)))
    masked = masked_once(asked, Finder())
    first, second = schema_of(masked)["enum"]
    assert "4111" not in str(first)
    assert (second, schema_of(masked)["default"], schema_of(masked)["maximum"]) == (12, 1.5, 99)
    assert schema_of(masked)["nullable"] is True
    limit = replace(asked, options=Options(tools=(Tool("pay", "", {"maximum": 4111111111111111}),)))
    with pytest.raises(Unchangeable):
        masked_once(limit, Finder())


def test_inputs_of_a_function_are_masked_like_the_rest() -> None:
    asked = Request((Message("user", "go"),), inputs={"to": "ada@example.org", "count": 3})
    masked = masked_once(asked, Finder())
    assert "ada@example.org" not in str(masked.inputs)
    assert masked.inputs["count"] == 3
