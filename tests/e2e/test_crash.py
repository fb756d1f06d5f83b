"""What was on a screen is in the database, whenever the server is killed, and the page goes on by itself."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.app_process import AppProcess
from tests.e2e.chat import Chat, NewVisitor, Server, eventually, words
from tests.e2e.conftest import running
from tests.scripted_endpoint import ScriptedEndpoint

LONG = "words=3000 rate=150"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> dict[str, str]:
    """Settings of the app that name a database, none for its own SQLite file."""
    if request.param == "sqlite":
        return {}
    return {"DATABASE_URL": request.getfixturevalue("postgres").fresh()}


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("kills", [2, pytest.param(100, marks=pytest.mark.slow)])
async def test_what_was_shown_survives_a_kill_at_any_moment(
    kills: int, database: dict[str, str], endpoint: ScriptedEndpoint, visitor: NewVisitor, tmp_path: Path
) -> None:
    dice = random.Random(kills)
    async with running(tmp_path, endpoint, **database) as app:
        chat = await Chat(await (await visitor()).new_page(), app.url).open()
        kept = 0
        for _ in range(kills):
            kept += await _survives(app, chat, dice.uniform(0, 1.2))
        print(f"\n{kills} kills; all of the {kept} characters that were shown are there")
        await _goes_on(chat)
        await asyncio.to_thread(app.stop)
    if not database:
        with closing(sqlite3.connect(tmp_path / "webchat.db")) as file:
            assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert file.execute("SELECT count(*) FROM journal").fetchone() == (0,)


async def _survives(app: AppProcess, chat: Chat, moment: float) -> int:
    """Three programs and a page follow replies; so long after their first words the server is killed.

    Returns how many characters they had seen."""
    await chat.new_chat()
    await chat.ask(LONG)
    async with Server(app.url) as server:
        replies = [await server.begin(LONG) for _ in range(3)]
        readers = [asyncio.create_task(server.follow(reply)) for reply in replies]
        for reply in replies:
            await reply.begun.wait()
        await chat.shows("w0")
        await asyncio.sleep(moment)
        await asyncio.to_thread(app.kill)
        await asyncio.gather(*readers)
    await expect(chat.page.locator(".wc-connection.wc-open")).to_be_visible()
    shown = await chat.text()
    assert shown
    await asyncio.to_thread(app.start)
    async with Server(app.url) as server:
        for reply in replies:
            message = await server.message(reply.id)
            assert message["state"] == "interrupted"
            assert reply.text
            assert message["text"].startswith(reply.text)
            assert words(3000).startswith(message["text"].strip())
    await chat.state("interrupted")
    stored = (await chat.thread())[-1]["text"].strip()
    assert stored.startswith(shown)
    await expect(chat.reply.locator(".wc-body")).to_have_text(stored)
    return len(shown) + sum(len(reply.text) for reply in replies)


async def _goes_on(chat: Chat) -> None:
    before = await chat.text()
    await chat.reply.locator("[data-act=continue]").click()
    await chat.state("complete")
    after = await chat.text()
    assert after.startswith(before)
    assert len(after) > len(before)


async def test_a_stopping_server_lets_replies_end_and_the_page_comes_back(
    endpoint: ScriptedEndpoint, visitor: NewVisitor, tmp_path: Path
) -> None:
    endpoint.go_on.clear()
    async with running(tmp_path, endpoint, WEBCHAT_SHUTDOWN_GRACE="100") as app:
        chat = await Chat(await (await visitor()).new_page(), app.url).open()
        await chat.ask("words=100 hold=20")
        await chat.shows("w9 ")
        stopping = asyncio.create_task(asyncio.to_thread(app.stop))
        async with Server(app.url) as server:
            refused = await eventually(lambda: server.ask("too late"), lambda said: said.status_code != 201)
            assert refused.status_code == 503
            assert refused.json()["error"]["cure"]
        endpoint.go_on.set()
        await chat.state("complete")
        assert await chat.text() == words(100)
        await stopping
        await expect(chat.page.locator(".wc-connection.wc-open")).to_be_visible()
        await asyncio.to_thread(app.start)
        await expect(chat.page.locator(".wc-connection.wc-open")).to_have_count(0)
        await chat.send("words=5")
        await chat.whole(words(100), words(5))


async def test_what_does_not_end_in_time_is_interrupted_with_its_text(
    endpoint: ScriptedEndpoint, visitor: NewVisitor, tmp_path: Path
) -> None:
    async with running(tmp_path, endpoint, WEBCHAT_SHUTDOWN_GRACE="0.3") as app:
        chat = await Chat(await (await visitor()).new_page(), app.url).open()
        await chat.ask(LONG)
        await chat.shows("w20 ")
        await asyncio.to_thread(app.stop)
        await chat.state("interrupted")
        shown = await chat.text()
        await asyncio.to_thread(app.start)
        await expect(chat.page.locator(".wc-connection.wc-open")).to_have_count(0)
        assert (await chat.thread())[-1]["text"].strip() == shown
        await _goes_on(chat)
