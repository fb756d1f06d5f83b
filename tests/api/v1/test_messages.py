"""Anthropic's messages, and what the rules say of texts."""

from __future__ import annotations

import json
from typing import Any

from backends.echo import EchoBackend
from backends.types import Logprobs, TextDelta, TokenLogprob, ToolCallDelta
from tests.api.conftest import MakeSite, Site
from tests.api.doors import BLOCKED, MASKED, moderation
from tests.api.v1.test_chat import CHAT, HELLO, body, chunks, echo_of

MESSAGES = "/v1/messages"
ASKED = {"model": "echo", "max_tokens": 100, "messages": HELLO}


def events(text: str) -> list[dict[str, Any]]:
    found = []
    for piece in text.strip().split("\n\n"):
        name, data = (line.partition(": ")[2] for line in piece.split("\n"))
        found.append(json.loads(data))
        assert found[-1]["type"] == name
    return found


async def test_a_message_is_answered_in_blocks(make_site: MakeSite) -> None:
    async with make_site(EchoBackend(reasoning="Let me see.")) as site:
        client = site.client(site.visitor())
        asked = {**ASKED, "system": [{"type": "text", "text": "Be brief."}], "metadata": {"user_id": "x"}}
        answer = await client.post(MESSAGES, json=asked, headers={"anthropic-version": "2023-06-01"})
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert [block["type"] for block in told["content"]] == ["thinking", "text"]
        assert (told["content"][1]["text"], told["stop_reason"]) == ("Hello there", "end_turn")
        assert told["usage"]["output_tokens"] > 0
        assert answer.headers["x-webchat-ignored"] == "metadata"
        assert echo_of(site).requests[0].messages[0].text == "Be brief."
        found = events((await client.post(MESSAGES, json={**ASKED, "stream": True})).text)
        kinds = [event["type"] for event in found if event["type"] != "ping"]
        assert (kinds[0], kinds[-2:]) == ("message_start", ["message_delta", "message_stop"])
        deltas = [event["delta"] for event in found if event["type"] == "content_block_delta"]
        assert "".join(delta.get("text", "") for delta in deltas) == "Hello there"
        assert "".join(delta.get("thinking", "") for delta in deltas) == "Let me see."
        assert kinds.count("content_block_start") == kinds.count("content_block_stop") == 2


async def test_its_tools_are_the_same_tools(make_site: MakeSite) -> None:
    script = [ToolCallDelta(0, "toolu_1", "weather", '{"city"'), ToolCallDelta(0, arguments=': "Oslo"}')]
    async with make_site(EchoBackend(script=script, options=True)) as site:
        client = site.client(site.visitor())
        tools = [
            {"name": "weather", "input_schema": {"type": "object"}},
            {"type": "bash_20250124", "name": "bash"},
        ]
        answer = await client.post(MESSAGES, json={**ASKED, "tools": tools})
        assert answer.headers["x-webchat-ignored"] == "tools.bash_20250124"
        (used,) = answer.json()["content"]
        assert used == {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}}
        assert answer.json()["stop_reason"] == "tool_use"
        found = events((await client.post(MESSAGES, json={**ASKED, "tools": tools, "stream": True})).text)
        pieces = [event["delta"]["partial_json"] for event in found if event["type"] == "content_block_delta"]
        assert json.loads("".join(pieces)) == {"city": "Oslo"}
        result = {
            "type": "tool_result",
            "tool_use_id": "toolu_1",
            "content": [{"type": "text", "text": "Rain"}],
        }
        messages = [
            *HELLO,
            {"role": "assistant", "content": [used]},
            {"role": "user", "content": [result, {"type": "text", "text": "And?"}]},
        ]
        await client.post(MESSAGES, json={**ASKED, "messages": messages, "tools": tools})
        roles = [(one.role, one.text) for one in echo_of(site).requests[-1].messages]
        assert roles == [("user", "Hello there"), ("assistant", ""), ("tool", "Rain"), ("user", "And?")]


async def test_its_errors_have_their_own_form(site: Site) -> None:
    answer = await site.client(site.visitor()).post(MESSAGES, json={"messages": HELLO, "model": "echo"})
    assert answer.status_code == 400
    assert answer.json()["type"] == "error"
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert "max_tokens" in answer.json()["error"]["message"]


async def test_moderations_say_what_the_rules_find(make_site: MakeSite) -> None:
    rules = moderation([])
    async with make_site(gates=rules, moderators=rules.moderators) as site:
        given = ["Fine.", f"The {BLOCKED}", f"call {MASKED}"]
        answer = await site.client(site.visitor()).post("/v1/moderations", json={"input": given})
        assert answer.status_code == 200, answer.text
        results = answer.json()["results"]
        assert [one["flagged"] for one in results] == [False, True, False]
        assert [sorted(one["categories"]) for one in results] == [[], ["house"], ["phones"]]
        refused = await site.client(site.guest()[0]).post("/v1/moderations", json={"input": given})
        assert refused.status_code == 403
        assert refused.json()["error"]["message"] == "Guests of a link can't use moderations."


def told(*tokens: str) -> list[TextDelta | Logprobs]:
    alternatives = ((tokens[0], -0.1), ("other", -3.0))
    return [
        event
        for token in tokens
        for event in (TextDelta(token), Logprobs((TokenLogprob(token, -0.1, alternatives),)))
    ]


async def test_logprobs_come_with_their_text(make_site: MakeSite) -> None:
    async with make_site(EchoBackend(script=told("Hel", "lo", " 你好"), options=True)) as site:
        client = site.client(site.visitor())
        choice = (await client.post(CHAT, json=body(logprobs=True, top_logprobs=1))).json()["choices"][0]
        tokens = choice["logprobs"]["content"]
        assert [one["token"] for one in tokens] == ["Hel", "lo", " 你好"]
        assert tokens[0]["top_logprobs"] == [{"token": "Hel", "logprob": -0.1, "bytes": [72, 101, 108]}]
        found = chunks((await client.post(CHAT, json=body(logprobs=True, stream=True))).text)
        streamed = [
            one
            for chunk in found
            for choice in chunk["choices"]
            for one in (choice.get("logprobs") or {}).get("content", [])
        ]
        assert [(one["token"], one["top_logprobs"]) for one in streamed] == [
            ("Hel", []),
            ("lo", []),
            (" 你好", []),
        ]


async def test_no_token_spells_what_the_gate_holds_back(make_site: MakeSite) -> None:
    rules = moderation([])
    script = told("call ", "138", "0013", "8000", " or the sec", "ret pro", "ject", "!")
    async with make_site(
        EchoBackend(script=script, options=True), gates=rules, moderators=rules.moderators
    ) as site:
        client = site.client(site.visitor())
        for stream in (False, True):
            answer = await client.post(CHAT, json=body(logprobs=True, stream=stream))
            assert '"token":"call "' in answer.text
            for hidden in ("0013", "138", "ret pro", '"ject"'):
                assert hidden not in answer.text
        refused = await client.post(CHAT, json=body(logprobs=True, top_logprobs=2))
        assert refused.json()["error"]["param"] == "top_logprobs"
