"""webchat as an MCP server, spoken to by the official client over a real connection."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from backends.echo import EchoBackend
from tests.api.conftest import MakeSite, Site, serving
from tests.api.test_keys import client, code, held
from tests.clean_environment import ROOT
from webchat.mcp import serving as room
from webchat.moderation import Moderation
from webchat.moderation.kinds.phrases import Phrases
from webchat.moderation.matching import Rule

if TYPE_CHECKING:
    from mcp import Client
    from mcp_types import CallToolResult


@asynccontextmanager
async def speaking(url: str, token: str, mode: Any = "auto") -> AsyncIterator[Client]:
    # Here, as every process of tests reads this file.
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    headers = {"authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        transport = streamable_http_client(f"{url}/mcp", http_client=http)
        async with Client(transport, mode=mode) as speaker:
            yield speaker


async def told(speaker: Client, name: str, **given: Any) -> dict[str, Any]:
    result = await speaker.call_tool(name, given)
    assert not result.is_error, said(result)
    return dict(result.structured_content)


def said(result: CallToolResult) -> str:
    return " ".join(one.text for one in result.content if one.type == "text")


async def chat(site: Site, asked: Any, text: str) -> dict[str, Any]:
    begun = await site.send(asked, text)
    await site.ended(asked, begun["reply"]["id"])
    return begun


async def test_a_program_lists_searches_reads_and_asks(site: Site) -> None:
    mine, other = held(site), held(site)
    asked = client(site, mine.token)
    first = await chat(site, asked, "About lighthouses")
    await chat(site, asked, "About rivers")
    await chat(site, client(site, other.token), "Somebody else's lighthouses")
    content = {"name": "Support", "description": "Kind", "system": "Be kind."}
    await asked.post("/api/templates", json={"content": content})
    async with serving(site.door) as url, speaking(url, mine.token) as speaker:
        assert {one.name for one in (await speaker.list_tools()).tools} == {
            "list_conversations", "search_conversations", "read_conversation", "list_templates",
            "list_models", "ask_model",
        }  # fmt: skip
        listed = await told(speaker, "list_conversations", limit=1)
        assert len(listed["items"]) == 1
        rest = await told(speaker, "list_conversations", cursor=listed["next"])
        assert [one["id"] for one in rest["items"]] == [first["conversation"]["id"]]
        assert rest["next"] is None
        found = await told(speaker, "search_conversations", query="lighthouses")
        assert {one["conversation_id"] for one in found["items"]} == {first["conversation"]["id"]}
        thread = await told(speaker, "read_conversation", id=first["conversation"]["id"])
        assert [(one["role"], one["text"]) for one in thread["messages"]] == [
            ("user", "About lighthouses"),
            ("assistant", "About lighthouses"),
        ]
        templates = await told(speaker, "list_templates", query="support")
        assert [one["model"] for one in templates["items"]] == ["Support@v1"]
        names = [one["name"] for one in (await told(speaker, "list_models"))["items"]]
        assert names == ["echo", "Support@v1"]
        reply = await told(speaker, "ask_model", message="Hello there", model="Support@v1")
        assert reply == {"text": "Hello there", "model": "Support@v1", "finish": "stop"}


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_clients_of_both_protocols_are_answered_without_a_session(site: Site, mode: Any) -> None:
    mine = held(site)
    async with serving(site.door) as url, speaking(url, mine.token, mode) as speaker:
        assert (speaker.protocol_version >= "2026") == (mode == "auto")
        history = [{"role": "user", "text": "Hi"}, {"role": "assistant", "text": "Yes?"}]
        reply = await told(speaker, "ask_model", message="Go on", history=history)
        assert reply["text"] == "Go on"


async def test_another_persons_conversation_is_as_if_it_did_not_exist(site: Site) -> None:
    mine, other = held(site), held(site)
    theirs = await chat(site, client(site, other.token), "Nobody else's")
    async with serving(site.door) as url, speaking(url, mine.token) as speaker:
        assert (await told(speaker, "list_conversations"))["items"] == []
        refused = await speaker.call_tool("read_conversation", {"id": theirs["conversation"]["id"]})
        missing = await speaker.call_tool("read_conversation", {"id": "0" * 36})
        assert refused.is_error
        assert said(refused) == said(missing)
        assert "Nobody else's" not in said(refused)


async def test_a_key_opens_the_tools_of_its_scopes(site: Site) -> None:
    reads, asks = held(site, scopes=["read"]), held(site, scopes=["chat"])
    async with serving(site.door) as url:
        async with speaking(url, reads.token) as speaker:
            assert "ask_model" not in {one.name for one in (await speaker.list_tools()).tools}
            refused = await speaker.call_tool("ask_model", {"message": "Hello"})
            assert said(refused) == "There is no tool named 'ask_model' that you may use."
        answer = await client(site, asks.token).post("/mcp", json={})
        assert code(answer) == (403, "key_scope")
        assert code(await site.client(None).post("/mcp", json={})) == (401, "key_needed")
        assert code(await client(site, reads.token).get("/mcp")) == (405, "method_not_allowed")


async def test_what_is_asked_is_moderated_and_counted_as_everywhere(make_site: MakeSite) -> None:
    gates = Moderation([Phrases("words", {"forbidden": Rule("words", "block")})], lambda _: None)
    async with make_site(gates=gates) as site:
        mine = held(site, scopes=["read", "chat"], models=("echo",), tokens_per_day=2)
        async with serving(site.door) as url, speaking(url, mine.token) as speaker:
            refused = await speaker.call_tool("ask_model", {"message": "a forbidden thing"})
            assert refused.is_error
            unknown = await speaker.call_tool("ask_model", {"message": "Hi", "model": "other"})
            assert "no model named 'other'" in said(unknown)
            await told(speaker, "ask_model", message="Hello there")
            spent = await speaker.call_tool("ask_model", {"message": "Hello there"})
            assert "tokens" in said(spent)


async def test_a_wrong_argument_is_named_and_its_value_is_not_repeated(site: Site) -> None:
    mine = held(site)
    async with serving(site.door) as url, speaking(url, mine.token) as speaker:
        wrong = await speaker.call_tool("list_conversations", {"limit": "secret-value"})
        assert said(wrong).startswith("limit: ")
        assert "secret-value" not in said(wrong)
        odd = await speaker.call_tool("list_conversations", {"colour": "red"})
        assert said(odd).startswith("colour: ")


async def test_closing_the_connection_stops_the_model(make_site: MakeSite) -> None:
    slow = EchoBackend(rate=1)
    async with make_site(slow) as site:
        mine = held(site)
        async with serving(site.door) as url, speaking(url, mine.token) as speaker:
            asking = asyncio.create_task(speaker.call_tool("ask_model", {"message": "word " * 300}))
            while not site.turns._turns:  # noqa: ASYNC110  no event tells that a call began
                await asyncio.sleep(0.01)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            while site.turns._turns:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_without_the_package_the_answer_says_how_to_add_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "find_spec", lambda name: None)
    answer = await client(site, held(site).token).post("/mcp", json={})
    assert code(answer) == (501, "mcp_not_installed")
    assert "mcp" in answer.json()["error"]["cure"]


async def test_the_page_about_mcp_shows_what_works(site: Site, tmp_path: Path) -> None:
    page = (ROOT / "deploy" / "mcp.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    async with serving(site.door) as url:
        code = snippet.replace("http://127.0.0.1:7860", url).replace("wk_…", held(site).token)
        running = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, cwd=tmp_path, stdout=asyncio.subprocess.PIPE
        )
        printed, _ = await running.communicate()
    assert printed.decode() == "What is a token?\n"
