"""Every word is in the browser or the store, exactly once, in the real browser on the real server: whatever
is done in two tabs while lines break, tabs crash, the server is killed, and another owner signs in meanwhile.

The page's own modules go through many more schedules in `tests/ui/test_schedules.py`.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from playwright.async_api import Browser, BrowserContext, Error, Page, Route

from tests.app_process import AppProcess
from tests.e2e.chat import BOX, Wire, until
from tests.e2e.conftest import running
from tests.scripted_endpoint import ScriptedEndpoint

KEPT = """() => Object.entries({ ...localStorage }).filter(([name]) => /^webchat.(draft|outbox)/.test(name))
  .map(([name, text]) => [name, JSON.parse(text)])"""

WAITS = """() => Object.entries({ ...localStorage }).filter(([name]) => name.startsWith("webchat.outbox."))
  .map(([, text]) => JSON.parse(text)).filter((entry) => entry.state !== "refused").length"""

MOST_TABS = 2


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def app(
    endpoint: ScriptedEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[AppProcess]:
    async with running(tmp_path_factory.mktemp("app"), endpoint) as app:
        yield app


@dataclass
class Life:
    """A person, their tabs, and which of their words must be where."""

    app: AppProcess
    wire: Wire
    context: BrowserContext
    name: str = field(default_factory=lambda: secrets.token_hex(4))  # of this life, in each of its words
    tabs: list[Page] = field(default_factory=list)
    written: dict[str, bool] = field(default_factory=dict)  # word -> whether its writer deleted it
    given: list[set[str]] = field(default_factory=list)  # words taken back that may have arrived
    owners: list[list[Any]] = field(default_factory=list)  # cookies of whoever is away
    lossy: bool = False
    up: bool = True

    # --- what one does --------------------------------------------------------------------------------------

    async def open(self, query: str = "") -> None:
        if len(self.tabs) == MOST_TABS or not self.up or self.lossy:
            return
        page = await self.context.new_page()
        page.on("crash", lambda page: self.tabs.remove(page))
        page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
        self.tabs.append(page)
        while not page.url.startswith(self.wire.url):  # the test's own time limit ends it
            with suppress(Error):  # a connection that broke and that the browser did not know of
                await page.goto(f"{self.wire.url}/{query}", wait_until="commit")
        await page.wait_for_selector("html.wc-ready")

    def word(self) -> str:
        word = f"w{len(self.written) + 1}x{self.name}"
        self.written[word] = False
        return word

    async def type(self, tab: Page) -> None:
        await tab.locator(BOX).press("End")
        await tab.locator(BOX).press_sequentially(f" {self.word()}")

    async def erase(self, tab: Page) -> None:
        text = await tab.locator(BOX).input_value()
        await tab.locator(BOX).fill("")
        for word in words_of(text):
            self.written[word] = True

    async def send(self, tab: Page) -> None:
        await tab.locator(BOX).press("Enter")
        if self.calm:
            await until(tab, f"({WAITS})() === 0")

    async def converse(self, tab: Page) -> None:
        await self.type(tab)
        await self.send(tab)

    async def rewrite(self, tab: Page) -> None:
        """Edits a message into another one, and sends it where that is possible."""
        if await tab.locator(".wc-editor-text").count():
            return
        await press(tab, "article.wc-user:not(.wc-pending) [data-act=edit]")
        editor = tab.locator(".wc-editor-text")
        if await editor.count():  # not while a reply is written
            await editor.fill(self.word())
            await press(tab, ".wc-editor .wc-primary")

    async def take_back(self, tab: Page) -> None:
        if text := await press(tab, "[data-act=send-edit]"):
            self.given.append(set(words_of(text)))

    async def again(self, tab: Page) -> None:
        await press(tab, "[data-act=send-again]")

    async def stop(self, tab: Page) -> None:
        await press(tab, "#wc-stop")

    async def new_chat(self, tab: Page) -> None:
        await tab.click("#wc-sidebar .wc-side-action >> nth=0")

    async def go(self, tab: Page) -> None:
        await press(tab, '#wc-sidebar a[href*="c="]', len(self.written))

    async def back(self, tab: Page) -> None:
        await tab.evaluate("() => navigation.canGoBack && history.back()")

    async def reload(self, tab: Page) -> None:
        if self.calm:
            await tab.reload(wait_until="commit")
            await tab.wait_for_selector("html.wc-ready")

    async def close(self, tab: Page) -> None:
        self.tabs.remove(tab)
        await tab.close()

    async def crash(self, tab: Page) -> None:
        session = await self.context.new_cdp_session(tab)
        async with tab.expect_event("crash"):
            task = asyncio.ensure_future(session.send("Page.crash"))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await tab.close()

    async def twin(self, tab: Page) -> None:
        """A duplicated tab: the browser copies what the first one has in its session."""
        if len(self.tabs) == MOST_TABS or not self.calm:
            return
        async with self.context.expect_page() as opened:
            await tab.evaluate("() => void window.open(location.href)")
        page = await opened.value
        page.on("crash", lambda page: self.tabs.remove(page))
        self.tabs.append(page)
        await page.wait_for_selector("html.wc-ready")

    # --- what goes wrong ------------------------------------------------------------------------------------

    async def cut(self) -> None:
        self.wire.cut()
        self.lossy = True

    async def swallow(self) -> None:
        self.wire.swallow()
        self.lossy = True

    async def lose(self) -> None:
        """The server hears, its answers are lost."""
        await self.context.route("**/api/turns", answered_into_the_void)
        self.lossy = True

    async def mend(self) -> None:
        await self.context.unroute("**/api/turns")
        if self.lossy:
            self.wire.cut()  # what hangs is over
        self.wire.mend()
        self.lossy = False

    async def kill(self) -> None:
        if self.up:
            await asyncio.to_thread(self.app.kill)
        self.up = False

    async def start(self) -> None:
        if not self.up:
            await asyncio.to_thread(self.app.start)
        self.up = True

    async def somebody_else(self) -> None:
        """Signs out and in as another, or back."""
        self.owners.append(await self.context.cookies())
        await self.context.clear_cookies()
        if len(self.owners) > 1:
            await self.context.add_cookies(self.owners.pop(0))

    # --- what must hold -------------------------------------------------------------------------------------

    @property
    def calm(self) -> bool:
        return self.up and not self.lossy

    async def check(self) -> None:
        """What is in the browser is read first: from there words go to the store, never back."""
        if not self.tabs:
            return
        kept = await self.tabs[0].evaluate(KEPT)
        stored = self.stored()
        found: Counter[str] = Counter()
        for _, value in kept:
            entry = value.get("ask") or value.get("value") or {}
            found.update(words_of(entry.get("text") or ""))
        browser = set(found)
        waiting = {v["ask"]["text"] for _, v in kept if v.get("ask", {}).get("text")}
        for text in sorted(stored, key=lambda text: set(words_of(text)) in self.given):
            if text in waiting:  # the answer is on its way
                continue
            taken_back = set(words_of(text)) in self.given
            found.update(word for word in words_of(text) if not (taken_back and found[word]))
        lost = {word for word, deleted in self.written.items() if not deleted and not found[word]}
        assert not lost, (lost, kept, stored)
        assert {word for word, count in found.items() if count > 1} == set(), (kept, stored)
        deleted = {word for word, gone in self.written.items() if gone}
        assert not deleted & browser, (deleted & browser, kept)

    def stored(self) -> list[str]:
        """The messages of all people in the store that have words of this one."""
        with closing(sqlite3.connect(self.app.data_dir / "webchat.db")) as file:
            texts = [text for (text,) in file.execute("SELECT text FROM messages WHERE role = 'user'")]
        return [text for text in texts if set(words_of(text)) & self.written.keys()]

    async def settle(self) -> None:
        await self.mend()
        await self.start()
        for _ in range(2):  # each owner once more
            if not self.tabs:
                await self.open()
            for tab in self.tabs:
                await tab.reload(wait_until="commit")
                await tab.wait_for_selector("html.wc-ready")
            mine = "(entry) => entry.owner === owner && entry.state !== 'refused'"
            owner = await self.owner()
            await until(
                self.tabs[0],
                f"""(owner) => Object.entries({{ ...localStorage }})
                  .filter(([name]) => name.startsWith("webchat.outbox.")).map(([, text]) => JSON.parse(text))
                  .filter({mine}).length === 0""",
                owner,
            )
            await self.check()
            if not self.owners:
                break
            await self.somebody_else()
        kept = await self.tabs[0].evaluate(KEPT)
        assert not [name for name, _ in kept if name.startswith("webchat.draft..")]

    async def owner(self) -> str:
        answer = await self.context.request.get(f"{self.app.url}/api/me")
        owner: str = (await answer.json())["owner"]["id"]
        return owner


async def press(tab: Page, selector: str, which: int = 0) -> str:
    """Click one of these where there are any, at once; returns what its message says."""
    said: str = await tab.evaluate(
        """([selector, which]) => {
          const all = [...document.querySelectorAll(selector)].filter((one) => !one.hidden && !one.disabled);
          const one = all[which % Math.max(1, all.length)];
          const said = one?.closest("article")?.textContent ?? "";
          one?.click();
          return said;
        }""",
        [selector, which],
    )
    return said


async def answered_into_the_void(route: Route) -> None:
    with suppress(Error):  # its tab may have gone meanwhile
        await route.fetch()
    with suppress(Error):
        await route.abort("connectionreset")


def words_of(text: str) -> list[str]:
    return re.findall(r"w\d+x\w{8}", text)


Act = Callable[[Life, Page], Awaitable[None]]

HANDS: dict[str, Act] = {
    act.__name__: act
    for act in (
        *(Life.type, Life.erase, Life.send, Life.converse, Life.rewrite, Life.take_back, Life.again),
        *(Life.stop, Life.new_chat, Life.go, Life.back, Life.reload, Life.close, Life.crash, Life.twin),
    )
}
WORLD: dict[str, Callable[[Life], Awaitable[None]]] = {
    act.__name__: act
    for act in (Life.cut, Life.swallow, Life.lose, Life.mend, Life.kill, Life.start, Life.somebody_else)
}
OFTEN = {"converse": 5, "type": 4, "send": 3, "rewrite": 3, "take_back": 2, "mend": 3, "go": 2}
VERBS = [verb for verb in (*HANDS, *WORLD, "open") for _ in range(OFTEN.get(verb, 1))]
STEPS = st.lists(st.tuples(st.sampled_from(VERBS), st.integers(0, 1)), min_size=8, max_size=14)


async def live(app: AppProcess, browser: Browser, steps: list[tuple[str, int]]) -> None:
    context = await browser.new_context(locale="en-GB")
    try:
        async with Wire(app.port).laid() as wire:
            life = Life(app, wire, context)
            await life.start()
            await life.open()
            for verb, which in steps:
                if verb in WORLD:
                    await WORLD[verb](life)
                elif verb == "open" or not life.tabs:
                    await life.open()
                else:
                    await HANDS[verb](life, life.tabs[which % len(life.tabs)])
                await life.check()
            await life.settle()
    finally:
        await context.close()


QUIET: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@pytest.mark.timeout(600)
@given(steps=STEPS)
@settings(max_examples=3, derandomize=True, phases=[Phase.generate], **QUIET)
async def test_no_word_is_lost_or_doubled(
    app: AppProcess, browser: Browser, steps: list[tuple[str, int]]
) -> None:
    await live(app, browser, steps)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@given(steps=STEPS)
@settings(max_examples=60, phases=[Phase.generate], **QUIET)
async def test_no_word_is_lost_or_doubled_in_many_schedules(
    app: AppProcess, browser: Browser, steps: list[tuple[str, int]]
) -> None:
    await live(app, browser, steps)
