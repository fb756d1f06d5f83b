"""The page keeps to itself: it asks nobody else for anything, and nothing in a reply comes alive."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import pytest
from playwright.async_api import Page, Request, expect

from tests.app_process import AppProcess
from tests.e2e.chat import Chat, NewVisitor, eventually, first
from tests.scripted_endpoint import ScriptedEndpoint
from tests.ui.payloads import PAYLOADS


def _watch(page: Page) -> tuple[list[str], list[str]]:
    asked: list[str] = []
    complained: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    page.on("request", note)
    page.on("console", lambda m: complained.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complained.append(str(error)))
    return asked, complained


@pytest.mark.parametrize("locale", first(["en-GB", "zh-CN"]))
async def test_the_page_asks_nobody_else_and_complains_of_nothing(
    locale: str, app: AppProcess, visitor: NewVisitor
) -> None:
    page = await (await visitor(locale=locale)).new_page()
    asked, complained = _watch(page)
    chat = await Chat(page, app.url).open()
    await chat.ask(
        "text=%21%5Bx%5D%28https%3A%2F%2Fexample.com%2Fx.png%29%20%3Cimg%20src%3Dhttps%3A%2F%2Fexample.com%2Fy%3E"
    )
    await chat.state("complete")
    await page.reload()
    await chat.ready()
    await chat.state("complete")
    await expect(page.locator("#wc-sidebar .wc-row")).not_to_have_count(0)
    foreign = [url for url in asked if not url.startswith((app.url, "data:", "blob:"))]
    assert foreign == []
    assert complained == []
    language = "zh-CN" if locale == "zh-CN" else "en"
    assert await page.evaluate("document.documentElement.lang") == language


async def test_nothing_in_a_reply_comes_alive(
    app: AppProcess, visitor: NewVisitor, endpoint: ScriptedEndpoint
) -> None:
    page = await (await visitor()).new_page()
    asked, complained = _watch(page)
    chat = await Chat(page, app.url).open()
    evil = "\n\n".join(payload for payload in PAYLOADS[::4] if "`" not in payload)
    endpoint.answers["evil"] = f"text={quote(evil + chr(10) * 2 + 'the end')}"
    await chat.ask("evil")
    await chat.state("complete")
    await chat.shows("the end")
    await page.reload()
    await chat.ready()
    await chat.shows("the end")
    assert await page.evaluate("window.pwned") is None
    assert [url for url in asked if not url.startswith((app.url, "data:", "blob:"))] == []
    assert complained == []


async def test_an_image_elsewhere_waits_for_a_click(chat: Chat) -> None:
    context = chat.page.context
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    await context.route("https://example.com/**", lambda route: route.fulfill(body="an image"))
    await chat.ask(f"text={quote('![a cat](https://example.com/cat.png)')}")
    await chat.state("complete")
    image = chat.reply.locator("a.wc-image")
    await expect(image).to_contain_text("example.com")
    assert not [url for url in asked if "example.com" in url]
    async with context.expect_page() as opened:
        await image.click()
    tab = await opened.value
    await tab.wait_for_load_state()
    assert tab.url == "https://example.com/cat.png"
    assert await tab.evaluate("opener") is None


async def test_the_language_is_changed_in_the_menu_and_stays(chat: Chat) -> None:
    await chat.box.fill("a draft")
    await chat.page.click("#wc-menu-button")
    async with chat.page.expect_navigation():
        await chat.page.get_by_role("menuitemradio", name="简体中文").click()
    await chat.ready()
    assert await chat.page.evaluate("document.documentElement.lang") == "zh-CN"
    await expect(chat.page.locator("#wc-sidebar")).to_contain_text("新")
    await expect(chat.box).to_have_value("a draft")
    await chat.open()
    assert await chat.page.evaluate("document.documentElement.lang") == "zh-CN"


COUNT_FRAMES = """
window.frames_asked = 0;
const frame = window.requestAnimationFrame;
window.requestAnimationFrame = (callback) => ((window.frames_asked += 1), frame(callback));
"""


async def test_an_idle_page_asks_for_no_frames(app: AppProcess, visitor: NewVisitor) -> None:
    """Gradio's mark of loading asked for 60 a second after it had gone."""
    context = await visitor()
    await context.add_init_script(COUNT_FRAMES)
    chat = await Chat(await context.new_page(), app.url).open()
    await chat.ask("words=3")
    await chat.state("complete")

    async def asked_in_half_a_second() -> int:
        count = "window.frames_asked"
        before: int = await chat.page.evaluate(count)
        assert before > 0
        await asyncio.sleep(0.5)
        return int(await chat.page.evaluate(count)) - before

    await eventually(asked_in_half_a_second, lambda asked: asked == 0)
