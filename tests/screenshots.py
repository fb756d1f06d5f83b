"""Pictures of the page in the states a designer asks for:
`python -m tests.screenshots [--out DIR] [--only WORD ...]`.

The real app on the scripted endpoint, in a real browser: desktop and phone, light and dark, both languages.
`--readme DIR` makes the pictures of the README instead.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from playwright.async_api import Browser, Page, Playwright, Route, async_playwright

from tests import conversations as talk
from tests.app_process import AppProcess
from tests.browser import LAUNCH
from tests.scripted_endpoint import ScriptedEndpoint
from webchat.sharing.links import hash_of, make_token
from webchat.store import Store
from webchat.store.link_records import LinkTerms

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}

MODELS = ("support-4b-ft-0042", "support-4b-base")

CONFIG = "\n".join(
    f'[[models]]\nname = "{name}"\nendpoint = "{{url}}"\nmodel = "scripted"\ntemperature = 0.7\n'
    for name in MODELS
)

LOADING = {
    "loading": {"phase": "downloading", "done": 1_204_000_000, "total": 2_800_000_000, "eta_seconds": 41}
}

QUEUED = {"loading": None, "queue": {"place": 3, "eta_seconds": 21.4}}

FONTS = ':root { --wc-font: "Liberation Sans", "Noto Sans CJK SC", sans-serif !important }'
"""For the README: nearer to what people's machines have than a bare Linux's default."""

PLAIN = """() => {
  document.body.style.fontFamily = "Liberation Sans";
  document.querySelector("#language").hidden = true; // for its one word there is no font here
}"""

SIGN_IN = (
    *("--sign-in", "password,oidc", "--oidc-name", "Example", "--allowed-people", "@example.org"),
    *("--oidc-issuer", "https://sso.example.org", "--oidc-client-id", "webchat"),
)
"""Flags of a server in which people sign in."""


@dataclass(frozen=True)
class Look:
    """A screen, a colour scheme and a language."""

    name: str
    size: dict[str, int]
    scheme: str
    locale: str

    @property
    def talk(self) -> talk.Talk:
        return talk.CHINESE if self.locale == "zh-CN" else talk.ENGLISH


LOOKS = [
    Look("desktop-light-en", DESKTOP, "light", "en-GB"),
    Look("desktop-dark-en", DESKTOP, "dark", "en-GB"),
    Look("desktop-light-zh", DESKTOP, "light", "zh-CN"),
    Look("phone-light-en", PHONE, "light", "en-GB"),
    Look("phone-dark-zh", PHONE, "dark", "zh-CN"),
]


async def send(page: Page, text: str, *, wait: bool = True) -> None:
    await page.fill("#wc-composer-text textarea", text)
    await page.click("#wc-send")
    if wait:
        await page.wait_for_selector("#wc-send:visible")


async def still(page: Page) -> None:
    """The conversation as it opens: at its end."""


async def top(page: Page) -> None:
    await page.evaluate("document.querySelector('.wc-scroller').scrollTop = 0")
    await page.wait_for_timeout(300)


async def reasoning(page: Page) -> None:
    await page.locator(".wc-reasoning > summary").last.click()
    await page.locator(".wc-reasoning").last.scroll_into_view_if_needed()
    await page.wait_for_timeout(300)


async def settings(page: Page) -> None:
    await page.click("#wc-drawer-toggle")
    await page.wait_for_timeout(400)


async def picker(page: Page) -> None:
    await page.click("#wc-picker button")
    await page.wait_for_timeout(300)


async def search(page: Page) -> None:
    await page.keyboard.press("Control+k")
    await page.wait_for_selector(".wc-search")
    word = "滤波" if await page.evaluate("document.documentElement.lang") == "zh-CN" else "filter"
    await page.keyboard.insert_text(word)
    await page.wait_for_timeout(800)


async def slow(page: Page) -> None:
    await send(page, talk.DELAYED, wait=False)
    await page.wait_for_timeout(1500)


async def told(page: Page, status: Mapping[str, object], selector: str) -> None:
    """A reply of which the server tells only this status."""

    async def answer(route: Route) -> None:
        events: list[tuple[str, object]] = [("hello", {"owner": "", "running": []})]
        for reply in parse_qs(urlsplit(route.request.url).query).get("reply", []):
            message = {"message_id": reply.partition(":")[0], "state": "queued", **status}
            events.append(("status", message))
        body = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events)
        await route.fulfill(content_type="text/event-stream", body=body)

    # What a shared worker asks for, nobody but the server can answer.
    await page.add_init_script("delete window.SharedWorker")
    await page.route("**/api/events*", answer)
    await page.reload()
    await page.wait_for_selector("html.wc-ready")
    await send(page, talk.DELAYED, wait=False)
    await page.wait_for_selector(selector)
    await page.wait_for_timeout(400)


async def loading(page: Page) -> None:
    await told(page, LOADING, ".wc-loading")


async def queued(page: Page) -> None:
    await told(page, QUEUED, ".wc-place")


async def streaming(page: Page) -> None:
    language = await page.evaluate("document.documentElement.lang")
    await send(page, (talk.CHINESE if language == "zh-CN" else talk.ENGLISH).slow, wait=False)
    await page.wait_for_timeout(2500)


async def stopped(page: Page) -> None:
    await streaming(page)
    await page.click("#wc-stop")
    await page.wait_for_selector(".wc-note")


async def error(page: Page) -> None:
    await send(page, talk.FAILED, wait=False)
    await page.wait_for_selector(".wc-error", timeout=30_000)


async def open_sidebar(page: Page) -> None:
    if await page.evaluate("document.documentElement.classList.contains('wc-sidebar-closed')"):
        await page.click("#wc-sidebar-toggle")
    await page.wait_for_timeout(400)


async def menu(page: Page) -> None:
    await open_sidebar(page)
    row = page.locator("#wc-sidebar .wc-row").nth(1)
    await row.hover()
    await row.locator("button").last.click()
    await page.wait_for_timeout(200)


async def rename(page: Page) -> None:
    await menu(page)
    await page.locator(".wc-menu [role=menuitem]").first.click()
    await page.wait_for_timeout(200)


async def main_menu(page: Page) -> None:
    await open_sidebar(page)
    await page.locator("#wc-menu-button").click()
    await page.wait_for_timeout(200)


async def edit(page: Page) -> None:
    await page.locator(".wc-user").last.hover()
    await page.locator(".wc-user [data-act=edit]").last.click()
    await page.wait_for_timeout(300)


async def info(page: Page) -> None:
    button = page.locator("[data-act=info]").last
    if await button.is_visible():
        await button.click()
    else:  # on a phone it is in the menu
        await page.locator("[data-act=more]").last.click()
        await page.locator(".wc-menu [role=menuitem]").nth(2).click()
    await page.wait_for_selector(".wc-info")


async def slash(page: Page) -> None:
    await page.click("#wc-composer-text textarea")
    await page.keyboard.type("/")
    await page.wait_for_selector(".wc-slash-row >> nth=1")
    await page.wait_for_timeout(200)


async def template(page: Page) -> None:
    await slash(page)
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".wc-use .wc-preview-text")
    await page.wait_for_timeout(300)


async def library(page: Page) -> None:
    await page.keyboard.press("Control+Shift+L")
    await page.wait_for_selector(".wc-library-row")
    await page.wait_for_timeout(200)


async def library_template(page: Page) -> None:
    await library(page)
    await page.locator(".wc-library-row").first.click()
    await page.wait_for_timeout(800)


async def again(page: Page) -> None:
    await page.locator("[data-act=regenerate]").last.click()
    await page.wait_for_timeout(200)


async def shortcuts(page: Page) -> None:
    await page.keyboard.press("Control+/")
    await page.wait_for_timeout(300)


async def deleted(page: Page) -> None:
    await page.locator("[data-act=more]").last.click()
    await page.locator(".wc-menu .wc-danger").click()
    await page.wait_for_selector(".wc-toast")
    await page.wait_for_timeout(300)
    await page.locator(".wc-toast-action").hover()


async def undo(page: Page) -> None:
    await page.locator(".wc-toast-action").click()
    await page.wait_for_timeout(500)


async def focus(page: Page) -> None:
    """The ring on what the keyboard has reached."""
    for _ in range(4):
        await page.keyboard.press("Shift+Tab")


@dataclass(frozen=True)
class State:
    """What is done before the picture, in the long conversation or in a new one, and after it."""

    name: str
    act: Callable[[Page], Awaitable[None]]
    long: bool = True
    after: Callable[[Page], Awaitable[None]] = still


STATES = (
    State("empty", still, long=False),
    State("conversation", still),
    State("top", top),
    State("reasoning", reasoning),
    State("settings", settings),
    State("picker", picker),
    State("search", search),
    State("sidebar", open_sidebar),
    State("menu", menu),
    State("rename", rename),
    State("main-menu", main_menu),
    State("edit", edit),
    State("info", info),
    State("again", again),
    State("shortcuts", shortcuts),
    State("focus", focus),
    State("slash", slash, long=False),
    State("template", template, long=False),
    State("library", library, long=False),
    State("library-template", library_template, long=False),
    State("deleted", deleted, after=undo),
    State("slow", slow, long=False),
    State("loading", loading, long=False),
    State("queued", queued, long=False),
    State("streaming", streaming, long=False),
    State("stopped", stopped, long=False),
    State("error", error, long=False),
)


@dataclass(frozen=True)
class Visit:
    """What a tester does before the picture."""

    name: str
    act: Callable[[Page, str], Awaitable[None]]
    messages: int = 20


async def accept(page: Page) -> None:
    await page.locator(".wc-tester-card .wc-primary").click()
    await page.wait_for_selector(".wc-tester-card", state="hidden")


async def invited(page: Page, words: str) -> None:
    await page.wait_for_selector(".wc-tester-welcome")


async def declined(page: Page, words: str) -> None:
    await page.locator(".wc-tester-card button").last.click()


async def accepted(page: Page, words: str) -> None:
    await accept(page)


async def chatting(page: Page, words: str) -> None:
    await accept(page)
    await send(page, words)
    await page.wait_for_timeout(500)


async def questions(page: Page, words: str) -> None:
    await chatting(page, words)
    await page.locator(".wc-tester-questions").click()
    await page.locator(".wc-question input").first.check()
    await page.locator(".wc-question-scale input").nth(3).check()
    await page.wait_for_timeout(500)


async def handover(page: Page, words: str) -> None:
    await accept(page)
    await main_menu(page)
    await page.locator(".wc-menu [role=menuitem]").first.click()
    await page.wait_for_selector(".wc-handover-code")
    await page.wait_for_timeout(300)


VISITS = (
    Visit("invited", invited),
    Visit("declined", declined),
    Visit("accepted", accepted),
    Visit("few-left", chatting, messages=4),
    Visit("used-up", chatting, messages=1),
    Visit("questions", questions),
    Visit("handover", handover),
)


def link(app: AppProcess, look: Look, visit: Visit) -> tuple[str, str]:
    """A new tester link: its id and its address."""
    invitation = look.talk.invitation
    terms = LinkTerms(
        models=MODELS[:1],
        instructions=invitation.instructions,
        opening=invitation.opening,
        consent=invitation.consent,
        questions=invitation.questions,
        messages=visit.messages,
        system_prompt=False,
        inspect=False,
    )
    token = make_token()
    with closing(Store.open(f"sqlite:///{app.data_dir / 'webchat.db'}", serve=False)) as store:
        end = datetime.now(UTC) + timedelta(days=14)
        return store.create_link(invitation.name, hash_of(token), end, terms).id, f"{app.url}/t#{token}"


async def visits(browser: Browser, out: Path, wanted: Callable[[str], bool]) -> None:
    """What testers see who came by a link, and the gate."""
    async with running("--host", "0.0.0.0") as app:
        for look in LOOKS:
            for visit in VISITS:
                name = f"{visit.name}-{look.name}"
                if not wanted(name):
                    continue
                async with opened(browser, link(app, look, visit)[1], look) as page:
                    await visit.act(page, look.talk.invitation.said)
                    await page.screenshot(path=out / f"{name}.png")
                print(out / f"{name}.png", flush=True)


@asynccontextmanager
async def opened(browser: Browser, url: str, look: Look, scale: float = 0) -> AsyncIterator[Page]:
    """A new visitor's page. Prints what the page complains of."""
    phone = look.size is PHONE
    context = await browser.new_context(
        viewport=look.size,  # type: ignore[arg-type]
        color_scheme=look.scheme,  # type: ignore[arg-type]
        locale=look.locale,
        device_scale_factor=scale or (2 if phone else 1),
        has_touch=phone,
        is_mobile=phone,
    )
    page = await context.new_page()
    page.on("console", lambda said: print(f"  {look.name}: {said.text}") if said.type == "error" else None)
    page.on("pageerror", lambda problem: print(f"  {look.name}: {problem}"))
    await page.goto(url)
    await page.wait_for_selector("html.wc-ready")
    await page.wait_for_timeout(500)
    yield page
    await context.close()


async def converse(browser: Browser, url: str) -> dict[str, str]:
    """Conversations for the list, and a long one in each language; returns the addresses of those."""
    places = {}
    for spoken in (talk.CHINESE, talk.ENGLISH):
        async with opened(browser, url, LOOKS[0]) as page:
            for words in spoken.others:
                await send(page, words)
                await page.click("#wc-sidebar .wc-side-action >> nth=0")
            for words in spoken.long:
                await send(page, words)
            await page.locator("[data-act=regenerate]").last.click()
            await page.locator(".wc-menu [role=menuitem] >> nth=0").click()
            await page.wait_for_timeout(500)
            await page.wait_for_selector("#wc-send:visible")
            places[spoken.language] = page.url
    return places


@asynccontextmanager
async def running(*flags: str) -> AsyncIterator[AppProcess]:
    async with ScriptedEndpoint(answers=talk.ANSWERS) as endpoint:
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder) / "webchat.toml"
            config.write_text(CONFIG.replace("{url}", endpoint.url))
            app = AppProcess(Path(folder), "--no-titles", *flags, env={"WEBCHAT_CONFIG": str(config)})
            await asyncio.to_thread(app.start)
            try:
                yield app
            finally:
                await asyncio.to_thread(app.stop)


@asynccontextmanager
async def at_the_gate(browser: Browser, url: str, look: Look, scale: float = 1) -> AsyncIterator[Page]:
    """The page of somebody who is not let in yet."""
    context = await browser.new_context(
        viewport=look.size,  # type: ignore[arg-type]
        color_scheme=look.scheme,  # type: ignore[arg-type]
        locale=look.locale,
        device_scale_factor=scale,
    )
    page = await context.new_page()
    await page.goto(url)
    yield page
    await context.close()


async def pictures(playwright: Playwright, out: Path, only: Sequence[str]) -> None:
    def wanted(name: str) -> bool:
        return not only or any(word in name for word in only)

    browser = await playwright.chromium.launch(**LAUNCH)
    async with running() as app:
        places = await converse(browser, app.url)
        for look in LOOKS:
            for state in STATES:
                name = f"{state.name}-{look.name}"
                if not wanted(name):
                    continue
                url = places[look.talk.language] if state.long else app.url
                async with opened(browser, url, look) as page:
                    try:
                        await state.act(page)
                    except Exception as problem:
                        print(f"  {name}: {problem}")
                    await page.screenshot(path=out / f"{name}.png")
                    await state.after(page)
                print(out / f"{name}.png", flush=True)
    await visits(browser, out, wanted)
    for name, flags in (("gate", ()), ("sign-in", SIGN_IN)):
        if not wanted(name):
            continue
        async with running("--host", "0.0.0.0", *flags) as app:
            for look in LOOKS:
                async with at_the_gate(browser, app.url, look) as page:
                    await page.screenshot(path=out / f"{name}-{look.name}.png")
                    if name == "gate":
                        await page.locator("#have-code").click()
                        await page.screenshot(path=out / f"gate-code-{look.name}.png")
    await browser.close()


async def readme(playwright: Playwright, out: Path) -> None:
    browser = await playwright.chromium.launch(**LAUNCH)
    desktop = replace(LOOKS[0], size={"width": 1280, "height": 1030})
    phone = replace(LOOKS[3], scheme="dark")
    async with running() as app:
        places = await converse(browser, app.url)
        for name, look in (("desktop-light", desktop), ("phone-dark", phone)):
            async with opened(browser, places["en"], look, scale=1.5) as page:
                await page.add_style_tag(content=FONTS)
                await page.wait_for_timeout(500)
                await page.evaluate("document.querySelector('.wc-scroller').scrollTop = 1e9")
                await page.wait_for_timeout(300)
                await page.screenshot(path=out / f"{name}.png")
    async with running("--host", "0.0.0.0") as app:
        look = LOOKS[3]
        async with opened(browser, link(app, look, VISITS[0])[1], look, scale=1.5) as page:
            await page.add_style_tag(content=FONTS)
            await page.wait_for_selector(".wc-tester-card")
            await page.wait_for_timeout(500)
            await page.screenshot(path=out / "tester-light.png")
    async with running("--host", "0.0.0.0", *SIGN_IN) as app:
        look = replace(LOOKS[0], size={"width": 560, "height": 760})
        async with at_the_gate(browser, app.url, look, scale=1.5) as page:
            await page.evaluate(PLAIN)
            await page.screenshot(path=out / "sign-in.png")
    await browser.close()


async def run(out: Path, only: Sequence[str], *, for_readme: bool) -> None:
    async with async_playwright() as playwright:
        await (readme(playwright, out) if for_readme else pictures(playwright, out, only))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--out", type=Path, default=Path("screenshots"))
    parser.add_argument("--only", nargs="*", default=[], help="pictures with one of these in their name")
    parser.add_argument("--readme", type=Path, metavar="DIR", help="the pictures of the README, into DIR")
    options = parser.parse_args()
    out = options.readme or options.out
    out.mkdir(parents=True, exist_ok=True)
    asyncio.run(run(out, options.only, for_readme=options.readme is not None))


if __name__ == "__main__":
    main()
