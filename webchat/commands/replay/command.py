"""The command itself: its flags, and what it does in which order.

Runs are stored before anything is done. Where a server runs on the database, it does them; else this process
does, with the same turns. So the same command goes on where an earlier one ended.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from webchat.commands.replay.choosing import RATINGS, SAMPLING, choose_judges, chosen_set, started_runs
from webchat.commands.replay.printing import print_results, print_sets, write_report
from webchat.commands.replay.running import cancel_runs, do_runs
from webchat.commands.terminal import AddCommand, opened, printable
from webchat.settings import Loaded

_OWN = ("model", "system_prompt", *SAMPLING)


def add_replay_command(add: AddCommand, option: Callable[..., None]) -> None:
    """add: a command; option: adds a flag to one of them."""
    about = "Have other models, or other settings, answer stored conversations again, and compare."
    made = add("replay", about, _replay, own=_OWN)
    option(
        made, "--set", dest="of_set", metavar="NAME", help="a set of replies: an earlier one, or a new one"
    )
    option(made, "--link", metavar="NAME", help="new set: of the people of this tester link")
    option(made, "--of-model", metavar="NAME", help="new set: only replies of this model")
    option(made, "--rating", choices=(*RATINGS,), metavar="THUMB", help="new set: only good or bad ones")
    option(made, "--reason", metavar="KEY", help="new set: only replies judged with this reason")
    option(made, "--judged", action="store_true", help="new set: only replies that were judged")
    option(made, "--since", metavar="DATE", help="new set: only replies from this day on")
    option(made, "--until", metavar="DATE", help="new set: only replies until this day")
    about = "new set: every reply of a chat, not only its last one"
    option(made, "--every-reply", action="store_true", help=about)
    about = "new set: check that replies have this text; may be repeated"
    option(made, "--expect", action="append", metavar="TEXT", help=about)
    about = "new set: check that replies lack this text; may be repeated"
    option(made, "--expect-not", action="append", metavar="TEXT", help=about)
    about = "new set: check that replies match this regular expression (RE2's syntax); may be repeated"
    option(made, "--expect-match", action="append", metavar="PATTERN", help=about)
    option(made, "--expect-json", action="store_true", help="new set: check that replies are JSON")
    about = "new set: the held-out rows of this folder of webchat export"
    option(made, "--from", dest="held_out", metavar="DIR", help=about)
    about = "a model of the picker that answers; may be repeated"
    option(made, "--model", dest="answers", action="append", metavar="NAME", help=about)
    about = "the name of a run with other settings (the model, and what is set)"
    option(made, "--name", metavar="NAME", help=about)
    about = "a prompt template whose system prompt is used in place of each chat's"
    option(made, "--template", metavar="ID", help=about)
    about = "a system prompt in place of each chat's; '' for none"
    option(made, "--system-prompt", dest="prompt", metavar="TEXT", help=about)
    for name, kind in SAMPLING.items():
        about = f"{name} in place of each chat's"
        option(made, f"--{name.replace('_', '-')}", dest=f"set_{name}", type=kind, metavar="N", help=about)
    about = "one more judge of the set: a model of the picker that judges replies, stored and replayed"
    option(made, "--judge", dest="judged_by", metavar="NAME", help=about)
    about = "the name of the judge (the model's); an earlier one of this name is changed"
    option(made, "--judge-name", metavar="NAME", help=about)
    about = "a file with what the judge is asked: {conversation}, {reply} and {reference} are filled in"
    option(made, "--judge-prompt", metavar="FILE", help=about)
    about = "remove the judge of this --judge-name with its verdicts; without a name all judges of the set"
    option(made, "--no-judge", action="store_true", help=about)
    option(made, "--retry", action="store_true", help="do what failed once more")
    about = "write the results as one HTML file, in the language of --language"
    option(made, "--report", metavar="FILE", help=about)
    option(made, "--cancel", action="store_true", help="cancel the runs of the set; finished replies stay")
    option(made, "--delete", action="store_true", help="delete the set with its runs and their replies")


def _replay(loaded: Loaded, options: argparse.Namespace) -> None:
    settings = loaded.settings
    with opened(settings) as store:
        operator = store.local_owner().id
        if options.of_set is None:
            print_sets(store, operator)
            return
        chosen = chosen_set(store, operator, options)
        if options.delete:
            store.delete_replay_set(operator, chosen.id)
            print(f'The set "{printable(chosen.name)}" is deleted.')
            return
        if options.cancel:
            cancel_runs(store, operator, chosen)
            return
        judged = choose_judges(settings, store, operator, chosen, options)
        runs = started_runs(settings, store, operator, chosen, options)
        chosen = store.replay_set(operator, chosen.id)
    if runs or judged:
        do_runs(settings, operator, chosen)
    with opened(settings) as store:
        print_results(store, operator, chosen)
        if options.report is not None:
            write_report(settings, store, operator, chosen, Path(options.report).expanduser())
