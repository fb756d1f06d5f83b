"""A conversation stays with the server it was begun with: real endpoints, the real app, over restarts."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.app_process import AppProcess
from tests.e2e.chat import Chat, Json, NewVisitor, Server, eventually, words
from tests.scripted_endpoint import ScriptedEndpoint


class Place:
    """Two endpoints that list the same id, and the app between them."""

    def __init__(self, folder: Path, one: ScriptedEndpoint, two: ScriptedEndpoint) -> None:
        self.one, self.two = one, two
        self._config = folder / "webchat.toml"
        self.app = AppProcess(
            folder / "data", "--no-titles", env={"WEBCHAT_CONFIG": str(self._config)}, preloaded=True
        )

    async def start(self, *entries: tuple[str, str]) -> None:
        """Start anew with these entries, each a name (or none) and an address."""
        await asyncio.to_thread(self.app.kill)
        self._config.write_text(
            "".join(
                "[[models]]\n" + (f'name = "{name}"\n' if name else "") + f'endpoint = "{address}"\n'
                for name, address in entries
            )
        )
        await asyncio.to_thread(self.app.start)

    def both(self) -> tuple[tuple[str, str], tuple[str, str]]:
        return ("one", self.one.url), ("two", self.two.url)


@pytest_asyncio.fixture(loop_scope="session")
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(ScriptedEndpoint())
        two = await stack.enter_async_context(ScriptedEndpoint())
        one.models = two.models = ["alpha"]
        place = Place(tmp_path, one, two)
        yield place
        await asyncio.to_thread(place.app.kill)


async def names(server: Server) -> list[str]:
    """The names in the picker, once every endpoint has listed its models."""

    async def look() -> list[Json]:
        return list((await server.get("/api/models"))["models"])

    listed = await eventually(look, lambda models: not any(model["unlisted"] for model in models))
    return [model["name"] for model in listed]


async def say(server: Server, after: Json | None = None, **fields: str) -> Json:
    """A message and its reply, the next one of the conversation `after` is of."""
    if after is not None:
        fields |= {"conversation_id": after["conversation"]["id"], "parent_id": after["reply"]["id"]}
    begun: Json = (await server.ask("words=3", **fields)).json()
    ended = await server.ended(begun["reply"]["id"])
    assert ended["state"] == "complete"
    return begun


async def test_whoever_answers_first_a_conversation_goes_on_where_it_was_begun(place: Place) -> None:
    place.two.listing = 2.0
    await place.start(*place.both())
    async with Server(place.app.url) as server:
        assert await names(server) == ["alpha (one)", "alpha (two)"]
        begun = [await say(server, model=name) for name in ("alpha (one)", "alpha (two)")]
    assert (len(place.one.calls), len(place.two.calls)) == (1, 1)
    kept = [one["conversation"]["settings"]["model"] for one in begun]
    assert str(place.one.port) not in str(kept)

    place.one.listing, place.two.listing = 2.0, 0.0
    one, two = place.both()
    respelled = place.two.url.replace("127.0.0.1", "localhost") + "/"
    starts = [(two, one), (("two", place.one.url), ("one", respelled))]  # then each by the other's name
    for count, entries in enumerate(starts, start=2):
        await place.start(*entries)
        async with Server(place.app.url) as server:
            for which, endpoint in enumerate((place.one, place.two)):
                begun[which] = await say(server, begun[which])
                assert len(endpoint.calls) == count, entries
    assert (len(place.one.calls), len(place.two.calls)) == (3, 3)


async def test_the_picker_tells_two_of_one_name_apart_and_a_chat_stays_with_its_own(
    place: Place, visitor: NewVisitor
) -> None:
    one, two = place.both()
    await place.start(one, two)
    async with Server(place.app.url) as server:
        await names(server)
    chat = await Chat(await (await visitor()).new_page(), place.app.url).open()
    button = chat.page.locator("#wc-picker button")
    await button.click()
    shown = chat.page.locator(".wc-picker-option .wc-picker-name")
    await expect(shown).to_have_text(["alpha (one)", "alpha (two)"])
    await chat.page.get_by_role("option", name="alpha (two)").click()
    id = await chat.ask("words=4")
    await chat.state("complete")
    await place.start(two, one)
    await chat.open(f"?c={id}")
    await expect(button).to_have_text("alpha (two)")
    await chat.send("words=5")
    await chat.whole(words(4), words(5))
    assert (len(place.one.calls), len(place.two.calls)) == (0, 2)


async def test_a_server_that_is_gone_is_told_and_nobody_else_answers(
    place: Place, visitor: NewVisitor
) -> None:
    await place.start(*place.both())
    async with Server(place.app.url) as server:
        assert await names(server) == ["alpha (one)", "alpha (two)"]
    chat = await Chat(await (await visitor()).new_page(), place.app.url).open()
    await chat.page.click("#wc-picker button")
    await chat.page.get_by_role("option", name="alpha (two)").click()
    id = await chat.ask("words=4")
    await chat.state("complete")
    assert len(place.two.calls) == 1

    await place.start(("one", place.one.url))
    await chat.open(f"?c={id}")
    note = chat.page.locator("#wc-composer-note")
    await expect(chat.page.locator("#wc-picker button")).to_contain_text("no longer available")
    await expect(note).to_contain_text("is no longer configured")
    await chat.send("words=5")
    await expect(chat.page.locator(".wc-toast")).to_contain_text("is no longer configured")
    await expect(chat.box).to_have_value("words=5")
    assert (len(place.one.calls), len(place.two.calls)) == (0, 1)

    await chat.page.click("#wc-picker button")
    await chat.page.get_by_role("option", name="alpha").click()
    await expect(note).not_to_contain_text("no longer")
    await chat.page.click("#wc-send")
    await chat.whole(words(4), words(5))
    assert (len(place.one.calls), len(place.two.calls)) == (1, 1)


@pytest.mark.parametrize("both", [True, False])
async def test_a_bare_name_of_old_is_taken_where_only_one_can_be_meant(place: Place, both: bool) -> None:
    await place.start(("one", place.one.url))
    async with Server(place.app.url) as server:
        begun = await say(server, model="alpha")
    await asyncio.to_thread(place.app.kill)
    with closing(sqlite3.connect(place.app.data_dir / "webchat.db")) as database, database:
        database.execute("UPDATE conversations SET settings = json_set(settings, '$.model', 'alpha')")
        database.execute("DELETE FROM model_servers")
    await place.start(*(place.both() if both else place.both()[:1]))
    async with Server(place.app.url) as server:
        await names(server)
        if not both:
            again = await say(server, begun)
            assert again["conversation"]["settings"]["model"].startswith("@")
            return
        where = {"conversation_id": begun["conversation"]["id"], "parent_id": begun["reply"]["id"]}
        refused = await server.ask("words=3", **where)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "model_unclear")
    assert (len(place.one.calls), len(place.two.calls)) == (1, 0)
