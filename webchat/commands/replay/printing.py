"""Prints sets and the results of their runs, and writes these as a page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from webchat.commands.terminal import known_errors, printable
from webchat.settings import Settings

if TYPE_CHECKING:
    from webchat.store import Store
    from webchat.store.replay_records import ReplaySet


def print_results(store: Store, operator: str, chosen: ReplaySet) -> None:
    """What the replies of each variant are like."""
    from webchat.feedback.replay import Summary, summaries

    def line(name: str, one: Summary, state: str = "") -> str:
        counts = f"{one.done} done, {one.failed} failed, {one.same} unchanged, " if state else ""
        shares = f"{counts}{one.refusals} refusals"
        means = [
            "" if one.chars is None else f"{one.chars:.0f} characters",
            "" if one.tokens is None else f"{one.tokens:.0f} tokens",
            "" if one.seconds is None else f"{one.seconds:.1f} s",
        ]
        passed = ""
        if one.passed is not None and one.passed_interval is not None:
            low, high = one.passed_interval.low, one.passed_interval.high
            passed = f"{one.passed} pass the checks ({low:.0%} to {high:.0%})"
        judged = ""
        if one.judged is not None and one.judged.interval is not None:
            low, high = one.judged.interval.low, one.judged.interval.high
            judged = f"{one.judged.passed} of {one.judged.verdicts} pass the judge ({low:.0%} to {high:.0%})"
        if one.judged is not None and one.judged.unclear:
            judged = ", ".join(filter(None, (judged, f"{one.judged.unclear} without a verdict")))
        if one.judged is not None and one.judged.own:
            judged += ", by their own model"
        told = (shares, passed, judged, *means, "" if state == "done" else state)
        return f"{printable(name)}: {', '.join(filter(None, told))}"

    runs = store.replay_runs(operator, chosen.id)
    stored, *again = summaries(store, operator, chosen, [run.id for run in runs])
    print(line("as stored", stored))
    for run, one in zip(runs, again, strict=True):
        print(line(run.name, one, run.state))
    if any(run.failed for run in runs):
        print(f"To do what failed once more: webchat replay --set {chosen.name} --retry", file=sys.stderr)
    if chosen.judged_by is not None:
        tokens = sum(one.judged.tokens for one in (stored, *again) if one.judged)
        print(
            f"Judge: {printable(chosen.judged_by.name)}, {tokens} tokens. It can be wrong.", file=sys.stderr
        )
    print("Refusals are guessed from phrases at the beginning of replies.", file=sys.stderr)


def write_report(settings: Settings, store: Store, operator: str, chosen: ReplaySet, path: Path) -> None:
    """Write what the runs gave as a page of its own, for this user only."""
    from webchat.feedback.replay import report
    from webchat.private_files import make_private
    from webchat.sentences import LANGUAGES

    language = next((one for one in LANGUAGES if one == settings.language), LANGUAGES[0])
    runs = store.replay_runs(operator, chosen.id)
    with known_errors():
        make_private(path)
        with path.open("w", encoding="utf-8") as file:
            for piece in report(store, operator, chosen, runs, language):
                file.write(piece)
    print(f"Report: {printable(str(path))}")


def print_sets(store: Store, operator: str) -> None:
    sets = store.replay_sets(operator)
    for one in sets:
        print(f"{printable(one.name)}: {one.items} {replies(one.items)}")
        for run in store.replay_runs(operator, one.id):
            print(f"  {printable(run.name)}: {run.done} done, {run.failed} failed, {run.state}")
    if not sets:
        print("There is no set yet. Make one: webchat replay --set NAME --model MODEL", file=sys.stderr)


def replies(count: int) -> str:
    return "reply" if count == 1 else "replies"
