"""The tab of health: its plots, and what its handlers answer."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from starlette.requests import Request

from backends.echo import EchoBackend
from tests.api.conftest import MakeSite, make_site
from webchat.console.asking import Caller
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
        assert all(one.get("__type__") == "update" for one in await tab.health_opened(caller(), 1))
        now, drawn, timer, said, models, links, people, errors = await tab.health_opened(
            caller(query=b"tab=health"), 1
        )
        assert "Ready" in now
        assert drawn.count("<svg") == 4
        assert timer.active
        assert said.startswith("Replies: 1.")
        assert models.value["data"][0][:2] == ["echo", 1]
        assert people.value["data"][0][:2] == ["Ada", 1]
        assert not links.visible
        assert not errors.visible
        assert await tab.health_used(caller(), "drop table")
        await site.turns.aclose()
        assert "Stopping" in (await tab.health_now(caller()))[0]
