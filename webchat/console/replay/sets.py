"""Sets of stored replies, and runs of other variants over them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import gradio as gr
from pydantic import ValidationError

from webchat.api import Services
from webchat.console.asking import Caller, refuse, tell
from webchat.console.confirming import asked
from webchat.console.feedback.judgement import reason_of
from webchat.console.replay.choosing import FILTERS, RATINGS, checks_of, choice_of, is_id
from webchat.console.times import plain
from webchat.feedback.replay import (
    JUDGE_COLUMNS,
    BadCheck,
    columns_of,
    default_name,
    default_prompt,
    dump_checks,
    judge,
    judge_rows,
    summaries,
    summary_cells,
    told_of_judges,
    with_judge,
)
from webchat.feedback.replay import checked as checked_checks
from webchat.prompts.personas import Personas
from webchat.sentences import locale
from webchat.settings.engine import SamplingFields
from webchat.store.errors import NotFound
from webchat.store.records import ConversationSettings
from webchat.store.replay_records import STORED, ReplayJudge, ReplayRun, ReplaySet, ReplayVariant

MOST_LINKS = 100
_NAME_CHARS = 100


@dataclass(frozen=True, slots=True)
class Shown:
    """The table of a set's runs as it was last computed from all their replies. Kept by the server.

    rows: the stored replies, then each run. runs: ids and states of those, and of the judge's."""

    set_id: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    runs: tuple[tuple[str, str], ...]

    def with_counts(self, runs: Sequence[ReplayRun]) -> list[list[str]]:
        """The rows with what is done and failed by now."""
        counts = ([f"{one.done}/{one.items}", str(one.failed)] for one in runs)
        again = [[row[0], *count, *row[3:]] for row, count in zip(self.rows[1:], counts, strict=True)]
        return [list(self.rows[0]), *again]


class Sets:
    """The handlers. Each returns new values of components, in the order in which it is bound to them."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.store
        self._personas = Personas(services.store, services.sandbox)

    async def choices(self, caller: Caller, chosen: object) -> list[Any]:
        """The sets, and what new sets and runs are made of."""
        operator = caller.owner.id
        sets = await self._store.call(self._store.replay_sets, operator)
        links = await self._store.call(self._store.listed_links, limit=MOST_LINKS)
        templates = await self._store.call(self._store.list_templates, operator)
        models = self._models()
        judged = await self._store.call(self._store.judgement_choices)
        counts = await self._store.call(self._store.judgement_counts)
        answered = sorted({*models, *(one.model for one in counts)} - {""})
        every = (caller.t("console.replay.all"), "")
        known = [one.id for one in sets]
        value = chosen if chosen in known else (known[0] if known else None)
        return [
            gr.Dropdown([(one.name, one.id) for one in sets], value=value),
            gr.Dropdown([every, *((one.link.name, one.link.id) for one in links.items)]),
            gr.Dropdown([every, *((caller.t(f"console.replay.{name}"), name) for name in RATINGS)]),
            gr.Dropdown([every, *((name, name) for name in answered)]),
            gr.Dropdown([every, *((reason_of(caller, name), name) for name in judged.reasons)]),
            gr.Dropdown(models),
            gr.Dropdown(
                [
                    (caller.t("console.replay.keep_prompt"), ""),
                    *((one.name, one.id) for one in templates if one.has_system),
                ],
            ),
        ]

    async def show(self, caller: Caller, set_id: object) -> list[Any]:
        """The runs of a set, which of them can be chosen, and whether to look again."""
        if not is_id(set_id):
            note = gr.Markdown(caller.t("console.replay.none"), visible=True)
            none = gr.Dropdown([], value=None)
            hidden = gr.Dataframe(visible=False)
            column, quiet = gr.Column(visible=False), gr.Markdown(visible=False)
            closed = (gr.Timer(active=False), column, gr.Button(visible=False), column)
            return [hidden, note, none, none, none, *closed, hidden, quiet, *self._judges(caller, ()), None]
        operator = caller.owner.id
        of = await self._store.call(self._store.replay_set, operator, set_id)
        runs = await self._store.call(self._store.replay_runs, operator, of.id)
        judging = list(chain(*await self._store.call(self._store.replay_judging, operator, of.id)))
        found = await asyncio.to_thread(summaries, self._store, operator, of, [one.id for one in runs])
        headers = [caller.t(f"replay.column.{name}") for name in columns_of(of)]
        names = [caller.t("replay.stored"), *(one.name for one in runs)]
        words = locale(caller.language)
        states = ["", *(caller.t(f"console.replay.state.{one.state}") for one in runs)]
        rows = [
            (name, *summary_cells(one, words), state)
            for name, one, state in zip(names, found, states, strict=True)
        ]
        headers.append(caller.t("console.replay.column_state"))
        table = Shown(of.id, tuple(headers), tuple(rows), _states([*runs, *judging]))
        sides = [(caller.t("replay.stored"), STORED), *((one.name, one.id) for one in runs)]
        return [
            gr.Dataframe([list(row) for row in rows], headers=headers, visible=True),
            gr.Markdown(_note(caller, of, runs, judging, told_of_judges(found, words)), visible=True),
            gr.Dropdown([(one.name, one.id) for one in runs], value=runs[-1].id if runs else None),
            gr.Dropdown(sides, value=STORED),
            gr.Dropdown(sides, value=runs[-1].id if runs else STORED),
            gr.Timer(active=_some_open([*runs, *judging])),
            gr.Column(visible=bool(runs)),
            gr.Button(link=f"../api/replays/{of.id}/report", visible=bool(runs)),
            gr.Column(visible=True),
            gr.Dataframe(
                [list(row) for row in judge_rows(names, found, words)],
                headers=[caller.t(f"replay.column.{name}") for name in JUDGE_COLUMNS],
                visible=bool(found[0].judged),
            ),
            gr.Markdown(visible=bool(found[0].judged)),
            *self._judges(caller, of.judges),
            table,
        ]

    def _models(self) -> list[str]:
        return [info.name for info in self._services.models.infos() if not info.missing]

    def _judges(self, caller: Caller, judges: Sequence[ReplayJudge]) -> list[Any]:
        """The choice of a judge, of which the newest is chosen, and what is known of it."""
        last = judges[-1] if judges else None
        choices = [(caller.t("console.replay.new_judge"), ""), *((one.name, one.name) for one in judges)]
        return [gr.Dropdown(choices, value=last.name if last else ""), *self._judge(caller, last)]

    def _judge(self, caller: Caller, judge: ReplayJudge | None) -> list[Any]:
        names = dict.fromkeys([*self._models(), *([] if judge is None else [judge.model])])
        return [
            gr.Textbox("" if judge is None else judge.name),
            gr.Dropdown(list(names), value=None if judge is None else judge.model),
            gr.Textbox(default_prompt(caller.language) if judge is None else judge.prompt),
            gr.Button(visible=judge is not None),
        ]

    async def judge_of(self, caller: Caller, set_id: object, name: object) -> list[Any]:
        """What is known of a judge."""
        judges: Sequence[ReplayJudge] = ()
        if is_id(set_id):
            judges = (await self._store.call(self._store.replay_set, caller.owner.id, set_id)).judges
        return self._judge(caller, next((one for one in judges if one.name == name), None))

    async def tick(self, caller: Caller, set_id: object, table: object) -> list[Any]:
        """The runs again, while some are open; what was chosen stays. Replies are read only where a run began
        or ended: until then, only what is counted changes."""
        if isinstance(table, Shown) and table.set_id == set_id:
            operator = caller.owner.id
            of = await self._store.call(self._store.replay_set, operator, table.set_id)
            runs = await self._store.call(self._store.replay_runs, operator, table.set_id)
            judging = list(chain(*await self._store.call(self._store.replay_judging, operator, of.id)))
            if _states([*runs, *judging]) == table.runs:
                value = gr.Dataframe(table.with_counts(runs), headers=list(table.headers), visible=True)
                note = gr.Markdown(_note(caller, of, runs, judging), visible=True)
                return [value, note, gr.Timer(active=_some_open([*runs, *judging])), table]
        frame, note, _, _, _, timer, *_, table = await self.show(caller, set_id)
        return [frame, note, timer, table]

    async def create(self, caller: Caller, name: object, every: object, *fields: object) -> gr.Dropdown:
        """Make a set; it is chosen from then on. fields: in the order of `FILTERS`, then of `CHECKS`."""
        text = name.strip()[:_NAME_CHARS] if isinstance(name, str) else ""
        if not text:
            raise refuse(caller, "console.replay.needs_name")
        choice = choice_of(every is True, *fields[: len(FILTERS)])
        try:
            checks = dump_checks(checked_checks(checks_of(*fields[len(FILTERS) :])))
        except BadCheck as error:
            raise refuse(caller, "console.replay.bad_check", why=str(error)) from None
        make = self._store.make_replay_set
        made = await self._store.call(make, caller.owner.id, text, choice, checks)
        tell(caller, "console.replay.created", count=made.items)
        return gr.Dropdown([(made.name, made.id)], value=made.id)

    async def start(
        self,
        caller: Caller,
        set_id: object,
        model: object,
        template: object,
        temperature: object,
        seed: object,
        name: object,
    ) -> None:
        """Open a run. The server does it, whoever leaves."""
        if not isinstance(model, str) or not model:
            raise refuse(caller, "console.replay.needs_model")
        chosen = self._services.models.info(model)
        if chosen.missing:
            raise NotFound("model")
        values = {
            "temperature": _number(caller, "temperature", temperature),
            "seed": _number(caller, "seed", seed),
        }
        try:
            sampling = SamplingFields(**values).sampling()  # type: ignore[arg-type]
        except ValidationError as error:
            what = caller.t(f"console.replay.{error.errors()[0]['loc'][0]}")
            raise refuse(caller, "console.replay.bad_number", what=what) from None
        prompt, persona = None, None
        if is_id(template):
            prompt, persona = await self._personas.only(caller.owner.id, template)
        settings = ConversationSettings(chosen.key or model, prompt, sampling, persona)
        variant = ReplayVariant(chosen.key or model, settings)
        text = name.strip()[:_NAME_CHARS] if isinstance(name, str) else ""
        called = text or default_name(variant, model)
        start = self._store.start_replay
        await self._store.call(start, caller.owner.id, checked(set_id), called, variant)
        tell(caller, "console.replay.started")

    async def judge_replies(
        self, caller: Caller, set_id: object, name: object, model: object, prompt: object
    ) -> None:
        """Have a model judge the replies of a set."""
        if not isinstance(model, str) or not model:
            raise refuse(caller, "console.replay.needs_model")
        chosen = self._services.models.info(model)
        if chosen.missing:
            raise NotFound("model")
        text = prompt.strip() if isinstance(prompt, str) else ""
        called = name.strip()[:_NAME_CHARS] if isinstance(name, str) else ""
        of = await self._store.call(self._store.replay_set, caller.owner.id, checked(set_id))
        try:
            by = judge(model, chosen.key or model, text or default_prompt(caller.language), called)
            judges = with_judge(of.judges, by)
        except BadCheck as error:
            raise refuse(caller, "console.replay.bad_check", why=str(error)) from None
        await self._store.call(self._store.judge_replays, caller.owner.id, of.id, judges)
        tell(caller, "console.replay.judging")

    async def stop_judging(self, caller: Caller, set_id: object, name: object) -> None:
        """Delete a judge of a set with its verdicts."""
        of = await self._store.call(self._store.replay_set, caller.owner.id, checked(set_id))
        left = [one for one in of.judges if one.name != name]
        await self._store.call(self._store.judge_replays, caller.owner.id, of.id, left)
        tell(caller, "console.replay.judge_removed")

    async def cancel(self, caller: Caller, run_id: object) -> None:
        """Begin no more of a run."""
        await self._store.call(self._store.cancel_replay, caller.owner.id, checked(run_id))
        tell(caller, "console.replay.cancelled")

    async def retry(self, caller: Caller, run_id: object) -> None:
        """Do what failed of a run once more."""
        await self._store.call(self._store.retry_replay, caller.owner.id, checked(run_id))
        tell(caller, "console.replay.retried")

    async def ask_delete(self, caller: Caller, set_id: object) -> list[Any]:
        """What would be deleted, and the button that does."""
        of = await self._store.call(self._store.replay_set, caller.owner.id, checked(set_id))
        runs = await self._store.call(self._store.replay_runs, caller.owner.id, of.id)
        words = caller.t("console.replay.delete_is", name=plain(of.name), count=len(runs))
        return asked(of.id, words)

    async def delete(self, caller: Caller, set_id: object) -> None:
        """Delete a set with its runs."""
        await self._store.call(self._store.delete_replay_set, caller.owner.id, checked(set_id))
        tell(caller, "console.replay.deleted")


def _number(caller: Caller, name: str, value: object) -> float | int | None:
    text = value.strip() if isinstance(value, str) else ""
    if not text:
        return None
    try:
        return int(text) if name == "seed" else float(text)
    except ValueError:
        raise refuse(caller, "console.replay.bad_number", what=caller.t(f"console.replay.{name}")) from None


def _note(
    caller: Caller,
    of: ReplaySet,
    runs: Sequence[ReplayRun],
    judging: Sequence[ReplayRun],
    of_judges: Sequence[str] = (),
) -> str:
    key = "console.replay.has" if runs else "console.replay.no_runs"
    told = caller.t(key, count=of.items)
    if not of.judges:
        return told
    done, items, failed = (sum(getattr(one, name) for one in judging) for name in ("done", "items", "failed"))
    names = ", ".join(one.name for one in of.judges)
    progress = caller.t(
        "console.replay.judge_progress", name=plain(names), done=done, items=items, failed=failed
    )
    return "\n\n".join((told, progress, *map(plain, of_judges)))


def _some_open(runs: Sequence[ReplayRun]) -> bool:
    return any(one.state == "open" for one in runs)


def _states(runs: Sequence[ReplayRun]) -> tuple[tuple[str, str], ...]:
    return tuple((one.id, one.state) for one in runs)


def checked(id: object) -> str:
    """Raises NotFound for what is no id."""
    if not is_id(id):
        raise NotFound("replay_set")
    return id
