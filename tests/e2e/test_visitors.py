"""Links let people in, each to their own; revoking puts them out at once."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Error, Response, expect

from tests.app_process import AppProcess, webchat
from tests.e2e.chat import Chat, NewVisitor, first, words
from tests.e2e.conftest import running
from tests.scripted_endpoint import ScriptedEndpoint
from tests.store.talk import Talk
from webchat.sentences import locale
from webchat.sharing import new_link
from webchat.sharing.links import hash_of, make_token
from webchat.store import Store


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def guarded(
    endpoint: ScriptedEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[AppProcess]:
    async with running(tmp_path_factory.mktemp("guarded"), endpoint, WEBCHAT_ACCESS="link") as app:
        yield app


def store_of(app: AppProcess) -> closing[Store]:
    return closing(Store.open(f"sqlite:///{app.data_dir / 'webchat.db'}", serve=False))


def link(app: AppProcess, name: str) -> str:
    """The address of a new link."""
    with store_of(app) as store:
        return f"{app.url}/t#{new_link(store, name, '7d', datetime.now(UTC)).token}"


async def come(visitor: NewVisitor, app: AppProcess, url: str) -> Chat:
    page = await (await visitor()).new_page()
    await page.goto(url)
    chat = Chat(page, app.url)
    await chat.ready()
    return chat


async def test_without_a_link_nobody_comes_in(guarded: AppProcess, visitor: NewVisitor) -> None:
    page = await (await visitor()).new_page()
    answer = await page.goto(guarded.url)
    assert answer
    assert answer.status == 401
    assert "gradio" not in (await page.content()).lower()
    assert (await page.context.request.get(f"{guarded.url}/api/me")).status == 401


async def test_visitors_see_only_their_own(guarded: AppProcess, visitor: NewVisitor) -> None:
    start = re.search(r"http://\S+/t#\S+", guarded.log.read_text())
    assert start
    ada = await come(visitor, guarded, start.group())
    assert "#" not in ada.page.url  # the token is in no history and on no screen
    place = await ada.ask("words=3")
    await ada.whole(words(3))
    eve = await come(visitor, guarded, start.group())
    await expect(eve.page.locator("#wc-sidebar .wc-row")).to_have_count(0)
    for path in (f"conversations/{place}", f"conversations/{place}/export"):
        assert (await eve.page.context.request.get(f"{guarded.url}/api/{path}")).status == 404
    await eve.page.goto(f"{guarded.url}/?c={place}")
    await expect(eve.page.locator(".wc-placeholder [role=alert]")).to_be_visible()


async def test_a_tester_is_put_out_in_mid_reply(guarded: AppProcess, visitor: NewVisitor) -> None:
    tester = await come(visitor, guarded, link(guarded, "ada"))
    me = await (await tester.page.context.request.get(f"{guarded.url}/api/me")).json()
    assert me["owner"]["kind"] == "guest"
    await tester.ask("words=5")
    await tester.whole(words(5))
    await tester.page.reload()
    await tester.ready()
    await tester.send("words=3000 rate=10")
    await tester.shows("w20 ")
    await tester.box.fill("and then")
    await asyncio.to_thread(webchat, guarded.data_dir, "link", "revoke", "ada")
    revoked = time.monotonic()
    await tester.state("stopped")
    print(f"\nthe page said so {time.monotonic() - revoked:.1f} s after the command had ended")
    await expect(tester.reply.locator(".wc-note")).to_contain_text("This link was revoked.")
    await expect(tester.reply.locator(".wc-note")).not_to_contain_text("You stopped")
    await tester.shows("w20 ")
    await expect(tester.reply.locator(".wc-note button")).to_have_count(0)
    await expect(tester.page.locator(".wc-connection.wc-open")).to_contain_text("This link was revoked.")
    # Whatever is tried now, what is on the screen stays, the words in the box too.
    await expect(tester.box).to_have_js_property("readOnly", True)
    assert await tester.box.input_value() == "and then"
    await expect(tester.page.locator("#wc-send")).to_be_disabled()
    await expect(tester.page.locator(".wc-composer-note")).to_contain_text("copy")
    shown = await tester.text()
    await tester.box.press("Enter")
    await tester.page.click("#wc-sidebar .wc-side-action >> nth=0")
    await tester.page.locator("#wc-sidebar .wc-row").first.click()
    await tester.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await expect(tester.reply.locator(".wc-body")).to_have_text(shown)
    assert await tester.box.input_value() == "and then"
    assert (await tester.page.context.request.get(f"{guarded.url}/api/me")).status == 401
    again = await tester.page.goto(guarded.url)
    assert again
    assert again.status == 401
    await expect(tester.page.locator("h1")).to_have_text("Your link was revoked")
    await tester.page.locator("#language").click()
    await expect(tester.page.locator("h1")).to_have_text("你的链接已被撤销")


async def test_a_link_whose_time_is_over_says_so(guarded: AppProcess, visitor: NewVisitor) -> None:
    token = make_token()
    with store_of(guarded) as store:
        store.create_link("late", hash_of(token), datetime.now(UTC) - timedelta(seconds=1))
    page = await (await visitor()).new_page()
    await page.goto(f"{guarded.url}/t#{token}")
    await expect(page.get_by_role("status")).to_contain_text("link")
    assert (await page.context.request.get(f"{guarded.url}/api/me")).status == 401


@pytest.mark.parametrize("language", first(["zh-CN", "en"]))
async def test_somebody_elses_link_asks_and_takes_nothing_away(
    guarded: AppProcess, visitor: NewVisitor, language: str
) -> None:
    """Stay, then leave, then back by the menu: each time the chats of whom one is."""
    said = locale(language)
    page = await (await visitor(locale=language)).new_page()
    ada = Chat(page, guarded.url)
    await page.goto(link(guarded, f"Ada {language}"))
    await ada.ready()
    await ada.ask("words=3")
    await ada.whole(words(3))
    other = link(guarded, f"Bob {language}")
    choice = page.locator("#choice button")
    rows = page.locator("#wc-sidebar .wc-row")
    for stays in (True, False):
        await page.goto(other)
        await expect(page.locator("h1")).to_contain_text(f"Ada {language}")
        await expect(page.locator("#form")).to_be_hidden()
        await expect(choice).to_have_count(2)
        await expect(choice.first).to_be_focused()
        await (choice.first if stays else choice.last).click()
        await ada.ready()
        await expect(rows).to_have_count(1 if stays else 0)
    await page.get_by_role("button", name=said["sidebar.menu"]).click()
    await page.get_by_role("menuitem", name=f"Ada {language}").click()
    await expect(rows).to_have_count(1)
    await page.reload()
    await ada.ready()
    await expect(rows).to_have_count(1)


async def test_a_planted_sign_in_is_stopped_in_words(guarded: AppProcess, visitor: NewVisitor) -> None:
    """What another page puts beside the cookie is taken away; who was there is there again."""
    mallory = await come(visitor, guarded, link(guarded, "mallory"))
    (planted,) = await mallory.page.context.cookies()
    victim = await come(visitor, guarded, link(guarded, "victim"))
    await victim.ask("words=2")
    await victim.whole(words(2))
    page = victim.page
    for path in ("/t", "/api"):
        await page.context.add_cookies(
            [{"name": planted["name"], "value": planted["value"], "domain": "127.0.0.1", "path": path}]
        )
        await page.goto(f"{guarded.url}{path if path == '/t' else '/'}")
        if path == "/t":
            await expect(page.locator("h1")).to_have_text("Reload this page")
            await page.get_by_role("button", name="Reload").click()
            await expect(page.locator("#form")).to_be_visible()
        else:
            await expect(page.get_by_text("Reload the page.").first).to_be_visible()
            await page.reload()
            await victim.ready()
    await page.goto(guarded.url)
    await victim.ready()
    await expect(page.locator("#wc-sidebar .wc-row")).to_have_count(1)


async def test_a_link_pasted_at_a_strange_address_goes_to_this_server(
    guarded: AppProcess, visitor: NewVisitor
) -> None:
    page = await (await visitor()).new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(f"{guarded.url}//evil.invalid/t")
    await page.locator("#link").fill(link(guarded, "strange"))
    await page.locator("#open").click()
    await Chat(page, guarded.url).ready()
    assert asked
    assert all(url.startswith((guarded.url, "data:", "blob:")) for url in asked)


async def test_a_stranger_on_an_open_server_sees_nothing_of_others(
    endpoint: ScriptedEndpoint, tmp_path: Path, visitor: NewVisitor
) -> None:
    """Neither chats of other visitors and members nor their names, by no address of theirs either."""
    async with running(tmp_path, endpoint, WEBCHAT_SIGN_IN="open") as app:
        with store_of(app) as store:
            member = store.add_person("https://id.example", "1", "Zora", "zora@example.org").owner_id
            others = [
                Talk(store, owner).say("a secret heron", "flies").conversation.id
                for owner in (member, store.create_owner("visitor", "Zora").id)
            ]
        page = await (await visitor()).new_page()
        heard = list[str]()

        async def hear(answer: Response) -> None:
            if "/api/" in answer.url and not answer.url.endswith("/api/events"):
                with suppress(Error):  # a stream that was left
                    heard.append(await answer.text())

        chat = await Chat(page, app.url).open()
        page.on("response", hear)
        for id in others:
            await chat.open(f"?c={id}")
            await expect(page.locator("#wc-sidebar")).to_be_visible()
            await expect(page.locator("article")).to_have_count(0)
            assert (await page.request.get(f"{app.url}/api/conversations/{id}")).status == 404
        await page.get_by_role("button", name="Settings and help").click()
        await page.get_by_role("menuitem", name="Preferences").click()
        await expect(page.get_by_role("dialog")).to_be_visible()
        said = " ".join([await page.locator("body").inner_text(), *heard])
        listed = await (await page.request.get(f"{app.url}/api/conversations")).json()
        assert listed["items"] == []
        assert "heron" not in said
        assert "zora" not in said.lower()
        for path in ("/operator/", "/api/people", "/api/operators"):
            assert (await page.request.get(f"{app.url}{path}")).status == 404
