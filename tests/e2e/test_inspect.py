"""What the model was sent, on the page: how full its window is, from where on it still reads, and each
reply's prompt."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect

from tests.app_process import AppProcess
from tests.e2e.chat import Chat, NewVisitor
from tests.e2e.conftest import kept_port, running
from tests.scripted_endpoint import ScriptedEndpoint

pytest.importorskip("xllamacpp")

KEY = "sk-of-nobody-1234567890"

WINDOW = 320
LONG = "This is padding to make it longer, so do not mind it. " * 6


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def demo(demo_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AppProcess]:
    """The demo model, with room for few words."""
    flags = ("--model", str(demo_gguf), "--context-length", str(WINDOW), "--max-tokens", "8", "--no-titles")
    async with AppProcess(tmp_path_factory.mktemp("demo"), *flags, port=kept_port(), preloaded=True) as app:
        yield app


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def app(
    endpoint: ScriptedEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[AppProcess]:
    """The scripted endpoint, with a key; what people tell of themselves is kept from it."""
    folder = tmp_path_factory.mktemp("keyed")
    async with running(folder, endpoint, "--masking", "always", OPENAI_API_KEY=KEY) as app:
        yield app


async def test_the_window_fills_is_cut_and_the_page_says_where(demo: AppProcess, visitor: NewVisitor) -> None:
    chat = await Chat(await (await visitor()).new_page(), demo.url).open()
    page = chat.page
    meter, mark = page.locator(".wc-meter"), page.locator(".wc-unsent")
    await expect(meter).to_have_count(0)
    for number in range(1, 7):
        await chat.send(f"{number}. {LONG}")
        await expect(chat.replies).to_have_count(number)
        await chat.state("complete")
        reply = (await chat.thread())[-1]
        used = reply["prompt_tokens"] + reply["completion_tokens"]
        await expect(meter).to_have_attribute("aria-label", re.compile(f"^{used} of {WINDOW} tokens"))
        if reply["first_sent"] is None:
            await expect(mark).to_have_count(0)
            continue
        ids = [message["id"] for message in await chat.thread()]
        left_out = ids.index(reply["first_sent"])
        await expect(meter).to_contain_text(f"The oldest {left_out} messages are no longer sent")
        await expect(mark).to_have_count(1)
        assert await mark.evaluate("mark => mark.closest('article').dataset.id") == reply["first_sent"]
    assert reply["first_sent"] is not None
    await chat.new_chat()
    await expect(meter).to_be_hidden()
    await page.go_back()
    await expect(mark).to_be_visible()


async def inspect(chat: Chat) -> Locator:
    """The sheet of the last reply."""
    await chat.reply.locator('[data-act="more"]').click()
    await chat.page.get_by_role("menuitem", name=re.compile("Inspect|查看提示")).click()
    sheet = chat.page.locator(".wc-inspect")
    await expect(sheet.get_by_role("tab").first).to_be_visible()
    return sheet


async def sent(chat: Chat) -> dict[str, Any]:
    """What the server says of the last reply."""
    reply = (await chat.thread())[-1]
    answer = await chat.page.context.request.get(f"{chat.url}/api/messages/{reply['id']}/inspect")
    told: dict[str, Any] = await answer.json()
    return told


async def test_a_reply_of_a_local_model_shows_every_token_it_read(
    demo: AppProcess, visitor: NewVisitor
) -> None:
    chat = await Chat(await (await visitor()).new_page(), demo.url).open()
    await chat.ask("Say  hello,\n\t你好 🎉.")
    await chat.state("complete")
    told = await sent(chat)
    reply = (await chat.thread())[-1]
    assert len(told["tokens"]["ids"]) == reply["prompt_tokens"]
    sheet = await inspect(chat)
    text = sheet.locator(".wc-prompt-message").last.locator("pre")
    assert await text.text_content() == "Say  hello,\n\t你好 🎉."
    await sheet.get_by_role("tab", name="Tokens").click()
    tokens = sheet.locator(".wc-token-chunk > span")
    await expect(tokens).to_have_count(reply["prompt_tokens"])
    assert await sheet.locator(".wc-tokens").text_content() == told["rendered"]
    await tokens.first.click()
    tip = sheet.locator(".wc-token-tip")
    await expect(tip).to_contain_text(f"id {told['tokens']['ids'][0]}")
    await chat.page.keyboard.press("ArrowRight")
    await expect(tip).to_contain_text(f"id {told['tokens']['ids'][1]}")
    await chat.page.keyboard.press("End")
    await expect(tip).to_contain_text(f"token {reply['prompt_tokens']}")
    await sheet.get_by_role("tab", name="Origin").click()
    await expect(sheet.get_by_role("tabpanel")).to_contain_text("llamacpp")
    await chat.page.keyboard.press("Escape")
    await expect(sheet).to_have_count(0)


async def test_a_reply_of_an_endpoint_shows_the_request_and_copies_it(
    app: AppProcess, visitor: NewVisitor, endpoint: ScriptedEndpoint
) -> None:
    context = await visitor()
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    chat = await Chat(await context.new_page(), app.url).open()
    await chat.ask("words=3, to anna.weber@example.com")
    await chat.state("complete")
    sheet = await inspect(chat)
    await expect(sheet.get_by_role("tab")).to_have_text(["Prompt", "Request", "Origin"])
    await expect(sheet.locator("mark")).to_have_text("[EMAIL_1]")
    await expect(sheet.locator("mark")).to_have_attribute("title", "Masked: email address")
    await sheet.get_by_role("tab", name="Request").click()
    shown = await sheet.locator("pre code").text_content()
    assert json.loads(shown or "") == endpoint.calls[-1].body
    await sheet.get_by_role("button", name="Copy as curl").click()
    await expect(sheet.get_by_role("button", name="Copied")).to_be_visible()
    curl = await chat.page.evaluate("navigator.clipboard.readText()")
    assert curl.startswith("curl ")
    assert endpoint.url in curl
    assert KEY not in curl + (shown or "")
    assert "anna" not in curl + (shown or "")


async def test_on_a_phone_in_chinese_and_of_a_reply_nothing_was_kept_of(
    app: AppProcess, visitor: NewVisitor
) -> None:
    phone = {"width": 390, "height": 844}
    context = await visitor(locale="zh-CN", viewport=phone, has_touch=True, is_mobile=True)
    chat = await Chat(await context.new_page(), app.url).open()
    await chat.ask("words=3")
    await chat.state("complete")
    sheet = await inspect(chat)
    await expect(sheet).to_contain_text("1 条消息")
    assert await sheet.bounding_box() == {"x": 0, "y": 0, **phone}
    await chat.page.keyboard.press("Escape")
    edited = await context.request.post(
        f"{app.url}/api/messages/{(await chat.thread())[-1]['id']}/edit",
        data={"text": "A better reply."},
        headers={"origin": app.url},
    )
    assert edited.ok
    await chat.page.reload()
    await chat.shows("A better reply.")
    sheet = await inspect(chat)
    await expect(sheet).to_contain_text("这是由人撰写的")
    await expect(sheet.get_by_role("button", name="复制")).to_have_count(0)


COUNT_ENDED = """() => {
  window.ended = 0;
  const { abort } = AbortController.prototype;
  AbortController.prototype.abort = function (...why) {
    window.ended += window.event?.type === "beforeunload";
    return abort.apply(this, why);
  };
}"""
"""Streams that are ended because somebody begins to leave."""


async def test_an_operator_changes_a_chat_template_and_goes_back(
    demo: AppProcess, visitor: NewVisitor
) -> None:
    chat = await Chat(await (await visitor()).new_page(), demo.url).open()
    page = chat.page
    source, preview = (
        page.locator("#wc-chat-template-source"),
        page.locator("#wc-chat-template-preview textarea"),
    )

    async def edit() -> None:
        await page.click("#wc-menu-button")
        await page.get_by_role("menuitem", name="Chat template…").click()
        await page.wait_for_url("**/operator/?tab=models&model=*")
        await expect(preview).to_have_value(re.compile(re.escape("user\nAnd after that?<|im_end|>")))

    await edit()
    await expect(source).to_contain_text("the model's own template")
    await page.locator("#wc-chat-template-code .cm-content").click()
    await page.keyboard.press("ControlOrMeta+Home")
    await page.keyboard.insert_text("Read this first.\n{% nonsense %}")
    problem = page.locator("#wc-chat-template-problem")
    await expect(problem).to_contain_text("Line 2")
    for _ in "{% nonsense %}":
        await page.keyboard.press("Backspace")
    await expect(preview).to_have_value(re.compile("^Read this first"))
    await expect(problem).to_be_hidden()
    unsaved = page.locator("#wc-chat-template-unsaved")
    await expect(unsaved).to_be_visible()
    await page.evaluate(COUNT_ENDED)
    async with page.expect_event("dialog") as asked:
        await page.evaluate("() => void setTimeout(() => location.reload())")
    dialog = await asked.value
    assert dialog.type == "beforeunload"
    await dialog.dismiss()
    assert await page.evaluate("window.ended") == 0, "whoever stays goes on"
    await expect(preview).to_have_value(re.compile("^Read this first"))
    await page.locator("#wc-chat-template-save").click()
    await expect(source).to_contain_text("In use: version 1")
    await expect(unsaved).to_have_count(0)

    await page.goto(demo.url)
    await chat.ready()
    await chat.send("Hello")
    await chat.state("complete")
    assert (await sent(chat))["rendered"].startswith("Read this first.\n")
    await edit()
    await page.locator("#wc-chat-template-own").click()
    await expect(source).to_contain_text("the model's own template")
    await expect(preview).to_have_value(re.compile(r"^<\|im_start"))
    await page.goto(demo.url)
    await chat.ready()
    await chat.send("Hello again")
    await chat.state("complete")
    assert not (await sent(chat))["rendered"].startswith("Read")
