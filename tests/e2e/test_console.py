"""A link made in the operator's console, and opened by a stranger: two languages, two sizes of screen."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from playwright.async_api import ConsoleMessage, Page, Response, Route, expect

from tests.app_process import AppProcess
from tests.e2e.chat import Chat, NewVisitor, first
from tests.e2e.conftest import running
from tests.e2e.test_operator import come_by
from tests.e2e.test_testers import HOSTILE
from tests.e2e.test_visitors import store_of
from tests.scripted_endpoint import ScriptedEndpoint
from tests.store.talk import Talk
from webchat.sentences import locale
from webchat.sharing.links import OPERATOR_PREFIX
from webchat.store.link_records import LinkTerms

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


async def tab(page: Page, name: str) -> None:
    """Gradio puts the tabs for which there is no room into a menu."""
    await page.wait_for_selector("html.wc-ready #wc-console-tabs .tab-wrapper")
    # Not the copies by which it measures.
    buttons = ".tab-wrapper [role=tab]:visible, .overflow-dropdown button:visible"
    button = page.locator(buttons, has_text=re.compile(f"^\\s*{name}\\s*$")).last
    if not await button.count():
        await page.locator(".overflow-menu > button").click()
    await button.click()


@pytest.mark.parametrize(
    ("language", "screen"),
    first(
        [
            pytest.param("en", DESKTOP, id="en-desktop"),
            pytest.param("zh-CN", PHONE, id="zh-phone"),
        ]
    ),
)
async def test_a_link_is_made_in_the_console_and_opened(
    app: AppProcess, visitor: NewVisitor, language: str, screen: dict[str, Any]
) -> None:
    words = locale(language)
    operator = await (await visitor(locale=language, **screen)).new_page()
    wrong = list[str]()
    asked = list[str]()

    def hear(answer: Response) -> None:
        asked.append(answer.url)
        if answer.status >= 400:
            wrong.append(f"{answer.status} {answer.url}")

    def hear_page(message: ConsoleMessage) -> None:
        if message.type == "error":
            wrong.append(message.text)

    operator.on("response", hear)
    operator.on("console", hear_page)
    operator.on("pageerror", lambda error: wrong.append(str(error)))
    await operator.goto(f"{app.url}/operator")
    await operator.wait_for_selector("html.wc-ready")
    await tab(operator, words["console.links"])
    await operator.locator("#wc-links-form > button").click()
    name = f"Helpers {language} {len(screen)} <b>"
    await operator.locator("#wc-link-name").locator("input, textarea").fill(name)
    await operator.locator("#wc-link-messages input").fill("3")
    await operator.locator("#wc-links-save").click()
    url = operator.locator("#wc-links-url").locator("input, textarea")
    await expect(url).to_have_value(re.compile(r"/t#wt1_"))
    await expect(operator.locator("#wc-links-qr img")).to_be_visible()
    await expect(operator.locator("#wc-links-table").get_by_text(name).last).to_be_visible()
    await expect(operator.locator("#wc-links-link input")).to_have_value(re.compile(re.escape(name)))
    await make_a_key(operator, words, name)
    await add_a_webhook(operator, words, f"https://example.org/{language}/{len(screen)}")
    width = await operator.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0
    assert wrong == []
    assert all(one.startswith((app.url, "data:", "blob:")) for one in asked)


async def make_a_key(page: Page, words: dict[str, str], name: str) -> None:
    await tab(page, words["console.keys"])
    await page.locator("#wc-keys-form > button").click()
    await page.locator("#wc-key-name").locator("input, textarea").fill(name)
    await page.locator("#wc-key-at_once input").fill("2")
    await page.locator("#wc-keys-make").click()
    await expect(page.locator("#wc-keys-token").locator("input, textarea")).to_have_value(
        re.compile(r"^wk_[0-9a-f]{12}_")
    )
    await expect(page.locator("#wc-keys-table").get_by_text(name).last).to_be_visible()
    await page.get_by_role("button", name=words["console.keys.revoke"]).click()
    await page.get_by_role("button", name=words["console.keys.revoke_now"]).click()
    await expect(
        page.locator("#wc-keys-table").get_by_text(words["console.keys.is_revoked"]).last
    ).to_be_visible()


async def add_a_webhook(page: Page, words: dict[str, str], url: str) -> None:
    await tab(page, words["console.webhooks"])
    await page.locator("#wc-webhooks-form > button").click()
    await page.locator("#wc-webhook-url").locator("input, textarea").fill(url)
    await page.locator("#wc-webhooks-add").click()
    await expect(page.locator("#wc-webhooks-secret").locator("input, textarea")).to_have_value(
        re.compile(r"^whsec_")
    )
    await page.get_by_role("button", name=words["console.webhooks.disable"], exact=True).last.click()
    await expect(
        page.locator("#wc-webhooks-table").get_by_text(words["console.webhooks.is_disabled"]).last
    ).to_be_visible()


async def test_a_stranger_comes_by_the_link_and_the_operator_sees_it(
    endpoint: ScriptedEndpoint, tmp_path_factory: pytest.TempPathFactory, visitor: NewVisitor
) -> None:
    async with running(tmp_path_factory.mktemp("console"), endpoint, "--access", "link") as app:
        page = (await come_by(app, visitor, OPERATOR_PREFIX)).page
        await page.get_by_role("button", name="Settings and help").click()
        await page.get_by_role("menuitem", name="Operator's console").click()
        await page.wait_for_url("**/operator/")
        await tab(page, "Links")
        await page.locator("#wc-links-form > button").click()
        await page.locator("#wc-link-name").locator("input, textarea").fill("Support")
        await page.locator("#wc-link-messages input").fill("2")
        await page.locator("#wc-links-save").click()
        url = page.locator("#wc-links-url").locator("input, textarea")
        await expect(url).to_have_value(re.compile(r"/t#wt1_"))

        guest = Chat(await (await visitor(**PHONE)).new_page(), app.url)
        await guest.page.goto(await url.input_value())
        await guest.ready()
        await guest.page.locator("#wc-composer-text textarea").fill("Hello")
        await guest.page.locator("#wc-send").click()
        await guest.page.wait_for_selector("article.wc-reply[data-state=complete]")
        # The numbers move by themselves.
        await expect(page.locator("#wc-links-table").get_by_text("1 / 2").last).to_be_visible()
        assert (await guest.page.goto(f"{app.url}/operator/")).status == 404  # type: ignore[union-attr]

        await page.get_by_role("button", name="Revoke", exact=True).click()
        await expect(page.locator("#wc-links-table").get_by_text("Revoked").last).to_be_visible()


async def test_a_tab_that_was_left_before_its_list_came_stops_no_timer(
    app: AppProcess, visitor: NewVisitor
) -> None:
    with store_of(app) as store:
        store.create_link("Made before", "hash of a link made before", None, LinkTerms())
    page = await (await visitor()).new_page()
    shown = page.locator("#wc-links-table")
    left = asyncio.Event()

    async def late(route: Route) -> None:
        if '"value":"People"' in (route.request.post_data or ""):
            await left.wait()
        await route.continue_()

    await page.route("**/queue/join*", late)
    await page.goto(f"{app.url}/operator/")
    await tab(page, "Links")
    await expect(shown.get_by_text("Made before").last).to_be_visible()
    left.set()
    with store_of(app) as store:
        store.create_link("Made elsewhere", "hash of a link made elsewhere", None, LinkTerms())
    await expect(shown.get_by_text("Made elsewhere").last).to_be_visible()


async def test_names_are_text_wherever_the_console_shows_them(app: AppProcess, visitor: NewVisitor) -> None:
    """Members and providers choose them. Without the page's policy, so that nothing but the text counts."""
    with store_of(app) as store:
        person = store.enter_person(
            "https://id.example", f"{HOSTILE} sub", HOSTILE, f"{HOSTILE}@x.example", False
        )
        link = store.create_link(HOSTILE, "hash of a hostile name", None, LinkTerms(consent="We read."))
        tester = Talk(store, store.create_owner("guest", link.name, link.id).id)
        store.consent(tester.owner, 1)
        tester.say(HOSTILE, "yes")
    page = await (await visitor(bypass_csp=True)).new_page()
    elsewhere = list[str]()
    page.on("request", lambda request: elsewhere.append(request.url))
    await page.goto(f"{app.url}/operator/")
    toasts = page.locator(".toast-body")
    for name, prefix, act in (("People", "people", "Make operator"), ("Links", "links", "Pause")):
        await tab(page, name)
        await page.locator(f"#wc-{prefix}-table").get_by_text(HOSTILE).last.click()
        await page.get_by_role("button", name=act, exact=True).click()
        await expect(toasts.get_by_text(HOSTILE).last).to_be_visible()
    await tab(page, "Conversations")
    await page.locator("#wc-testers-link input").click()
    await page.get_by_role("option", name=HOSTILE).click()
    await page.locator("#wc-testers-table").get_by_text(HOSTILE[:20]).last.click()
    await expect(page.locator("#wc-testers-messages").get_by_text(HOSTILE)).to_be_visible()
    with store_of(app) as store:
        assert store.person(person.owner_id).operates
    assert await page.evaluate("window.__pwn") is None
    assert all(url.startswith((app.url, "data:", "blob:")) for url in elsewhere)
    assert not [url for url in elsewhere if url.endswith(("/x", "/p.png"))]
