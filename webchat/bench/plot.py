"""The result as a picture: throughput and waiting against the number of people."""

from __future__ import annotations

from pathlib import Path

from webchat.bench.measure import Result


class NoMatplotlib(Exception):
    """The package that draws is not installed."""


def plot(result: Result, path: Path) -> None:
    """Write a PNG. Raises `NoMatplotlib`, `OSError`."""
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import FuncFormatter
    except ImportError as error:
        raise NoMatplotlib from error
    users = [run.users for run in result.runs]
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    speed, waiting = figure.subplots(1, 2)
    figure.suptitle(f"{result.model} ({result.kind})", fontsize=12)

    speed.plot(users, [run.tokens_per_second for run in result.runs], "o-", color="#2b6f5e", label="in sum")
    each = [run.tokens_per_second / run.users for run in result.runs]
    speed.plot(users, each, "o--", color="#8a6d1d", label="each person")
    if result.baseline is not None:
        plain = result.baseline.tokens_per_second
        speed.axhline(plain, color="#888888", linestyle=":", label="one after another")
    speed.set_ylabel("tokens per second")

    for name, values, style in (
        ("first text, p95", [run.first(0.95) for run in result.runs], "o-"),
        ("first text of a later turn, p50", [run.first(0.5, later=True) for run in result.runs], "s-"),
        ("between two pieces, p95", [run.gap(0.95) for run in result.runs], "o--"),
    ):
        points = [(n, value * 1000) for n, value in zip(users, values, strict=True) if value is not None]
        if points:
            waiting.plot(*zip(*points, strict=True), style, label=name)
    waiting.set_ylabel("milliseconds")
    waiting.set_yscale("log")
    waiting.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))

    for axes in (speed, waiting):
        axes.set_xlabel("people at once")
        axes.set_xscale("log", base=2)
        axes.set_xticks(users, [str(number) for number in users])
        axes.minorticks_off()
        axes.grid(alpha=0.25)
        axes.legend(frameon=False, fontsize=9)
    speed.set_ylim(bottom=0)
    figure.savefig(path, format="png", dpi=140)
