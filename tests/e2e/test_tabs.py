"""Many tabs of one browser share one connection, each shows all that is its own, and a hidden one can tell
that its reply has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, expect

from tests.app_process import AppProcess
from tests.e2e.chat import Chat, NewVisitor, Server, eventually, words
from tests.e2e.conftest import running
from tests.scripted_endpoint import ScriptedEndpoint

ALONE = "delete window.SharedWorker"
"""As on a phone."""

HIDE = """(hidden) => {
  const state = hidden ? "hidden" : "visible";
  Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
  Object.defineProperty(document, "visibilityState", { get: () => state, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
"""What a browser with a window does to a tab behind another; without one, all pages are visible."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def app(
    endpoint: ScriptedEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[AppProcess]:
    folder = tmp_path_factory.mktemp("app")
    async with running(folder, endpoint, WEBCHAT_MAX_TURNS_PER_OWNER="20") as app:
        yield app


async def _tab(context: BrowserContext, app: AppProcess, query: str = "") -> Chat:
    return await Chat(await context.new_page(), app.url).open(query)


async def _endless(context: BrowserContext, app: AppProcess, number: int) -> Chat:
    """A new tab with a reply that runs on and on."""
    chat = await _tab(context, app)
    await chat.ask(f"words=100000 rate=5 tab {number}")
    await chat.shows("w2 ")
    return chat


async def test_however_many_tabs_have_a_reply_running_each_works_and_shows_its_own(
    app: AppProcess, visitor: NewVisitor, server: Server
) -> None:
    """A browser opens six connections to a host. Nothing moves on these pages: seven that do cost minutes."""
    context = await visitor(reduced_motion="reduce")
    tabs = [await _endless(context, app, number) for number in range(7)]
    reply = await tabs[-1].reply.get_attribute("data-id")
    await tabs[-1].page.click("#wc-stop")
    await tabs[-1].state("stopped")
    assert (await server.message(reply or ""))["state"] == "stopped"
    another = await _tab(context, app)
    await another.ask("words=9 rate=40")
    await another.whole(words(9))
    await another.page.close()
    for chat in tabs[:-1]:
        seen = len((await chat.text()).split())
        await chat.shows(f"w{seen + 3} ")
        await chat.page.click("#wc-stop")
        await chat.state("stopped")
        assert words(100_000).startswith(await chat.text())
    for number, chat in enumerate(tabs):
        await chat.new_chat()
        await chat.ask(f"words={60 + number} rate=30")
    for number, chat in enumerate(tabs):
        await chat.whole(words(60 + number))


async def test_a_second_browser_sees_what_another_begins(
    app: AppProcess, visitor: NewVisitor, server: Server
) -> None:
    """The local owner has two; neither asks from time to time."""
    first = await _tab(await visitor(), app)
    conversation = await first.ask("words=5 rate=40")
    await first.whole(words(5))
    second = await Chat(await (await visitor()).new_page(), app.url).open(f"?c={conversation}")
    await second.whole(words(5))
    await first.send("words=40 rate=40")
    await second.whole(words(5), words(40))
    await server.http.patch(f"/api/conversations/{conversation}", json={"title": "Another title"})
    await second.until("() => document.title.startsWith('Another title')")


async def _hide(page: Page, hidden: bool) -> None:
    await page.evaluate(HIDE, hidden)


@pytest.mark.parametrize("worker", [True, False], ids=["worker", "alone"])
async def test_a_hidden_tab_tells_of_its_reply_and_shows_it_whole_when_looked_at(
    worker: bool, app: AppProcess, visitor: NewVisitor, server: Server, endpoint: ScriptedEndpoint
) -> None:
    endpoint.go_on.clear()
    context = await visitor()
    if not worker:
        await context.add_init_script(ALONE)
    chat = await _tab(context, app)
    await chat.ask("words=120 hold=20")
    await chat.shows("w10 ")
    reply = await chat.reply.get_attribute("data-id") or ""
    await _hide(chat.page, True)
    await chat.page.evaluate("new Promise((done) => setTimeout(done, 3000))")  # its stream lingers a second
    endpoint.go_on.set()
    await server.ended(reply)
    await chat.until("() => document.title.startsWith('● ')")
    assert await chat.reply.get_attribute("data-state") == "streaming"
    await chat.page.evaluate(
        "() => new MutationObserver(() => (window.said = true)).observe("
        "document.querySelector('.wc-transcript [role=status]'), { childList: true, characterData: true })"
    )
    await _hide(chat.page, False)
    await chat.whole(words(120))
    await chat.until("() => !document.title.startsWith('● ')")
    await chat.until("() => window.said")


async def test_a_hidden_tab_is_sent_no_pieces(app: AppProcess, visitor: NewVisitor, server: Server) -> None:
    chat = await _endless(await visitor(), app, 1)
    await _hide(chat.page, True)

    async def shown() -> int:
        return len((await chat.text()).split())

    # The stream lingers a moment; then nothing more is drawn while the reply runs on.
    reply = await chat.reply.get_attribute("data-id") or ""

    async def ahead() -> int:
        return len((await server.message(reply))["text"].split()) - await shown()

    await eventually(ahead, lambda words: words > 10)
    before = await shown()
    await eventually(ahead, lambda words: words > 30)
    assert await shown() == before
    await _hide(chat.page, False)
    await chat.shows(f"w{before + 20} ")
    assert words(100_000).startswith(await chat.text())
    await chat.page.click("#wc-stop")
    await chat.state("stopped")


async def test_a_browser_without_shared_workers_loses_nothing(app: AppProcess, visitor: NewVisitor) -> None:
    context = await visitor()
    await context.add_init_script(ALONE)
    chat = await _tab(context, app)
    conversation = await chat.ask("words=120 rate=40")
    other = await _tab(context, app, f"?c={conversation}")
    await chat.whole(words(120))
    await other.whole(words(120))


@pytest.mark.slow  # it takes the page half a minute to be sure
async def test_a_worker_that_dies_is_replaced(app: AppProcess, visitor: NewVisitor) -> None:
    context = await visitor()
    # The first one is silent once it is told to be, as one that the browser has ended.
    await context.add_init_script("""{
      const Real = window.SharedWorker;
      window.SharedWorker = function (url, options) {
        const { port } = new Real(url, options);
        const die = () => Object.assign(port, { onmessage: null, postMessage: () => {} });
        window.die ??= die;
        return { port };
      };
    }""")
    chat = await _tab(context, app)
    await chat.ask("words=100000 rate=5")
    await chat.shows("w2 ")
    await chat.page.evaluate("window.die()")
    seen = len((await chat.text()).split())
    await expect(chat.reply.locator(".wc-body")).to_contain_text(f"w{seen + 50} ")
    assert words(100_000).startswith(await chat.text())
    await chat.page.click("#wc-stop")
    await chat.state("stopped")


async def test_another_owner_in_the_same_browser_gets_nothing_of_the_first(
    endpoint: ScriptedEndpoint, visitor: NewVisitor, tmp_path: Path
) -> None:
    async with running(tmp_path, endpoint, "--access", "open") as app:
        context = await visitor()
        await context.add_init_script("""{
          const Real = window.SharedWorker;
          window.told = [];
          window.SharedWorker = function (url, options) {
            const { port } = new Real(url, options);
            port.addEventListener("message", ({ data }) => window.told.push(JSON.stringify(data)));
            return { port };
          };
        }""")
        ada = await _endless(context, app, 1)
        theirs = [ada.conversation, await ada.reply.get_attribute("data-id") or "?"]
        told = " ".join(await ada.page.evaluate("window.told"))
        assert all(id in told for id in theirs)
        await context.clear_cookies()
        ben = await _tab(context, app)
        await ben.ask("words=60 rate=40")
        await ben.whole(words(60))
        told = " ".join(await ben.page.evaluate("window.told"))
        assert ben.conversation in told
        assert not any(id in told for id in theirs)
        # The first tab belongs to whoever is signed in now: nothing of the other is left on it.
        await expect(ada.replies).to_have_count(0)
