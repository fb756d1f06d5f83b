"""What a tester sees: a stranger with a phone opens a link, reads what is wanted, agrees, and chats with what
the link names, until its limits say so."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Error, Locator, Page, Response, expect

from backends._plurals import filled
from tests.app_process import AppProcess, webchat
from tests.browser import PATIENCE
from tests.e2e.chat import LOOKS, PHONE, Chat, NewVisitor, first, until, words
from tests.e2e.conftest import running
from tests.e2e.test_people import choose
from tests.e2e.test_visitors import store_of
from tests.scripted_endpoint import ScriptedEndpoint
from tests.ui.payloads import PAYLOADS
from webchat.sentences import locale
from webchat.sharing.links import hash_of, make_token
from webchat.store.link_records import LinkTerms, Question

EN = locale("en")

INSTRUCTIONS = (
    "You are a **customer** whose parcel is late.\n\n1. Ask where it is.\n2. Ask for your money back."
)
OPENING = "Hello! I'm the shop's assistant."
CONSENT = "What you write is stored and read by the team that builds this model."
QUESTIONS = (
    Question("again", "Would you use it again?", "choice", ("Yes", "No")),
    Question("natural", "How natural did it sound?", "scale", ("like a form", "like a person")),
    Question("annoyed", "What annoyed you?", "text"),
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(
    endpoint: ScriptedEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[AppProcess]:
    async with running(tmp_path_factory.mktemp("lab"), endpoint, WEBCHAT_ACCESS="link") as app:
        yield app


def made(app: AppProcess, name: str, **terms: Any) -> tuple[str, str]:
    """A new link: its id and its address."""
    token = make_token()
    with store_of(app) as store:
        link = store.create_link(
            name, hash_of(token), datetime.now(UTC) + timedelta(days=7), LinkTerms(**terms)
        )
    return link.id, f"{app.url}/t#{token}"


async def arrive(visitor: NewVisitor, app: AppProcess, url: str, **look: Any) -> Chat:
    page = await (await visitor(**look)).new_page()
    await page.goto(url)
    chat = Chat(page, app.url)
    await chat.ready()
    return chat


def card(chat: Chat) -> Locator:
    return chat.page.locator(".wc-tester-card")


async def note(chat: Chat, key: str, **params: object) -> None:
    """Wait until the line under the box says this."""
    await expect(chat.page.locator(".wc-composer-note")).to_have_text(filled(EN[key], params))


async def press(chat: Chat, key: str) -> None:
    """A button of the card above the box."""
    await card(chat).get_by_role("button", name=EN[key], exact=True).click()


async def test_a_stranger_with_a_phone_chats_until_the_messages_are_used_up(
    lab: AppProcess, visitor: NewVisitor
) -> None:
    terms = {"instructions": INSTRUCTIONS, "opening": OPENING, "consent": CONSENT, "questions": QUESTIONS}
    link, url = made(lab, "Delivery bot", messages=3, **terms)
    chat = await arrive(visitor, lab, url, **PHONE)
    welcome = chat.page.locator(".wc-tester-welcome")
    await expect(welcome.locator("h1")).to_have_text("Delivery bot")
    await expect(welcome.locator("strong")).to_have_text("customer")
    await expect(welcome).to_contain_text("3 messages")
    await expect(chat.page.locator(".wc-opening")).to_contain_text(OPENING)

    # Nothing is sent before the terms are accepted; declining says what then.
    await chat.box.fill("words=2")
    await expect(card(chat)).to_contain_text(CONSENT)
    await expect(chat.page.locator("#wc-send")).to_be_disabled()
    await note(chat, "tester.consent_first")
    await press(chat, "tester.decline")
    await expect(card(chat)).to_contain_text(EN["tester.declined"])
    await expect(chat.page.locator("#wc-send")).to_be_disabled()
    await press(chat, "tester.read_again")
    await press(chat, "tester.accept")
    await expect(card(chat)).to_be_hidden()
    await expect(chat.box).to_have_value("words=2")
    await expect(chat.box).to_be_focused()

    await note(chat, "tester.left", count=3)
    await chat.page.click("#wc-send")
    await chat.shows("w1")
    await chat.state("complete")
    await note(chat, "tester.left", count=2)
    await chat.send("words=3")
    await note(chat, "tester.left", count=1)
    await chat.state("complete")
    await chat.send("words=4")
    await note(chat, "tester.used_up")
    await chat.shows("w3")
    await chat.state("complete")
    await expect(card(chat)).to_contain_text(EN["tester.used_up_title"])
    await chat.box.fill("words that stay")
    await expect(chat.page.locator("#wc-send")).to_be_disabled()
    await chat.box.press("Control+Enter")
    await expect(chat.box).to_have_value("words that stay")

    await answer_all(chat)
    with store_of(lab) as store:
        answers = {one.question.id: one.value for one in store.link_answers(link).items}
    assert answers == {"again": "Yes", "natural": 4, "annoyed": "the waiting"}

    # The same chats on another device, with a code that works once.
    code = await code_of(chat)
    other = await entered_with(visitor, lab, code)
    await expect(other.page.locator("#wc-sidebar .wc-row")).to_have_count(1)
    await other.page.locator("#wc-sidebar .wc-row").click()
    await other.shows("w3")
    await expect(card(other)).to_contain_text(EN["tester.used_up_title"])
    third = await (await visitor()).new_page()
    await type_code(third, lab, code)
    await expect(third.locator("#note.bad")).to_contain_text("not valid")
    assert (await third.context.request.get(f"{lab.url}/api/me")).status == 401
    # Scanned, the picture is the address with the code: anybody can send such an address, so it fills in.
    code = await code_of(other)
    await third.goto(f"{lab.url}/t#{code}")
    await expect(third.locator("#code")).to_have_value(code)
    await expect(third.locator("#note")).to_contain_text("Continue only if that device is yours")
    await expect(third.locator("#form")).to_be_hidden()
    assert "#" not in third.url
    assert (await third.context.request.get(f"{lab.url}/api/me")).status == 401
    await third.get_by_role("button", name="Continue here").click()
    await third.wait_for_selector("html.wc-ready")
    await expect(third.locator("#wc-sidebar .wc-row")).to_have_count(1)


async def answer_all(chat: Chat) -> None:
    """With the keyboard, from the card; what was answered is there after a reload."""
    page = chat.page
    await card(chat).get_by_role("button", name=filled(EN["tester.questions"], {"count": 3})).click()
    sheet = page.get_by_role("dialog", name=EN["tester.questions_title"])
    await expect(sheet.get_by_role("radio", name="Yes")).to_be_focused()
    await page.keyboard.press("Space")
    await expect(sheet.get_by_role("radio", name="Yes")).to_be_checked()
    await page.keyboard.press("Tab")
    await expect(sheet.get_by_role("radio", name="1")).to_be_focused()
    await sheet.get_by_role("radio", name="4").press("Space")
    await sheet.get_by_role("textbox").fill("the waiting")
    await expect(sheet.get_by_text(EN["tester.saved"], exact=True)).to_have_count(3)
    await page.keyboard.press("Escape")
    answered = page.locator(".wc-tester-questions")
    await expect(answered).to_have_text(EN["tester.answers"])
    await page.reload()
    await chat.ready()
    await answered.click()
    for name in ("Yes", "4"):
        await expect(sheet.get_by_role("radio", name=name)).to_be_checked()
    await expect(sheet.get_by_role("textbox")).to_have_value("the waiting")
    await page.keyboard.press("Escape")
    await expect(chat.box).to_have_value("words that stay")


async def code_of(chat: Chat) -> str:
    await choose(chat.page, EN, "tester.handover")
    return await chat.page.locator(".wc-handover-code").inner_text()


async def type_code(page: Page, app: AppProcess, code: str) -> None:
    await page.goto(app.url)
    await page.locator("#have-code").click()
    await expect(page.locator("#code")).to_be_focused()
    await page.locator("#code").fill(code)
    await page.keyboard.press("Enter")


async def entered_with(visitor: NewVisitor, app: AppProcess, code: str) -> Chat:
    page = await (await visitor()).new_page()
    await type_code(page, app, "AAAAA-AAAAA")
    await expect(page.locator("#note.bad")).to_contain_text("not valid")
    await type_code(page, app, code.lower())
    chat = Chat(page, app.url)
    await chat.ready()
    return chat


async def test_new_terms_are_asked_for_again_and_the_words_wait(lab: AppProcess, visitor: NewVisitor) -> None:
    """With a link made and changed on the command line, beside the server."""
    said = await asyncio.to_thread(webchat, lab.data_dir, "link", "new", "Terms", "--consent", CONSENT)
    url = re.search(r"http://\S+/t#\S+", said)
    assert url
    chat = await arrive(visitor, lab, url.group())
    await press(chat, "tester.accept")
    await expect(card(chat)).to_be_hidden()
    change = ("link", "change", "Terms", "--consent", "It may be published.")
    await asyncio.to_thread(webchat, lab.data_dir, *change)
    await chat.send("words=3")
    await expect(card(chat)).to_contain_text("It may be published.")
    await expect(chat.box).to_have_value("words=3")
    await press(chat, "tester.accept")
    await expect(card(chat)).to_be_hidden()
    await chat.page.click("#wc-send")
    await chat.whole(words(3))


async def test_a_paused_link_keeps_the_words_and_comes_back(lab: AppProcess, visitor: NewVisitor) -> None:
    link, url = made(lab, "Paused")
    chat = await arrive(visitor, lab, url)
    await chat.ask("words=2")
    await chat.whole(words(2))
    await chat.box.fill("and")
    with store_of(lab) as store:
        store.change_link(link, paused=True)
    await expect(chat.page.locator(".wc-connection.wc-open")).to_contain_text(EN["error.link_paused"])
    await note(chat, "composer.paused")
    await expect(chat.page.locator("#wc-send")).to_be_disabled()
    await chat.box.fill("and then")
    # Whoever comes back meanwhile reads why, too.
    again = await chat.page.context.new_page()
    await again.goto(lab.url)
    await expect(again.locator("h1")).to_have_text("Your link is paused")
    with store_of(lab) as store:
        store.change_link(link, paused=False)
    await again.wait_for_selector("html.wc-ready")
    await expect(chat.page.locator(".wc-connection.wc-open")).to_have_count(0)
    await chat.ready()
    await expect(chat.box).to_have_value("and then")
    await chat.send("words=3")
    await chat.whole(words(2), words(3))


async def test_revoking_ends_the_reply_of_a_tester_who_has_gone(
    lab: AppProcess, visitor: NewVisitor, endpoint: ScriptedEndpoint
) -> None:
    _, url = made(lab, "Gone")
    chat = await arrive(visitor, lab, url, **PHONE)
    await chat.send("words=3000 rate=10")
    await chat.shows("w5 ")
    call = endpoint.calls[-1]
    await chat.page.close()
    assert not call.closed_early.is_set()
    await asyncio.to_thread(webchat, lab.data_dir, "link", "revoke", "Gone")
    await asyncio.wait_for(call.closed_early.wait(), PATIENCE / 1000)
    assert not call.finished


@pytest.mark.parametrize(("look", "language"), first(LOOKS[::-1]))
async def test_a_tester_finds_nothing_beyond_the_link(
    lab: AppProcess, visitor: NewVisitor, look: dict[str, Any], language: str
) -> None:
    """No menu, key or answer of the server names the model of a blind link, or offers what it does not."""
    said = locale(language)
    terms = {"models": ("scripted",), "blind": True, "inspect": False, "system_prompt": False, "asks": ()}
    _, url = made(lab, f"Blind {language}", **terms)
    page = await (await visitor(**look)).new_page()
    told: dict[str, str] = {}

    async def hear(response: Response) -> None:
        if "/api/" in response.url and "event-stream" not in response.headers.get("content-type", ""):
            with suppress(Error):  # of a page that is left
                told[response.url] = await response.text()

    page.on("response", hear)
    await page.goto(url)
    chat = Chat(page, lab.url)
    await chat.ready()
    await chat.ask("words=2")
    await chat.state("complete")
    await expect(chat.reply.locator(".wc-model")).to_have_text("Model A")
    for place in (
        "#wc-picker",
        "#wc-templates-button",
        "#wc-drawer-toggle",
        "[data-act=info]",
        "[data-act=rate-up]",
    ):
        await expect(page.locator(place).first).to_be_hidden()
    for keys in ("ControlOrMeta+,", "ControlOrMeta+Shift+L"):
        await page.keyboard.press(keys)
    await chat.box.press_sequentially("/")
    await expect(page.locator("dialog[open], .wc-slash, html.wc-drawer-open")).to_have_count(0)
    await chat.box.fill("")
    await chat.reply.locator("[data-act=more]").click()
    await expect(page.locator(".wc-menu [role=menuitem]")).not_to_contain_text([said["inspect.open"]])
    await page.keyboard.press("Escape")
    message = (await chat.thread())[-1]["id"]
    request = page.context.request
    for path in (f"messages/{message}", f"messages/{message}/inspect", "me", "models", "export?format=json"):
        answer = await request.get(f"{lab.url}/api/{path}")
        told[path] = await answer.text()
    # What went wrong at the model's side is the operator's to know.
    await chat.send("status=401")
    await chat.state("failed")
    told["page"] = await page.locator("body").inner_text()
    told["thread"] = await (await request.get(f"{lab.url}/api/conversations/{chat.conversation}")).text()
    assert {path: text for path, text in told.items() if "scripted" in text or "127.0.0.1" in text} == {}


async def test_the_page_speaks_the_language_of_the_link(lab: AppProcess, visitor: NewVisitor) -> None:
    _, url = made(lab, "Sprache", language="zh-CN", instructions="x")
    chat = await arrive(visitor, lab, url)
    assert await chat.page.evaluate("document.documentElement.lang") == "zh-CN"
    # Unless its reader has chosen another one.
    await chat.page.click("#wc-menu-button")
    await chat.page.get_by_role("menuitemradio", name="English").click()
    await expect(chat.page.locator("html[lang=en].wc-ready")).to_be_attached()
    await chat.open()
    assert await chat.page.evaluate("document.documentElement.lang") == "en"


@pytest.mark.parametrize("policy", [True, False], ids=["policy", "no policy"])
async def test_nothing_that_a_link_says_runs(lab: AppProcess, visitor: NewVisitor, policy: bool) -> None:
    """Each payload as a paragraph of the instructions and the opening message, and in every other text."""
    live = [payload for payload in PAYLOADS if "`" not in payload]
    text = "\n\n".join(live)
    many = [live[start::5] for start in range(5)]
    questions = tuple(
        Question(
            f"q{n}",
            "".join(some)[:500],
            ("choice", "scale", "text")[n % 3],
            tuple(one[:200] for one in some[:2]),
        )
        for n, some in enumerate(many)
    )
    _, url = made(
        lab, "".join(live[:40]), instructions=text, opening=text, consent=text, questions=questions
    )  # fmt: skip
    page = await (await visitor(bypass_csp=not policy)).new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(url)
    chat = Chat(page, lab.url)
    await chat.ready()
    await expect(page.locator(".wc-tester-welcome h1").first).to_contain_text("pwned")
    await expect(page.locator(".wc-opening")).to_contain_text("pwned")
    await expect(card(chat)).to_contain_text("pwned")
    await press(chat, "tester.accept")
    await page.locator(".wc-tester-questions").click()
    await expect(page.locator(".wc-question")).to_have_count(5)
    await page.evaluate(STIR)
    await page.keyboard.press("Escape")
    await page.click("#wc-menu-button")
    await expect(page.locator(".wc-menu")).to_contain_text("pwned")
    await page.evaluate(STIR)
    await until(page, "() => true")
    assert await page.evaluate("window.pwned") is None
    assert [url for url in asked if not url.startswith((lab.url, "data:", "blob:"))] == []
    assert len(page.frames) == 1


STIR = """document.querySelectorAll("body *").forEach((e) =>
  ["toggle", "focus", "pointerenter", "error"].forEach((kind) => e.dispatchEvent(new Event(kind))))"""
