"""The page's modules that need no page: what they compute."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.ui.asset_page import asset_page


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with asset_page() as (page, _):
        yield page


def call(page: Page, module: str, script: str, *arguments: Any) -> Any:
    """What an expression over the exports of a module gives; `given` are the arguments."""
    return page.evaluate(
        f"async (given) => {{ const {{ {script.partition('(')[0]} }} = await import('./{module}');"
        f" return {script}; }}",
        list(arguments),
    )


@pytest.mark.parametrize(
    ("seconds", "en", "zh"),
    [
        (0, "this minute", "此刻"),
        (59, "this minute", "此刻"),
        (61, "1 minute ago", "1分钟前"),
        (3 * 3600, "3 hours ago", "3小时前"),
        (86_400, "yesterday", "昨天"),
        (29.9 * 86_400, "29 days ago", "29天前"),
    ],
)
def test_how_long_ago(page: Page, seconds: float, en: str, zh: str) -> None:
    for language, words in (("en", en), ("zh-CN", zh)):
        script = "ago(new Date(1e12 - 1000 * given[0]).toISOString(), new Date(1e12), given[1])"
        assert call(page, "times.js", script, seconds, language) == words


@pytest.mark.parametrize(
    ("seconds", "en", "zh"),
    [
        (-5, "0 minutes", "0分钟"),
        (600, "10 minutes", "10分钟"),
        (7 * 3600, "7 hours", "7小时"),
        (86_400, "1 day", "1天"),
        (30 * 86_400 - 1, "30 days", "30天"),
    ],
)
def test_how_long_until(page: Page, seconds: float, en: str, zh: str) -> None:
    for language, words in (("en", en), ("zh-CN", zh)):
        script = "until(new Date(1e12 + 1000 * given[0]).toISOString(), new Date(1e12), given[1])"
        assert call(page, "times.js", script, seconds, language).replace(" ", "") == words.replace(" ", "")


def test_conversations_are_grouped_by_day(page: Page) -> None:
    script = (
        "calendar(new Date(2026, 2, 10, 15), 'en', (key) => key) && given.map((back) =>"
        " calendar(new Date(2026, 2, 10, 15), 'en', (key) => key)"
        "(new Date(2026, 2, 10 - back, 14).toISOString()))"
    )
    assert call(page, "sidebar/calendar.js", script, 0, 1, 2, 7, 8, 20, 100) == [
        "sidebar.today",
        "sidebar.yesterday",
        "sidebar.week",
        "sidebar.week",
        "March",
        "February",
        "November 2025",
    ]
