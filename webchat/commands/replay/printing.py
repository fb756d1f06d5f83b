"""Prints sets and the results of their runs, and writes these as a page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from backends._plurals import counted
from webchat.commands.terminal import known_errors, printable
from webchat.settings import Settings

if TYPE_CHECKING:
    from webchat.feedback.replay import Judged
    from webchat.feedback.results import Interval
    from webchat.store import Store
    from webchat.store.replay_records import ReplaySet


def print_results(store: Store, operator: str, chosen: ReplaySet) -> None:
    """What the replies of each variant are like."""
    from webchat.feedback.replay import Summary, summaries, told_of_judges
    from webchat.sentences import locale

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
        told = (shares, passed, *means, "" if state == "done" else state)
        own = f"{printable(name)}: {', '.join(filter(None, told))}"
        judged = (_judged(by) for by in one.judged if by.verdicts + by.unclear)
        return "\n".join((own, *judged))

    runs = store.replay_runs(operator, chosen.id)
    stored, *again = summaries(store, operator, chosen, [run.id for run in runs])
    print(line("as stored", stored))
    for run, one in zip(runs, again, strict=True):
        print(line(run.name, one, run.state))
    if any(run.failed for run in runs):
        print(f"To do what failed once more: webchat replay --set {chosen.name} --retry", file=sys.stderr)
    if chosen.judges:
        print("Judges can be wrong.", file=sys.stderr)
        for told in told_of_judges([stored, *again], locale("en")):
            print(printable(told), file=sys.stderr)
    print("Refusals are guessed from phrases at the beginning of replies.", file=sys.stderr)


def _judged(one: Judged) -> str:
    """What a check or a judge decided about one variant."""
    from webchat.feedback.replay import name_of
    from webchat.sentences import locale

    shares = [_share(one.passed, one.verdicts, "pass", one.interval)]
    if one.unclear:
        shares.append(f"{one.unclear} without a verdict")
    shares.append(_share(one.agreed, one.liked, "as people rated", one.agreed_interval))
    if one.own:
        shares.append("its own model")
    name = printable(name_of(one.by, locale("en")))
    return f"  {f'judge {name}' if isinstance(one.by, str) else name}: {', '.join(filter(None, shares))}"


def _share(part: int, whole: int, what: str, interval: Interval | None) -> str:
    if interval is None:
        return ""
    return f"{part} of {whole} {what} ({interval.low:.0%} to {interval.high:.0%})"


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
        print(f"{printable(one.name)}: {counted(one.items, 'reply', 'replies')}")
        for run in store.replay_runs(operator, one.id):
            print(f"  {printable(run.name)}: {run.done} done, {run.failed} failed, {run.state}")
    if not sets:
        print("There is no set yet. Make one: webchat replay --set NAME --model MODEL", file=sys.stderr)
