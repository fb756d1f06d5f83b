"""People say what they think of a reply below it, and write the answer they would have given."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Locator, expect

from tests.app_process import AppProcess
from tests.e2e.chat import PHONE, Chat, NewVisitor, words
from tests.e2e.conftest import running
from tests.e2e.test_tester import arrive, lab, made
from tests.scripted_endpoint import ScriptedEndpoint
from webchat.sentences import locale
from webchat.store.link_records import Question

__all__ = ["lab", "running"]

EN, ZH = locale("en"), locale("zh-CN")


def thumb(chat: Chat, way: str) -> Locator:
    return chat.reply.locator(f'[data-act="rate-{way}"]')


def panel(chat: Chat) -> Locator:
    return chat.reply.locator(".wc-judge")


async def saved(chat: Chat, text: dict[str, str] = EN) -> None:
    await expect(panel(chat).get_by_role("status")).to_have_text(text["judge.saved"])


async def test_a_bad_reply_gets_reasons_and_a_better_answer(chat: Chat) -> None:
    await chat.ask("words=6 judged")
    await chat.state("complete")
    await chat.reply.hover()
    await thumb(chat, "down").click()
    bad = panel(chat).get_by_role("button", name=EN["judge.reason.style_bad"])
    await bad.click()
    await expect(bad).to_have_attribute("aria-pressed", "true")
    await saved(chat)
    await panel(chat).get_by_role("button", name=EN["judge.better"]).click()
    box = chat.reply.locator(".wc-editor textarea")
    await expect(box).to_be_focused()
    assert (await box.input_value()).strip() == words(6)
    await box.fill("w0 w1 better w3 w4 w5")
    await box.press("Control+Enter")
    diff = panel(chat).locator(".wc-judge-diff")
    await expect(diff.locator("del")).to_have_text("w2")
    await expect(diff.locator("ins")).to_have_text("better")
    assert await chat.text() == words(6)


async def test_a_reply_that_is_still_written_can_be_judged(chat: Chat, endpoint: ScriptedEndpoint) -> None:
    page = chat.page
    endpoint.go_on.clear()
    try:
        await chat.ask("words=12 hold=6 rate=0 judged early")
        await chat.shows("w5")
        acts = chat.reply.locator(".wc-actions [data-act]")
        await expect(acts).to_have_count(2)
        words_shown = await chat.reply.locator(".wc-body p").element_handle()
        async with page.expect_request("**/judgement") as asked:
            await thumb(chat, "down").click()
        written = (await chat.thread())[-1]["seq"]
        assert (await asked.value).post_data_json == {"rating": -1, "seq": written}
        await expect(panel(chat).get_by_role("button", name=EN["judge.better"])).to_be_hidden()
        await panel(chat).locator("textarea").fill("It begins badly.")
        assert words_shown is not None
        assert await words_shown.evaluate("(words) => words.isConnected")
    finally:
        endpoint.go_on.set()
    await chat.state("complete")
    await expect(panel(chat).locator("textarea")).to_be_focused()
    await saved(chat)
    await expect(panel(chat).get_by_role("button", name=EN["judge.better"])).to_be_visible()
    await expect(thumb(chat, "down")).to_have_attribute("aria-pressed", "true")
    assert await chat.text() == words(12)


async def test_what_was_said_of_a_reply_is_there_again_and_can_be_changed(chat: Chat) -> None:
    page = chat.page
    await chat.ask("words=6 judged again")
    await chat.state("complete")
    [_, reply] = await chat.thread()
    address = f"{chat.url}/api/messages/{reply['id']}/judgement"
    said = {
        "rating": -1,
        "reasons": ["style_bad"],
        "comment": "Too short.",
        "better": "w0 w1 better w3 w4 w5",
    }
    assert (await page.request.put(address, data=said, headers={"origin": chat.url})).ok
    await page.reload()
    await chat.ready()
    await chat.reply.hover()
    more = chat.reply.locator('[data-act="more"]')
    await more.click()
    await page.get_by_role("menuitem", name=EN["judge.open"]).click()
    await expect(panel(chat)).to_be_focused()
    chip = panel(chat).get_by_role("button", name=EN["judge.reason.style_bad"])
    await expect(chip).to_have_attribute("aria-pressed", "true")
    await expect(panel(chat).locator("textarea")).to_have_value("Too short.")
    better = panel(chat).locator(".wc-judge-diff ins")
    await expect(better).to_have_text("better")

    await panel(chat).locator("textarea").fill("Far too short.")
    await panel(chat).get_by_role("button", name=EN["judge.better_undo"]).click()
    await expect(better).to_have_count(0)
    await expect(panel(chat)).to_be_focused()
    await expect(panel(chat).locator("textarea")).to_have_value("Far too short.")
    await page.get_by_role("button", name=EN["judge.undo"]).click()
    await expect(better).to_have_text("better")
    await expect(panel(chat)).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(panel(chat)).to_have_count(0)
    await expect(more).to_be_focused()
    kept = await (await page.request.get(address)).json()
    assert {name: kept[name] for name in said} == said | {"comment": "Far too short."}


async def test_a_tester_with_a_phone_is_asked_what_the_link_names(
    lab: AppProcess, visitor: NewVisitor
) -> None:
    terms: dict[str, Any] = {
        "asks": ("thumbs", "tags"),
        "reasons": ("太长", "<b>rude</b>"),
        "language": "zh-CN",
        "questions": (Question("kind", "有多礼貌？", "scale", per_reply=True),),
    }
    _, url = made(lab, "Judges", **terms)
    chat = await arrive(visitor, lab, url, **PHONE)
    await chat.ask("words=3 judged")
    await chat.state("complete")
    await thumb(chat, "down").tap()
    await expect(panel(chat).locator(".wc-chip")).to_have_text(["太长", "<b>rude</b>"])
    await expect(panel(chat).get_by_role("button", name=ZH["judge.better"])).to_have_count(0)
    await panel(chat).get_by_role("button", name="太长").tap()
    await panel(chat).locator("textarea").fill("两句话就够了。")
    await panel(chat).locator("textarea").blur()
    await saved(chat, ZH)
    asked = panel(chat).get_by_role("group", name="有多礼貌？")
    async with chat.page.expect_response("**/judgement") as answered:
        await asked.get_by_text("4", exact=True).tap()
    assert (await (await answered.value).json())["answers"] == {"kind": 4}
    inside = await panel(chat).evaluate("(panel) => panel.getBoundingClientRect().right <= innerWidth")
    assert inside
    await thumb(chat, "down").tap()
    await expect(panel(chat)).to_have_count(0)
    await expect(thumb(chat, "down")).to_have_attribute("aria-pressed", "false")
    await expect(chat.page.locator(".wc-tester-questions")).to_be_hidden()
    await chat.reply.locator('[data-act="more"]').tap()
    await chat.page.get_by_role("menuitem", name=ZH["judge.open"]).tap()
    await expect(asked.get_by_role("radio", name="4")).to_be_checked()
