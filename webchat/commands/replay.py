"""`webchat replay`: stored conversations on other models, or with other settings.

Runs are stored before anything is done. Where a server runs on the database, it does them; else this process
does, with the same turns. So the same command goes on where an earlier one ended.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webchat.commands.export import day_of
from webchat.commands.terminal import CommandError, known_errors, opened, printable
from webchat.settings import Loaded, Settings

if TYPE_CHECKING:
    from webchat.engine import Engine
    from webchat.store import Store
    from webchat.store.replay_records import ReplayChoice, ReplayRun, ReplaySet, ReplayVariant

_SAMPLING = {
    "temperature": float,
    "top_p": float,
    "top_k": int,
    "min_p": float,
    "repetition_penalty": float,
    "max_tokens": int,
    "seed": int,
}
_OWN = ("model", "system_prompt", *_SAMPLING)
_RATINGS = {"good": 1, "bad": -1}
_LOOK_SECONDS = 1.0
_CHOICES = (
    "link", "of_model", "rating", "reason", "judged", "since", "until", "every_reply", "held_out",
    "expect", "expect_not", "expect_json",
)  # fmt: skip


def add_replay_command(add: Callable[..., argparse.ArgumentParser], option: Callable[..., None]) -> None:
    """add: a command; option: adds a flag to one of them."""
    about = "Have other models, or other settings, answer stored conversations again, and compare."
    made = add("replay", about, _replay, own=_OWN)
    option(
        made, "--set", dest="of_set", metavar="NAME", help="a set of replies: an earlier one, or a new one"
    )
    option(made, "--link", metavar="NAME", help="new set: of the people of this tester link")
    option(made, "--of-model", metavar="NAME", help="new set: only replies of this model")
    option(made, "--rating", choices=(*_RATINGS,), metavar="THUMB", help="new set: only good or bad ones")
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
    option(made, "--expect-json", action="store_true", help="new set: check that replies are JSON")
    about = "new set: the held-out rows of this folder of webchat export"
    option(made, "--from", dest="held_out", metavar="DIR", help=about)
    about = "a model of the picker that answers; may be repeated"
    option(made, "--model", dest="answers", action="append", metavar="NAME", help=about)
    about = "what a run with other settings is called (the model, and what is set)"
    option(made, "--name", metavar="NAME", help=about)
    about = "a prompt template whose system prompt is used in place of each chat's"
    option(made, "--template", metavar="ID", help=about)
    about = "a system prompt in place of each chat's; '' for none"
    option(made, "--system-prompt", dest="prompt", metavar="TEXT", help=about)
    for name, kind in _SAMPLING.items():
        about = f"{name} in place of each chat's"
        option(made, f"--{name.replace('_', '-')}", dest=f"set_{name}", type=kind, metavar="N", help=about)
    option(made, "--retry", action="store_true", help="do what failed once more")
    about = "write the results as one HTML file, in the language of --language"
    option(made, "--report", metavar="FILE", help=about)
    option(made, "--cancel", action="store_true", help="end the runs of the set; what is done stays")
    option(made, "--delete", action="store_true", help="delete the set with its runs and their replies")


def _replay(loaded: Loaded, options: argparse.Namespace) -> None:
    settings = loaded.settings
    with opened(settings) as store:
        operator = store.local_owner().id
        if options.of_set is None:
            _list(store, operator)
            return
        chosen = _set(store, operator, options)
        if options.delete:
            store.delete_replay_set(operator, chosen.id)
            print(f'The set "{printable(chosen.name)}" is deleted.')
            return
        if options.cancel:
            _cancel(store, operator, chosen)
            return
        runs = _started(settings, store, operator, chosen, options)
    if runs:
        _do(settings, operator, chosen)
    with opened(settings) as store:
        _tell(store, operator, chosen)
        if options.report is not None:
            _report(settings, store, operator, chosen, Path(options.report).expanduser())


def _set(store: Store, operator: str, options: argparse.Namespace) -> ReplaySet:
    """The set of this name; a new one where there is none."""
    from webchat.store import NotFound

    asked = any(getattr(options, name) for name in _CHOICES)
    try:
        found = store.replay_set(operator, options.of_set)
    except NotFound:
        if not asked and not options.answers:
            raise CommandError(f'there is no set "{options.of_set}"; webchat replay lists all.') from None
        choice, checks = _choice(store, options), _checks(options)
        made = store.make_replay_set(operator, options.of_set, choice, checks)
        print(f'Set "{printable(made.name)}": {made.items} {_replies(made.items)}.')
        return made
    if asked:
        raise CommandError(f'the set "{options.of_set}" exists; choose another name for other replies.')
    return found


def _choice(store: Store, options: argparse.Namespace) -> ReplayChoice:
    from webchat.feedback.replay import BadExport, held_out
    from webchat.store.replay_records import ReplayChoice

    until = day_of("--until", options.until)
    judgements = None
    if options.held_out is not None:
        try:
            judgements = held_out(Path(options.held_out).expanduser())
        except BadExport as error:
            raise CommandError(str(error)) from None
    return ReplayChoice(
        judged=options.judged,
        link_id=None if options.link is None else _link(store, options.link),
        model=options.of_model,
        rating=_RATINGS.get(options.rating),
        reason=options.reason,
        since=day_of("--since", options.since),
        before=until and until + timedelta(days=1),
        every_reply=options.every_reply,
        judgements=judgements,
    )


def _checks(options: argparse.Namespace) -> list[dict[str, Any]]:
    from webchat.feedback.replay import Check, dump_checks

    return dump_checks(
        [
            *(Check("contains", text) for text in options.expect or ()),
            *(Check("lacks", text) for text in options.expect_not or ()),
            *([Check("json")] if options.expect_json else ()),
        ]
    )


def _link(store: Store, name: str) -> str:
    found = [link.id for link in store.list_links() if name in (link.id, link.name)]
    if len(found) != 1:
        several = "several links have" if found else "no link has"
        raise CommandError(f'{several} the name "{name}"; webchat link list shows their ids.')
    return found[0]


def _started(
    settings: Settings, store: Store, operator: str, chosen: ReplaySet, options: argparse.Namespace
) -> list[ReplayRun]:
    """The runs that are to be done now, open."""
    from webchat.feedback.replay import default_name

    runs = []
    for model in options.answers or ():
        variant = _variant(settings, store, operator, model, options)
        name = options.name or default_name(variant, model)
        if options.name and len(options.answers) > 1:
            name = f"{options.name} · {model}"
        runs.append(store.start_replay(operator, chosen.id, name, variant))
    if options.retry:
        runs += [
            store.retry_replay(operator, run.id)
            for run in store.replay_runs(operator, chosen.id)
            if run.failed and (not runs or run.id in {one.id for one in runs})
        ]
    return runs


def _variant(
    settings: Settings, store: Store, operator: str, model: str, options: argparse.Namespace
) -> ReplayVariant:
    from pydantic import ValidationError

    from webchat.models import Shared, configured
    from webchat.settings.engine import SamplingFields
    from webchat.store.records import ConversationSettings
    from webchat.store.replay_records import ReplayVariant

    specs = configured(settings, Shared())
    if model not in {spec.name for spec in specs} and not any(spec.discover for spec in specs):
        known = ", ".join(spec.name for spec in specs)
        raise CommandError(f'there is no model "{printable(model)}" in the picker; there is {known}.')
    values = {name: getattr(options, f"set_{name}") for name in _SAMPLING}
    try:
        sampling = SamplingFields(**values).sampling()
    except ValidationError as error:
        first = error.errors()[0]
        raise CommandError(f"--{str(first['loc'][0]).replace('_', '-')}: {first['msg']}.") from None
    prompt, persona = options.prompt, None
    if options.template is not None:
        prompt, persona = asyncio.run(_template(store, operator, options.template))
    return ReplayVariant(model, ConversationSettings(model, prompt, sampling, persona))


async def _template(store: Store, operator: str, id: str) -> tuple[str, Any]:
    from webchat.prompts.errors import PromptOfLinkGone
    from webchat.prompts.personas import Personas
    from webchat.prompts.sandbox import Sandbox

    sandbox = Sandbox()
    try:
        prompt, persona = await Personas(store, sandbox).only(operator, id)
    except PromptOfLinkGone:
        raise CommandError(f'there is no prompt template "{printable(id)}", or it can\'t be used.') from None
    finally:
        await sandbox.aclose()
    return prompt or "", persona


def _do(settings: Settings, operator: str, chosen: ReplaySet) -> None:
    """Do the open runs of a set here, or follow the server that does."""
    from webchat.engine import build_engine
    from webchat.launching import prepare
    from webchat.store import DatabaseBusy

    prepare(settings)
    with known_errors():
        try:
            engine = build_engine(settings)
        except DatabaseBusy:
            engine = None
    try:
        if engine is None:
            print("The server that runs on this database does the replay.", file=sys.stderr)
            _follow(settings, operator, chosen)
        else:
            asyncio.run(_alone(engine, operator, chosen))
    except KeyboardInterrupt:
        goes_on = f"it goes on; webchat replay --set {chosen.name} --cancel ends it"
        stopped = "the same command goes on from there"
        raise CommandError(f"Stopped: {stopped if engine else goes_on}.") from None


async def _alone(engine: Engine, operator: str, chosen: ReplaySet) -> None:
    from webchat.feedback.replay import Replayer

    async with engine.running():
        telling = asyncio.create_task(_told(engine.store, operator, chosen))
        try:
            replayer = Replayer(engine.store, engine.turns)
            for run in await engine.store.call(engine.store.open_replays):
                if run.set_id == chosen.id:
                    await replayer.do(run)
        finally:
            telling.cancel()
            with suppress(asyncio.CancelledError):
                await telling


async def _told(store: Store, operator: str, chosen: ReplaySet) -> None:
    shown = ""
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        shown = _progress(await store.call(store.replay_runs, operator, chosen.id), shown)


def _follow(settings: Settings, operator: str, chosen: ReplaySet) -> None:
    shown = ""
    with opened(settings) as store:
        while True:
            runs = store.replay_runs(operator, chosen.id)
            if all(run.state != "open" for run in runs):
                return
            shown = _progress(runs, shown)
            time.sleep(_LOOK_SECONDS)


def _progress(runs: Sequence[ReplayRun], shown: str) -> str:
    """Print how far the open runs are, if that has changed."""
    told = "; ".join(
        f"{printable(run.name)} {run.done} of {run.items}{f', {run.failed} failed' if run.failed else ''}"
        for run in runs
        if run.state == "open"
    )
    if told and told != shown:
        print(told, file=sys.stderr, flush=True)
    return told


def _tell(store: Store, operator: str, chosen: ReplaySet) -> None:
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
        told = (shares, passed, *means, "" if state == "done" else state)
        return f"{printable(name)}: {', '.join(filter(None, told))}"

    runs = store.replay_runs(operator, chosen.id)
    stored, *again = summaries(store, operator, chosen, [run.id for run in runs])
    print(line("as stored", stored))
    for run, one in zip(runs, again, strict=True):
        print(line(run.name, one, run.state))
    if any(run.failed for run in runs):
        print(f"To do what failed once more: webchat replay --set {chosen.name} --retry", file=sys.stderr)
    print("Refusals are guessed from phrases at the beginning of replies.", file=sys.stderr)


def _report(settings: Settings, store: Store, operator: str, chosen: ReplaySet, path: Path) -> None:
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


def _cancel(store: Store, operator: str, chosen: ReplaySet) -> None:
    runs = [run for run in store.replay_runs(operator, chosen.id) if run.state == "open"]
    for run in runs:
        store.cancel_replay(operator, run.id)
    print(f"{len(runs)} {'run' if len(runs) == 1 else 'runs'} cancelled. Replies being written are finished.")


def _list(store: Store, operator: str) -> None:
    sets = store.replay_sets(operator)
    for one in sets:
        print(f"{printable(one.name)}: {one.items} {_replies(one.items)}")
        for run in store.replay_runs(operator, one.id):
            print(f"  {printable(run.name)}: {run.done} done, {run.failed} failed, {run.state}")
    if not sets:
        print("There is no set yet. Make one: webchat replay --set NAME --model MODEL", file=sys.stderr)


def _replies(count: int) -> str:
    return "reply" if count == 1 else "replies"
