"""Prompt templates in the page: chosen, filled in, sent, played as a persona, kept in the library."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, Page, Route, expect

from tests.app_process import AppProcess
from tests.e2e.chat import MORE_LOOKS, Chat, Json, NewVisitor, first
from tests.e2e.conftest import running
from tests.scripted_endpoint import ScriptedEndpoint


def variable(name: str, kind: str, **more: Any) -> Json:
    return {"name": name, "label": name.title(), "type": kind, **more}


EVERY_TYPE = [
    variable("topic", "text", required=True),
    variable("notes", "long_text"),
    variable("count", "number", default=3),
    variable("tone", "choice", choices=["kind", "cool"], required=True),
    variable("day", "date"),
    variable("sorry", "yes_no", default=True),
]
LETTER = (
    "{{ topic }}|{{ notes }}|{{ count }}|{{ tone }}|{{ day }}|{% if sorry %}sorry{% else %}proud{% endif %}"
)


async def make(page: Page, url: str, name: str, **content: Any) -> Json:
    """A template of this visitor's own."""
    body = {"content": {"name": name, **content}}
    answer = await page.context.request.post(f"{url}/api/templates", data=body, headers={"origin": url})
    assert answer.status == 201, await answer.text()
    made: Json = await answer.json()
    return made


async def visit(visitor: NewVisitor, app: AppProcess, look: Json) -> Chat:
    return await Chat(await (await visitor(**look)).new_page(), app.url).open()


def options(chat: Chat) -> Locator:
    return chat.page.locator(".wc-slash [role=option]")


async def pick(chat: Chat, name: str) -> None:
    """The template of this name, with the keyboard."""
    await chat.box.focus()
    await chat.page.keyboard.type(f"/{name}")
    await expect(options(chat).first).to_contain_text(name)
    await chat.page.keyboard.press("Enter")


async def open_library(chat: Chat, name: str) -> None:
    await chat.page.keyboard.press("Control+Shift+L")
    await chat.page.locator(".wc-library-search").fill(name)
    await chat.page.locator(".wc-library-row", has_text=name).first.click()


def sent(endpoint: ScriptedEndpoint) -> list[Json]:
    messages: list[Json] = endpoint.calls[-1].body["messages"]
    return messages


async def test_a_slash_opens_the_templates_for_the_keyboard_alone(chat: Chat) -> None:
    for name in ("Zebra one", "Zebra two"):
        await make(chat.page, chat.url, name, user=f"About {name}")
    await chat.box.focus()
    await chat.page.keyboard.type("/zebra")
    await expect(options(chat)).to_have_count(3)
    await expect(chat.box).to_have_attribute("role", "combobox")
    for key, at in (("ArrowDown", 1), ("End", 2), ("ArrowDown", 0), ("ArrowUp", 2), ("Home", 0)):
        await chat.page.keyboard.press(key)
        chosen = options(chat).nth(at)
        await expect(chosen).to_have_attribute("aria-selected", "true")
        assert await chat.box.get_attribute("aria-activedescendant") == await chosen.get_attribute("id")
    await chat.page.keyboard.press("Escape")
    await expect(options(chat)).to_have_count(0)
    await expect(chat.box).to_have_value("/zebra")
    await chat.page.keyboard.type(" ")
    await expect(options(chat)).to_have_count(0)
    await chat.box.fill("")
    await chat.page.keyboard.type("/zebra t")
    await expect(options(chat)).to_have_count(2)
    await chat.page.keyboard.press("Tab")
    await expect(chat.box).to_have_value("About Zebra two")
    await expect(chat.box).to_be_focused()


async def test_words_that_only_begin_with_a_slash_are_sent(chat: Chat, endpoint: ScriptedEndpoint) -> None:
    await chat.box.focus()
    await chat.page.keyboard.type("/etc/hosts, what is it?")
    await expect(options(chat)).to_have_count(1)  # the library alone
    await chat.page.keyboard.press("Enter")
    await chat.state("complete")
    assert sent(endpoint)[-1]["content"] == "/etc/hosts, what is it?"


async def test_an_input_method_is_left_alone(chat: Chat) -> None:
    await make(chat.page, chat.url, "月报", user="写月报")
    session = await chat.page.context.new_cdp_session(chat.page)
    await chat.box.focus()
    await chat.page.keyboard.type("/")
    await expect(options(chat).first).to_be_visible()
    before = await options(chat).count()
    await session.send("Input.imeSetComposition", {"text": "yue", "selectionStart": 3, "selectionEnd": 3})
    await expect(options(chat)).to_have_count(before)
    await session.send("Input.insertText", {"text": "月"})
    await expect(options(chat)).to_have_count(2)
    await expect(options(chat).first).to_contain_text("月报")


@pytest.mark.parametrize(("look", "language"), first(MORE_LOOKS))
async def test_a_form_of_every_type_is_filled_in_edited_and_sent(
    look: Json, language: str, app: AppProcess, visitor: NewVisitor, endpoint: ScriptedEndpoint
) -> None:
    chat = await visit(visitor, app, look)
    page = chat.page
    made = await make(page, app.url, f"Letter {len(endpoint.calls)}", user=LETTER, variables=EVERY_TYPE)
    name = made["content"]["name"]
    touch = "has_touch" in look
    if touch:
        await page.tap("#wc-templates-button")
        await page.locator(".wc-slash-search").fill(name)
        await options(chat).first.tap()
    else:
        await pick(chat, name)
    form = page.locator(".wc-use")
    await form.locator("[type=submit]").click()
    await expect(form.locator("[data-variable=topic]")).to_have_attribute("aria-invalid", "true")
    await expect(form.locator("[data-variable=tone]")).to_have_attribute("aria-invalid", "true")
    await form.locator("[data-variable=topic]").fill("rain")
    await page.keyboard.press("Escape")  # by mistake: what was typed is still there
    await expect(form).to_have_count(0)
    if touch:
        await page.tap("#wc-templates-button")
        await page.locator(".wc-slash-search").fill(name)
        await options(chat).first.tap()
    else:
        await pick(chat, name)
    await expect(form.locator("[data-variable=topic]")).to_have_value("rain")
    await form.locator("[data-variable=notes]").fill("one\ntwo")
    await form.locator("[data-variable=tone]").select_option("cool")
    await form.locator("[data-variable=day]").fill("2026-12-24")
    await form.locator("[data-variable=sorry]").uncheck()
    await expect(form.locator(".wc-preview-text")).to_have_text("rain|one\ntwo|3|cool|2026-12-24|proud")
    assert not await page.evaluate("document.documentElement.scrollWidth > innerWidth")
    await form.locator("[type=submit]").click()
    await expect(chat.box).to_have_value("rain|one\ntwo|3|cool|2026-12-24|proud")
    await chat.box.press("End")
    await page.keyboard.type("!")
    await page.click("#wc-send")
    await chat.state("complete")
    assert sent(endpoint)[-1]["content"] == "rain|one\ntwo|3|cool|2026-12-24|proud!"
    await expect(page.locator(".wc-user .wc-made-from")).to_contain_text(name)
    user = (await chat.thread())[0]
    assert user["template"] == {"id": made["id"], "version": 1, "name": name}
    await page.reload()
    await chat.ready()
    await expect(page.locator(".wc-user .wc-made-from")).to_contain_text(name)


async def test_words_of_ones_own_come_from_no_template(chat: Chat) -> None:
    await make(chat.page, chat.url, "Forgotten", user="From a template")
    await pick(chat, "Forgotten")
    await expect(chat.box).to_have_value("From a template")
    await chat.box.fill("")
    await chat.ask("My own words")
    await chat.state("complete")
    assert (await chat.thread())[0]["template"] is None
    await expect(chat.page.locator(".wc-made-from")).to_have_count(0)


@pytest.mark.parametrize(("look", "language"), first([*MORE_LOOKS[1:], MORE_LOOKS[0]]))
async def test_a_persona_is_shown_reaches_the_model_and_goes(
    look: Json, language: str, app: AppProcess, visitor: NewVisitor, endpoint: ScriptedEndpoint
) -> None:
    chat = await visit(visitor, app, look)
    page = chat.page
    variables = [variable("shop", "text", default="Two Wheels")]
    name = f"Shop {len(endpoint.calls)}"
    system = "You answer for {{ shop }}."
    await make(page, app.url, name, system=system, variables=variables, sampling={"temperature": 0.3})
    await pick(chat, name)
    await page.locator(".wc-use [type=submit]").click()
    chip = page.locator(".wc-persona-chip")
    await expect(chip).to_contain_text(name)
    await chat.ask("Hello")
    await chat.state("complete")
    assert sent(endpoint)[0] == {"role": "system", "content": "You answer for Two Wheels."}
    assert endpoint.calls[-1].body["temperature"] == 0.3
    await page.reload()
    await chat.ready()
    await chip.click()
    box = page.locator(".wc-persona-box")
    await expect(box).to_contain_text("You answer for Two Wheels.")
    await expect(box.locator("dd")).to_have_text("Two Wheels")
    await box.locator("button").last.click()
    await page.locator(".wc-use [data-variable=shop]").fill("Three Wheels")
    await page.locator(".wc-use [type=submit]").click()
    await expect(page.locator(".wc-use")).to_have_count(0)
    await chat.send("And now?")
    await expect(chat.replies).to_have_count(2)
    await chat.state("complete")
    assert sent(endpoint)[0]["content"] == "You answer for Three Wheels."
    await chip.click()
    await box.locator("button").first.click()
    await expect(chip).to_be_hidden()
    await chat.send("And without?")
    await expect(chat.replies).to_have_count(3)
    await chat.state("complete")
    assert sent(endpoint)[0]["role"] == "user"
    assert "temperature" not in endpoint.calls[-1].body


async def test_a_system_prompt_written_by_hand_is_no_persona(chat: Chat) -> None:
    await make(chat.page, chat.url, "Pirate", system="You are a pirate.")
    await pick(chat, "Pirate")
    chip = chat.page.locator(".wc-persona-chip")
    await expect(chip).to_contain_text("Pirate")
    await chat.page.click("#wc-drawer-toggle")
    await expect(chat.page.locator("#wc-drawer")).to_contain_text("Pirate")
    await chat.page.locator("#wc-system-prompt textarea").fill("You are a cook.")
    await expect(chip).to_be_hidden()


@pytest.mark.parametrize(("look", "language"), first(MORE_LOOKS))
async def test_the_library_makes_changes_and_goes_back(
    look: Json, language: str, app: AppProcess, visitor: NewVisitor, tmp_path: Path
) -> None:
    chat = await visit(visitor, app, look)
    page = chat.page
    phone = "is_mobile" in look
    name = f"Note {tmp_path.name}"
    await page.keyboard.press("Control+Shift+L")
    await page.locator(".wc-sheet-actions .wc-primary").click()
    fields = page.locator(".wc-pane-edit > .wc-stack")
    await fields.locator("input").first.fill(name)
    await fields.locator("textarea").nth(1).fill("About {{ what }}")
    await page.locator(".wc-name-chip").click()  # the name in the text becomes a variable
    await page.locator(".wc-card [data-key=label]").fill("What about")
    save = page.locator(".wc-template-foot .wc-primary")
    await save.click()
    await expect(page.locator(".wc-template-name")).to_have_text(name)
    if phone:
        await page.locator(".wc-tabs [data-tab=preview]").click()
    await page.locator(".wc-pane-preview [data-variable=what]").fill("rain")
    await expect(page.locator(".wc-pane-preview .wc-preview-text")).to_have_text("About rain")
    if phone:
        await page.locator(".wc-tabs [data-tab=edit]").click()
    message = fields.locator("textarea").nth(1)
    await message.fill("All about\n{{ nothing }}")
    await expect(page.locator(".wc-field-hint.wc-danger")).to_contain_text("2")
    await message.fill("All about\n{{ what }}")
    await page.locator(".wc-save-note").fill("Longer")
    await save.click()
    await expect(page.locator(".wc-template-title .wc-tag").first).to_contain_text("2")
    await page.locator(".wc-tabs [data-tab=versions]").click()
    await expect(page.locator(".wc-version-row")).to_have_count(2)
    await expect(page.locator(".wc-version-row").first).to_contain_text("Longer")
    await expect(page.locator(".wc-diff-gone")).to_contain_text("About {{ what }}")
    assert not await page.evaluate("document.documentElement.scrollWidth > innerWidth")
    await page.locator(".wc-version-head button").click()
    await expect(message).to_have_value("About {{ what }}")
    await page.locator(".wc-tabs [data-tab=versions]").click()
    await expect(page.locator(".wc-version-row")).to_have_count(3)


async def test_versions_that_are_asked_for_during_a_save_are_those_after_it(chat: Chat) -> None:
    page = chat.page
    made = await make(page, chat.url, "Quick", user="One")
    await open_library(chat, "Quick")
    asked, late = asyncio.Event(), asyncio.Event()

    async def first_comes_last(route: Route) -> None:
        if not asked.is_set():
            asked.set()
            await late.wait()
        await route.continue_()

    async def saved_after_it_was_asked(route: Route) -> None:
        if route.request.method == "PUT":
            await asked.wait()
        await route.continue_()

    await page.route(f"**/{made['id']}/versions", first_comes_last)
    await page.route(f"**/templates/{made['id']}", saved_after_it_was_asked)
    await page.locator(".wc-pane-edit textarea").nth(1).fill("Two")
    await page.locator(".wc-template-foot .wc-primary").click()
    await page.locator(".wc-tabs [data-tab=versions]").click()
    await expect(page.locator(".wc-version-row")).to_have_count(2)
    async with page.expect_response(f"**/{made['id']}/versions*/**"):
        late.set()
    await page.locator(".wc-version-head button").click()
    await expect(page.locator(".wc-pane-edit textarea").nth(1)).to_have_value("One")


async def test_unsaved_words_are_asked_about_and_a_deleted_template_comes_back(chat: Chat) -> None:
    page = chat.page
    await make(page, chat.url, "Fragile", user="One")
    await open_library(chat, "Fragile")
    await page.locator(".wc-pane-edit textarea").nth(1).fill("Two")
    await page.keyboard.press("Escape")
    await page.locator(".wc-ask .wc-primary").click()
    await expect(page.locator(".wc-pane-edit textarea").nth(1)).to_have_value("Two")
    await page.keyboard.press("Escape")
    await page.locator(".wc-ask button").first.click()
    await expect(page.locator("dialog")).to_have_count(0)
    await expect(chat.box).to_be_focused()
    await open_library(chat, "Fragile")
    await expect(page.locator(".wc-pane-edit textarea").nth(1)).to_have_value("One")
    await page.locator(".wc-template-head .wc-icon-button").last.click()
    await page.locator(".wc-menu .wc-danger").click()
    await expect(page.locator(".wc-library-row", has_text="Fragile")).to_have_count(0)
    await page.locator(".wc-toast-action").click()
    await expect(page.locator(".wc-template-name")).to_have_text("Fragile")


async def test_what_is_written_in_a_template_survives_the_tab(chat: Chat) -> None:
    made = await make(chat.page, chat.url, "Lasting", user="One")
    await open_library(chat, "Lasting")
    message = ".wc-pane-edit textarea >> nth=1"
    await chat.page.locator(message).fill("Two, at length")
    context = chat.page.context
    await chat.page.close()
    chat = await Chat(await context.new_page(), chat.url).open()
    await open_library(chat, "Lasting")
    await expect(chat.page.locator(message)).to_have_value("Two, at length")
    await chat.page.locator(".wc-template-foot .wc-primary").click()
    await expect(chat.page.locator(".wc-template-title .wc-tag").first).to_contain_text("2")
    kept = "Object.keys(localStorage).filter((name) => name.includes('.template:'))"
    assert await chat.page.evaluate(kept) == [], made["id"]


async def test_what_is_filled_in_and_a_system_prompt_survive_a_reload(chat: Chat) -> None:
    page = chat.page
    await make(page, chat.url, "Filled", user="About {{ what }}", variables=[variable("what", "text")])
    await pick(chat, "Filled")
    await page.locator(".wc-use [data-variable=what]").fill("rain")
    await page.reload(wait_until="commit")
    await chat.ready()
    await pick(chat, "Filled")
    await expect(page.locator(".wc-use [data-variable=what]")).to_have_value("rain")
    await page.keyboard.press("Escape")
    await page.click("#wc-drawer-toggle")
    await page.locator("#wc-system-prompt textarea").fill("Be brief, and kind.")
    await page.reload(wait_until="commit")
    await chat.ready()
    await expect(page.locator("#wc-system-prompt textarea")).to_have_value("Be brief, and kind.")


async def test_who_saves_after_somebody_else_loses_nothing(chat: Chat) -> None:
    page = chat.page
    made = await make(page, chat.url, "Contested", user="Mine")
    await open_library(chat, "Contested")
    content = {**made["content"], "user": "Theirs"}
    answer = await page.context.request.put(
        f"{chat.url}/api/templates/{made['id']}",
        data={"content": content, "based_on": 1},
        headers={"origin": chat.url},
    )
    assert answer.ok, await answer.text()
    text = page.locator(".wc-pane-edit textarea").nth(1)
    await text.fill("Mine, longer")
    await page.locator(".wc-template-foot .wc-primary").click()
    banner = page.locator(".wc-banner")
    await expect(banner).to_contain_text("2")
    await expect(text).to_have_value("Mine, longer")
    await banner.locator("button").first.click()
    await expect(text).to_have_value("Theirs")
    await page.locator(".wc-toast-action").click()
    await expect(text).to_have_value("Mine, longer")
    await page.locator(".wc-template-foot .wc-primary").click()
    await expect(page.locator(".wc-template-head .wc-tag").first).to_contain_text("3")


async def test_a_template_leaves_as_a_file_and_comes_back(chat: Chat, tmp_path: Path) -> None:
    page = chat.page
    await make(page, chat.url, "Travelling", user="Hello {{ who }}", variables=[variable("who", "text")])
    await open_library(chat, "Travelling")
    files = []
    for item in (1, 2):
        await page.locator(".wc-template-head .wc-icon-button").last.click()
        async with page.expect_download() as begun:
            await page.locator(".wc-menu [role=menuitem]").nth(item).click()
        download = await begun.value
        files.append(tmp_path / download.suggested_filename)
        await download.save_as(files[-1])
    assert [file.suffix for file in files] == [".yaml", ".json"]
    assert json.loads(files[1].read_text())["user"] == "Hello {{ who }}"
    for file in files:
        await page.locator(".wc-sheet input[type=file]").set_input_files(file)
        await expect(page.locator(".wc-toast").last).to_contain_text("Travelling")
        await expect(page.locator(".wc-card [data-key=name]")).to_have_value("who")
        await page.locator(".wc-toast .wc-icon-button").last.click()
    await page.locator(".wc-back").click()
    await page.locator(".wc-library-search").fill("Travelling")
    await expect(page.locator(".wc-library-row")).to_have_count(3)


async def test_what_came_with_the_app_is_duplicated_to_be_changed(chat: Chat) -> None:
    page = chat.page
    await open_library(chat, "Translate")
    await expect(page.locator(".wc-pane-edit textarea").first).to_be_disabled()
    await page.locator(".wc-banner button").click()
    await expect(page.locator(".wc-template-name")).to_have_text("Translate (copy)")
    await expect(page.locator(".wc-pane-edit textarea").first).to_be_enabled()


async def test_nobody_sees_what_somebody_else_keeps(
    endpoint: ScriptedEndpoint, tmp_path: Path, visitor: NewVisitor
) -> None:
    async with running(tmp_path, endpoint, WEBCHAT_ACCESS="open") as app:
        one = await visit(visitor, app, {})
        await make(one.page, app.url, "Secret recipe", user="x")
        other = await visit(visitor, app, {})
        for chat, seen in ((one, 2), (other, 1)):
            await chat.box.focus()
            await chat.page.keyboard.type("/secret")
            await expect(options(chat)).to_have_count(seen)
