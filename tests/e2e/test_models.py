"""Choosing a model, and what the page says while there is none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.app_process import AppProcess, free_port
from tests.e2e.chat import Chat, NewVisitor, until, words
from tests.e2e.conftest import kept_port
from tests.scripted_endpoint import ScriptedEndpoint

NAMES = ("alpha", "beta", "bingo", "gamma", "delta", "epsilon", "zeta", "eta")
REMOTE = '[[models]]\nname = "far"\nendpoint = "https://models.example.com/v1"\nmodel = "far"\n'


@asynccontextmanager
async def _serving(folder: Path, url: str, names: Sequence[str], more: str = "") -> AsyncIterator[AppProcess]:
    listed = (
        f'[[models]]\nname = "{name}"\nendpoint = "{url}"\nmodel = "scripted"\ncontext_length = 8192\n'
        for name in names
    )
    config = folder / "webchat.toml"
    config.write_text("\n".join((*listed, more)))
    app = AppProcess(
        folder / "data", "--no-titles", env={"WEBCHAT_CONFIG": str(config)}, port=kept_port(), preloaded=True
    )
    async with app:
        yield app


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def few(
    endpoint: ScriptedEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[AppProcess]:
    async with _serving(tmp_path_factory.mktemp("few"), endpoint.url, NAMES[:4]) as app:
        yield app


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def many(
    endpoint: ScriptedEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[AppProcess]:
    async with _serving(tmp_path_factory.mktemp("many"), endpoint.url, NAMES, REMOTE) as app:
        yield app


async def _open(app: AppProcess, visitor: NewVisitor, **options: object) -> Chat:
    chat = await Chat(await (await visitor(**options)).new_page(), app.url).open()
    await expect(chat.page.locator("#wc-picker button")).to_have_text("alpha")
    return chat


async def _on(page: Page, name: str) -> None:
    """Wait until the keys are on this model."""
    await expect(page.locator(".wc-picker-option.wc-active")).to_contain_text(name)
    await until(
        page,
        "() => document.querySelector('.wc-picker-list').getAttribute('aria-activedescendant') ==="
        " document.querySelector('.wc-picker-option.wc-active').id",
    )


async def test_a_model_is_chosen_by_keys_alone(few: AppProcess, visitor: NewVisitor) -> None:
    page = (await _open(few, visitor)).page
    keys = page.keyboard
    button = page.locator("#wc-picker button")
    await button.focus()
    await keys.press("ArrowDown")
    await expect(page.get_by_role("listbox")).to_be_focused()
    await expect(page.locator(".wc-picker-search")).to_have_count(0)
    await _on(page, "alpha")
    for key, name in (
        ("ArrowDown", "beta"),
        ("End", "gamma"),
        ("ArrowDown", "gamma"),
        ("ArrowUp", "bingo"),
        ("Home", "alpha"),
        ("ArrowUp", "alpha"),
        ("b", "beta"),
    ):
        await keys.press(key)
        await _on(page, name)
    await keys.press("Escape")
    await expect(page.get_by_role("listbox")).to_have_count(0)
    await expect(button).to_be_focused()
    await expect(button).to_have_text("alpha")
    await button.press("Enter")
    await keys.type("bi")
    await _on(page, "bingo")
    await keys.press("Enter")
    await expect(button).to_have_text("bingo")
    await expect(button).to_be_focused()


async def test_the_model_chosen_answers_and_is_the_one_marked(few: AppProcess, visitor: NewVisitor) -> None:
    chat = await _open(few, visitor)
    await chat.page.click("#wc-picker button")
    await chat.page.get_by_role("option", name="gamma").click()
    await chat.ask("words=3")
    await chat.whole(words(3))
    await expect(chat.reply.locator(".wc-model")).to_contain_text("gamma")
    await chat.page.click("#wc-picker button")
    chosen = chat.page.locator("[role=option][aria-selected=true]")
    await expect(chosen).to_have_count(1)
    await expect(chosen).to_contain_text("gamma")
    await chat.page.mouse.click(700, 600)
    await expect(chat.page.get_by_role("listbox")).to_have_count(0)


async def test_many_models_are_searched_and_what_is_typed_chooses_none(
    many: AppProcess, visitor: NewVisitor
) -> None:
    page = (await _open(many, visitor)).page
    button = page.locator("#wc-picker button")
    await button.click()
    search = page.locator(".wc-picker-search")
    await expect(search).to_be_focused()
    await expect(page.get_by_role("option")).to_have_count(len(NAMES) + 1)
    await search.fill("zzz")
    await expect(page.get_by_role("option")).to_have_count(0)
    await expect(page.locator(".wc-picker-nothing")).to_have_text("No match")
    await search.press("Enter")
    await search.press("Escape")
    await expect(page.locator(".wc-picker-panel")).to_have_count(0)
    await expect(button).to_have_text("alpha")
    await button.click()
    await search.fill("ta")
    await expect(page.get_by_role("option")).to_have_count(4)
    await _on(page, "beta")
    await search.press("ArrowDown")
    await _on(page, "delta")
    await search.press("Enter")
    await expect(button).to_have_text("delta")


async def test_each_model_says_what_it_holds_and_where_it_runs(many: AppProcess, visitor: NewVisitor) -> None:
    for locale, near, far in (
        ("en-GB", "8k context · local network", "remote"),
        ("zh-CN", "上下文 8k · 本地网络", "远程"),
    ):
        page = (await _open(many, visitor, locale=locale)).page
        await page.click("#wc-picker button")
        await expect(page.get_by_role("option", name="beta")).to_contain_text(near)
        await expect(page.get_by_role("option", name="far")).to_contain_text(far)


async def test_a_phone_opens_the_list_and_no_keyboard(many: AppProcess, visitor: NewVisitor) -> None:
    size = {"width": 390, "height": 844}
    page = (await _open(many, visitor, viewport=size, is_mobile=True, has_touch=True)).page
    await page.tap("#wc-picker button")
    await expect(page.get_by_role("listbox")).to_be_focused()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.tap("[role=option] >> text=zeta")
    await expect(page.locator("#wc-picker button")).to_have_text("zeta")


async def test_an_endpoint_out_of_reach_is_said_and_tried_again(visitor: NewVisitor, tmp_path: Path) -> None:
    port = free_port()
    async with AppProcess(
        tmp_path, "--no-titles", "--endpoint", f"http://127.0.0.1:{port}/v1", port=kept_port(), preloaded=True
    ) as app:
        for locale, title in (("zh-CN", "尚未连接模型"), ("en-GB", "No model is connected")):
            context = await visitor(locale=locale)
            chat = await Chat(await context.new_page(), app.url).open()
            card = chat.page.locator(".wc-trouble")
            await expect(card).to_contain_text(title)
            await expect(card).to_contain_text(f"127.0.0.1:{port}")
            await expect(chat.page.locator(".wc-welcome")).to_have_count(0)
            await expect(chat.page.locator("#wc-picker button")).not_to_contain_text("127.0.0.1")
        # Nothing is stored that no model could answer, and the words are kept.
        await chat.send("words=4")
        await expect(chat.page.locator(".wc-toast")).to_contain_text(f"127.0.0.1:{port}")
        await expect(chat.box).to_have_value("words=4")
        assert (await (await context.request.get(f"{app.url}/api/conversations")).json())["items"] == []
        await card.get_by_role("button").click()
        await expect(card.get_by_role("button")).to_be_enabled()
        await expect(card).to_contain_text(title)
        async with ScriptedEndpoint(port):
            await card.get_by_role("button").click()
            await expect(card).to_have_count(0)
            await expect(chat.page.locator("#wc-picker button")).to_have_text("scripted")
            await chat.ask("words=5")
            await chat.whole(words(5))
            await expect(chat.reply.locator(".wc-model")).to_contain_text("scripted")
