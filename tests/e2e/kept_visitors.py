"""Contexts of a browser for test after test: a page that was loaded there before costs a third of the work.

What a test leaves behind is taken away after it. Where it has done what no page or context can take back, the
next test has a new one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any
from urllib.parse import urljoin

from playwright.async_api import Browser, BrowserContext, CDPSession, Error, Page, Route

from tests.browser import PATIENCE

OF_BOTH = (
    *("expose_binding", "expose_function", "once", "route_web_socket"),
    *("set_default_navigation_timeout", "set_default_timeout", "set_extra_http_headers"),
)
OF_PAGE = (*OF_BOTH, "add_locator_handler", "emulate_media", "set_viewport_size")
OF_CONTEXT = (*OF_BOTH, "clear_permissions", "close", "set_geolocation")
OF_CLOCK = ("install", "pause_at", "set_fixed_time", "set_system_time")

STORAGE = "cache_storage,file_systems,indexeddb,local_storage,service_workers,shared_storage,websql"
"""Of every address. What the network has loaded stays, and what was compiled of it."""

USUAL = {"locale": "en-GB"}

MOST = 4
"""Contexts kept between tests. More would cost memory."""


async def new_context(browser: Browser, **options: Any) -> BrowserContext:
    """A person with their own cookies, storage and screen."""
    context = await browser.new_context(**{**USUAL, **options})
    context.set_default_timeout(PATIENCE)
    return context


class KeptVisitors:
    """Contexts of visitors whom nobody has seen before, each time one is asked for."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._kept: list[_Visitor] = []

    @asynccontextmanager
    async def come(self) -> AsyncIterator[Callable[..., Any]]:
        """Makes contexts from Playwright's options, for the block."""
        came: list[_Visitor] = []

        async def new(**options: Any) -> BrowserContext:
            wanted = {**USUAL, **options}
            came.append(await self._take(repr(sorted(wanted.items())), wanted))
            return came[-1].context

        try:
            yield new
        finally:
            for visitor in came:
                if await visitor.empty():
                    self._kept.append(visitor)
            while len(self._kept) > MOST:
                await self._kept.pop(0).close()

    async def _take(self, options: str, wanted: dict[str, Any]) -> _Visitor:
        for visitor in reversed(self._kept):
            if visitor.options == options:
                self._kept.remove(visitor)
                return visitor
        return _Visitor(await new_context(self._browser, **wanted), options)

    async def close(self) -> None:
        while self._kept:
            await self._kept.pop().close()


class _Visitor:
    """A context, and the page in it with which the next test begins."""

    def __init__(self, context: BrowserContext, options: str) -> None:
        self.context = context
        self.options = options
        self._spent = False
        self._page: Page | None = None
        self._page_spent = False
        self._handed = False
        self._heard: list[tuple[Any, str, Any]] = []
        self._undoing: list[Callable[[], Awaitable[None]]] = []
        self._devtools: CDPSession | None = None
        self._new_page, self._new_session = context.new_page, context.new_cdp_session
        forbid, offline = context.clear_permissions, context.set_offline
        self._watch(context, OF_CONTEXT, self._spend)
        self._watch(context.clock, OF_CLOCK, self._spend)
        self._undo(context, "add_init_script", lambda script: script.__aexit__(None, None, None))
        self._undo(context, "grant_permissions", lambda _: forbid())
        self._undo(context, "new_cdp_session", _detach)
        self._undo(context, "set_offline", lambda _: offline(False))
        context.new_page = self._hand  # type: ignore[method-assign]

    async def _hand(self) -> Page:
        """`new_page` of the context: the kept page first."""
        if self._handed or self._page is None:
            page = await self._new_page()
            if self._handed:
                return page
            self._keep(page)
        self._handed = True
        assert self._page is not None
        return self._page

    def _keep(self, page: Page) -> None:
        self._page, self._page_spent, self._devtools = page, False, None
        page.on("crash", lambda _: self._spend())
        self._watch(page, OF_PAGE, self._spend_page)
        self._undo(page, "add_init_script", lambda script: script.__aexit__(None, None, None))

    def _watch(self, owner: Any, names: tuple[str, ...], spend: Callable[[], None]) -> None:
        def spending(change: Callable[..., Any]) -> Callable[..., Any]:
            def changed(*args: Any, **options: Any) -> Any:
                spend()
                return change(*args, **options)

            return changed

        def on(event: str, listener: Any) -> None:
            self._heard.append((owner, event, listener))
            hear(event, listener)

        for name in names:
            setattr(owner, name, spending(getattr(owner, name)))
        if hasattr(owner, "on"):
            hear, owner.on = owner.on, on

    def _undo(self, owner: Any, name: str, undo: Callable[[Any], Awaitable[None]]) -> None:
        """What this makes or changes is taken back after the test."""
        change = getattr(owner, name)

        async def changed(*args: Any, **options: Any) -> Any:
            made = await change(*args, **options)
            self._undoing.append(partial(undo, made))
            return made

        setattr(owner, name, changed)

    def _spend(self) -> None:
        self._spent = True

    def _spend_page(self) -> None:
        self._page_spent = True

    async def empty(self) -> bool:
        """Make it a visitor whom nobody has seen; whether that can be done. If not, it is closed."""
        try:
            await self._unheard()
            if not self._spent:
                await self._forgotten()
        except Error:  # it was closed, or is just going elsewhere
            self._spent = True
        if self._spent:
            await self.close()
        return not self._spent

    async def _unheard(self) -> None:
        """No handler of the test hears or answers any more. What does so just now may fail."""
        for page in self.context.pages:
            await page.unroute_all(behavior="ignoreErrors")
        await self.context.unroute_all(behavior="ignoreErrors")
        for owner, event, listener in self._heard:
            with suppress(KeyError):
                owner.remove_listener(event, listener)
        self._heard.clear()
        while self._undoing:
            await self._undoing.pop()()

    async def _forgotten(self) -> None:
        """One page is left, empty, and neither cookies nor storage."""
        page = self._page
        if page is None or self._page_spent or page.is_closed():
            page = await self._new_page()
            self._keep(page)
        for other in self.context.pages:
            if other is not page:
                await other.close()
        await page.mouse.move(0, 0)
        await _leave(page)
        if self._devtools is None:
            self._devtools = await self._new_session(page)
        await self._devtools.send("Storage.clearDataForOrigin", {"origin": "*", "storageTypes": STORAGE})
        await self.context.clear_cookies()
        self._handed = False

    async def close(self) -> None:
        with suppress(Error):  # the browser has crashed
            await self.context.close()


async def _detach(session: CDPSession) -> None:
    with suppress(Error):  # the test has done so
        await session.detach()


async def _leave(page: Page) -> None:
    """An empty page of the same server, which may be gone: its process goes on. Of an address that no test
    opens, from which an address with a fragment would be no load."""
    if not page.url.startswith("http"):
        return

    async def nothing(route: Route) -> None:
        await route.fulfill(content_type="text/html", body="")

    await page.route("**/*", nothing)
    await page.goto(urljoin(page.url, "/left"))
    await page.unroute("**/*", nothing)
