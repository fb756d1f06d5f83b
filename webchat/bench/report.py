"""The result as a table for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from webchat import __version__
from webchat.bench.machine import machine
from webchat.bench.measure import Result, Run

VERSION = 1
"""Of the JSON; raised when a name in it changes its meaning."""

_HEAD = ("users", "tok/s", "each", "ratio", "TTFT p50", "p95", "next p50", "gap p95", "memory", "fails")


def table(result: Result) -> list[str]:
    """Lines of at most 80 characters. Numbers a terminal shows side by side."""
    rows: list[tuple[str, ...]] = [_HEAD]
    if result.baseline is not None:
        rows.append(_row("plain", result.baseline, 1.0))
    rows += [_row(str(run.users), run, result.ratio(run)) for run in result.runs]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    notes = [f"plain: {result.baseline_is}"] if result.baseline is not None else []
    failures = sorted({failure for run in result.runs for failure in run.failures})
    return [*lines, "", *notes, *_LEGEND, *(f"failed: {failure}" for failure in failures[:5])]


_LEGEND = (
    "tok/s: of all together; each: of one person; ratio: to plain. TTFT: to the first",
    "text of the first message; next: of later ones, whose beginning was read before.",
    "gap: between two pieces of text.",
)


def _row(name: str, run: Run, ratio: float | None) -> tuple[str, ...]:
    return (
        name,
        _three(run.tokens_per_second),
        _three(run.tokens_per_second / run.users),
        "-" if ratio is None else f"x{_three(ratio)}",
        _time(run.first(0.5)),
        _time(run.first(0.95)),
        _time(run.first(0.5, later=True)),
        _time(run.gap(0.95)),
        "-" if run.memory is None else f"{run.memory / 1e9:.1f} GB",
        str(len(run.failures)),
    )


def _three(value: float) -> str:
    """At least three digits, as many as matter."""
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else f"{seconds:.2f} s"


def as_json(result: Result, now: datetime | None = None) -> dict[str, Any]:
    """Everything, in seconds and bytes. No setting that could be a secret is in it."""
    return {
        "version": VERSION,
        "webchat": __version__,
        "date": (now or datetime.now(UTC)).isoformat(timespec="seconds"),
        "machine": machine(),
        "model": {"name": result.model, "kind": result.kind, **result.details},
        "plan": asdict(result.plan),
        "baseline": None
        if result.baseline is None
        else {"is": result.baseline_is, **_run_json(result.baseline, 1.0)},
        "runs": [_run_json(run, result.ratio(run)) for run in result.runs],
    }


def _run_json(run: Run, ratio: float | None) -> dict[str, Any]:
    return {
        "users": run.users,
        "seconds": run.seconds,
        "tokens": sum(reply.tokens for reply in run.done),
        "tokens_per_second": run.tokens_per_second,
        "ratio": ratio,
        "first_p50": run.first(0.5),
        "first_p95": run.first(0.95),
        "next_first_p50": run.first(0.5, later=True),
        "gap_p95": run.gap(0.95),
        "cached_tokens": _sum(reply.cached for reply in run.done),
        "memory_bytes": run.memory,
        "failures": run.failures,
    }


def _sum(values: Any) -> int | None:
    known: Sequence[int] = [value for value in values if value is not None]
    return sum(known) if known else None
