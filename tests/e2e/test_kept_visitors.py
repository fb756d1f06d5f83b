"""What the tests of a browser stand on: nothing of one visitor is left for the next."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Error, Page

from tests.app_process import AppProcess
from tests.e2e.kept_visitors import KeptVisitors

LEAVE = """async () => {
  document.cookie = "one=1";
  localStorage.one = sessionStorage.one = "1";
  await new Promise((done) => (indexedDB.open("one").onsuccess = done));
  await caches.open("one");
}"""
LEFT = """async () => [document.cookie, localStorage.length, sessionStorage.length,
  (await indexedDB.databases()).length, (await caches.keys()).length]"""


async def test_a_kept_context_is_a_new_visitor(browser: Browser, app: AppProcess) -> None:
    """The one page of the app without a script is enough; the other address is the same app's."""
    visitors = KeptVisitors(browser)
    addresses = [f"{app.url}/healthz", f"http://localhost:{app.port}/healthz"]
    heard: list[str] = []

    async def come(leaving: bool) -> Page:
        async with visitors.come() as new:
            page: Page = await (await new()).new_page()
            # From where the one before was, a fragment would be no load.
            for address in addresses if leaving else reversed(addresses):
                answer = await page.goto(f"{address}#{leaving}")
                assert answer
                assert answer.ok
                assert await page.evaluate(LEFT) == ["", 0, 0, 0, 0]
                if leaving:
                    await page.evaluate(LEAVE)
                    assert await page.evaluate(LEFT) == ["one=1", 1, 1, 1, 1]
            if leaving:
                page.on("request", lambda request: heard.append(request.url))
                await page.route("**/healthz", lambda route: route.abort())
                await page.context.route("**/healthz", lambda route: route.abort())
        return page

    first = await come(leaving=True)
    assert await come(leaving=False) is first
    assert heard == []
    await visitors.close()


SEEN = """async () => [window.added, (await navigator.permissions.query({ name: "clipboard-read" })).state,
  Intl.DateTimeFormat().resolvedOptions().timeZone === "Asia/Tokyo"]"""


async def test_what_a_test_added_is_taken_back(browser: Browser, app: AppProcess) -> None:
    visitors = KeptVisitors(browser)

    async def come(leaving: bool) -> tuple[Page, object]:
        async with visitors.come() as new:
            context = await new()
            page: Page = await context.new_page()
            if leaving:
                await context.add_init_script("window.added = 1")
                await page.add_init_script("window.added += 1")
                await context.grant_permissions(["clipboard-read"])
                devtools = await context.new_cdp_session(page)
                await devtools.send("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Tokyo"})
            await page.goto(f"{app.url}/healthz")
            seen = await page.evaluate(SEEN)
            await context.set_offline(leaving)
        return page, seen

    first, seen = await come(leaving=True)
    assert seen == [2, "granted", True]
    assert await come(leaving=False) == (first, [None, "prompt", False])
    await visitors.close()


async def test_what_cannot_be_taken_back_is_not_kept(browser: Browser) -> None:
    visitors = KeptVisitors(browser)
    async with visitors.come() as new:
        first = await new()
        page = await first.new_page()
        await page.set_viewport_size({"width": 500, "height": 500})
    async with visitors.come() as new:
        second = await new()
        other = await second.new_page()
        assert second is first
        assert other is not page
        await second.clock.install()
    async with visitors.come() as new:
        assert await new() is not first
        assert await new(locale="zh-CN") is not first
    await visitors.close()


async def test_what_has_crashed_is_not_kept(browser: Browser) -> None:
    visitors = KeptVisitors(browser)
    async with visitors.come() as new:
        first = await new()
        page = await first.new_page()
        async with page.expect_event("crash"):
            with pytest.raises(Error):
                await page.goto("chrome://crash")
    async with visitors.come() as new:
        assert await new() is not first
    await visitors.close()
