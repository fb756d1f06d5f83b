"""Two replies side by side: hidden until the vote, on a desktop by keys, on a phone as tabs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, expect

from tests.app_process import AppProcess
from tests.e2e.chat import PHONE, Chat, NewVisitor
from tests.e2e.conftest import kept_port
from tests.e2e.test_templates import make, variable
from tests.scripted_endpoint import ScriptedEndpoint

MODELS = ("heron-large", "wren")
CONFIG = "\n".join(
    f'[[models]]\nname = "{name}"\nendpoint = "{{url}}"\nmodel = "scripted"\n' for name in MODELS
)
TEXT = "Herons stand still, and then they strike."
ASKED = f"text={quote(TEXT)}"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def app(
    endpoint: ScriptedEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[AppProcess]:
    folder = tmp_path_factory.mktemp("comparing")
    config = folder / "webchat.toml"
    config.write_text(CONFIG.format(url=endpoint.url))
    env = {"WEBCHAT_CONFIG": str(config)}
    async with AppProcess(folder / "data", "--no-titles", env=env, port=kept_port(), preloaded=True) as app:
        yield app


async def compare(chat: Chat, text: str) -> None:
    page = chat.page
    if await page.get_attribute("#wc-compare-button", "aria-pressed") != "true":
        await page.click("#wc-compare-button")
        await page.click(".wc-menu [role^=menuitem] >> nth=0")
    await chat.ask(text)


async def named(page: Page) -> bool:
    """Whether anything about the two replies names a model."""
    words = await page.inner_text(".wc-compare")
    return any(name in words for name in MODELS)


async def test_two_replies_are_hidden_until_a_key_votes(chat: Chat) -> None:
    page = chat.page
    await compare(chat, "words=3000 rate=20")
    await expect(page.locator(".wc-compare-side .wc-body").last).to_contain_text("w3")
    await expect(page.locator(".wc-compare-foot")).to_contain_text("You can vote when both")
    await page.click("#wc-stop")
    await page.click("text=Continue with A")
    await expect(page.locator(".wc-compare-question")).to_have_text("You didn't vote.")
    await compare(chat, ASKED)
    sides = page.locator(".wc-compare-side .wc-body")
    await expect(sides).to_have_text([TEXT, TEXT])
    await expect(page.locator(".wc-compare-question")).to_have_text("Which reply is better?")
    assert not await named(page)
    await page.reload()
    await chat.ready()
    await expect(sides).to_have_text([TEXT, TEXT])
    assert not await named(page)
    await chat.send("And then?")
    await expect(page.locator("#wc-composer-note")).to_contain_text("Vote on the two replies first")
    other = await Chat(await page.context.new_page(), chat.url).open(f"?c={chat.conversation}")
    await expect(other.page.locator(".wc-compare-side .wc-body")).to_have_text([TEXT, TEXT])
    await page.click(".wc-compare-marks >> nth=1 >> button >> nth=1")
    await page.fill(".wc-compare-comment", "Too short")
    await page.locator(".wc-compare").focus()
    await page.keyboard.press("a")
    await expect(page.locator(".wc-compare-question")).to_have_text("You preferred A.")
    await expect(other.page.locator(".wc-compare-question")).to_have_text("You preferred A.")
    await other.page.close()
    shown = await page.locator(".wc-compare .wc-model").all_text_contents()
    assert sorted(one.partition(" · ")[2] for one in shown) == sorted(MODELS)
    await page.click("text=Continue with B")
    await expect(page.locator(".wc-compare-skip")).to_contain_text("The chat continues with B.")
    await page.click("#wc-compare-button")
    await page.click(".wc-menu [role^=menuitem] >> nth=-1")
    await chat.ask("words=3")
    await chat.state("complete")
    await expect(page.locator(".wc-compare")).to_have_count(0)
    await expect(chat.replies.nth(1)).to_contain_text(TEXT)
    await expect(chat.replies.nth(1).locator(".wc-version")).to_have_text("2/2")


async def test_other_settings_an_edit_and_another_reply_are_compared(
    chat: Chat, endpoint: ScriptedEndpoint
) -> None:
    page = chat.page
    system = "You answer for {{ shop }}."
    await make(page, chat.url, "Shop", system=system, variables=[variable("shop", "text", required=True)])
    await page.click("#wc-compare-button")
    await page.get_by_role("menuitemradio", name="Other settings").click()
    dialog = page.locator(".wc-compare-dialog")
    await dialog.get_by_role("button", name="Compare", exact=True).click()
    await expect(dialog).to_contain_text("Change at least one.")
    who, prompt = dialog.get_by_label("Persona"), dialog.get_by_label("System prompt")
    await who.select_option(label="Shop")
    shop = dialog.get_by_label("shop")
    await dialog.get_by_role("button", name="Compare", exact=True).click()
    await expect(shop).to_be_focused()  # it is required
    await shop.fill("Two Wheels")
    await expect(prompt).to_have_value("You answer for Two Wheels.")
    await prompt.fill("Be brief.")
    await expect(who).to_have_value("kept")
    await expect(shop).to_have_count(0)
    await who.select_option(label="Shop")
    await shop.fill("Three Wheels")
    await dialog.get_by_label("Temperature").fill("0.25")
    await dialog.get_by_role("button", name="Compare", exact=True).click()
    await expect(page.locator("#wc-composer-note")).to_have_text("Comparing with heron-large, other settings")
    await chat.ask(ASKED)
    question = page.locator(".wc-compare-question")
    await expect(question).to_have_text("Which reply is better?")
    sent = [call.body for call in endpoint.calls[-2:]]
    assert sorted(body.get("temperature", -1) for body in sent) == [-1, 0.25]
    (asked,) = [body["messages"] for body in sent if "temperature" in body]
    assert asked[0] == {"role": "system", "content": "You answer for Three Wheels."}
    sides = page.locator(".wc-compare-side")
    assert "0.25" not in await page.inner_text(".wc-compare")
    await page.locator(".wc-compare").focus()
    await page.keyboard.press("=")
    await expect(question).to_have_text("You voted for a tie.")
    await expect(sides.filter(has_text="Shop · Temperature: 0.25")).to_have_count(1)
    await expect(sides.filter(has_text="No system prompt · Temperature: Model default")).to_have_count(1)

    user = page.locator("article.wc-user")
    await user.hover()
    await user.locator('[data-act="edit"]').click()
    box = user.locator(".wc-editor textarea")
    await box.fill(f"{ASKED} again")
    await box.press("Control+Enter")
    await expect(user).to_contain_text("again")
    await expect(question).to_have_text("Which reply is better?")
    await page.click("text=Continue with A")
    await expect(question).to_have_text("You didn't vote.")
    await page.click("#wc-compare-button")
    await page.click(".wc-menu [role^=menuitem] >> nth=-1")
    await chat.ask("words=3")
    await chat.state("complete")
    await chat.reply.hover()
    await chat.reply.locator('[data-act="regenerate"]').click()
    await page.get_by_role("menuitem", name="Compare two replies").click()
    await page.get_by_role("menuitemradio", name="wren").click()
    await expect(question).to_have_text("Which reply is better?")
    await expect(sides.locator(".wc-body")).to_have_text(["w0 w1 w2"] * 2)


async def test_sides_that_ended_before_the_page_heard_of_them_are_voted_on_by_key(chat: Chat) -> None:
    page = chat.page

    async def late(route: Route) -> None:
        states: set[str] = set()
        while states != {"complete"}:
            answer = await route.fetch()
            found = await answer.json()
            states = {found[side]["message"]["state"] for side in ("left", "right")}
        await route.fulfill(response=answer)

    await page.route("**/api/comparisons/*", late)
    await compare(chat, ASKED)
    question = page.locator(".wc-compare-question")
    await expect(question).to_have_text("Which reply is better?")
    await page.locator(".wc-compare").focus()
    await page.keyboard.press("=")
    await expect(question).to_have_text("You voted for a tie.")


async def test_on_a_phone_the_sides_are_tabs_and_one_goes_on_without_a_vote(
    visitor: NewVisitor, app: AppProcess
) -> None:
    context = await visitor(locale="zh-CN", **PHONE)
    chat = await Chat(await context.new_page(), app.url).open()
    page = chat.page
    await compare(chat, ASKED)
    await expect(page.locator(".wc-compare-side .wc-body")).to_have_text([TEXT, TEXT])
    second = page.locator(".wc-compare-tabs button").last
    await second.tap()
    await expect(second).to_have_attribute("aria-pressed", "true")
    await expect(page.locator(".wc-compare-side").last).to_be_in_viewport(ratio=0.9)
    await page.click("text=用 B 继续")
    await expect(page.locator(".wc-compare-question")).to_have_text("你没有投票。")
    assert await named(page)
