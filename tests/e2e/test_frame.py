"""The page's frame: notices out of the way, headings and landmarks, places that lead nowhere."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Locator, Page, Route, expect

from tests.app_process import AppProcess
from tests.e2e.chat import LOOKS, MORE_LOOKS, Chat, NewVisitor, crossed, first
from webchat.sentences import locale

TOAST = """async (words) => {
    const shell = document.querySelector("link[rel=modulepreload]").href;
    const { toast } = await import(shell.replace(/[^/]+$/, "toast.js"));
    for (const one of words) toast(one, { action: { label: "Undo", onclick() {} }, seconds: 60 });
}"""


async def opened(app: AppProcess, visitor: NewVisitor, look: dict[str, Any], query: str = "") -> Chat:
    return await Chat(await (await visitor(**look)).new_page(), app.url).open(query)


async def apart(one: Locator, other: Locator) -> bool:
    """Whether two elements do not overlap."""
    a, b = await one.bounding_box(), await other.bounding_box()
    assert a
    assert b
    return (
        a["x"] + a["width"] <= b["x"]
        or b["x"] + b["width"] <= a["x"]
        or a["y"] + a["height"] <= b["y"]
        or b["y"] + b["height"] <= a["y"]
    )


async def outline(page: Page) -> list[str]:
    """The headings a screen reader goes through, by level."""
    found: list[str] = await page.evaluate(
        "[...document.querySelectorAll('h1, h2, h3, h4')].filter((one) => one.checkVisibility()"
        " && !one.closest('[inert]')).map((one) => `${one.tagName} ${one.textContent}`)"
    )
    return found


UNKNOWN = ["nope", "some/where/deep", "s/deep/unknown"]


@pytest.mark.parametrize(("look", "language"), MORE_LOOKS)
async def test_notices_cover_neither_messages_nor_the_box_and_the_models_window_not_what_sends(
    app: AppProcess, visitor: NewVisitor, look: dict[str, Any], language: str
) -> None:
    page = await (await visitor(**look)).new_page()

    async def roomy(route: Route) -> None:
        answer = await route.fetch()
        found = await answer.json()
        for model in found["models"]:
            model["context_length"] = 8192
        await route.fulfill(response=answer, json=found)

    await page.route("**/api/models", roomy)
    chat = await Chat(page, app.url).open()
    await chat.ask("words=3")
    await chat.state("complete")
    await page.evaluate(TOAST, ["First notice", "Second notice"])
    shown = page.locator(".wc-toast:visible")
    await expect(shown).to_have_text("Second noticeUndo")
    assert await apart(shown, page.locator("article .wc-bubble").first)
    assert await apart(shown, page.locator("#wc-composer-box"))
    # The one before it is under it, and its way back with it.
    await shown.locator(".wc-icon-button").click()
    await expect(shown).to_have_text("First noticeUndo")
    await shown.locator(".wc-icon-button").click()
    await expect(shown).to_have_count(0)
    await page.focus(".wc-meter")
    await page.hover(".wc-meter")
    tip = page.locator(".wc-meter-tip")
    await expect(tip).to_be_visible()
    await expect(tip).to_be_in_viewport(ratio=1)
    assert await apart(tip, page.locator("#wc-send"))


@pytest.mark.parametrize(("look", "language"), first([*MORE_LOOKS[1:], MORE_LOOKS[0]]))
async def test_an_unknown_chat_offers_a_new_one(
    app: AppProcess, visitor: NewVisitor, look: dict[str, Any], language: str
) -> None:
    words = locale(language)
    chat = await opened(app, visitor, look, "?c=00000000-0000-7000-8000-000000000000")
    said = chat.page.get_by_role("alert")
    await expect(said).to_contain_text(words["transcript.unknown"])
    await expect(said.get_by_role("button")).to_have_text([words["app.new_chat"], words["trash.title"]])
    await said.get_by_role("button").first.click()
    await expect(chat.page.locator(".wc-welcome h1")).to_have_text(words["transcript.greeting"])
    assert "?c=" not in chat.page.url
    await chat.ask("words=2")
    await chat.state("complete")


@pytest.mark.parametrize(
    ("look", "language", "path"), [*crossed(LOOKS, UNKNOWN), *crossed(MORE_LOOKS[2:], UNKNOWN)]
)
async def test_an_unknown_address_leads_home(
    app: AppProcess, visitor: NewVisitor, look: dict[str, Any], language: str, path: str
) -> None:
    words = locale(language)
    page = await (await visitor(**look)).new_page()
    answer = await page.goto(f"{app.url}/{path}")
    assert answer
    assert answer.status == 404
    assert "nosniff" in (await answer.all_headers())["x-content-type-options"]
    await expect(page.locator("h1")).to_have_text(words["notfound.title"])
    assert await page.evaluate("document.documentElement.lang") == language
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.click("a")
    await page.wait_for_selector("html.wc-ready")
    assert page.url == f"{app.url}/"


@pytest.mark.parametrize(("look", "language"), MORE_LOOKS)
async def test_headings_and_landmarks_say_where_one_is(
    app: AppProcess, visitor: NewVisitor, look: dict[str, Any], language: str
) -> None:
    words = locale(language)
    chat = await opened(app, visitor, look)
    page = chat.page
    await page.wait_for_selector(".wc-welcome")
    assert [one for one in await outline(page) if one.startswith("H1")] == [
        f"H1 {words['transcript.greeting']}"
    ]
    await chat.ask("A question of its own")
    await chat.state("complete")
    headings = await outline(page)
    assert [one for one in headings if one.startswith("H1")] == ["H1 A question of its own"]
    assert not [one for one in headings if one.startswith(("H3", "H4"))]
    await expect(page.get_by_role("main")).to_have_count(1)
    await expect(page.get_by_role("main").get_by_role("log")).to_have_count(1)
    await expect(page.get_by_role("main").get_by_role("navigation")).to_have_count(0)


async def test_a_tabs_count_is_apart_from_its_name(chat: Chat) -> None:
    made = await chat.page.evaluate(
        """async () => {
            const shell = document.querySelector("link[rel=modulepreload]").href;
            const { tabbed } = await import(shell.replace(/[^/]+$/, "tabs.js"));
            const tab = { name: "tokens", label: "Tokens", count: 40, build: () => "" };
            const other = { name: "json", label: "JSON", build: () => "" };
            const { elements } = await tabbed("x", "X", [tab, other]);
            document.body.append(...elements);
            return [...elements[0].children].map((one) => one.textContent);
        }"""
    )
    assert made == ["Tokens 40", "JSON"]
    await expect(chat.page.get_by_role("tab", name="Tokens 40", exact=True)).to_have_count(1)


async def test_escape_closes_the_search_at_once(chat: Chat) -> None:
    await chat.page.keyboard.press("ControlOrMeta+k")
    await chat.page.keyboard.type("something")
    await chat.page.keyboard.press("Escape")
    await expect(chat.page.locator(".wc-search")).to_have_count(0)


@pytest.mark.parametrize("language", first(["en", "zh-CN"]))
async def test_a_new_chat_is_shown_from_its_beginning_at_twice_the_size(
    app: AppProcess, visitor: NewVisitor, language: str
) -> None:
    """As the browser does it: half the pixels, each twice as large."""
    look = {"viewport": {"width": 720, "height": 450}, "device_scale_factor": 2, "locale": language}
    chat = await opened(app, visitor, look)
    heading = chat.page.locator(".wc-welcome h1")
    await expect(heading).to_be_in_viewport(ratio=1)
    assert await apart(heading, chat.page.locator("#wc-topbar"))
    # Also after a chat that was read at its end.
    await chat.ask("words=400")
    await chat.state("complete")
    await chat.page.keyboard.press("ControlOrMeta+Shift+o")
    await expect(heading).to_be_in_viewport(ratio=1)
    assert await chat.page.evaluate("document.querySelector('.wc-scroller').scrollTop") == 0
    assert await apart(heading, chat.page.locator("#wc-topbar"))


@pytest.mark.parametrize("language", first(["zh-CN", "en"]))
async def test_a_page_that_does_not_load_says_so(app: AppProcess, visitor: NewVisitor, language: str) -> None:
    words = locale(language)
    page = await (await visitor(locale=language)).new_page()
    await page.route("**/shell.js", lambda route: route.abort())
    await page.goto(app.url)
    await expect(page.get_by_role("alert")).to_contain_text(words["app.load_failed"])
    await page.unroute_all()
    await page.get_by_role("button", name=words["app.retry"]).click()
    await page.wait_for_selector("html.wc-ready")
    await expect(page.get_by_text(words["app.load_failed"])).to_have_count(0)
