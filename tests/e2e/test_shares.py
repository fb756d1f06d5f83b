"""A share made in the page, read by somebody without scripts, cookies or a sign-in, and ended."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.e2e.chat import Chat, NewVisitor


async def opened(chat: Chat) -> Page:
    """The dialog of a chat with one reply."""
    await chat.ask("text=Hello%20**there**")
    await chat.state("complete")
    page = chat.page
    await page.locator("#wc-topbar-end-part").get_by_role("button", name="Export").click()
    await page.get_by_role("menuitem", name="Share…").click()
    await expect(page.get_by_role("dialog", name="Share this chat")).to_be_visible()
    return page


async def made(page: Page) -> str:
    """The address of a share with what the dialog says by now."""
    await page.get_by_role("button", name="Create link").click()
    link = page.get_by_role("textbox", name="Link")
    await expect(link).to_be_visible()
    return await link.input_value()


async def test_made_read_without_scripts_renamed_and_ended(chat: Chat, visitor: NewVisitor) -> None:
    page = await opened(chat)
    address = await made(page)
    stranger = await visitor(java_script_enabled=False)
    reading = await stranger.new_page()
    await reading.goto(address)
    await expect(reading.locator(".wc-share-reply strong")).to_have_text("there")
    assert await stranger.cookies() == []
    dialog = page.get_by_role("dialog", name="Share this chat")
    await dialog.get_by_role("button", name="Rename").click()
    box = dialog.locator(".wc-shares-row").get_by_role("textbox", name="Title")
    await box.fill("Greetings")
    await box.press("Enter")
    await expect(dialog.get_by_role("link", name="Greetings")).to_be_focused()
    await reading.reload()
    await expect(reading.get_by_role("heading", level=1)).to_have_text("Greetings")
    await dialog.get_by_role("button", name="End the link").click()
    await expect(dialog.get_by_text("No links.")).to_be_visible()
    gone = await reading.goto(address)
    assert gone is not None
    assert gone.status == 410
    await expect(reading.get_by_role("heading")).to_have_text("No longer available")


async def test_a_password_is_asked_for_without_scripts(chat: Chat, visitor: NewVisitor) -> None:
    page = await opened(chat)
    await page.get_by_label("Password (optional)").fill("open sesame")
    address = await made(page)
    stranger = await visitor(java_script_enabled=False)
    reading = await stranger.new_page()
    await reading.goto(address)
    await reading.get_by_label("Password").fill("wrong")
    await reading.get_by_role("button", name="Open").click()
    await expect(reading.get_by_role("alert")).to_be_visible()
    await reading.get_by_label("Password").fill("open sesame")
    await reading.get_by_role("button", name="Open").click()
    await expect(reading.locator(".wc-share-reply strong")).to_have_text("there")


async def test_some_messages_and_a_copy_in_ones_own_chats(chat: Chat) -> None:
    page = await opened(chat)
    await page.get_by_label("Only some of them").check()
    boxes = page.get_by_role("group", name="Messages").get_by_role("checkbox")
    await boxes.first.uncheck()
    await page.get_by_label("May continue it as a chat of their own").check()
    address = await made(page)
    await page.goto(address)
    await expect(page.locator(".wc-share article")).to_have_count(1)
    await page.get_by_role("link", name="Continue in your own chats").click()
    question = page.get_by_role("dialog", name="Continue a shared chat?")
    await expect(question).to_be_visible()
    assert "copy=" not in page.url
    await question.get_by_role("button", name="Continue in your own chats").click()
    await expect(page.locator("article.wc-reply strong")).to_have_text("there")
    assert "?c=" in page.url
