"""The numbers of this moment, and of the last hour."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from webchat.console.asking import Caller
from webchat.console.health.plots import Line, plot, shown
from webchat.monitoring.live import SECONDS
from webchat.monitoring.monitor import Files
from webchat.monitoring.sampling import Point, Sample, percentile_of
from webchat.turns.measured import GAP_BOUNDS

BARS = 120
"""Points of a plot; more samples are drawn as fewer."""


def tiles(
    caller: Caller, now: Sample, point: Point | None, files: Files, failing: Sequence[str], *, ready: bool
) -> str:
    """HTML: what goes on, one tile each."""
    first, gap = percentile_of(SECONDS, now.first_token), percentile_of(GAP_BOUNDS, now.gaps)
    state = "ready" if ready and not failing else "degraded" if ready else "stopping"
    told = [
        ("state", caller.t(f"console.health.{state}"), "" if state == "ready" else "bad"),
        ("running", str(now.running), ""),
        ("queued", str(now.queued), ""),
        ("rate", shown(0 if point is None else point.rate, ""), ""),
        ("first_token", _pair(first), ""),
        ("gap", _pair(gap), ""),
    ]
    if files.disk_free is not None:
        told.append(("disk", f"{files.disk_free / 1e9:.1f} GB", "bad" if files.disk_free < 2e9 else ""))
    if files.database_bytes is not None:
        told.append(("database", f"{files.database_bytes / 1e6:.1f} MB", ""))
    age = files.backup_age
    backup = caller.t("console.health.no_backup") if age is None else _age(caller, age)
    told.append(("backup", backup, ""))
    drawn = "".join(
        f'<div class="wc-tile {kind}"><dt>{escape(caller.t(f"console.health.tile.{name}"))}</dt>'
        f"<dd>{escape(value)}</dd></div>"
        for name, value, kind in told
    )
    more = ""
    if failing:
        names = ", ".join(failing[:8])
        more = f'<p class="wc-tile-note">{escape(caller.t("console.health.failing", models=names))}</p>'
    return f'<dl class="wc-tiles">{drawn}</dl>{more}'


def plots(caller: Caller, points: Sequence[Point]) -> str:
    """HTML: the last hour. Nothing before there are two points."""
    some = thinned(points)

    def word(name: str) -> str:
        return caller.t(f"console.health.plot.{name}")

    none = word("nothing")
    words = word("half"), word("most")
    drawn = (
        plot(
            word("load"),
            [
                Line(word("running"), [one.running for one in some]),
                Line(word("queued"), [one.queued for one in some]),
            ],
            "",
            nothing=none,
        ),
        plot(word("rate"), [Line(word("pieces"), [one.rate for one in some])], "/s", nothing=none),
        plot(
            word("first_token"),
            [Line(name, [one.first_token[at] for one in some]) for at, name in enumerate(words)],
            "s",
            nothing=none,
        ),
        plot(
            word("gap"),
            [Line(name, [one.gap[at] for one in some]) for at, name in enumerate(words)],
            "s",
            nothing=none,
        ),
    )
    return f'<div class="wc-health-plots">{"".join(drawn)}</div>'


def thinned(points: Sequence[Point]) -> Sequence[Point]:
    """At most `BARS` of them: of each group the busiest, so that no peak is lost."""
    step = -(-len(points) // BARS) or 1
    groups = [points[at : at + step] for at in range(0, len(points), step)]
    return [max(group, key=lambda one: (one.running + one.queued, one.rate)) for group in groups]


def _pair(values: tuple[float | None, float | None]) -> str:
    return " / ".join("-" if value is None else shown(value, "s") for value in values)


def _age(caller: Caller, seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if (count := int(seconds // length)) >= 1:
            return caller.t(f"console.time.{unit}", count=count)
    return caller.t("console.time.now")
