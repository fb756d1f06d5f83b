"""The search dialog finds parts of words in any script, and marks what was found, no more and no less."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from tests.app_process import AppProcess
from tests.e2e.chat import Chat, NewVisitor, Server, first
from tests.e2e.kept_visitors import new_context
from webchat.sentences import locale

EMOJI = "👩‍👩‍👧" * 60  # more than a snippet holds, two code units of the browser to a character of Python

SAID_ASKED_MARKED = {
    "part of an identifier": ("call foo_bar_baz and RESTAURANT_SIGNALS now", "bar_baz", ["bar_baz"]),
    "capitals": ("watch RESTAURANT_CLOSES, too", "rant_clo", ["RANT_CLO"]),
    "camel case": ("use getUserName here", "username", ["UserName"]),
    "inside a word": ("about blockchain and timeout", "chain", ["chain"]),
    "several words": ("a parrot sat beside the carrot", "arrot the", ["arrot", "the", "arrot"]),
    "between quotes": ("red wine, wine red", '"wine red"', ["wine red"]),
    "without accents": ("the café résumé naïve", "cafe resume", ["café", "résumé"]),
    "with accents": ("a plain facade, no cedilla", "façade", ["facade"]),
    "full width": ("型番ＸＹＺ１２３です", "xyz123", ["ＸＹＺ１２３"]),
    "half width": ("ｶﾞｿﾘﾝを入れる", "ガソリン", ["ｶﾞｿﾘﾝ"]),
    "emoji": ("party 🎉 time", "🎉", ["🎉"]),
    "behind emoji": (f"{EMOJI} lighthouse keeper", "lighthouse", ["lighthouse"]),
    "signs": ("compare C++ with C# please", "C++", ["C++"]),
    "version": ("upgrade from v1.2.3-rc1", "1.2.3", ["1.2.3"]),
    "one Chinese character": ("家里有一只猫在睡觉", "猫", ["猫"]),
    "two Chinese characters": ("怎样训练自己的模型", "模型", ["模型"]),
    "Korean": ("저는 한국사람이고 컴퓨터를 좋아해요", "사람", ["사람"]),
    "Thai": ("สวัสดีชาวโลก", "ชาว", ["ชาว"]),
}
OTHERS = ("some word with c in it, and ccc", "nothing of the kind")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def filled(app: AppProcess) -> AsyncIterator[AppProcess]:
    """A chat for each of the texts."""
    async with Server(app.url) as server:
        for text in [*(said for said, _, _ in SAID_ASKED_MARKED.values()), *OTHERS]:
            await server.ended((await server.begin(text)).id)
    yield app


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def open_page(filled: AppProcess, browser: Browser) -> AsyncIterator[Page]:
    """One page for all that is found in it."""
    context = await new_context(browser)
    chat = await Chat(await context.new_page(), filled.url).open()
    yield chat.page
    await context.close()


async def searching(filled: AppProcess, visitor: NewVisitor, query: str, **options: object) -> Page:
    """The page with the dialog, and the query typed into it."""
    chat = await Chat(await (await visitor(**options)).new_page(), filled.url).open()
    await ask(chat.page, query)
    return chat.page


async def ask(page: Page, query: str) -> None:
    await page.keyboard.press("Control+k")
    await page.locator(".wc-search input").fill(query)


def hits(page: Page) -> Locator:
    return page.locator(".wc-search [role=option]:not(.wc-hit-new)")


@pytest.mark.parametrize("kind", SAID_ASKED_MARKED)
async def test_a_part_is_found_and_marked_as_it_was_written(open_page: Page, kind: str) -> None:
    said, asked, marked = SAID_ASKED_MARKED[kind]
    page = open_page
    await ask(page, asked)
    await expect(page.locator(".wc-search [role=status]")).to_have_text("1 result")
    await expect(hits(page)).to_have_count(1)
    await expect(hits(page).locator("mark")).to_have_text(marked)
    await page.keyboard.press("Enter")
    await expect(page.locator(".wc-user")).to_contain_text(said)


@pytest.mark.parametrize("language", first(["en", "zh-CN"]))
async def test_where_nothing_is_found_the_dialog_says_so(
    filled: AppProcess, visitor: NewVisitor, language: str
) -> None:
    page = await searching(filled, visitor, "zzxyq", locale=language)
    said = locale(language)["search.empty"].format(query="zzxyq")
    await expect(page.locator(".wc-search-note")).to_have_text(said)
    await expect(hits(page)).to_have_count(0)


@pytest.mark.parametrize("language", first(["zh-CN", "en"]))
async def test_a_search_that_was_not_whole_is_told(
    filled: AppProcess, visitor: NewVisitor, language: str
) -> None:
    context = await visitor(locale=language)
    found: dict[str, object] = {"items": [], "next": None, "whole": False}
    await context.route("**/api/search*", lambda route: route.fulfill(json=found))
    chat = await Chat(await context.new_page(), filled.url).open()
    await chat.page.keyboard.press("Control+k")
    await chat.page.locator(".wc-search input").fill("the")
    await expect(chat.page.locator(".wc-search-note")).to_have_text(locale(language)["search.not_whole"])
