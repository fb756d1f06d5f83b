"""Pictures and sounds that a model sends: seen at once, after a reload and after the server was killed."""

from __future__ import annotations

import asyncio
import re
import struct
import zlib
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.app_process import AppProcess
from tests.backends.hostile_server import DONE, Answer, Asked, HostileServer, says, sse
from tests.e2e.chat import Chat, NewVisitor, first, until
from tests.e2e.conftest import kept_port
from tests.screenshots import PHONE

SEEN = "() => [...document.querySelectorAll('.wc-media img')].map((one) => one.complete && one.naturalWidth)"
SVG = b"<svg xmlns='http://www.w3.org/2000/svg' onload='window.ran = 1'><script>window.ran = 1</script></svg>"


def png(width: int, height: int) -> bytes:
    """A blue picture that fades to white."""
    rows = b"".join(
        b"\0" + bytes((255 * row // height, 255 * row // height, 255)) * width for row in range(height)
    )
    parts = (
        (b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def wav() -> bytes:
    body = b"WAVEfmt " + struct.pack("<IHHIIHH4sI", 16, 1, 1, 8000, 8000, 1, 8, b"data", 8000)
    return b"RIFF" + struct.pack("<I", len(body) + 8000) + body + b"\x80" * 8000


def image(media_type: str, data: bytes) -> dict[str, Any]:
    return says(images=[{"image_url": {"url": f"data:{media_type};base64,{b64encode(data).decode()}"}}])


MARKDOWN = (
    f"And a wide one: ![a wide one](data:image/png;base64,{b64encode(png(1600, 200)).decode()})\n\nDone."
)
STREAM = (
    says("Here it is:"),
    image("image/png", png(640, 480)),
    *(says(MARKDOWN[at : at + 40]) for at in range(0, len(MARKDOWN), 40)),
    image("image/svg+xml", SVG),
    says(audio={"data": b64encode(wav()).decode()}),
)


def answer(asked: Asked) -> Answer:
    """The whole reply; the beginning of one that hangs where "wait" is asked."""
    if "wait" in str(asked.body["messages"][-1]["content"]):
        return sse(*STREAM[:2], says("\n\nMore is to come"), end="hang")
    return sse(*STREAM, says(finish="stop"), DONE)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AppProcess]:
    async with HostileServer(answer) as endpoint:
        folder = tmp_path_factory.mktemp("media")
        async with AppProcess(
            folder,
            *("--endpoint", endpoint.url, "--model", "m", "--no-titles"),
            port=kept_port(),
            preloaded=True,
        ) as app:
            yield app


async def sees_all(page: Page) -> None:
    pictures = page.locator(".wc-media img")
    await expect(pictures).to_have_count(2)
    for index in range(2):
        await pictures.nth(index).scroll_into_view_if_needed()
    await until(page, f"() => JSON.stringify(({SEEN})()) === '[640,1600]'")
    await expect(pictures.first).to_have_attribute(
        "alt", re.compile(r"^Picture from the model \(png, \d+ kB\)$")
    )
    await expect(pictures.last).to_have_attribute("alt", re.compile(r"^a wide one \(Picture from"))
    sound = page.locator(".wc-media audio")
    await sound.scroll_into_view_if_needed()
    await until(page, "() => document.querySelector('.wc-media audio').readyState > 0")
    await expect(page.locator(".wc-body a[download]")).to_have_text("Picture from the model (svg+xml, 1 kB)")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "wider than the screen"
    assert await page.evaluate("window.ran") is None


@pytest.mark.parametrize("screen", first(["phone", "desktop"]))
async def test_what_a_model_sends_is_seen_in_its_place_now_and_later(
    app: AppProcess, visitor: NewVisitor, screen: str
) -> None:
    context = await visitor(**({"viewport": PHONE, "has_touch": True} if screen == "phone" else {}))
    chat = await Chat(await context.new_page(), app.url).open()
    await chat.ask("Draw")
    await chat.state("complete")
    await sees_all(chat.page)
    await chat.page.reload()
    await chat.ready()
    await sees_all(chat.page)
    link = chat.page.locator(".wc-media a").first
    where = str(await link.get_attribute("href"))
    assert (await context.request.get(where)).headers["content-type"] == "image/png"
    async with context.expect_page() as opened:
        await link.click()
    picture = (await opened.value).locator("img")
    await expect(picture).to_have_js_property("naturalWidth", 640)


async def test_what_was_shown_is_there_after_the_server_was_killed(
    app: AppProcess, visitor: NewVisitor
) -> None:
    chat = await Chat(await (await visitor()).new_page(), app.url).open()
    await chat.ask("Draw, and wait")
    await chat.shows("More is to come")
    await until(chat.page, f"() => JSON.stringify(({SEEN})()) === '[640]'")
    await asyncio.to_thread(app.kill)
    await asyncio.to_thread(app.start)
    await chat.page.reload()
    await chat.ready()
    await chat.state("interrupted")
    await until(chat.page, f"() => JSON.stringify(({SEEN})()) === '[640]'")
