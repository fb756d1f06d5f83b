"""webchat as the client of another webchat."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from backends.base import collect
from backends.echo import EchoBackend
from backends.openai_compat import OpenAICompatBackend
from backends.options import EndpointOptions
from backends.types import Message, Options, Request, Sampling, Tool, ToolCall, ToolCallDelta
from tests.api.conftest import MakeSite, serving
from tests.api.test_keys import WAYS, held
from tests.app_process import AppProcess
from tests.scripted_endpoint import ScriptedEndpoint


async def test_our_own_backend_speaks_to_it(make_site: MakeSite) -> None:
    script = [ToolCallDelta(0, "call_1", "look", '{"at":'), ToolCallDelta(0, arguments=' "you"}')]
    first = EchoBackend(reasoning="Let me see.", options=True)
    async with make_site(first, ways=WAYS) as site, serving(site.door) as url:
        options = EndpointOptions(f"{url}/v1", None, api_key=held(site, stored=False).token)
        backend = OpenAICompatBackend(options)
        try:
            asked = Request((Message("user", "Hello there, 你好"),), Sampling(seed=7, max_tokens=500))
            reply = await collect(backend.stream(asked))
            assert (reply.text, reply.reasoning) == ("Hello there, 你好", "Let me see.")
            assert reply.usage is not None
            assert reply.usage.completion_tokens > 0
            assert first.requests[-1].sampling.seed in (None, 7)
            first._script = script
            tools = Options((Tool("look", "Looks.", {"type": "object"}),), "required")
            path = (
                Message("user", "Look"),
                Message("assistant", "", (ToolCall("a", "look", "{}"),)),
                Message("tool", "Nothing.", tool_call_id="a"),
                Message("user", "Again"),
            )
            events = [event async for event in backend.stream(Request(path, options=tools))]
            called = [event for event in events if isinstance(event, ToolCallDelta)]
            assert "".join(one.arguments for one in called) == '{"at": "you"}'
            assert first.requests[-1].messages == path
            assert first.requests[-1].options == tools
        finally:
            await backend.aclose()


@pytest.mark.slow
async def test_a_kill_of_the_first_in_mid_reply_loses_no_word_of_the_second(
    make_site: MakeSite, tmp_path: Path
) -> None:
    def left() -> int:
        with closing(sqlite3.connect(tmp_path / "first" / "webchat.db")) as database:
            count: int = database.execute("SELECT count(*) FROM messages").fetchone()[0]
            return count

    async with ScriptedEndpoint() as endpoint:
        flags = ("--endpoint", endpoint.url, "--model", "words")
        async with AppProcess(tmp_path / "first", *flags, preloaded=True) as first:
            backend = OpenAICompatBackend(EndpointOptions(f"{first.url}/v1", None))
            async with make_site(backend) as site:
                client = site.client(site.visitor())
                whole = await site.send(client, "words=20 rate=1000")
                message = await site.ended(client, whole["reply"]["id"])
                assert message["text"].split() == [f"w{number}" for number in range(20)]
                cut = (await site.send(client, "words=2000 rate=50"))["reply"]["id"]
                async with asyncio.timeout(60):
                    while len((await client.get(f"/api/messages/{cut}")).json()["message"]["text"]) < 50:  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
                assert left() > 0
                await asyncio.to_thread(first.kill)
                message = await site.ended(client, cut)
                assert message["state"] == "failed"
                words = message["text"].split()
                assert words[:-1] == [f"w{number}" for number in range(len(words) - 1)]
                assert len(words) > 10
            await backend.aclose()
        async with AppProcess(tmp_path / "first", *flags, preloaded=True), asyncio.timeout(60):
            while left():  # noqa: ASYNC110  a database has no event for it
                await asyncio.sleep(0.1)
