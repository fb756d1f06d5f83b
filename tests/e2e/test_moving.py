"""Chats made without a link are offered to the operator once links are asked for, and the other way round."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import Locator, expect

from backends._plurals import filled
from tests.app_process import AppProcess
from tests.e2e.chat import Chat, NewVisitor, eventually, words
from tests.e2e.conftest import on
from tests.scripted_endpoint import ScriptedEndpoint
from webchat.sentences import locale
from webchat.sharing.links import OPERATOR_PREFIX, START_PREFIX

LATE_PARTS = """(() => {
    const find = Document.prototype.querySelector;
    const { fetch } = window;
    let named = false;
    window.fetch = async (...ask) => {
        const answer = await fetch(...ask);
        if (String(ask[0]).includes("api/me")) setTimeout(come, 1000);
        return answer;
    };
    const come = () => {
        named = true;
        document.body.append(document.createComment("a part"));
    };
    Document.prototype.querySelector = function (selector) {
        return selector === "#wc-stop" && !named ? null : find.call(this, selector);
    };
})()"""
"""The parts of the page come after the server has said who this is."""


async def at(
    app: AppProcess, visitor: NewVisitor, link: str = "", script: str = "", **options: object
) -> Chat:
    chat = Chat(await (await visitor(**options)).new_page(), app.url)
    await chat.page.add_init_script(script)
    await chat.page.goto(link or app.url)
    await chat.ready()
    return chat


def rows(chat: Chat) -> Locator:
    return chat.page.locator("#wc-sidebar .wc-row")


def card(chat: Chat) -> Locator:
    return chat.page.locator(".wc-movechats-card")


@pytest.mark.timeout(600)  # three starts of the app, each at an address of its own
async def test_chats_follow_the_person_from_loopback_to_links_and_back(
    endpoint: ScriptedEndpoint, visitor: NewVisitor, tmp_path: Path
) -> None:
    english, chinese = locale("en"), locale("zh-CN")
    async with AppProcess(tmp_path, *on(endpoint), preloaded=True) as app:
        chat = await at(app, visitor)
        place = await chat.ask("words=3")
        await chat.whole(words(3))
        await expect(card(chat)).to_have_count(0)
    async with AppProcess(tmp_path, *on(endpoint), "--access", "link", preloaded=True) as app:

        async def link(kind: str) -> str:
            async def printed() -> str | None:
                found = re.findall(rf"\S+/t#{kind}\S+", app.log.read_text(encoding="utf-8"))
                return found[-1] if found else None

            found: str = await eventually(printed, bool)
            return found

        tester = await at(app, visitor, await link(START_PREFIX))
        for language, said in (("en", english), ("zh-CN", chinese)):
            operator = await at(app, visitor, await link(OPERATOR_PREFIX), locale=language)
            await expect(card(operator)).to_contain_text(filled(said["movechats.local"], {"count": 1}))
            await expect(rows(operator)).to_have_count(0)
        await expect(card(tester)).to_have_count(0)
        await card(operator).get_by_role("button", name=chinese["movechats.move"]).click()
        await expect(rows(operator)).to_have_count(1)
        await expect(card(operator)).to_have_count(0)
        await operator.page.goto(f"{app.url}/?c={place}")
        await operator.whole(words(3))
        await operator.page.reload()
        await operator.ready()
        await expect(rows(operator)).to_have_count(1)
        await expect(card(operator)).to_have_count(0)
        await expect(rows(tester)).to_have_count(0)
    async with AppProcess(tmp_path, *on(endpoint), preloaded=True) as app:
        back = await at(app, visitor)
        await expect(rows(back)).to_have_count(0)
        await expect(card(back)).to_have_count(1)
        await card(back).get_by_role("button", name=english["movechats.later"]).click()
        await expect(card(back)).to_have_count(0)
        again = await at(app, visitor, script=LATE_PARTS, locale="zh-CN")
        await expect(
            card(again).get_by_role("button", name=chinese["movechats.later"], exact=True)
        ).to_be_visible()
        await card(again).get_by_role("button", name=chinese["movechats.move"]).click()
        await expect(rows(again)).to_have_count(1)
