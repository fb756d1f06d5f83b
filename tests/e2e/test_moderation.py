"""Rules at work on the page: what they block or mask never reaches the browser, however the reply is cut."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.app_process import AppProcess
from tests.e2e.chat import Chat, NewVisitor, Server
from tests.e2e.conftest import running
from tests.scripted_endpoint import ScriptedEndpoint

RULES = """
[[moderators]]
kind = "phrases"
name = "house rules"
phrases = ["secret project", "机密项目"]
sentence = "We do not talk about this here."
cure = "Ask about something else."

[[moderators]]
kind = "secrets"
"""

KEY = "sk-" + "a1B2" * 10


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("moderated") / "rules.toml"
    path.write_text(RULES, encoding="utf-8")
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def moderated(endpoint: ScriptedEndpoint, rules: Path) -> AsyncIterator[AppProcess]:
    async with running(rules.parent / "data", endpoint, "--moderation", str(rules)) as app:
        yield app


@pytest_asyncio.fixture(loop_scope="session")
async def page(moderated: AppProcess, visitor: NewVisitor) -> Chat:
    return await Chat(await (await visitor()).new_page(), moderated.url).open()


async def said(url: str, script: str) -> tuple[str, str, str]:
    """Everything the wire carried of a reply, its text, and its state."""
    async with Server(url) as server:
        reply = await server.begin(script)
        path = f"/api/messages/{reply.id}/events?from=0"
        wire = (await server.http.get(path)).text
        message = await server.ended(reply.id)
        return wire, message["text"], message["state"]


@pytest.mark.parametrize("padding", range(6))
async def test_a_blocked_phrase_never_crosses_the_wire_wherever_its_pieces_are_cut(
    moderated: AppProcess, padding: int
) -> None:
    # The endpoint cuts its words into pieces of three characters.
    before = "x" * padding + " all is well, and the "
    script = f"text={quote(before + 'Secret Project begins tomorrow')}"
    wire, text, state = await said(moderated.url, script)
    assert (state, text) == ("blocked", before)
    for part in ("Secret", "Project", "begins"):
        assert part not in wire


async def test_a_masked_key_never_crosses_the_wire(moderated: AppProcess) -> None:
    wire, text, state = await said(moderated.url, f"text={quote(f'The key is {KEY}, keep it.')}")
    assert (state, text) == ("complete", "The key is [secret], keep it.")
    assert KEY[:12] not in wire


async def test_a_blocked_message_is_told_in_words_and_stays_in_the_box(
    page: Chat, endpoint: ScriptedEndpoint
) -> None:
    calls = len(endpoint.calls)
    await page.send("Tell me about the SECRET   project")
    await expect(page.page.get_by_text("We do not talk about this here.")).to_be_visible()
    await expect(page.box).to_have_value("Tell me about the SECRET   project")
    note = page.page.locator("#wc-composer-note")
    await expect(note).to_have_text("Not sent. We do not talk about this here. Ask about something else.")
    await page.box.press("End")
    await page.box.press("Backspace")
    await expect(note).not_to_contain_text("Not sent")
    assert len(endpoint.calls) == calls, "the model is never asked"
    await page.send("words=3")
    await page.state("complete")
    assert await page.text() == "w0 w1 w2"


async def test_a_reply_that_is_cut_in_mid_stream_says_so_under_its_words(page: Chat) -> None:
    await page.ask(f"text={quote('You may know that 机密项目 is near.')}")
    await page.state("blocked")
    assert await page.text() == "You may know that"
    await expect(page.reply.get_by_text("We do not talk about this here.")).to_be_visible()


async def test_the_operators_own_words_stand_in_every_language(
    moderated: AppProcess, visitor: NewVisitor
) -> None:
    context = await visitor(locale="zh-CN")
    chat = await Chat(await context.new_page(), moderated.url).open()
    await chat.send("the secret project")
    await expect(chat.page.get_by_text("We do not talk about this here.")).to_be_visible()


async def test_an_edited_message_that_is_blocked_keeps_its_words_to_be_changed(page: Chat) -> None:
    await page.ask("words=3")
    await page.state("complete")
    await page.page.locator("article.wc-user").hover()
    await page.page.locator("article.wc-user [data-act=edit]").click()
    box = page.page.locator(".wc-editor-text")
    await box.fill("about the secret project")
    await page.page.locator(".wc-editor .wc-primary").click()
    await expect(page.page.get_by_text("We do not talk about this here.")).to_be_visible()
    await expect(box).to_have_value("about the secret project")
    await box.fill("words=2")
    await page.page.locator(".wc-editor .wc-primary").click()
    await page.shows("w0 w1")


async def test_an_edited_message_passes_the_same_rules(page: Chat, moderated: AppProcess) -> None:
    conversation = await page.ask("words=3")
    await page.state("complete")
    user = (await page.thread(conversation))[0]
    body = {"kind": "edit", "message_id": user["id"], "text": "the secret project", "client_key": "edit"}
    answer = await page.page.context.request.post(
        f"{moderated.url}/api/turns", data=body, headers={"origin": moderated.url}
    )
    assert answer.status == 422
    assert (await answer.json())["error"]["code"] == "message_blocked"
