"""The components of the tab, and what they do."""

from __future__ import annotations

from typing import Any

import gradio as gr

from webchat.api import Services
from webchat.console.asking import QUIET, handler
from webchat.console.labels import Labels
from webchat.console.paging import Pager
from webchat.console.replay.choosing import create_fields
from webchat.console.replay.sets import Sets
from webchat.console.replay.side_by_side import SideBySide
from webchat.console.replay.votes import create_votes

REFRESH_SECONDS = 3


def create_replay(page: gr.Blocks, tab: gr.Tab, services: Services, label: Labels) -> None:
    """The tab's components and what they do."""
    sets, side_by_side = Sets(services), SideBySide(services)

    def text(name: str) -> gr.Textbox:
        return gr.Textbox(label=label(f"console.replay.{name}"), max_length=100, elem_id=f"wc-replay-{name}")

    def choice(name: str, first: str | None = None) -> gr.Dropdown:
        choices = [] if first is None else [(label(first), "")]
        return gr.Dropdown(choices, label=label(f"console.replay.{name}"), elem_id=f"wc-replay-{name}")

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
        filters, checks = create_fields(label)
        every = gr.Checkbox(label=label("console.replay.every"), elem_id="wc-replay-every")
        with gr.Row(elem_classes=["wc-buttons"]):
            create = button("create", "primary")
    with gr.Accordion(label("console.replay.start_run"), open=False, elem_id="wc-replay-start_run"):
        with gr.Row(elem_classes=["wc-bar"]):
            model, template = choice("model"), choice("template", "console.replay.keep_prompt")
        with gr.Row(elem_classes=["wc-bar"]):
            temperature, seed, run_name = text("temperature"), text("seed"), text("run_name")
        with gr.Row(elem_classes=["wc-buttons"]):
            start = button("start", "primary")
    with gr.Row(elem_classes=["wc-buttons"]):
        delete = button("delete")
    with gr.Column(visible=False) as results:
        with gr.Row(elem_classes=["wc-bar"]):
            run = choice("run")
        with gr.Row(elem_classes=["wc-buttons"]):
            cancel, retry, as_file = button("cancel"), button("retry"), button("report")
        gr.Markdown(label("console.replay.compare"), elem_classes=["wc-heading"])
        with gr.Row(elem_classes=["wc-bar"]):
            left, right = choice("left"), choice("right")
        compared = gr.Markdown(latex_delimiters=[], elem_id="wc-replay-compared")
        pager = Pager(label, "replay", "console.replay.previous", "console.replay.following")
        create_votes(services, label, chosen, left, right)
    timer = gr.Timer(REFRESH_SECONDS, active=False)
    computed = gr.State(None)

    outputs = [table, note, run, left, right, timer, results, as_file, computed]
    choosing = [chosen, *filters[:4], model, template]
    show = handler("operator", sets.show)
    compare: Any = {"inputs": [chosen, left, right], "outputs": [compared, *pager.parts], **QUIET}
    gr.on(
        [page.load, tab.select, refresh.click], handler("operator", sets.choices), chosen, choosing, **QUIET
    ).success(show, chosen, outputs, **QUIET).success(handler("operator", side_by_side.compare), **compare)
    chosen.input(show, chosen, outputs, **QUIET).success(handler("operator", side_by_side.compare), **compare)
    for side in (left, right):
        side.input(handler("operator", side_by_side.compare), **compare)
    for turn, method in ((pager.older, side_by_side.older), (pager.newer, side_by_side.newer)):
        turn.click(
            handler("operator", method), [pager.place, chosen, left, right], compare["outputs"], **QUIET
        )
    timer.tick(handler("operator", sets.tick), [chosen, computed], [table, timer, computed], **QUIET)
    made = create.click(handler("operator", sets.create), [name, every, *filters, *checks], chosen, **QUIET)
    begun = start.click(
        handler("operator", sets.start),
        [chosen, model, template, temperature, seed, run_name],
        None,
        **QUIET,
    )
    done = [
        made,
        begun,
        cancel.click(handler("operator", sets.cancel), run, None, **QUIET),
        retry.click(handler("operator", sets.retry), run, None, **QUIET),
        delete.click(handler("operator", sets.delete), chosen, None, **QUIET),
    ]
    for one in done:
        one.success(handler("operator", sets.choices), chosen, choosing, **QUIET).success(
            show, chosen, outputs, **QUIET
        ).success(handler("operator", side_by_side.compare), **compare)
