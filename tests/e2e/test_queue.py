"""Several people before a model that writes one reply at a time: everybody sees where they stand, and nobody
is kept waiting by a person with many tabs."""

from __future__ import annotations

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.async_api import Locator, expect

from tests.e2e.chat import Chat, NewVisitor, eventually
from tests.e2e.conftest import kept_port
from tests.turns.held import Held
from webchat.app import build_app
from webchat.models import ModelSpec
from webchat.settings import Settings


@dataclass
class Place:
    """The real app before a model that writes when it is told to, and the people who come there."""

    url: str
    model: Held
    new_visitor: NewVisitor

    async def person(self, **options: Any) -> Chat:
        return await Chat(await (await self.new_visitor(**options)).new_page(), self.url).open()

    async def turn(self, chat: Chat, text: str) -> str:
        """A turn in a new conversation, as one more tab of this person begins it; returns the reply's id."""
        body = {"kind": "send", "text": text, "client_key": uuid.uuid4().hex}
        answer = await chat.page.context.request.post(
            f"{self.url}/api/turns", data=body, headers={"origin": self.url}
        )
        assert answer.status == 201, await answer.text()
        reply: str = (await answer.json())["reply"]["id"]
        return reply

    async def ended(self, chat: Chat, reply: str) -> None:
        """Wait until this reply of theirs is stored as complete."""

        async def state() -> str:
            answer = await chat.page.context.request.get(f"{self.url}/api/messages/{reply}")
            found: str = (await answer.json())["message"]["state"]
            return found

        await eventually(state, lambda found: found == "complete")


Open = Callable[..., AbstractAsyncContextManager[Place]]


@pytest.fixture
def place(tmp_path: Path, visitor: NewVisitor) -> Open:
    @asynccontextmanager
    async def opened(**settings: Any) -> AsyncIterator[Place]:
        port = kept_port()
        listener = socket.create_server(("127.0.0.1", port))
        model = Held()
        app = build_app(
            Settings(port=port, data_dir=tmp_path, sign_in=("open",), titles=False, **settings),
            specs=[ModelSpec(name="held", kind="echo", source="echo")],
            create=lambda _: model,
        )
        config = uvicorn.Config(app.asgi, log_level="error", ws="none", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started and not serving.done():  # noqa: ASYNC110  uvicorn has no event for it
            await asyncio.sleep(0.01)
        try:
            yield Place(f"http://127.0.0.1:{port}", model, visitor)
        finally:
            for go in model.go.values():
                go.set()
            server.should_exit = True
            await serving
            listener.close()

    return opened


def line(chat: Chat) -> Locator:
    """Where the last reply says its place."""
    return chat.reply.locator(".wc-place")


async def test_everybody_sees_their_place_and_moves_up(place: Open) -> None:
    async with place() as at:
        ann, ben, cleo = [await at.person() for _ in range(3)]
        await ann.ask("from ann")
        await ann.shows("begun")
        await expect(line(ann)).to_have_count(0)
        conversation = await ben.ask("from ben")
        await expect(line(ben)).to_have_text("You are next")
        await cleo.ask("from cleo")
        await expect(line(cleo)).to_have_text("2nd in line")
        await expect(cleo.page.locator(".wc-visually-hidden[role=status]")).to_have_text("2nd in line")

        await ben.page.reload(wait_until="commit")
        await ben.ready()
        await expect(line(ben)).to_have_text("You are next")
        second_tab = await Chat(await ben.page.context.new_page(), at.url).open(f"?c={conversation}")
        await expect(line(second_tab)).to_have_text("You are next")

        await ben.page.click("#wc-stop")
        await ben.state("stopped")
        await second_tab.state("stopped")
        await expect(line(cleo)).to_have_text("You are next")
        at.model.go["from ann"].set()
        await ann.whole("begun from ann")
        await cleo.shows("begun")
        await expect(line(cleo)).to_have_count(0)

        # Once a reply has ended there is something to guess from; and what was stopped can be asked again.
        await ben.reply.locator("[data-act=retry]").click()
        await expect(line(ben)).to_contain_text("You are next, about ")
        at.model.go["from cleo"].set()
        at.model.go["from ben"].set()
        await cleo.whole("begun from cleo")
        await ben.state("complete")
        assert await ben.text() == "begun from ben"


async def test_a_person_with_ten_tabs_keeps_nobody_waiting(place: Open) -> None:
    async with place(max_turns_per_owner=10) as at:
        many, one = [await at.person() for _ in range(2)]
        for number in range(9):
            await at.turn(many, f"tab {number}")
        await many.ask("tab 9")
        await expect(line(many)).to_have_text("9th in line")
        await one.ask("mine")
        await expect(line(one)).to_have_text("You are next")
        await expect(line(many)).to_have_text("10th in line")
        at.model.go["tab 0"].set()
        await one.shows("begun")
        assert at.model.order == ["tab 0", "mine"]
        at.model.go["mine"].set()
        await one.whole("begun mine")


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"max_turns_per_owner": 2}, "Only 2 of your replies can run or wait at once."),
        ({"max_turns": 2}, "queue is full"),
    ],
    ids=["of one person", "in sum"],
)
async def test_beyond_the_limits_the_words_stay_in_the_box(
    place: Open, limits: dict[str, int], said: str
) -> None:
    async with place(**limits) as at:
        ann = await at.person()
        other = ann if "max_turns_per_owner" in limits else await at.person()
        before = [await at.turn(other, text) for text in ("writes", "waits in line")]
        await at.model.writes("writes")
        await ann.send("much thought")
        await expect(ann.page.locator(".wc-toast")).to_contain_text(said)
        await expect(ann.box).to_have_value("much thought")
        await expect(ann.replies).to_have_count(0)
        await ann.page.reload(wait_until="commit")
        await ann.ready()
        await expect(ann.box).to_have_value("much thought")
        for text in ("writes", "waits in line", "much thought"):
            at.model.go[text].set()
        for reply in before:  # one that is still being stored counts
            await at.ended(other, reply)
        await ann.page.click("#wc-send")
        await ann.whole("begun much thought")
