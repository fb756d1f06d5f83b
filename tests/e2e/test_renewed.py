"""Lists of models are renewed while somebody looks: what an endpoint adds, removes or loads again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.app_process import AppProcess
from tests.e2e.chat import Chat, NewVisitor, first, words
from tests.scripted_endpoint import ScriptedEndpoint
from webchat.sentences import locale


@asynccontextmanager
async def listing(folder: Path, endpoint: ScriptedEndpoint, *flags: str) -> AsyncIterator[AppProcess]:
    """The app on an endpoint that lists its models."""
    async with AppProcess(folder, "--endpoint", endpoint.url, "--no-titles", *flags, preloaded=True) as app:
        yield app


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def changing() -> AsyncIterator[ScriptedEndpoint]:
    async with ScriptedEndpoint() as endpoint:
        yield endpoint


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def app(
    changing: ScriptedEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[AppProcess]:
    async with listing(tmp_path_factory.mktemp("listing"), changing) as app:
        yield app


async def opened(app: AppProcess, visitor: NewVisitor, query: str = "", **options: object) -> Chat:
    return await Chat(await (await visitor(**options)).new_page(), app.url).open(query)


async def renew(page: Page, language: str = "en") -> None:
    """Press *Refresh list* in the open picker, and wait until the endpoint has answered."""
    said = locale(language)
    await page.get_by_role("button", name=said["picker.renew"]).click()
    await expect(page.locator(".wc-picker-renew")).to_have_text(said["picker.renew"])


@pytest.mark.parametrize("language", first(["zh-CN", "en"]))
async def test_the_button_brings_what_was_added_and_takes_what_was_removed(
    app: AppProcess, changing: ScriptedEndpoint, visitor: NewVisitor, language: str
) -> None:
    changing.models = ["alpha", "beta"]
    page = (await opened(app, visitor, locale=language)).page
    await page.click("#wc-picker button")
    await renew(page, language)
    names = page.locator(".wc-picker-option .wc-picker-name")
    await expect(names).to_have_text(["alpha", "beta"])
    changing.models = ["beta", "gamma"]
    await renew(page, language)
    await expect(names).to_have_text(["beta", "gamma"])
    await expect(page.locator(".wc-picker-renew")).to_be_focused()
    await page.get_by_role("option", name="gamma").click()
    await expect(page.locator("#wc-picker button")).to_have_text("gamma")


async def test_a_list_that_stays_open_is_renewed_by_itself(
    app: AppProcess, changing: ScriptedEndpoint, visitor: NewVisitor
) -> None:
    changing.models = ["alpha", "beta"]
    page = await (await visitor()).new_page()
    await page.clock.install()
    await Chat(page, app.url).open()
    await page.click("#wc-picker button")
    await renew(page)
    changing.models = ["beta", "delta"]
    names = page.locator(".wc-picker-option .wc-picker-name")
    while await names.all_text_contents() != [
        "beta",
        "delta",
    ]:  # the server asks when its list is ten seconds old
        await page.clock.fast_forward(31_000)
        await page.wait_for_timeout(500)


async def test_a_removed_model_is_told_where_it_was_used_and_works_again_when_it_is_back(
    app: AppProcess, changing: ScriptedEndpoint, visitor: NewVisitor
) -> None:
    changing.models = ["alpha", "beta"]
    chat = await opened(app, visitor)
    button, note = chat.page.locator("#wc-picker button"), chat.page.locator("#wc-composer-note")
    await button.click()
    await renew(chat.page)
    await chat.page.get_by_role("option", name="beta").click()
    id = await chat.ask("words=4")
    await chat.state("complete")
    changing.models = ["alpha"]
    await button.click()
    await renew(chat.page)
    await chat.page.keyboard.press("Escape")
    await expect(button).to_contain_text("beta")
    await expect(button).to_contain_text("no longer available")
    await expect(note).to_have_text(
        "beta is no longer offered by its server. Load it there again, or choose another model."
    )
    calls = len(changing.calls)
    await chat.send("words=5")
    await expect(chat.page.locator(".wc-toast")).to_contain_text("beta")
    await expect(chat.box).to_have_value("words=5")
    assert len(changing.calls) == calls, "no other model answers"

    other = await opened(app, visitor, f"?c={id}", locale="zh-CN")
    said = locale("zh-CN")
    await expect(other.page.locator("#wc-picker button")).to_contain_text(said["picker.missing"])
    await expect(other.page.locator("#wc-composer-note")).to_have_text(
        said["error.model_gone.operator"].format(model="beta") + said["error.model_gone.cure_operator"]
    )

    changing.models = ["beta", "alpha"]
    await button.click()
    await renew(chat.page)
    await chat.page.keyboard.press("Escape")
    await expect(button).to_have_text("beta")
    await expect(note).not_to_contain_text("no longer")
    await chat.page.click("#wc-send")
    await chat.whole(words(4), words(5))
    assert changing.calls[-1].body["model"] == "beta"


async def test_what_cannot_chat_is_not_offered(
    app: AppProcess, changing: ScriptedEndpoint, visitor: NewVisitor
) -> None:
    changing.models = ["text-embedding-3-small", "whisper-1", "tts-1", "dall-e-3", "gpt-4o-mini"]
    chat = await opened(app, visitor)
    await chat.page.click("#wc-picker button")
    await renew(chat.page)
    await expect(chat.page.locator(".wc-picker-option .wc-picker-name")).to_have_text(["gpt-4o-mini"])
    await chat.page.keyboard.press("Escape")
    await expect(chat.page.locator("#wc-picker button")).to_have_text("gpt-4o-mini")
    await chat.ask("words=3")
    await chat.whole(words(3))
    assert changing.calls[-1].body["model"] == "gpt-4o-mini"


async def test_only_operators_have_the_button(
    changing: ScriptedEndpoint, visitor: NewVisitor, tmp_path: Path
) -> None:
    changing.models = ["alpha", "beta"]
    async with listing(tmp_path, changing, "--access", "open") as app:
        page = (await opened(app, visitor)).page
        await page.click("#wc-picker button")
        await expect(page.get_by_role("option")).to_have_count(2)
        await expect(page.locator(".wc-picker-renew")).to_have_count(0)
