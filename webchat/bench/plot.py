"""Plots the result: throughput and latency by the number of people."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from webchat.bench.result import Result


def can_plot() -> bool:
    """Whether matplotlib is installed; does not import it."""
    return find_spec("matplotlib") is not None


def plot(result: Result, path: Path) -> None:
    """Write a PNG. Raises `ImportError`, `OSError`."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    runs = sorted(result.runs, key=lambda run: run.users)
    users = [run.users for run in runs]
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    speed, waiting = figure.subplots(1, 2)
    figure.suptitle(_ascii(f"{result.model} ({result.kind})"), fontsize=12)

    speed.set_title("Throughput", fontsize=10)
    speed.plot(users, [run.tokens_per_second for run in runs], "o-", color="#2b6f5e", label="in sum")
    each = [run.tokens_per_second / run.users for run in runs]
    speed.plot(users, each, "s--", color="#8a6d1d", label="each person")
    if result.baseline is not None:
        plain = result.baseline.tokens_per_second
        speed.axhline(plain, color="#777777", linestyle=":", label="plain, one after another")
    speed.set_ylabel("tokens per second")
    speed.set_ylim(bottom=0)

    waiting.set_title("Latency, p95", fontsize=10)
    for name, values, style, color in (
        ("to the first text (TTFT)", [run.ttft(0.95) for run in runs], "o-", "#7a3b69"),
        (
            "to the first text of a later message",
            [run.ttft(0.95, later=True) for run in runs],
            "^-.",
            "#b5651d",
        ),
        ("between two pieces (ITL)", [run.itl(0.95) for run in runs], "s--", "#24577a"),
    ):
        points = [(n, value * 1000) for n, value in zip(users, values, strict=True) if value]
        if points:
            waiting.plot(*zip(*points, strict=True), style, color=color, label=name)
    waiting.set_ylabel("milliseconds")
    waiting.set_yscale("log")
    waiting.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))

    for axes in (speed, waiting):
        axes.set_xlabel("concurrent users")
        axes.set_xscale("log", base=2)
        axes.set_xticks(users, [str(number) for number in users])
        axes.tick_params(axis="x", which="minor", bottom=False)
        axes.grid(alpha=0.25)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize=9)
    figure.savefig(path, format="png", dpi=140)


def _ascii(text: str) -> str:
    """Characters that the font bundled with matplotlib surely has, without the dollar sign, which starts a
    formula there."""
    return text.encode("ascii", "replace").decode("ascii").replace("$", r"\$")
