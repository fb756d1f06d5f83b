"""The tab of replays: sets of stored replies, runs of other variants over them, and both side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from html import escape
from typing import Any, TypeGuard

import gradio as gr
from pydantic import ValidationError

from webchat.api import Services
from webchat.console.asking import QUIET, Caller, handler, refuse, tell
from webchat.console.labels import Labels
from webchat.console.paging import FIRST, Pager, Place, shown
from webchat.console.replay_votes import as_block, create_votes
from webchat.feedback.replay import columns_of, default_name, facts_of, summaries, summary_cells, word_diff
from webchat.feedback.replay.marked import marked_new, marked_old
from webchat.prompts.personas import Personas
from webchat.sentences import locale
from webchat.settings.engine import SamplingFields
from webchat.store.errors import NotFound
from webchat.store.records import ConversationSettings
from webchat.store.replay_records import ReplayChoice, ReplayItem, ReplayRun, ReplayVariant
from webchat.store.replays.results import STORED

MOST_SHOWN = 10
MOST_LINKS = 100
REFRESH_SECONDS = 3
_NAME_CHARS = 100
_RATINGS = {"good": 1, "bad": -1}


class ReplayTab:
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
        models = [info.name for info in self._services.models.infos() if not info.missing]
        every = (caller.t("console.replay.all"), "")
        known = [one.id for one in sets]
        value = chosen if chosen in known else (known[0] if known else None)
        return [
            gr.Dropdown([(one.name, one.id) for one in sets], value=value),
            gr.Dropdown([every, *((one.link.name, one.link.id) for one in links.items)]),
            gr.Dropdown([every, *((caller.t(f"console.replay.{name}"), name) for name in _RATINGS)]),
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
            closed = (gr.Timer(active=False), gr.Column(visible=False), gr.Button(visible=False))
            return [hidden, note, none, none, none, *closed]
        operator = caller.owner.id
        of = await self._store.call(self._store.replay_set, operator, set_id)
        runs = await self._store.call(self._store.replay_runs, operator, of.id)
        found = await asyncio.to_thread(summaries, self._store, operator, of, [one.id for one in runs])
        headers = [caller.t(f"replay.column.{name}") for name in columns_of(of)]
        names = [caller.t("replay.stored"), *(one.name for one in runs)]
        states = ["", *(caller.t(f"console.replay.state.{one.state}") for one in runs)]
        rows = [
            [name, *summary_cells(one), state] for name, one, state in zip(names, found, states, strict=True)
        ]
        key = "console.replay.has" if runs else "console.replay.no_runs"
        sides = [(caller.t("replay.stored"), STORED), *((one.name, one.id) for one in runs)]
        return [
            gr.Dataframe(rows, headers=[*headers, caller.t("console.replay.column_state")], visible=True),
            gr.Markdown(caller.t(key, count=of.items), visible=True),
            gr.Dropdown([(one.name, one.id) for one in runs], value=runs[-1].id if runs else None),
            gr.Dropdown(sides, value=STORED),
            gr.Dropdown(sides, value=runs[-1].id if runs else STORED),
            gr.Timer(active=any(one.state == "open" for one in runs)),
            gr.Column(visible=bool(runs)),
            gr.Button(link=f"../api/replays/{of.id}/report", visible=bool(runs)),
        ]

    async def tick(self, caller: Caller, set_id: object) -> list[Any]:
        """The runs again, while some are open; what was chosen stays."""
        table, _, _, _, _, timer, *_ = await self.show(caller, set_id)
        return [table, timer]

    async def create(self, caller: Caller, name: object, link: object, rating: object, every: object) -> Any:
        """Make a set; it is chosen from then on."""
        text = name.strip()[:_NAME_CHARS] if isinstance(name, str) else ""
        if not text:
            raise refuse(caller, "console.replay.needs_name")
        choice = ReplayChoice(
            link_id=link if is_id(link) else None,
            rating=_RATINGS.get(rating) if isinstance(rating, str) else None,
            every_reply=every is True,
        )
        make = self._store.make_replay_set
        made = await self._store.call(make, caller.owner.id, text, choice)
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

    async def cancel(self, caller: Caller, run_id: object) -> None:
        """Begin no more of a run."""
        await self._store.call(self._store.cancel_replay, caller.owner.id, checked(run_id))
        tell(caller, "console.replay.cancelled")

    async def retry(self, caller: Caller, run_id: object) -> None:
        """Do what failed of a run once more."""
        await self._store.call(self._store.retry_replay, caller.owner.id, checked(run_id))
        tell(caller, "console.replay.retried")

    async def delete(self, caller: Caller, set_id: object) -> None:
        """Delete a set with its runs."""
        await self._store.call(self._store.delete_replay_set, caller.owner.id, checked(set_id))
        tell(caller, "console.replay.deleted")

    async def compare(self, caller: Caller, set_id: object, left: object, right: object) -> list[Any]:
        """The first items with two replies side by side."""
        return await self._page(caller, FIRST, set_id, left, right)

    async def older(
        self, caller: Caller, place: object, set_id: object, left: object, right: object
    ) -> list[Any]:
        """The following items."""
        return await self._page(caller, _place(place).older(), set_id, left, right)

    async def newer(
        self, caller: Caller, place: object, set_id: object, left: object, right: object
    ) -> list[Any]:
        """The items before."""
        return await self._page(caller, _place(place).newer(), set_id, left, right)

    async def _page(
        self, caller: Caller, place: Place, set_id: object, left: object, right: object
    ) -> list[Any]:
        if not is_id(set_id) or not isinstance(left, str) or not isinstance(right, str):
            return [gr.Markdown(""), *shown(FIRST, None)]
        runs = [one for one in dict.fromkeys((left, right)) if one != STORED]
        found = await self._store.call(
            self._store.replay_items,
            caller.owner.id,
            set_id,
            runs,
            after=int(place.cursor or 0),
            limit=MOST_SHOWN + 1,
        )
        items = found[:MOST_SHOWN]
        names = await self._names(caller, set_id)
        parts = await asyncio.to_thread(_table, caller, items, runs, (left, right), names)
        next = str(items[-1].number) if len(found) > MOST_SHOWN else None
        return [gr.Markdown(as_block(parts)), *shown(place, next)]

    async def _names(self, caller: Caller, set_id: str) -> dict[str, str]:
        runs: list[ReplayRun] = await self._store.call(self._store.replay_runs, caller.owner.id, set_id)
        return {STORED: caller.t("replay.stored"), **{one.id: one.name for one in runs}}


def _table(
    caller: Caller,
    items: Sequence[ReplayItem],
    runs: Sequence[str],
    sides: tuple[str, str],
    names: dict[str, str],
) -> str:
    """Both replies to each message, with what differs marked; all text is escaped."""
    words = locale(caller.language)
    heads = "".join(f'<th dir="auto">{escape(names.get(side, ""))}</th>' for side in sides)
    rows = []
    for item in items:
        replies = {STORED: item.stored, **dict(zip(runs, item.replies, strict=True))}
        left, right = (replies[side] for side in sides)
        pieces = word_diff(left.text, right.text)
        cells = "".join(
            f'<td><div class="wc-replay-facts">{facts_of(reply, words)}</div>'
            f'<div class="wc-replay-text" dir="auto">{text}</div></td>'
            for reply, text in ((left, marked_old(pieces)), (right, marked_new(pieces)))
        )
        asked = f'<td colspan="2" dir="auto">{item.number}. {escape(item.asked)}</td>'
        rows.append(f'<tr class="wc-replay-asked">{asked}</tr><tr>{cells}</tr>')
    body = "".join(rows)
    return f'<table class="wc-replay"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'


def create_replay(page: gr.Blocks, tab: gr.Tab, services: Services, label: Labels) -> None:
    """The tab's components and what they do."""
    replay = ReplayTab(services)

    def text(name: str) -> gr.Textbox:
        return gr.Textbox(label=label(f"console.replay.{name}"), max_length=100, elem_id=f"wc-replay-{name}")

    def choice(name: str) -> gr.Dropdown:
        return gr.Dropdown([], label=label(f"console.replay.{name}"), elem_id=f"wc-replay-{name}")

    def button(name: str, variant: Any = "secondary") -> gr.Button:
        return gr.Button(
            label(f"console.replay.{name}"), variant=variant, min_width=0, elem_id=f"wc-replay-{name}"
        )

    gr.Markdown(label("console.replay.intro"), elem_classes=["wc-note"])
    with gr.Row(elem_classes=["wc-bar"]):
        chosen = choice("set")
        refresh = gr.Button(label("console.refresh"), scale=0, min_width=110, elem_id="wc-replay-refresh")
    note = gr.Markdown(visible=False)
    table = gr.Dataframe(
        interactive=False, type="array", wrap=False, buttons=[], show_label=False, elem_id="wc-replay-runs"
    )
    gr.Markdown(label("replay.columns_are"), elem_classes=["wc-note"])
    with gr.Accordion(label("console.replay.new"), open=False, elem_id="wc-replay-new"):
        name = text("name")
        with gr.Row(elem_classes=["wc-bar"]):
            link, rating = choice("link"), choice("rating")
        every = gr.Checkbox(label=label("console.replay.every"), elem_id="wc-replay-every")
        with gr.Row(elem_classes=["wc-buttons"]):
            create = button("create", "primary")
    with gr.Accordion(label("console.replay.start_run"), open=False, elem_id="wc-replay-start_run"):
        with gr.Row(elem_classes=["wc-bar"]):
            model, template = choice("model"), choice("template")
        with gr.Row(elem_classes=["wc-bar"]):
            temperature, seed, run_name = text("temperature"), text("seed"), text("run_name")
        with gr.Row(elem_classes=["wc-buttons"]):
            start = button("start", "primary")
    with gr.Row(elem_classes=["wc-bar"]):
        run = choice("run")
    with gr.Row(elem_classes=["wc-buttons"]):
        cancel, retry, delete = button("cancel"), button("retry"), button("delete")
        as_file = button("report")
    with gr.Column(visible=False) as results:
        gr.Markdown(label("console.replay.compare"), elem_classes=["wc-heading"])
        with gr.Row(elem_classes=["wc-bar"]):
            left, right = choice("left"), choice("right")
        compared = gr.Markdown(latex_delimiters=[], elem_id="wc-replay-compared")
        pager = Pager(label, "replay")
        create_votes(services, label, chosen, left, right)
    timer = gr.Timer(REFRESH_SECONDS, active=False)

    outputs = [table, note, run, left, right, timer, results, as_file]
    choosing = [chosen, link, rating, model, template]
    show = handler("operator", replay.show)
    compare: Any = {"inputs": [chosen, left, right], "outputs": [compared, *pager.parts], **QUIET}
    gr.on(
        [page.load, tab.select, refresh.click], handler("operator", replay.choices), chosen, choosing, **QUIET
    ).success(show, chosen, outputs, **QUIET).success(handler("operator", replay.compare), **compare)
    chosen.input(show, chosen, outputs, **QUIET).success(handler("operator", replay.compare), **compare)
    for side in (left, right):
        side.input(handler("operator", replay.compare), **compare)
    for turn, method in ((pager.older, replay.older), (pager.newer, replay.newer)):
        turn.click(
            handler("operator", method), [pager.place, chosen, left, right], compare["outputs"], **QUIET
        )
    timer.tick(handler("operator", replay.tick), chosen, [table, timer], **QUIET)
    made = create.click(handler("operator", replay.create), [name, link, rating, every], chosen, **QUIET)
    begun = start.click(
        handler("operator", replay.start),
        [chosen, model, template, temperature, seed, run_name],
        None,
        **QUIET,
    )
    done = [
        made,
        begun,
        cancel.click(handler("operator", replay.cancel), run, None, **QUIET),
        retry.click(handler("operator", replay.retry), run, None, **QUIET),
        delete.click(handler("operator", replay.delete), chosen, None, **QUIET),
    ]
    for one in done:
        one.success(handler("operator", replay.choices), chosen, choosing, **QUIET).success(
            show, chosen, outputs, **QUIET
        ).success(handler("operator", replay.compare), **compare)


def _number(caller: Caller, name: str, value: object) -> float | int | None:
    text = value.strip() if isinstance(value, str) else ""
    if not text:
        return None
    try:
        return int(text) if name == "seed" else float(text)
    except ValueError:
        raise refuse(caller, "console.replay.bad_number", what=caller.t(f"console.replay.{name}")) from None


def _place(value: object) -> Place:
    return value if isinstance(value, Place) else FIRST


def is_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= 64


def checked(id: object) -> str:
    """Raises NotFound for what is no id."""
    if not is_id(id):
        raise NotFound("replay_set")
    return id
