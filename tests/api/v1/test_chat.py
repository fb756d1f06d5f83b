"""Chat completions, as a program that speaks plain HTTP sees them."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from backends.echo import Delay, EchoBackend
from backends.errors import ContextTooLong, RateLimited
from backends.types import NamedTool, ResponseFormat, ToolCallDelta
from tests.api.conftest import MakeSite, Site
from tests.api.doors import BLOCKED, MASKED, SENTENCE, moderation

CHAT = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "Hello there"}]


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "echo", "messages": HELLO, **fields}


def chunks(text: str) -> list[dict[str, Any]]:
    """The chunks of a stream, which ends as it should."""
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def said(found: list[dict[str, Any]], name: str = "content") -> str:
    deltas = [choice["delta"] for chunk in found for choice in chunk["choices"]]
    return "".join(delta.get(name) or "" for delta in deltas)


@pytest.fixture
async def client(site: Site) -> httpx.AsyncClient:
    return site.client(site.visitor())


def left(site_folder: Path, table: str) -> int:
    with closing(sqlite3.connect(site_folder / "chat.db")) as database:
        count: int = database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return count


async def nothing_left(folder: Path) -> None:
    """Wait until nothing of any call is in the database."""
    async with asyncio.timeout(30):
        tables = ("conversations", "messages", "turns", "journal")
        while any(left(folder, table) for table in tables):  # noqa: ASYNC110  a database has none
            await asyncio.sleep(0.02)


async def test_a_reply_is_one_object_and_nothing_of_it_stays(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    answer = await client.post(CHAT, json=body())
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["object"] == "chat.completion"
    assert told["model"] == "echo"
    assert told["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello there"},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert told["usage"] == {"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4}
    assert "x-webchat-ignored" not in answer.headers
    await nothing_left(tmp_path)
    assert left(tmp_path, "search_entries") == 0


async def test_a_stream_says_the_same_and_counts_only_when_asked(client: httpx.AsyncClient) -> None:
    plain = chunks((await client.post(CHAT, json=body(stream=True))).text)
    assert said(plain) == "Hello there"
    assert plain[0]["choices"][0]["delta"]["role"] == "assistant"
    assert plain[-1]["choices"][0]["finish_reason"] == "stop"
    assert all(chunk["choices"] and "usage" not in chunk for chunk in plain)
    asked = body(stream=True, stream_options={"include_usage": True})
    counted = chunks((await client.post(CHAT, json=asked)).text)
    assert counted[-1]["choices"] == []
    assert counted[-1]["usage"]["total_tokens"] == 4


async def test_what_clients_send_beside_is_taken_as_it_is_meant(site: Site) -> None:
    client = site.client(site.visitor())
    messages = [
        {
            "role": "developer",
            "content": [{"type": "text", "text": "Be "}, {"type": "text", "text": "brief."}],
        },
        {"role": "user", "content": "One", "name": "ada"},
        {"role": "assistant", "content": None},
        {"role": "user", "content": [{"type": "text", "text": "Two words"}]},
    ]
    asked = body(
        messages=messages,
        stop=None,
        user="",
        logit_bias={},
        n=1,
        max_completion_tokens=1,
        temperature=0.5,
        reasoning_effort="none",
        presence_penalty=0,
        shiny_new_field=1,
    )
    answer = await client.post(CHAT, json=asked)
    assert answer.json()["choices"][0]["message"]["content"] == "One"
    assert answer.json()["choices"][0]["finish_reason"] == "length"
    named = answer.headers["x-webchat-ignored"].split(", ")
    assert named == ["shiny_new_field", "user", "messages[].name", "temperature"]
    (request,) = echo_of(site).requests
    assert [(one.role, one.text) for one in request.messages] == [
        ("system", "Be brief."),
        ("user", "One\n\nTwo words"),
    ]


def echo_of(site: Site) -> EchoBackend:
    backend = site.models.made("echo")
    assert isinstance(backend, EchoBackend)
    return backend


async def test_a_last_message_of_the_assistant_is_continued(site: Site) -> None:
    client = site.client(site.visitor())
    messages = [*HELLO, {"role": "assistant", "content": "Hello"}]
    answer = await client.post(CHAT, json=body(messages=messages))
    assert answer.json()["choices"][0]["message"]["content"] == " there"
    assert said(chunks((await client.post(CHAT, json=body(messages=messages, stream=True))).text)) == " there"


async def test_reasoning_comes_apart(make_site: MakeSite) -> None:
    async with make_site(EchoBackend(reasoning="Let me see.")) as site:
        client = site.client(site.visitor())
        message = (await client.post(CHAT, json=body())).json()["choices"][0]["message"]
        assert (message["reasoning_content"], message["content"]) == ("Let me see.", "Hello there")
        found = chunks((await client.post(CHAT, json=body(stream=True))).text)
        assert (said(found, "reasoning_content"), said(found)) == ("Let me see.", "Hello there")


async def test_leaving_stops_the_model(make_site: MakeSite, tmp_path: Path) -> None:
    backend = EchoBackend(script=["Hello", *(Delay(0.05), " more") * 1000])
    async with make_site(backend) as site:
        client = site.client(site.visitor())
        for asked in (body(), body(stream=True)):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await client.post(CHAT, json=asked)
            async with asyncio.timeout(10):
                while backend.live:  # noqa: ASYNC110  a model has none
                    await asyncio.sleep(0.01)
        await nothing_left(tmp_path)


async def test_blocked_words_never_leave(make_site: MakeSite) -> None:
    said_by_model = ["All about the ", "secret ", "project and ", MASKED]
    async with make_site(EchoBackend(script=said_by_model), gates=moderation([])) as site:
        client = site.client(site.visitor())
        for stream in (False, True):
            answer = await client.post(CHAT, json=body(stream=stream))
            assert answer.status_code == 200
            assert "secret" not in answer.text
            assert '"content_filter"' in answer.text
        refused = await client.post(CHAT, json=body(messages=[{"role": "user", "content": BLOCKED}]))
        assert refused.status_code == 400
        assert refused.json()["error"]["code"] == "content_filter"
        assert SENTENCE in refused.json()["error"]["message"]
        history = [{"role": "user", "content": BLOCKED}, {"role": "assistant", "content": "x"}, *HELLO]
        assert (await client.post(CHAT, json=body(messages=history))).status_code == 400
        system = [{"role": "system", "content": BLOCKED}, *HELLO]
        assert (await client.post(CHAT, json=body(messages=system))).status_code == 400


@pytest.mark.parametrize("stream", [False, True])
async def test_a_failure_has_a_status_of_its_own(make_site: MakeSite, stream: bool) -> None:
    failing = [RateLimited("Too many."), ContextTooLong("Too long.")]
    async with make_site(EchoBackend(script=lambda _: [failing.pop(0)])) as site:
        client = site.client(site.visitor())
        limited = await client.post(CHAT, json=body(stream=stream))
        assert limited.status_code == 429
        assert limited.json()["error"]["type"] == "rate_limit_error"
        long = await client.post(CHAT, json=body(stream=stream))
        assert long.status_code == 400
        assert long.json()["error"]["code"] == "context_length_exceeded"


async def test_a_failure_in_mid_stream_ends_it_with_an_error(make_site: MakeSite) -> None:
    async with make_site(EchoBackend(script=["Hello", Delay(0.2), RateLimited("Too many.")])) as site:
        answer = await site.client(site.visitor()).post(CHAT, json=body(stream=True))
        assert answer.status_code == 200
        found = chunks(answer.text)
        assert said(found[:-1]) == "Hello"
        assert found[-1]["error"]["code"] == "rate_limited"


TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Tells the weather.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
]


async def test_tools_go_to_the_model_and_its_calls_come_back(make_site: MakeSite) -> None:
    script = [ToolCallDelta(0, "call_1", "weather", '{"city"'), ToolCallDelta(0, arguments=': "Oslo"}')]
    async with make_site(EchoBackend(script=script, options=True)) as site:
        client = site.client(site.visitor())
        choice = {"type": "function", "function": {"name": "weather"}}
        asked = body(tools=TOOLS, tool_choice=choice)
        told = (await client.post(CHAT, json=asked)).json()["choices"][0]
        called = {
            "id": "call_1",
            "type": "function",
            "function": {"name": "weather", "arguments": '{"city": "Oslo"}'},
        }
        assert told["finish_reason"] == "tool_calls"
        assert told["message"] == {"role": "assistant", "content": None, "tool_calls": [called]}
        found = chunks((await client.post(CHAT, json={**asked, "stream": True})).text)
        deltas = [choice["delta"] for chunk in found for choice in chunk["choices"]]
        pieces = [piece for delta in deltas for piece in delta.get("tool_calls", ())]
        assert (pieces[0]["id"], pieces[0]["function"]["name"]) == ("call_1", "weather")
        assert "".join(piece["function"]["arguments"] for piece in pieces) == '{"city": "Oslo"}'
        assert {piece["index"] for piece in pieces} == {0}
        sent = echo_of(site).requests[0].options
        assert (sent.tools[0].name, sent.tool_choice) == ("weather", NamedTool("weather"))
        messages = [
            *HELLO,
            {"role": "assistant", "content": None, "tool_calls": [called]},
            {"role": "tool", "tool_call_id": "call_1", "content": "Rain"},
        ]
        await client.post(CHAT, json=body(messages=messages, tools=TOOLS))
        _, calling, result = echo_of(site).requests[-1].messages
        assert (calling.tool_calls[0].name, result.tool_call_id, result.text) == ("weather", "call_1", "Rain")


async def test_what_a_model_cannot_do_is_refused_by_name(client: httpx.AsyncClient) -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    refusals: dict[str, dict[str, Any]] = {
        "tools": {"tools": TOOLS},
        "response_format": {"response_format": schema},
        "logprobs": {"logprobs": True},
        "n": {"n": 2},
        "logit_bias": {"logit_bias": {"50256": -100}},
        "messages[0].content[0].type": {
            "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]
        },
    }
    for field, fields in refusals.items():
        answer = await client.post(CHAT, json=body(**fields))
        assert answer.status_code == 400, answer.text
        error = answer.json()["error"]
        assert error["param"] == field
        assert field in error["message"]


async def test_a_response_format_goes_to_the_model(make_site: MakeSite) -> None:
    async with make_site(EchoBackend(script=["{}"], options=True)) as site:
        client = site.client(site.visitor())
        schema = {"type": "object", "properties": {"a": {"enum": ["x", None]}}}
        wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}
        assert (await client.post(CHAT, json=body(response_format=wanted))).status_code == 200
        assert (
            await client.post(CHAT, json=body(response_format={"type": "json_object"}))
        ).status_code == 200
        assert (await client.post(CHAT, json=body(response_format={"type": "text"}))).status_code == 200
        formats = [one.options.response_format for one in echo_of(site).requests]
        assert formats == [ResponseFormat(schema, "x", strict=True), ResponseFormat(), None]
