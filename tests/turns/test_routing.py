"""An endpoint's router is told which requests belong to one conversation, and nothing else about it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from pydantic import SecretStr

from tests.app_process import AppProcess
from tests.scripted_endpoint import ScriptedEndpoint
from webchat.client import AsyncClient
from webchat.engine import _routing
from webchat.settings import ModelSettings, Settings

HEADER = "x-user-id"


async def test_the_requests_of_one_conversation_carry_one_value(tmp_path: Path) -> None:
    async with ScriptedEndpoint() as endpoint:
        flags = ("--model", "scripted", "--endpoint", endpoint.url, "--routing-header", HEADER)
        app = AppProcess(tmp_path, *flags, preloaded=True)
        await asyncio.to_thread(app.start)
        async with AsyncClient(app.url) as chat:
            first = await chat.ask("words=3")
            second = await chat.ask("words=2", after=first)
            other = await chat.ask("words=3")
        await asyncio.to_thread(app.stop)
        # Titles are made of the first message, and share no prefix with the conversation.
        told = [call.headers.get(HEADER, "") for call in endpoint.calls if call.body.get("stream")]
        told = [value for value in told if value]
    assert first.conversation_id == second.conversation_id != other.conversation_id
    assert told[0] == told[1] != told[2]
    assert len(told) == 3
    for id in (first.conversation_id, other.conversation_id):
        assert id not in str(endpoint.calls)


def test_replicas_with_one_secret_agree_and_others_cannot_tell(tmp_path: Path) -> None:
    def value(secret: str, folder: str) -> str:
        model = ModelSettings(endpoint="http://127.0.0.1:9/v1", routing_header=HEADER)
        return _routing(
            Settings(models=(model,), cookie_secret=SecretStr(secret), data_dir=tmp_path / folder)
        )("c")

    one, same, other = value("s" * 32, "a"), value("s" * 32, "b"), value("t" * 32, "a")
    assert one == same != other
    assert _routing(Settings(data_dir=tmp_path))("c") == "", "off by default"
