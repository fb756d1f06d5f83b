"""What an API key decides about calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backends.echo import EchoBackend
from backends.types import ToolCallDelta
from tests.api.conftest import MakeSite, Site
from tests.api.test_keys import WAYS, client, held
from tests.api.v1.test_chat import CHAT, HELLO, TOOLS, body, chunks, echo_of, nothing_left, said


async def test_a_key_decides_whether_calls_are_kept(make_site: MakeSite) -> None:
    async with make_site(ways=WAYS, titles=True) as site:
        keeps = held(site, stored=True)
        keeps_not = held(site, keeps.owner, stored=False)
        for key in (keeps, keeps_not):
            answer = await client(site, key.token).post(CHAT, json=body(stream=True))
            assert said(chunks(answer.text)) == "Hello there"
        (kept,) = (await client(site, keeps.token).get("/api/conversations")).json()["items"]
        assert (kept["title"], kept["running"]) == ("Hello there", False)
        thread = (await client(site, keeps.token).get(f"/api/conversations/{kept['id']}")).json()
        assert [one["text"] for one in thread["messages"]] == ["Hello there", "Hello there"]
        assert thread["messages"][1]["state"] == "complete"


async def test_a_kept_call_has_its_tools_calls_and_results(make_site: MakeSite) -> None:
    script = [ToolCallDelta(0, "call_2", "weather", '{"city": "Bonn"}')]
    async with make_site(EchoBackend(script=script, options=True), ways=WAYS) as site:
        mine = client(site, held(site, stored=True).token)
        call = {
            "id": "call_1",
            "type": "function",
            "function": {"name": "weather", "arguments": '{"city":"Ulm"}'},
        }
        messages = [
            *HELLO,
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": "Rain"},
        ]
        answer = await mine.post(CHAT, json=body(messages=messages, tools=TOOLS, tool_choice="required"))
        assert answer.json()["choices"][0]["finish_reason"] == "tool_calls"
        (kept,) = (await mine.get("/api/conversations")).json()["items"]
        thread = (await mine.get(f"/api/conversations/{kept['id']}")).json()["messages"]
        _, calling, result, reply = thread
        assert calling["tool_calls"] == [{"id": "call_1", "name": "weather", "arguments": '{"city":"Ulm"}'}]
        assert result["tool_call_id"] == "call_1"
        assert reply["tool_calls"] == [{"id": "call_2", "name": "weather", "arguments": '{"city": "Bonn"}'}]
        details = (await mine.get(f"/api/messages/{reply['id']}")).json()
        options = details["provenance"]["options"]
        assert (options["tools"][0]["name"], options["tool_choice"]) == ("weather", "required")
        assert "without" not in details["provenance"]["details"]
        sent = (await mine.get(f"/api/messages/{reply['id']}/inspect")).json()["messages"]
        assert (sent[1]["tool_calls"], sent[2]["tool_call_id"]) == ([call], "call_1")
        # Continued in the page, the model reads the call that nobody answered in words.
        begun = await site.send(mine, "And?", conversation_id=kept["id"], parent_id=reply["id"])
        await site.ended(mine, begun["reply"]["id"])
        details = (await mine.get(f"/api/messages/{begun['reply']['id']}")).json()
        assert details["provenance"]["details"]["without"] == ["tools"]
        _, calling, result, reply, _ = echo_of(site).requests[-1].messages
        assert (calling.tool_calls[0].id, result.tool_call_id, reply.tool_calls) == ("call_1", "call_1", ())
        assert reply.text == '[Called weather with {"city": "Bonn"}]'


async def test_a_call_goes_on_in_the_conversation_of_the_one_before(make_site: MakeSite) -> None:
    script = [ToolCallDelta(0, None, "weather", '{"city": "Bonn"}')]
    async with make_site(EchoBackend(script=script, options=True), ways=WAYS) as site:
        key = held(site, stored=True)
        mine = client(site, key.token)
        first: dict[str, Any] = {
            "model": "echo",
            "max_tokens": 50,
            "system": "Brief.",
            "messages": [{"role": "user", "content": "Hi"}],
        }
        told = (await mine.post("/v1/messages", json=first)).json()["content"]
        result = [{"type": "tool_result", "tool_use_id": told[0]["id"], "content": "Rain"}]
        messages = [
            *first["messages"],
            {"role": "assistant", "content": told},
            {"role": "user", "content": result},
        ]
        for _ in range(2):
            assert (await mine.post("/v1/messages", json={**first, "messages": messages})).status_code == 200
        (kept,) = (await mine.get("/api/conversations")).json()["items"]
        thread = (await mine.get(f"/api/conversations/{kept['id']}")).json()["messages"]
        assert [one["role"] for one in thread] == ["user", "assistant", "tool", "assistant"]
        assert thread[2]["tool_call_id"] == thread[1]["tool_calls"][0]["id"] == told[0]["id"]
        assert [len(one["siblings"]) for one in thread] == [1, 1, 1, 2]
        # Another prompt, another person, or other words: nothing to go on from.
        await mine.post("/v1/messages", json={**first, "messages": messages, "system": "Long."})
        await client(site, held(site, stored=True).token).post(
            "/v1/messages", json={**first, "messages": messages}
        )
        messages[0] = {"role": "user", "content": "Hi!"}
        await mine.post("/v1/messages", json={**first, "messages": messages})
        assert len((await mine.get("/api/conversations")).json()["items"]) == 3
        assert len((await mine.get(f"/api/conversations/{kept['id']}")).json()["messages"]) == 4


async def test_a_keys_models_are_all_it_may_name(make_site: MakeSite) -> None:
    async with make_site(ways=WAYS) as site:
        other = client(site, held(site, models=("another",)).token)
        assert (await other.post(CHAT, json=body())).status_code == 404
        mine = client(site, held(site, models=("echo",)).token)
        assert (await mine.post(CHAT, json={"messages": HELLO})).json()["model"] == "echo"
        assert [one["id"] for one in (await mine.get("/v1/models")).json()["data"]] == ["echo"]


async def test_a_keys_tokens_of_a_day_end(make_site: MakeSite) -> None:
    async with make_site(EchoBackend(), ways=WAYS) as site:
        mine = client(site, held(site, stored=False, tokens_per_day=2).token)
        assert (await mine.post(CHAT, json=body())).status_code == 200
        refused = await mine.post(CHAT, json=body())
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "key_tokens")


async def test_a_refused_call_leaves_nothing(site: Site, tmp_path: Path) -> None:
    mine = client(site, held(site, stored=True).token)
    assert (await mine.post(CHAT, json=body(model="gpt-17"))).status_code == 404
    await nothing_left(tmp_path)


async def test_a_call_may_be_the_first_that_a_visitor_does(make_site: MakeSite) -> None:
    async with make_site(access="open") as site:
        new = site.client(None)
        page = await new.get("/", headers={"accept": "text/html"})
        new.headers["cookie"] = page.headers["set-cookie"].partition(";")[0]
        answer = await new.post(CHAT, json=body())
        assert answer.status_code == 200, answer.text
