"""The hub that holds the one event stream of a browser, on random schedules: whatever tabs, replies and
connections do, each tab is told each piece once and in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.ui.asset_page import asset_page

DRIVER = (Path(__file__).parent / "hub_driver.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with asset_page() as (page, _):
        yield page


@pytest.mark.parametrize("count", [300, pytest.param(3000, marks=pytest.mark.slow)])
def test_whatever_happens_each_tab_is_told_each_piece_once_on_one_connection(page: Page, count: int) -> None:
    assert page.evaluate(DRIVER, [list(range(1, count + 1)), 120]) == []
