"""Chooses what is replayed: a set, new or stored, and the runs of variants over it."""

from __future__ import annotations

import argparse
import asyncio
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends._plurals import counted
from webchat.commands.export import day_of
from webchat.commands.terminal import CommandError, known_errors, printable
from webchat.settings import Settings

if TYPE_CHECKING:
    from webchat.store import Store
    from webchat.store.replay_records import ReplayChoice, ReplayJudge, ReplayRun, ReplaySet, ReplayVariant

SAMPLING = {
    "temperature": float,
    "top_p": float,
    "top_k": int,
    "min_p": float,
    "repetition_penalty": float,
    "max_tokens": int,
    "seed": int,
}
RATINGS = {"good": 1, "bad": -1}
_CHOICES = (
    "link", "of_model", "rating", "reason", "judged", "since", "until", "every_reply", "held_out",
    "expect", "expect_not", "expect_match", "expect_json",
)  # fmt: skip


def chosen_set(store: Store, operator: str, options: argparse.Namespace) -> ReplaySet:
    """The set of this name; a new one where there is none."""
    from webchat.store import NotFound

    asked = any(getattr(options, name) for name in _CHOICES)
    try:
        found = store.replay_set(operator, options.of_set)
    except NotFound:
        if not (asked or options.answers or options.judged_by):
            raise CommandError(f'there is no set "{options.of_set}"; webchat replay lists all.') from None
        choice, checks = _choice(store, options), _checks(options)
        made = store.make_replay_set(operator, options.of_set, choice, checks)
        print(f'Set "{printable(made.name)}": {counted(made.items, "reply", "replies")}.')
        return made
    if asked:
        raise CommandError(f'the set "{options.of_set}" exists; choose another name for other replies.')
    return found


def choose_judges(
    settings: Settings, store: Store, operator: str, chosen: ReplaySet, options: argparse.Namespace
) -> bool:
    """Give a set one more judge, another one, or fewer; whether they have work to do now."""
    from webchat.feedback.replay import BadCheck, with_judge

    name = options.judge_name
    changed = options.judged_by or options.judge_prompt
    if name is not None and not changed and all(one.name != name for one in chosen.judges):
        raise CommandError(f'this set has no judge "{printable(name)}"; it has {_named(chosen)}.')
    if options.no_judge:
        left = [] if name is None else [one for one in chosen.judges if one.name != name]
        store.judge_replays(operator, chosen.id, left)
        return False
    judges = list(chosen.judges)
    if changed:
        try:
            judges = with_judge(judges, _judge(settings, chosen, options))
        except BadCheck as error:
            raise CommandError(f"--judge: {error}.") from None
    elif not options.retry:
        return False
    if judges:
        store.judge_replays(operator, chosen.id, judges)
    return bool(judges)


def _judge(settings: Settings, chosen: ReplaySet, options: argparse.Namespace) -> ReplayJudge:
    """A new judge, or an earlier one of the name with what is new about it. Raises BadCheck."""
    from webchat.feedback.replay import default_prompt, judge
    from webchat.sentences import LANGUAGES

    name = options.judge_name or options.judged_by
    if name is None and len(chosen.judges) == 1:
        name = chosen.judges[0].name
    before = next((one for one in chosen.judges if one.name == name), None)
    model = options.judged_by or (before.model if before else None)
    if model is None:
        raise CommandError(f"--judge-prompt needs --judge or --judge-name; this set has {_named(chosen)}.")
    _must_be_there(settings, model)
    language = next((one for one in LANGUAGES if one == settings.language), LANGUAGES[0])
    prompt = before.prompt if before else default_prompt(language)
    if options.judge_prompt:
        prompt = _read(Path(options.judge_prompt).expanduser())
    return judge(model, model, prompt, name)


def _named(chosen: ReplaySet) -> str:
    return ", ".join(printable(one.name) for one in chosen.judges) or "no judge"


def _read(path: Path) -> str:
    with known_errors():
        try:
            return path.read_text(encoding="utf-8").strip()
        except UnicodeDecodeError:
            raise CommandError(f"{printable(str(path))} is not UTF-8 text.") from None


def started_runs(
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
        rating=RATINGS.get(options.rating),
        reason=options.reason,
        since=day_of("--since", options.since),
        before=until and until + timedelta(days=1),
        every_reply=options.every_reply,
        judgements=judgements,
    )


def _checks(options: argparse.Namespace) -> list[dict[str, Any]]:
    from webchat.feedback.replay import BadCheck, Check, checked, dump_checks

    checks = [
        *(Check("contains", text) for text in options.expect or ()),
        *(Check("lacks", text) for text in options.expect_not or ()),
        *(Check("matches", pattern) for pattern in options.expect_match or ()),
        *([Check("json")] if options.expect_json else ()),
    ]
    try:
        return dump_checks(checked(checks))
    except BadCheck as error:
        raise CommandError(f"--expect: {printable(str(error))}.") from None


def _link(store: Store, name: str) -> str:
    found = [link.id for link in store.list_links() if name in (link.id, link.name)]
    if len(found) != 1:
        several = "several links have" if found else "no link has"
        raise CommandError(f'{several} the name "{name}"; webchat link list shows their ids.')
    return found[0]


def _variant(
    settings: Settings, store: Store, operator: str, model: str, options: argparse.Namespace
) -> ReplayVariant:
    from pydantic import ValidationError

    from webchat.settings.engine import SamplingFields
    from webchat.store.records import ConversationSettings
    from webchat.store.replay_records import ReplayVariant

    _must_be_there(settings, model)
    values = {name: getattr(options, f"set_{name}") for name in SAMPLING}
    try:
        sampling = SamplingFields(**values).sampling()
    except ValidationError as error:
        first = error.errors()[0]
        raise CommandError(f"--{str(first['loc'][0]).replace('_', '-')}: {first['msg']}.") from None
    prompt, persona = options.prompt, None
    if options.template is not None:
        prompt, persona = asyncio.run(_template(store, operator, options.template))
    return ReplayVariant(model, ConversationSettings(model, prompt, sampling, persona))


def _must_be_there(settings: Settings, model: str) -> None:
    from webchat.models import Shared, configured

    specs = configured(settings, Shared())
    if model not in {spec.name for spec in specs} and not any(spec.discover for spec in specs):
        known = ", ".join(spec.name for spec in specs)
        raise CommandError(f'there is no model "{printable(model)}" in the picker; there is {known}.')


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
