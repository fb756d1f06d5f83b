"""OpenAI's responses: the cases of the Open Responses description, and what a stateless server refuses."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from backends.echo import EchoBackend
from backends.types import ToolCallDelta
from tests.api.conftest import MakeSite, Site
from tests.api.v1.test_chat import echo_of

RESPONSES = "/v1/responses"
TOOL = {"type": "function", "name": "weather", "parameters": {"type": "object"}}


def events(text: str) -> list[dict[str, Any]]:
    """The events of a stream, each named as its data says, numbered without gaps."""
    found: list[dict[str, Any]] = []
    for piece in text.strip().split("\n\n"):
        name, data = (line.partition(": ")[2] for line in piece.split("\n"))
        event = json.loads(data)
        assert event["type"] == name
        assert event["sequence_number"] == len(found)
        found.append(event)
    return found


@pytest.fixture
async def client(site: Site) -> httpx.AsyncClient:
    return site.client(site.visitor())


def said(response: dict[str, Any]) -> str:
    (message,) = [item for item in response["output"] if item["type"] == "message"]
    (part,) = message["content"]
    assert part["type"] == "output_text"
    return str(part["text"])


async def test_a_basic_response(client: httpx.AsyncClient) -> None:
    answer = await client.post(RESPONSES, json={"model": "echo", "input": "Hello there", "store": False})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["object"], told["status"], told["store"]) == ("response", "completed", False)
    assert said(told) == "Hello there"
    assert told["usage"]["total_tokens"] == 4
    assert "x-webchat-ignored" not in answer.headers


async def test_a_streamed_response(client: httpx.AsyncClient) -> None:
    answer = await client.post(RESPONSES, json={"model": "echo", "input": "Hello there", "stream": True})
    found = events(answer.text)
    kinds = [event["type"].removeprefix("response.") for event in found]
    begins = ["created", "in_progress", "output_item.added", "content_part.added"]
    ends = ["output_text.done", "content_part.done", "output_item.done", "completed"]
    assert (kinds[:4], kinds[-4:]) == (begins, ends)
    assert set(kinds[4:-4]) == {"output_text.delta"}
    assert "".join(event["delta"] for event in found[4:-4]) == "Hello there"
    assert said(found[-1]["response"]) == found[-4]["text"] == "Hello there"


async def test_a_system_prompt_and_many_turns(site: Site) -> None:
    given = [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "One"}]},
        {"role": "assistant", "content": [{"type": "output_text", "text": "Two"}]},
        {"type": "reasoning", "summary": []},
        {"role": "user", "content": "Three"},
    ]
    body = {"model": "echo", "instructions": "Be brief.", "input": given}
    assert said((await site.client(site.visitor()).post(RESPONSES, json=body)).json()) == "Three"
    (request,) = echo_of(site).requests
    assert [(one.role, one.text) for one in request.messages] == [
        ("system", "Be brief."),
        ("user", "One"),
        ("assistant", "Two"),
        ("user", "Three"),
    ]


async def test_tool_calls_and_their_results(make_site: MakeSite) -> None:
    script = [ToolCallDelta(0, "call_1", "weather", '{"city"'), ToolCallDelta(0, arguments=': "Oslo"}')]
    async with make_site(EchoBackend(script=script, options=True)) as site:
        client = site.client(site.visitor())
        body = {"model": "echo", "input": "Weather?", "tools": [TOOL, {"type": "web_search"}]}
        answer = await client.post(RESPONSES, json=body)
        assert answer.headers["x-webchat-ignored"] == "tools.web_search"
        (call,) = answer.json()["output"]
        assert (call["type"], call["call_id"], call["name"]) == ("function_call", "call_1", "weather")
        assert json.loads(call["arguments"]) == {"city": "Oslo"}
        found = events((await client.post(RESPONSES, json={**body, "stream": True})).text)
        deltas = [event["delta"] for event in found if event["type"].endswith("arguments.delta")]
        assert "".join(deltas) == call["arguments"]
        assert found[-1]["response"]["output"] == [call]
        items = [
            {"role": "user", "content": "Weather?"},
            call,
            {"type": "function_call_output", "call_id": "call_1", "output": "Rain"},
        ]
        await client.post(RESPONSES, json={**body, "input": items})
        _, calling, result = echo_of(site).requests[-1].messages
        assert (calling.tool_calls[0].id, result.tool_call_id, result.text) == ("call_1", "call_1", "Rain")


async def test_reasoning_is_an_item_of_its_own(make_site: MakeSite) -> None:
    async with make_site(EchoBackend(reasoning="Let me see.")) as site:
        body = {"model": "echo", "input": "Hello", "stream": True}
        found = events((await site.client(site.visitor()).post(RESPONSES, json=body)).text)
        added = [event["item"]["type"] for event in found if event["type"] == "response.output_item.added"]
        assert added == ["reasoning", "message"]
        thought, message = found[-1]["response"]["output"]
        assert (thought["content"][0]["text"], message["content"][0]["text"]) == ("Let me see.", "Hello")


async def test_a_reply_that_was_cut_is_incomplete(client: httpx.AsyncClient) -> None:
    answer = await client.post(RESPONSES, json={"model": "echo", "input": "a b c", "max_output_tokens": 1})
    told = answer.json()
    assert (told["status"], told["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})


async def test_earlier_responses_are_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post(RESPONSES, json={"input": "x", "previous_response_id": "resp_1"})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "previous_response_id"
