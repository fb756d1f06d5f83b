"""A page from which the browser keeps things away: storage, cookies, the clipboard, channels between tabs. It
works without them, or says what is missing and what to do."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.app_process import AppProcess
from tests.browser import ARGS, LAUNCH, PATIENCE, WHOLE
from tests.e2e.chat import Chat, NewVisitor, eventually
from tests.e2e.conftest import running
from tests.scripted_endpoint import ScriptedEndpoint
from webchat.sentences import locale
from webchat.sharing.links import OPERATOR_PREFIX

SITE_DATA_BLOCKED = {"profile": {"default_content_setting_values": {"cookies": 2}}}
NEAR = "--disable-features=LocalNetworkAccessChecks"
"""A site of the world may show a frame of this machine, as it may one of another server."""
SPACE = "https://huggingface.co/spaces/somebody/chat"

NewProfile = Callable[..., Awaitable[Page]]


@pytest_asyncio.fixture(loop_scope="session")
async def profile(browser: Browser, tmp_path: Path) -> AsyncIterator[NewProfile]:
    """Starts a browser whose user has set preferences; gives its page, and what went wrong on it."""
    async with AsyncExitStack() as stack:

        async def new(preferences: dict[str, Any], language: str = "en") -> Page:
            folder = tmp_path / "profile" / "Default"
            folder.mkdir(parents=True)
            (folder / "Preferences").write_text(json.dumps(preferences), "utf-8")
            context = await browser.browser_type.launch_persistent_context(
                str(folder.parent), **{**WHOLE, "args": [*ARGS, NEAR]}, locale=language
            )
            stack.push_async_callback(context.close)
            context.set_default_timeout(PATIENCE)
            return context.pages[0]

        yield new


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def opened(
    endpoint: ScriptedEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[AppProcess]:
    """An app that knows everybody by a cookie, also in another site's frame."""
    async with running(tmp_path_factory.mktemp("open"), endpoint, "--access", "open", "--embed") as app:
        yield app


def faults_of(page: Page) -> list[str]:
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    return faults


def loads_of(page: Page, app: AppProcess) -> list[str]:
    loads: list[str] = []
    page.on(
        "framenavigated", lambda frame: loads.append(frame.url) if frame.url.startswith(app.url) else None
    )
    return loads


async def framed(page: Page, app: AppProcess, attributes: str = "") -> None:
    """The page in a frame of another site."""
    body = f'<iframe {attributes} src="{app.url}/" style="width: 1000px; height: 640px"></iframe>'
    await page.route(
        "https://huggingface.co/**", lambda route: route.fulfill(content_type="text/html", body=body)
    )
    await page.goto(SPACE)


@pytest.mark.parametrize("language", ["en", pytest.param("zh-CN", marks=pytest.mark.slow)])
async def test_where_site_data_is_blocked_the_page_works_and_says_once_that_it_keeps_nothing(
    app: AppProcess, profile: NewProfile, language: str
) -> None:
    page = await profile(SITE_DATA_BLOCKED, language)
    faults = faults_of(page)
    chat = await Chat(page, app.url).open()
    note = page.locator(".wc-toast", has_text=locale(language)["app.unkept"])
    await expect(note).to_have_count(1)
    conversation = await chat.ask("words=3")
    await chat.state("complete")
    await chat.box.fill("half a thought")
    await expect(note).to_have_count(1)
    # What was said is with the server; only what was not sent is gone.
    await page.reload()
    await chat.ready()
    await chat.whole("w0 w1 w2")
    assert chat.conversation == conversation
    await page.evaluate("window.webchatConfig.setTheme('dark')")
    await expect(page.locator("html")).to_have_class(re.compile("dark"))
    assert faults == []


async def test_where_nothing_is_kept_a_language_is_chosen_all_the_same(
    app: AppProcess, profile: NewProfile
) -> None:
    page = await profile(SITE_DATA_BLOCKED)
    await Chat(page, app.url).open()
    await page.click("#wc-menu-button")
    await page.get_by_role("menuitemradio", name="简体中文").click()
    await expect(page.locator("html.wc-ready")).to_have_attribute("lang", "zh-CN")


@pytest.mark.parametrize("language", [pytest.param("en", marks=pytest.mark.slow), "zh-CN"])
async def test_without_cookies_a_server_that_needs_them_says_so(
    opened: AppProcess, profile: NewProfile, language: str
) -> None:
    words = locale(language)
    page = await profile(SITE_DATA_BLOCKED, language)
    loads = loads_of(page, opened)
    await page.goto(opened.url)
    said = page.get_by_role("alert")
    await expect(said).to_contain_text(words["app.no_cookie"])
    await expect(said.get_by_role("link")).to_have_count(0)
    assert len(loads) == 1
    retry = said.get_by_role("button", name=words["app.retry"])
    await expect(retry).to_have_css("border-top-style", "solid")
    await retry.click()
    await expect(said).to_contain_text(words["app.no_cookie"])
    assert len(loads) == 2


async def test_in_another_sites_frame_the_page_works_where_cookies_of_others_are_blocked(
    opened: AppProcess, profile: NewProfile
) -> None:
    page = await profile({"profile": {"block_third_party_cookies": True, "cookie_controls_mode": 1}})
    await framed(page, opened)
    frame = page.frame_locator("iframe")
    await frame.locator("#wc-composer-text textarea").fill("words=2")
    await frame.locator("#wc-send").click()
    await expect(frame.locator("article.wc-reply")).to_have_attribute("data-state", "complete")


@pytest.mark.parametrize(
    ("attributes", "key", "language"),
    [
        ("", "app.no_cookie", "zh-CN"),
        ('sandbox="allow-scripts allow-forms allow-popups"', "app.framed", "en"),
    ],
    ids=["no-cookies", "sandbox"],
)
async def test_a_frame_that_lets_the_page_keep_nothing_offers_a_tab_of_its_own(
    opened: AppProcess, profile: NewProfile, language: str, attributes: str, key: str
) -> None:
    words = locale(language)
    page = await profile(SITE_DATA_BLOCKED if key == "app.no_cookie" else {}, language)
    loads = loads_of(page, opened)
    await framed(page, opened, attributes)
    said = page.frame_locator("iframe").get_by_role("alert")
    await expect(said).to_contain_text(words[key])
    await expect(said.get_by_role("link", name=words["app.open_alone"])).to_have_attribute(
        "href", f"{opened.url}/"
    )
    assert len(loads) == 1


async def test_cookies_that_go_away_are_told_of_where_the_page_is(
    opened: AppProcess, visitor: NewVisitor
) -> None:
    context = await visitor()
    chat = await Chat(await context.new_page(), opened.url).open()
    await context.clear_cookies()
    await chat.send("words=2")
    await expect(chat.page.locator(".wc-connection")).to_contain_text(locale("en")["error.no_cookie"])
    await expect(chat.box).to_have_attribute("readonly", "")


REFUSED = "() => { throw new DOMException('The operation is insecure.', 'SecurityError'); }"
GONE = {
    "full": "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };",
    "no storage at all": "for (const name of ['localStorage', 'sessionStorage'])"
    " Object.defineProperty(window, name, { value: null });",
    "storage throws": "for (const name of ['localStorage', 'sessionStorage', 'indexedDB', 'caches'])"
    f" Object.defineProperty(window, name, {{ get: {REFUSED}, configurable: true }});",
    "no tab memory": "Object.defineProperty(window, 'sessionStorage',"
    f" {{ get: {REFUSED}, configurable: true }});",
    "no channels": "delete window.BroadcastChannel;",
    "channels throw": f"window.BroadcastChannel = class {{ constructor() {{ ({REFUSED})(); }} }};",
    "no shared workers": "delete window.SharedWorker;",
    "shared workers throw": f"window.SharedWorker = class {{ constructor() {{ ({REFUSED})(); }} }};",
    "locks are refused": "LockManager.prototype.query = LockManager.prototype.request ="
    " () => Promise.reject(new DOMException('The request was denied.', 'SecurityError'));",
    "no locks": "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined });",
}
TELLING = ("full", "storage throws", "channels throw", "shared workers throw", "locks are refused")
"""Of each thing that may be lacking, the worst way."""


@pytest.mark.parametrize(
    "missing", [kind if kind in TELLING else pytest.param(kind, marks=pytest.mark.slow) for kind in GONE]
)
async def test_the_page_works_without_what_a_browser_may_lack(
    app: AppProcess, visitor: NewVisitor, missing: str
) -> None:
    page = await (await visitor()).new_page()
    await page.add_init_script(GONE[missing])
    faults = faults_of(page)
    chat = await Chat(page, app.url).open()
    await chat.box.fill("a draft")
    await chat.ask("words=4")
    await chat.state("complete")
    await page.reload()
    await chat.ready()
    await chat.whole("w0 w1 w2 w3")
    assert faults == []


@asynccontextmanager
async def by_name(browser: Browser, name: str) -> AsyncIterator[BrowserContext]:
    """A browser that finds a host of this name on this machine: by plain http, as in a house or an office."""
    args = [*ARGS, f"--host-resolver-rules=MAP {name} 127.0.0.1"]
    other = await browser.browser_type.launch(**{**LAUNCH, "args": args})
    try:
        context = await other.new_context(locale="en-GB")
        context.set_default_timeout(PATIENCE)
        yield context
    finally:
        await other.close()


async def test_a_reply_is_copied_by_plain_http(
    browser: Browser, endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    words = locale("en")
    flags = ("--access", "link", "--public-url", "http://webchat.test")
    async with running(tmp_path, endpoint, *flags) as app, by_name(browser, "webchat.test") as context:
        found = re.search(rf"/t#({OPERATOR_PREFIX}\S+)", app.log.read_text("utf-8"))
        assert found
        page = await context.new_page()
        faults = faults_of(page)
        chat = Chat(page, f"http://webchat.test:{app.port}")
        await page.goto(f"{chat.url}/t#{found[1]}")
        await chat.ready()
        assert await page.evaluate("navigator.clipboard === undefined")
        await chat.ask("words=3")
        await chat.state("complete")
        await chat.reply.get_by_role("button", name=words["transcript.copy"], exact=True).click()

        async def pasted() -> str:
            """Copying goes on after the click, and puts the focus back where it was."""
            await chat.box.fill("")
            await page.keyboard.press("ControlOrMeta+v")
            return await chat.box.input_value()

        await eventually(pasted, lambda text: text.startswith("w0 w1 w2"))
        assert faults == []


async def test_what_the_browser_does_not_copy_is_shown_selected(app: AppProcess, visitor: NewVisitor) -> None:
    words = locale("en")
    page = await (await visitor()).new_page()
    await page.add_init_script(
        f"navigator.clipboard.writeText = async () => ({REFUSED})(); document.execCommand = () => false;"
    )
    chat = await Chat(page, app.url).open()
    await chat.ask("words=3")
    await chat.state("complete")
    await chat.reply.get_by_role("button", name=words["transcript.copy"], exact=True).click()
    dialog = page.get_by_role("dialog", name=words["copy.title"])
    await expect(dialog.locator("textarea")).to_be_focused()
    assert (await page.evaluate("getSelection().toString()")).strip() == "w0 w1 w2"
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
