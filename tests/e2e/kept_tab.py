"""One tab of a browser for test after test: a page that was loaded there before costs a third of the work.

What a test leaves behind is taken away after it. Where it has done what no page can take back, the next one
has a new tab.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page

from tests.browser import PATIENCE

OF_PAGE = (
    "add_init_script",
    "emulate_media",
    "expose_binding",
    "expose_function",
    "on",
    "once",
    "set_viewport_size",
)
OF_CONTEXT = (
    *(
        "add_init_script",
        "expose_binding",
        "expose_function",
        "grant_permissions",
        "new_cdp_session",
        "on",
        "once",
    ),
    *("set_default_timeout", "set_extra_http_headers", "set_geolocation", "set_offline"),
)
OF_CLOCK = ("install", "pause_at", "set_fixed_time", "set_system_time")

EMPTY = """async () => {
  localStorage.clear();
  sessionStorage.clear();
  for (const { name } of await indexedDB.databases()) indexedDB.deleteDatabase(name);
  for (const name of await caches.keys()) await caches.delete(name);
}"""


async def new_context(browser: Browser, **options: Any) -> BrowserContext:
    """A person with their own cookies, storage and screen."""
    context = await browser.new_context(**{"locale": "en-GB", **options})
    context.set_default_timeout(PATIENCE)
    return context


class KeptTab:
    """A tab of a visitor whom nobody has seen before, each time it is asked for."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._page: Page | None = None
        self._spent = False

    @asynccontextmanager
    async def as_new(self, url: str) -> AsyncIterator[Page]:
        """An empty page, for the block. url: of the app, whose cookies and storage are emptied afterwards."""
        page = self._page
        if page is None or self._spent or page.is_closed():
            page = await self._new()
        yield page
        if not self._spent and not page.is_closed():
            await self._empty(page, url)

    async def _empty(self, page: Page, url: str) -> None:
        context = page.context
        for other in context.pages:
            if other is not page:
                await other.close()
        await context.unroute_all(behavior="ignoreErrors")
        await page.unroute_all(behavior="ignoreErrors")
        await page.mouse.move(0, 0)
        await page.goto(f"{url}/healthz")  # of the same origin, and nothing that would write again
        await page.evaluate(EMPTY)
        await context.clear_cookies()

    async def _new(self) -> Page:
        await self.close()
        context = await new_context(self._browser)
        self._page = page = await context.new_page()
        self._spent = False
        for owner, names in ((page, OF_PAGE), (context, OF_CONTEXT), (context.clock, OF_CLOCK)):
            for name in names:
                setattr(owner, name, self._spending(getattr(owner, name)))
        return page

    def _spending(self, change: Callable[..., Any]) -> Callable[..., Any]:
        def spend(*args: Any, **options: Any) -> Any:
            self._spent = True
            return change(*args, **options)

        return spend

    async def close(self) -> None:
        if self._page is not None:
            await self._page.context.close()
            self._page = None
