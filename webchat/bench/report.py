"""The result as a table for people and as JSON for programs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from textwrap import wrap
from typing import Any

from backends._plurals import counted
from webchat.bench.machine import machine, versions
from webchat.bench.result import REMOTE, Result, Run

VERSION = 2
"""Of the JSON; raised when a name in it goes or changes its meaning."""

WIDTH = 80
_HEAD = (
    ("", "users"),
    ("tok/s", "sum"),
    ("tok/s", "each"),
    ("to", "plain"),
    ("TTFT", "p50"),
    ("TTFT", "p95"),
    ("next", "p50"),
    ("ITL", "p95"),
    ("RAM", "GB"),
    ("GPU", "GB"),
    ("", "failed"),
)
_GPU = 9
_LEGEND = (
    "each: tok/s of one person. TTFT: time to the first text of a first message; next: of a later one, whose"
    " beginning the engine may have kept. ITL: time between two pieces of text. RAM, GPU: the most that this"
    " process took."
)
_MOST_REASONS = 5
_SEVERAL = 1.2
"""Tokens a piece from which a piece is no longer a token."""
_BUSY = 0.1
"""Share of the cores from which other programs are worth a word."""


def table(result: Result) -> list[str]:
    """Lines of at most `WIDTH` characters, and notes needed to interpret them."""
    rows: list[tuple[str, ...]] = [tuple(top for top, _ in _HEAD), tuple(below for _, below in _HEAD)]
    if result.baseline is not None:
        rows.append(_row("plain", result.baseline, 1.0))
    rows += [_row(str(run.users), run, result.ratio(run)) for run in result.runs]
    if all(run.memory.gpu is None for run in _all(result)):
        rows = [row[:_GPU] + row[_GPU + 1 :] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return [*lines, "", *(line for note in _notes(result) for line in wrap(note, WIDTH))]


def _notes(result: Result) -> Iterator[str]:
    if result.baseline_is and (result.baseline is not None or result.complete):
        yield f"plain: {result.baseline_is}"
    yield _LEGEND
    replies = [reply for run in result.runs for reply in run.done]
    prompt = next((run.prompt_tokens for run in result.runs if run.prompt_tokens is not None), None)
    if prompt is not None:
        yield f"First messages had about {prompt:.0f} tokens, with the chat template."
    if short := sum(reply.tokens < result.plan.tokens for reply in replies):
        of, tokens = counted(len(replies), "reply", "replies"), counted(result.plan.tokens, "token")
        yield f"{short} of {of} ended before {tokens}."
    most = max((run.users for run in result.runs), default=0)
    if result.slots is not None and result.slots < most:
        at_once = counted(result.slots, "reply", "replies")
        yield f"The engine generates {at_once} at once; others wait, which counts towards their TTFT."
    several = max((run.tokens_per_piece or 0 for run in result.runs), default=0)
    if any(reply.prompt is None for reply in replies):
        yield "Token counts of some replies are unknown; each chunk of text counts as one token there."
    elif several >= _SEVERAL:
        yield f"A chunk of text held up to {several:.1f} tokens on average: ITL is not the time per token."
    yield from _doubts(result)
    reasons = Counter(failure for run in _all(result) for failure in run.failures)
    for reason, times in reasons.most_common(_MOST_REASONS):
        yield f"failed {times} x: {reason}"
    if len(reasons) > _MOST_REASONS:
        yield f"and {len(reasons) - _MOST_REASONS} more reasons, which --json lists."


def _doubts(result: Result) -> Iterator[str]:
    """Notes on what distorts the figures, and on memory that is not reported."""
    if result.kind == REMOTE:
        yield "RAM: the endpoint's memory use is not known."
        return
    others = max((one.others for run in _all(result) for one in run.rounds if one.others), default=0.0)
    if others > max(0.3, _BUSY * (os.cpu_count() or 1)):
        yield f"Other programs kept {others:.1f} cores busy meanwhile; an idle machine would be faster."
        if result.kind == "local" and result.baseline is not None:
            # Its threads wait for each other at every step: on two cores with one taken it wrote half as
            # much, and the engine, which leaves a core free, nearly as much as before.
            yield "That slows `plain` most, so the ratio is too high."


def _all(result: Result) -> Iterable[Run]:
    return result.runs if result.baseline is None else [result.baseline, *result.runs]


def _row(name: str, run: Run, ratio: float | None) -> tuple[str, ...]:
    return (
        name,
        _three(run.tokens_per_second),
        _three(run.tokens_per_second / run.users),
        "-" if ratio is None else f"x{_three(ratio)}",
        _time(run.ttft(0.5)),
        _time(run.ttft(0.95)),
        _time(run.ttft(0.5, later=True)),
        _time(run.itl(0.95)),
        _gigabytes(run.memory.process),
        _gigabytes(run.memory.gpu),
        str(len(run.failures)),
    )


def _three(value: float) -> str:
    """At least three significant digits."""
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.0f}ms" if seconds < 0.9995 else f"{_three(seconds)}s"


def _gigabytes(size: int | None) -> str:
    return "-" if size is None else _three(size / 1e9)


def as_json(result: Result) -> dict[str, Any]:
    """Everything, in seconds and bytes. Contains no setting that could be a secret."""
    baseline = None if result.baseline is None else _run_json(result.baseline, 1.0)
    return {
        "version": VERSION,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "complete": result.complete,
        "versions": versions(),
        "machine": machine(),
        "model": {"name": result.model, "kind": result.kind, "slots": result.slots, **result.details},
        "settings": result.settings,
        "plan": asdict(result.plan),
        "baseline_is": result.baseline_is,
        "baseline": baseline,
        "runs": [_run_json(run, result.ratio(run)) for run in result.runs],
    }


def _run_json(run: Run, ratio: float | None) -> dict[str, Any]:
    cached = [reply.cached for reply in run.done if reply.cached is not None]
    memory = run.memory
    return {
        "users": run.users,
        "tokens_per_second": run.tokens_per_second,
        "tokens_per_second_each": run.tokens_per_second / run.users,
        "ratio": ratio,
        "ttft_p50": run.ttft(0.5),
        "ttft_p95": run.ttft(0.95),
        "next_ttft_p50": run.ttft(0.5, later=True),
        "next_ttft_p95": run.ttft(0.95, later=True),
        "itl_p50": run.itl(0.5),
        "itl_p95": run.itl(0.95),
        "tokens": sum(reply.tokens for reply in run.done),
        "tokens_per_piece": run.tokens_per_piece,
        "prompt_tokens": run.prompt_tokens,
        "cached_tokens": sum(cached) if cached else None,
        "memory_bytes": memory.process,
        "gpu_memory_bytes": memory.gpu,
        "replies": len(run.done),
        "failed": len(run.failures),
        "failures": dict(Counter(run.failures)),
        "rounds": [
            {
                "seconds": one.seconds,
                "tokens_per_second": one.tokens_per_second,
                "other_programs_cores": one.others,
            }
            for one in run.rounds
        ],
    }
