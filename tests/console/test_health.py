"""The tab of health: its plots, and what its handlers answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from starlette.requests import Request

from backends.echo import EchoBackend
from tests.api.conftest import MakeSite, make_site
from webchat.console.asking import Caller
from webchat.console.health import tab as tab_module
from webchat.console.health.checks import findings
from webchat.console.health.live import BARS, plots, thinned
from webchat.console.health.plots import Line, path, plot, round_up, shown
from webchat.console.health.tab import HealthTab
from webchat.doctor import Finding
from webchat.monitoring.sampling import Point
from webchat.sentences import Language
from webchat.store.records import Owner

__all__ = ["make_site"]


def caller(language: Language = "en", query: bytes = b"") -> Caller:
    owner = Owner("o1", "operator", "Op", None, datetime.now(UTC))
    return Caller(owner, language, Request({"type": "http", "query_string": query, "headers": []}))


def test_a_line_is_to_scale_and_broken_where_nothing_is_known() -> None:
    points = re.findall(r"[ML]([\d.]+) ([\d.]+)", path([0, 5, 10], 10))
    ys = [float(y) for _, y in points]
    assert ys[0] - ys[1] == pytest.approx(ys[1] - ys[2])
    assert [float(x) for x, _ in points] == [0, 240, 480]
    assert path([1, None, 1, 1], 1).count("M") == 2
    assert path([None, None], 1) == ""


def test_a_value_alone_is_a_dash_and_the_only_one_goes_from_end_to_end() -> None:
    assert path([5], 10) == "M0.0 50.0L480.0 50.0"
    assert path([None, 5, None], 10) == "M120.0 50.0L360.0 50.0"
    (dash,) = re.findall(r"M([\d.]+) [\d.]+L([\d.]+)", path([None] * 119 + [5], 10))
    assert (float(dash[0]), float(dash[1])) == (477, 480)


@pytest.mark.parametrize(
    ("value", "top"), [(0, 1), (0.031, 0.05), (1, 1), (1.1, 2), (4, 5), (7, 10), (730, 1000)]
)
def test_a_scale_ends_at_a_round_number(value: float, top: float) -> None:
    assert round_up(value) == pytest.approx(top)


def test_names_in_a_plot_are_escaped_and_values_have_units() -> None:
    drawn = plot("<b>", [Line("a&b", [0.02])], "s", nothing="none")
    assert "<b>&lt;b&gt;</b>" in drawn
    assert "a&amp;b 20 ms" in drawn
    assert shown(12.34, "s") == "12 s"
    assert "none" in plot("t", [Line("a", [None])], "s", nothing="none")


def test_many_points_are_drawn_as_few_and_no_peak_is_lost() -> None:
    quiet = Point(0.0, 1, 0, 5.0, 0, (0.1, 0.2), (None, None))
    peak = Point(0.0, 9, 4, 5.0, 0, (0.1, 0.2), (None, None))
    some = thinned([quiet] * 200 + [peak] + [quiet] * 159)
    assert len(some) <= BARS
    assert peak in some
    for language in ("en", "zh-CN"):
        assert plots(caller(language), some).count("<svg") == 4


def test_findings_are_escaped_and_the_worst_come_first() -> None:
    said = findings(
        caller(),
        [
            Finding("models", "ok", "model", {"model": "<x>", "kind": "k", "source": "s"}),
            Finding("models", "error", "settings_wrong", {"why": "because"}),
        ],
    )
    assert said.index("because") < said.index("&lt;x&gt;")
    assert "<x>" not in said


def test_what_others_word_begins_no_markdown() -> None:
    said = findings(caller(), [Finding("models", "error", "settings_wrong", {"why": "x\n\n[y](https://z)"})])
    assert "\n" not in said
    assert "x [y](https://z)" in said


async def test_the_tab_shows_what_goes_on_and_what_was_used(make_site: MakeSite) -> None:
    async with make_site(EchoBackend(rate=200)) as site:
        ada = site.client(site.visitor("Ada"))
        begun = await site.send(ada, "one two three")
        await site.ended(ada, begun["reply"]["id"])
        assert site.services.monitor is not None
        site.services.monitor.sampler.samples.append(site.services.monitor.sampler.sample())
        tab = HealthTab(site.services)
        now, drawn, said, models, links, people, errors = await tab.health_shown(caller(), 1)
        assert "Ready" in now
        assert drawn.count("<svg") == 4
        assert said.startswith("Replies: 1.")
        assert models.value["data"][0][:2] == ["echo", 1]
        assert people.value["data"][0][:2] == ["Ada", 1]
        assert not links.visible
        assert not errors.visible
        assert await tab.health_used(caller(), "drop table")
        await site.turns.aclose()
        assert "Stopping" in (await tab.health_now(caller()))[0]


async def test_findings_come_one_after_the_other_and_stay_when_a_check_hangs(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tab_module, "LOOK_SECONDS", 0.02)
    hangs = asyncio.Event()

    async def examine(quick: bool) -> AsyncIterator[Finding]:
        yield Finding("models", "error", "settings_wrong", {"why": "first"})
        if not quick:
            await hangs.wait()
        yield Finding("models", "error", "settings_wrong", {"why": "second"})

    async with make_site() as site:
        tab = HealthTab(replace(site.services, examine=examine))
        seen = [one async for one in tab.check_quickly(caller())]
        assert "Checking" in seen[0]
        assert "second" in seen[-1]
        assert "Checking" not in seen[-1]
        left = tab.check_all(caller())
        while "first" not in await anext(left):
            pass
        async with asyncio.timeout(60):
            hangs.set()
            assert "second" in [one async for one in tab.check_all(caller())][-1], "though one was left there"
        hangs.clear()
        monkeypatch.setattr(tab_module, "CHECK_SECONDS", 0.1)
        last = [one async for one in tab.check_all(caller())][-1]
        assert "first" in last
        assert "took longer" in last
        await left.aclose()
