"""People sign in with a name and a password: what is theirs, on each of their devices, and nobody else's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from backends._plurals import filled
from tests.app_process import AppProcess
from tests.e2e.chat import LOOKS, PHONE, Chat, NewVisitor, first, words
from tests.e2e.conftest import running
from tests.e2e.test_visitors import store_of
from tests.scripted_endpoint import ScriptedEndpoint
from webchat.auth.passwords.checking import hash_password
from webchat.sentences import locale
from webchat.sharing import new_link

PASSWORD = "a long enough one"
EN = locale("en")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(
    endpoint: ScriptedEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[AppProcess]:
    async with running(tmp_path_factory.mktemp("house"), endpoint, WEBCHAT_SIGN_IN="password") as app:
        yield app


@pytest.fixture(scope="module")
def hashed() -> str:
    return hash_password(PASSWORD)


def add(app: AppProcess, name: str, hashed: str) -> None:
    with store_of(app) as store:
        store.add_person("password", name, name.title(), f"{name}@example.org", password_hash=hashed)


async def sign_in(page: Page, app: AppProcess, name: str, password: str = PASSWORD) -> Chat:
    await page.goto(f"{app.url}/sign-in")
    return await enter(page, app, name, password)


async def enter(page: Page, app: AppProcess, name: str, password: str = PASSWORD) -> Chat:
    """Sign in on the page for that."""
    await page.locator("#name").fill(name)
    await page.locator("#password").fill(password)
    await page.locator("#sign-in button").click()
    chat = Chat(page, app.url)
    await chat.ready()
    return chat


async def choose(page: Page, said: Mapping[str, str], entry: str) -> None:
    """An entry of the menu in the sidebar, which a phone hides."""
    if await page.locator("html.wc-sidebar-closed").count():
        await page.locator("#wc-sidebar-toggle").click()
    await page.get_by_role("button", name=said["sidebar.menu"]).click()
    await page.get_by_role("menuitem", name=said[entry], exact=True).click()


async def account(page: Page, said: Mapping[str, str]) -> Locator:
    await choose(page, said, "account.title")
    sheet = page.get_by_role("dialog", name=said["account.title"])
    await expect(sheet.locator(".wc-account-device").first).to_be_visible()
    return sheet


@pytest.mark.parametrize(("look", "language"), first(LOOKS[::-1]))
async def test_the_next_person_in_a_browser_sees_nothing_of_the_one_who_signed_out(
    house: AppProcess, visitor: NewVisitor, hashed: str, look: dict[str, Any], language: str
) -> None:
    said = locale(language)
    ada, bob = f"ada{language.lower()}", f"bob{language.lower()}"
    for name in (ada, bob):
        add(house, name, hashed)
    page = await (await visitor(**look)).new_page()
    chat = await sign_in(page, house, ada)
    place = await chat.ask("words=3")
    await chat.whole(words(3))
    sheet = await account(page, said)
    await expect(sheet).to_contain_text(f"{ada}@example.org")
    box = sheet.get_by_label(said["account.name"], exact=True)
    await box.fill("Ada Lovelace")
    await box.press("Enter")
    await expect(page.locator(".wc-side-who")).to_have_text("Ada Lovelace")
    await page.keyboard.press("Escape")
    await expect(sheet).to_have_count(0)
    if await page.locator("#wc-main[inert]").count():
        await page.locator(".wc-scrim").click(position={"x": 380, "y": 400})
    await chat.box.fill("only for Ada")
    other_tab = await page.context.new_page()
    await Chat(other_tab, house.url).open()
    await choose(page, said, "account.sign_out")
    for left in (page, other_tab):
        await left.wait_for_url("**/sign-in")
        await expect(left.locator("#password")).to_be_visible()
    await page.go_back()
    await expect(page.locator("#password")).to_be_visible()
    assert "Ada Lovelace" not in await page.content()
    theirs = await sign_in(page, house, bob)
    await expect(page.locator(".wc-side-who")).to_have_text(bob.title())
    await expect(page.locator("#wc-sidebar .wc-row")).to_have_count(0)
    await expect(theirs.box).to_have_value("")
    await choose(page, said, "account.sign_out")
    await page.wait_for_url("**/sign-in")
    await enter(page, house, ada)
    await expect(page.locator("#wc-sidebar .wc-row")).to_have_count(1)
    await page.goto(f"{house.url}/?c={place}")
    await expect(chat.box).to_have_value("only for Ada")


async def test_a_device_that_was_signed_out_says_so_and_goes_on_after_signing_in(
    house: AppProcess, visitor: NewVisitor, hashed: str
) -> None:
    add(house, "eve", hashed)
    desk = await (await visitor()).new_page()
    await sign_in(desk, house, "eve")
    said = locale("zh-CN")
    phone = await (await visitor(locale="zh-CN", **PHONE)).new_page()
    chat = await sign_in(phone, house, "eve")
    place = await chat.ask("words=400 rate=40")
    await chat.shows("w3 ")
    await chat.box.fill("and then")
    sheet = await account(desk, EN)
    devices = sheet.locator(".wc-account-device")
    async with desk.expect_response("**/api/me/training") as saved:
        await sheet.get_by_label(EN["account.training_allow"]).check()
    assert (await saved.value).ok
    await expect(devices).to_have_count(2)
    await expect(sheet.locator("[aria-current=true]")).to_contain_text(EN["account.this_device"])
    await sheet.locator(".wc-account-device:not([aria-current]) button").click()
    await expect(devices).to_have_count(1)
    await expect(chat.reply.locator(".wc-note")).to_contain_text(said["error.not_followed"])
    await expect(phone.locator(".wc-connection.wc-open")).to_contain_text(said["error.signed_out"])
    assert await chat.box.input_value() == "and then"
    await expect(chat.box).to_have_js_property("readOnly", True)
    await phone.get_by_role("link", name=said["account.sign_in_again"]).click()
    await enter(phone, house, "eve")
    assert chat.conversation == place
    await chat.whole(words(400))
    assert await chat.box.input_value() == "and then"


async def test_a_new_password_counts_at_once_and_ends_the_other_devices(
    house: AppProcess, visitor: NewVisitor, hashed: str
) -> None:
    add(house, "kim", hashed)
    desk, phone = [await (await visitor()).new_page() for _ in range(2)]
    await sign_in(phone, house, "kim")
    await sign_in(desk, house, "kim")
    sheet = await account(desk, EN)
    change = sheet.get_by_role("button", name=EN["account.change_password"])
    await change.click()
    current, new, again = (
        sheet.get_by_label(EN[f"account.{name}"], exact=True)
        for name in ("current_password", "new_password", "repeat_password")
    )
    await expect(current).to_be_focused()
    for box, text in ((current, "not it"), (new, "quite another one"), (again, "quite another")):
        await box.fill(text)
    await again.press("Enter")
    await expect(again).to_have_accessible_description(EN["account.differ"])
    await again.fill("quite another one")
    await again.press("Enter")
    await expect(current).to_have_accessible_description(EN["account.wrong_password"])
    await expect(current).to_be_focused()
    await expect(desk.locator(".wc-connection.wc-open")).to_have_count(0)
    await current.fill(PASSWORD)
    await current.press("Enter")
    await expect(current).to_be_hidden()
    await expect(sheet.locator(".wc-account-device")).to_have_count(1)
    await expect(phone.get_by_role("link", name=EN["account.sign_in_again"])).to_be_visible()
    fresh = await (await visitor()).new_page()
    await fresh.goto(f"{house.url}/sign-in")
    await fresh.locator("#name").fill("kim")
    await fresh.locator("#password").fill(PASSWORD)
    await fresh.locator("#sign-in button").click()
    await expect(fresh.get_by_role("status")).not_to_be_empty()
    await expect(fresh.locator("#password")).to_have_attribute("aria-invalid", "true")
    await enter(fresh, house, "kim", "quite another one")


async def delete_all(page: Page, said: Mapping[str, str], title: str, how: str) -> None:
    """Through the person's own page."""
    await choose(page, said, title)
    sheet = page.get_by_role("dialog", name=said[title])
    await sheet.get_by_role("button", name=said[f"account.{how}"], exact=True).click()
    question = page.get_by_role("dialog", name=said[f"account.{how}_title"])
    await question.get_by_role("button", name=said[f"account.{how}"], exact=True).click()
    await expect(sheet).to_have_count(0)


@pytest.mark.parametrize(("look", "language"), first(LOOKS))
async def test_all_chats_go_where_their_owner_says_on_every_page_of_theirs(
    house: AppProcess, visitor: NewVisitor, hashed: str, look: dict[str, Any], language: str
) -> None:
    said, name = locale(language), f"kit{language.lower()}"
    add(house, name, hashed)
    browser = await visitor(**look)
    page, elsewhere = await browser.new_page(), await (await visitor()).new_page()
    chat = await sign_in(page, house, name)
    place = await chat.ask("words=4000 rate=20")
    await chat.shows("w3 ")
    await chat.box.fill("half a thought")
    other = await sign_in(elsewhere, house, name)
    await other.open(f"?c={place}")
    await other.shows("w3 ")
    await delete_all(page, said, "account.title", "delete_all")
    for left in (page, elsewhere):
        await expect(left.locator("#wc-sidebar .wc-row")).to_have_count(0)
    await expect(page.locator("article")).to_have_count(0)
    await expect(page).to_have_url(f"{house.url}/")
    with store_of(house) as store:
        owner = store.find_person("password", name).owner_id
        assert [item.id for item in store.list_trash(owner).items] == [place]
        store.restore_conversation(owner, place)
    await page.goto(f"{house.url}/?c={place}")
    await chat.ready()
    await expect(chat.box).to_have_value("half a thought")
    await expect(chat.reply).to_have_attribute("data-state", "stopped")
    await delete_all(page, said, "account.title", "end_all")
    await expect(page.locator("#wc-sidebar .wc-row")).to_have_count(0)
    with store_of(house) as store:
        assert not store.list_trash(owner).items
    drafts = "() => Object.keys(localStorage).filter((name) => name.startsWith('webchat.draft.'))"
    assert not [name for name in await page.evaluate(drafts) if place in name]


async def test_whoever_did_not_sign_in_has_a_page_of_their_own_too(chat: Chat) -> None:
    page = chat.page
    await chat.ask("words=3")
    await chat.whole(words(3))
    await choose(page, EN, "account.preferences")
    sheet = page.get_by_role("dialog", name=EN["account.preferences"])
    for absent in ("profile", "password", "devices"):
        await expect(sheet.locator(f"#wc-account-{absent}")).to_have_count(0)
    await sheet.get_by_label(EN["app.theme"]).select_option("dark")
    await expect(page.locator("html")).to_have_css("color-scheme", "dark")
    await page.keyboard.press("Escape")
    await delete_all(page, EN, "account.preferences", "end_all")
    await expect(page.locator("#wc-sidebar .wc-row")).to_have_count(0)


@pytest.mark.parametrize(("look", "language"), first(LOOKS[::-1]))
async def test_a_tester_who_signs_in_takes_their_chats_along_if_they_want(
    house: AppProcess, visitor: NewVisitor, hashed: str, look: dict[str, Any], language: str
) -> None:
    said, name = locale(language), f"tess{language.lower()}"
    add(house, name, hashed)
    with store_of(house) as store:
        token = new_link(store, f"class {name}", "7d", datetime.now(UTC)).token
    page = await (await visitor(**look)).new_page()
    await page.goto(f"{house.url}/t#{token}")
    chat = Chat(page, house.url)
    await chat.ready()
    place = await chat.ask("words=3")
    await chat.whole(words(3))
    await sign_in(page, house, name)
    await expect(page.locator("#wc-sidebar .wc-row")).to_have_count(0)
    if await page.locator("html.wc-sidebar-closed").count():
        await page.locator("#wc-sidebar-toggle").click()
    card = page.locator(".wc-movechats-card")
    words_of_it = filled(said["movechats.guest"], {"count": 1, "name": f"class {name}"})
    await expect(card).to_contain_text(words_of_it)
    await card.get_by_role("button", name=filled(said["movechats.move"], {"count": 1})).click()
    await expect(page.locator("#wc-sidebar .wc-row")).to_have_count(1)
    await expect(card).to_have_count(0)
    await page.goto(f"{house.url}/?c={place}")
    await chat.whole(words(3))
    await expect(page.locator(".wc-movechats-card")).to_have_count(0)


async def test_a_key_made_in_the_page_works_until_it_is_revoked_there(
    house: AppProcess, visitor: NewVisitor, hashed: str
) -> None:
    add(house, "keyed", hashed)
    page = await (await visitor()).new_page()
    await sign_in(page, house, "keyed")
    sheet = await account(page, EN)
    keys = sheet.get_by_role("region", name=EN["account.keys"])
    await keys.get_by_role("button", name=EN["keys.create"]).click()
    await keys.get_by_label(EN["keys.name"]).fill("script")
    await keys.get_by_label(EN["keys.expires"]).select_option("date")
    create = keys.get_by_role("button", name=EN["keys.create"])
    await create.click()
    await expect(keys.get_by_text(EN["keys.date_needed"])).to_be_visible()
    await keys.get_by_label(EN["keys.date"]).fill("2099-01-31")
    await keys.get_by_text(EN["keys.limits"], exact=True).click()
    await keys.get_by_label(EN["keys.at_once"]).fill("many")
    await create.click()
    await expect(keys.get_by_label(EN["keys.at_once"])).to_be_focused()
    await keys.get_by_label(EN["keys.at_once"]).fill("3")
    await create.click()
    await expect(keys.locator("li")).to_contain_text("3 at once")
    token = await keys.get_by_label(EN["keys.token"]).input_value()
    async with httpx.AsyncClient(base_url=house.url, headers={"x-api-key": token}) as program:
        assert (await program.get("/api/me")).json()["owner"]["name"] == "Keyed"
        for name in (EN["keys.revoke"], EN["keys.revoke_sure"]):
            await keys.locator("li").get_by_text(name, exact=True).click()
        await expect(keys.locator("li")).to_have_count(0)
        assert (await program.get("/api/me")).json()["error"]["code"] == "key_revoked"
    await expect(keys.get_by_label(EN["keys.token"])).to_have_count(0)
