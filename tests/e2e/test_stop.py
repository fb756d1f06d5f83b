"""Stop stops the model, wherever it runs; the words it had stay, and the next message works."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.app_process import AppProcess
from tests.browser import PATIENCE
from tests.e2e.chat import Chat, NewVisitor, Server, eventually, words
from tests.e2e.conftest import kept_port
from tests.scripted_endpoint import ScriptedEndpoint


async def test_the_endpoint_sees_its_connection_closed(chat: Chat, endpoint: ScriptedEndpoint) -> None:
    await chat.ask("words=2000 rate=50")
    await chat.shows("w9 ")
    asked = time.monotonic()
    await chat.page.click("#wc-stop")
    async with asyncio.timeout(PATIENCE / 1000):
        await endpoint.calls[-1].closed_early.wait()
    print(
        f"\nthe endpoint's connection was closed {1000 * (time.monotonic() - asked):.0f} ms after the click"
    )
    await chat.state("stopped")
    kept = await chat.text()
    assert words(2000).startswith(kept)
    assert kept.startswith(words(9))
    await expect(chat.reply.locator(".wc-note")).to_be_visible()
    await chat.send("words=4")
    await chat.state("complete")
    assert (await chat.thread())[1]["text"].strip() == kept
    assert await chat.text() == words(4)


async def test_a_stop_before_the_first_word_stops(chat: Chat, endpoint: ScriptedEndpoint) -> None:
    await chat.send("words=5 delay=600")  # longer than anything here waits
    await chat.page.click("#wc-stop")
    await chat.state("stopped")

    async def open_calls() -> int:
        return sum(not (call.finished or call.closed_early.is_set()) for call in endpoint.calls)

    # It may not even have been asked yet.
    await eventually(open_calls, lambda count: count == 0)


async def test_escape_stops(chat: Chat) -> None:
    await chat.ask("words=2000 rate=50")
    await chat.shows("w2 ")
    await chat.page.keyboard.press("Escape")
    await chat.state("stopped")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def embedded(demo_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AppProcess]:
    """The app as it starts without any flag: on the embedded model."""
    env = {"WEBCHAT_CACHE_DIR": str(demo_gguf.parents[1]), "WEBCHAT_TITLES": "false"}
    async with AppProcess(
        tmp_path_factory.mktemp("embedded"), env=env, port=kept_port(), preloaded=True
    ) as app:
        yield app


@pytest.mark.parametrize(
    ("prompt", "wait"),
    [("Write a long story about the sea.", 0.3), ("word " * 5000, 0.4)],
    ids=["decode", "prefill"],
)
async def test_the_embedded_model_stops_at_once(embedded: AppProcess, prompt: str, wait: float) -> None:
    async with Server(embedded.url) as server:
        asked = time.monotonic()
        reply = await server.begin("Hello")
        await server.ended(reply.id)
        whole = time.monotonic() - asked
        reply = await server.begin(prompt)
        await asyncio.sleep(wait)
        asked = time.monotonic()
        (await server.http.post(f"/api/messages/{reply.id}/stop")).raise_for_status()
        message = await server.ended(reply.id)
        took = time.monotonic() - asked
        print(f"\nthe embedded model stopped {1000 * took:.0f} ms after the request")
        assert message["state"] == "stopped"
        # On a quiet machine under 0.1 s; the bound only tells it from running on.
        assert took < max(3, whole)
        after = await server.begin("What is the capital of France?")
        assert "Paris" in (await server.ended(after.id))["text"]


async def test_the_embedded_model_answers_in_the_page(embedded: AppProcess, visitor: NewVisitor) -> None:
    chat = await Chat(await (await visitor()).new_page(), embedded.url).open()
    await chat.ask("What is the capital of France?")
    await chat.state("complete")
    assert "Paris" in await chat.text()
    assert await eventually(lambda: chat.page.title(), lambda title: "capital of France" in title)
