"""A real browser on the real app: one browser for the run, one app for each module, a fresh visitor for each
test. Everything shares one event loop, the endpoint too.

Where no browser can be had the tests are skipped with the reason, and fail when `CI` is set.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Error, async_playwright, expect

from tests.app_process import AppProcess, free_port, is_free
from tests.browser import LAUNCH, PATIENCE, no_browser
from tests.e2e.chat import Chat, NewVisitor, Server
from tests.e2e.kept_visitors import KeptVisitors
from tests.postgres import postgres
from tests.scripted_endpoint import ScriptedEndpoint

__all__ = ["postgres"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(isolated_environment: None) -> AsyncIterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    async with async_playwright() as playwright:
        try:
            browser = await playwright.chromium.launch(**LAUNCH)
        except Error as error:
            no_browser(error)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def endpoint() -> AsyncIterator[ScriptedEndpoint]:
    async with ScriptedEndpoint() as endpoint:
        yield endpoint


@asynccontextmanager
async def running(
    data_dir: Path, endpoint: ScriptedEndpoint, *flags: str, **env: str
) -> AsyncIterator[AppProcess]:
    """The app on the scripted endpoint, until the block ends."""
    async with AppProcess(data_dir, *on(endpoint), *flags, env=env, port=kept_port(), preloaded=True) as app:
        yield app


def on(endpoint: ScriptedEndpoint) -> Sequence[str]:
    """The flags of an app that has no other model."""
    return "--endpoint", endpoint.url, "--model", "scripted", "--no-titles"


_ports: list[int] = []


def kept_port() -> int:
    """The port of an app that starts now: of one after the other the same, since what a browser has loaded of
    one it has of the next, and another while that is taken."""
    for port in _ports:
        if is_free(port):
            return port
    _ports.append(free_port())
    return _ports[-1]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def app(
    endpoint: ScriptedEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[AppProcess]:
    async with running(tmp_path_factory.mktemp("app"), endpoint) as app:
        yield app


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def visitors(browser: Browser) -> AsyncIterator[KeptVisitors]:
    kept = KeptVisitors(browser)
    yield kept
    await kept.close()


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(visitors: KeptVisitors) -> AsyncIterator[NewVisitor]:
    """Makes browser contexts: people with their own cookies, storage and screen."""
    async with visitors.come() as new:
        yield new


@pytest_asyncio.fixture(loop_scope="session")
async def chat(app: AppProcess, visitor: NewVisitor) -> AsyncIterator[Chat]:
    """A new visitor on an empty page."""
    yield await Chat(await (await visitor()).new_page(), app.url).open()


@pytest_asyncio.fixture(loop_scope="session")
async def server(app: AppProcess) -> AsyncIterator[Server]:
    async with Server(app.url) as server:
        yield server
