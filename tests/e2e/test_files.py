"""Files dropped on the page or pasted into it, and text that is too long: said in words, nothing lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.app_process import AppProcess
from tests.e2e.chat import BOX, LOOKS, Chat, NewVisitor, crossed, first
from webchat.sentences import locale

LIMIT = 100_000
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


async def drop(page: Page, *files: Path, on: str = ".wc-scroller") -> None:
    """Drag files from outside of the browser onto the middle of an element, and let them go."""
    await page.locator(on).hover(trial=True)  # waits until it has stopped moving and nothing covers it
    place = await page.locator(on).bounding_box()
    assert place
    at = {"x": place["x"] + place["width"] / 2, "y": place["y"] + place["height"] / 2}
    data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
    devtools = await page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        await devtools.send("Input.dispatchDragEvent", {"type": kind, **at, "data": data})
    await devtools.detach()


async def paste(page: Page, **clipboard: str) -> None:
    """Put text, or a PNG as base64, into the real clipboard and press the keys."""
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.evaluate(
        """async (kinds) => {
            const blob = async ([kind, content]) => [kind, kind === "image/png"
                ? await (await fetch(`data:image/png;base64,${content}`)).blob()
                : new Blob([content], { type: kind })];
            await navigator.clipboard.write([
                new ClipboardItem(Object.fromEntries(await Promise.all(Object.entries(kinds).map(blob))))]);
        }""",
        {name.replace("_", "/"): content for name, content in clipboard.items()},
    )
    await page.keyboard.press("ControlOrMeta+v")


async def opened(app: AppProcess, visitor: NewVisitor, look: dict[str, Any]) -> Chat:
    page = await (await visitor(**look)).new_page()
    async with page.expect_response("**/api/me"):  # says how long a message may be
        return await Chat(page, app.url).open()


@pytest.mark.parametrize(("look", "language", "on"), crossed(LOOKS, [".wc-scroller", BOX, "#wc-topbar"]))
async def test_a_dropped_image_is_refused_in_words(
    app: AppProcess, visitor: NewVisitor, tmp_path: Path, look: dict[str, Any], language: str, on: str
) -> None:
    chat = await opened(app, visitor, look)
    await chat.box.fill("half a question")
    before = chat.page.url
    file = tmp_path / "cat.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")
    await drop(chat.page, file, on=on)
    words = locale(language)["files.unsupported"].replace("{names}", "“cat.png”")
    await expect(chat.page.locator(".wc-toast")).to_contain_text(words)
    await expect(chat.box).to_have_value("half a question")
    assert chat.page.url == before


@pytest.mark.parametrize(("look", "language"), first(LOOKS))
async def test_a_dropped_text_file_goes_into_the_box_behind_what_is_there(
    app: AppProcess, visitor: NewVisitor, tmp_path: Path, look: dict[str, Any], language: str
) -> None:
    chat = await opened(app, visitor, look)
    await chat.box.fill("What does this say?")
    notes, old, image = tmp_path / "notes.md", tmp_path / "old.txt", tmp_path / "cat.gif"
    notes.write_text("# Notes\nof a day, 你好", "utf-8")
    old.write_bytes("by an old editor, 再见".encode("utf-16"))
    image.write_bytes(b"GIF89a\xff\xfe\x00")
    await drop(chat.page, notes, old, image)
    await expect(chat.page.locator(".wc-toast").last).to_contain_text("“cat.gif”")
    await expect(chat.box).to_have_value(
        "What does this say?\n\n# Notes\nof a day, 你好\n\nby an old editor, 再见"
    )
    # The draft has it, too.
    await chat.page.reload()
    await chat.ready()
    await expect(chat.box).to_have_value(
        "What does this say?\n\n# Notes\nof a day, 你好\n\nby an old editor, 再见"
    )


@pytest.mark.parametrize(("look", "language", "characters"), crossed(LOOKS, [LIMIT, 5 * LIMIT]))
async def test_a_text_file_too_long_for_a_message_is_refused_whole(
    app: AppProcess,
    visitor: NewVisitor,
    tmp_path: Path,
    look: dict[str, Any],
    language: str,
    characters: int,
) -> None:
    chat = await opened(app, visitor, look)
    await chat.box.fill("short")
    file = tmp_path / "long.log"
    file.write_text("é" * characters, "utf-8")
    await drop(chat.page, file)
    await expect(chat.page.locator(".wc-toast")).to_contain_text("“long.log”")
    await expect(chat.page.locator(".wc-toast")).to_contain_text("100,000")
    await expect(chat.box).to_have_value("short")


@pytest.mark.parametrize(("look", "language"), first(LOOKS[::-1]))
async def test_a_pasted_image_is_refused_in_words(
    app: AppProcess, visitor: NewVisitor, look: dict[str, Any], language: str
) -> None:
    chat = await opened(app, visitor, look)
    await chat.box.fill("Look at ")
    await paste(chat.page, image_png=PNG)
    words = locale(language)["files.unsupported"].replace("{names}", "“image.png”")
    await expect(chat.page.locator(".wc-toast")).to_contain_text(words)
    await expect(chat.box).to_have_value("Look at ")


async def test_an_image_that_comes_with_its_text_is_pasted_as_text(chat: Chat) -> None:
    await chat.box.focus()
    await paste(chat.page, image_png=PNG, text_plain="a cell of a table")
    await expect(chat.box).to_have_value("a cell of a table")
    await expect(chat.page.locator(".wc-toast")).to_have_count(0)


@pytest.mark.parametrize(("look", "language"), first(LOOKS))
async def test_no_pasted_text_is_cut(
    app: AppProcess, visitor: NewVisitor, look: dict[str, Any], language: str
) -> None:
    chat = await opened(app, visitor, look)
    words = locale(language)
    await chat.box.fill("before ")
    # Longer than a message: it is in the box whole, and the note under it says that it is too long to send.
    await paste(chat.page, text_plain="a" * (LIMIT + 5))
    await expect(chat.box).to_have_value("before " + "a" * (LIMIT + 5))
    await expect(chat.page.locator("#wc-composer-note")).to_contain_text("100,012")
    await expect(chat.page.locator("#wc-send")).to_be_disabled()
    # Longer than the box takes: the browser would cut it.
    await paste(chat.page, text_plain="b" * (2 * LIMIT))
    said = words["files.paste_too_long"].replace("{count}", "300,012").replace("{limit}", "100,000")
    await expect(chat.page.locator(".wc-toast")).to_contain_text(said)
    await expect(chat.box).to_have_value("before " + "a" * (LIMIT + 5))


@pytest.mark.parametrize(("look", "language"), first(LOOKS))
async def test_of_a_text_longer_than_the_box_its_writer_may_have_the_beginning(
    app: AppProcess, visitor: NewVisitor, look: dict[str, Any], language: str
) -> None:
    chat = await opened(app, visitor, look)
    words = locale(language)
    await chat.box.fill("before ")
    await chat.box.focus()
    await paste(chat.page, text_plain="a" * (2 * LIMIT - 8) + "😀" + "b" * 8 * LIMIT)
    toast = chat.page.locator(".wc-toast")
    await expect(toast).to_contain_text("1,000,001")
    await expect(chat.box).to_have_value("before ")
    beginning = words["files.paste_beginning"].replace("{count}", "199,992")
    await toast.get_by_role("button", name=beginning).click()
    await expect(chat.box).to_have_value("before " + "a" * (2 * LIMIT - 8))  # and no half of an emoji
    await expect(chat.page.locator("#wc-composer-note")).to_contain_text("199,999")


async def test_a_text_pasted_into_a_full_box_is_not_cut(chat: Chat) -> None:
    await chat.box.fill("a" * (2 * LIMIT))
    await chat.box.focus()
    await paste(chat.page, text_plain="tail")
    await expect(chat.page.locator(".wc-toast")).to_contain_text("200,004")
    await expect(chat.page.locator(".wc-toast-action")).to_have_count(0)  # no beginning of it would fit
    await expect(chat.box).to_have_value("a" * (2 * LIMIT))


@pytest.mark.parametrize("language", first(["zh-CN", "en"]))
async def test_a_full_field_says_so_to_whoever_types_on(
    app: AppProcess, visitor: NewVisitor, language: str
) -> None:
    chat = await opened(app, visitor, {"locale": language})
    page = chat.page
    said = page.locator(".wc-toast", has_text=locale(language)["files.box_full"].replace("{limit}", "200"))
    await page.keyboard.press("ControlOrMeta+k")
    box = page.locator(".wc-search input")
    await box.fill("c" * 199)
    await page.keyboard.type("d")
    await expect(said).to_have_count(0)
    await page.keyboard.type("eee")
    await expect(said).to_have_count(1)  # once, however long one types
    await expect(box).to_have_value("c" * 199 + "d")
    await page.keyboard.press("Backspace")
    await page.keyboard.type("fg")
    await expect(said).to_have_count(2)
    await expect(box).to_have_value("c" * 199 + "f")


async def test_an_input_method_at_the_end_of_a_field_is_heard(chat: Chat) -> None:
    page = chat.page
    said = page.locator(".wc-toast", has_text=locale("en")["files.box_full"].replace("{limit}", "200"))
    await page.keyboard.press("ControlOrMeta+k")
    await page.locator(".wc-search input").fill("c" * 195)
    devtools = await page.context.new_cdp_session(page)
    for composing in ("n", "ni", "nih", "niha", "nihao"):
        at = {"selectionStart": len(composing), "selectionEnd": len(composing)}
        await devtools.send("Input.imeSetComposition", {"text": composing, **at})
    await expect(said).to_have_count(0)
    await devtools.send("Input.imeSetComposition", {"text": "nihaoa", "selectionStart": 6, "selectionEnd": 6})
    await expect(said).to_have_count(1)


async def test_a_short_field_takes_no_part_of_a_long_text(chat: Chat) -> None:
    await chat.page.keyboard.press("ControlOrMeta+k")
    await paste(chat.page, text_plain="c" * 201)
    await expect(chat.page.locator(".wc-toast")).to_contain_text("201")
    await expect(chat.page.locator(".wc-search input")).to_have_value("")
    await paste(chat.page, text_plain="c" * 200)
    await expect(chat.page.locator(".wc-search input")).to_have_value("c" * 200)


async def test_a_file_dropped_on_a_dialog_leaves_the_page_as_it_is(chat: Chat, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("words", "utf-8")
    await chat.page.keyboard.press("ControlOrMeta+k")
    await drop(chat.page, file, on=".wc-search")
    await expect(chat.page.locator(".wc-toast")).to_contain_text(locale("en")["files.not_here"])
    await expect(chat.box).to_have_value("")


async def test_the_library_still_takes_its_files(chat: Chat, tmp_path: Path) -> None:
    file = tmp_path / "greeter.yaml"
    file.write_text("webchat_template: 1\nname: Greeter\nuser: Hello\n", "utf-8")
    await chat.page.keyboard.press("ControlOrMeta+Shift+l")
    await chat.page.wait_for_selector(".wc-library-rows li")
    await drop(chat.page, file, on="dialog.wc-library")
    await expect(chat.page.locator("dialog.wc-library")).to_contain_text("Greeter")
    await expect(chat.page.locator(".wc-toast", has_text="Attachments")).to_have_count(0)


async def test_an_address_dropped_beside_the_box_is_refused(chat: Chat) -> None:
    """The browser would open it."""
    page = chat.page
    await page.evaluate("window.addEventListener('dragover', (event) => (window.last = event))")
    data = {
        "items": [{"mimeType": "text/uri-list", "data": "https://example.com/"}],
        "files": [],
        "dragOperationsMask": 1,
    }
    devtools = await page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        await devtools.send("Input.dispatchDragEvent", {"type": kind, "x": 700, "y": 300, "data": data})
    assert await page.evaluate("[last.defaultPrevented, last.dataTransfer.dropEffect]") == [True, "none"]
    assert len(page.context.pages) == 1
