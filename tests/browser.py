"""How the tests start a browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import pytest
from playwright.sync_api import Browser, Error, expect, sync_playwright

ARGS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--js-flags=--no-flush-bytecode",  # what was compiled of a page is there when it is loaded again
]

WHOLE: dict[str, Any] = {"executable_path": shutil.which("chromium"), "channel": "chromium", "args": ARGS}
"""A whole browser, for a user with preferences: Debian's if there is one, else the one Playwright fetched."""

LAUNCH: dict[str, Any] = {
    "executable_path": shutil.which("chromium-headless-shell") or shutil.which("chromium"),
    "args": ARGS,
}
"""What draws the same pages without a window around them, at half the cost for each new visitor."""

PATIENCE = 120_000
"""Milliseconds that a test waits for what must come: a slow or busy machine is no fault."""


def no_browser(error: Exception) -> NoReturn:
    """Skips the test with the reason; with `CI` set it fails."""
    reason = f"no browser: {error}. Install chromium, or run `playwright install chromium`."
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser for tests that have no event loop."""
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(**LAUNCH)
        except Error as error:
            no_browser(error)
        expect.set_options(timeout=PATIENCE)
        yield browser
        browser.close()
