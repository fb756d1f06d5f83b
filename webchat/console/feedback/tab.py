"""The components of the tab, and what they do."""

from __future__ import annotations

from typing import Any

import gradio as gr

from webchat.api import Services
from webchat.console.asking import QUIET, handler, selecting
from webchat.console.feedback.filters import Choices, create_filters
from webchat.console.feedback.judgement import Card, OneJudgement
from webchat.console.feedback.results import ModelResults, create_results
from webchat.console.feedback.reviewing import create_queues
from webchat.console.feedback.table import Judgements
from webchat.console.feedback.votes import create_votes
from webchat.console.labels import Labels
from webchat.console.paging import Pager, create_table


def create_feedback(_page: gr.Blocks, tab: gr.Tab, services: Services, label: Labels) -> None:
    """The tab's components and what they do."""
    judgements, choices = Judgements(services), Choices(services)
    judging, by_model = OneJudgement(services), ModelResults(services)
    filters, days, refresh = create_filters(label)
    note, counted = gr.Markdown(visible=False), gr.Markdown(visible=False, elem_id="wc-feedback-count")
    table = create_table("wc-feedback-table")
    pager = Pager(label, "feedback")
    seen, chosen, seen_one = gr.State({}), gr.State(None), gr.State({})
    with gr.Row(elem_classes=["wc-buttons"], visible=False) as all_shown:
        accept_all, reject_all = (
            gr.Button(label(f"console.feedback.{name}"), min_width=0, elem_id=f"wc-feedback-{name}")
            for name in ("accept_all", "reject_all")
        )
    with gr.Row(elem_classes=["wc-buttons"], visible=False) as undoing:
        undo = gr.Button(label("console.feedback.undo"), min_width=0, elem_id="wc-feedback-undo")
    last = gr.State(None)
    one = Card(label)
    expanded, drawn, unit, results = create_results(label)
    create_votes(services, label)
    create_queues(services, label)

    outputs = [table, note, seen, all_shown, *pager.parts, counted]
    wanted = [*filters, *days]
    shows: Any = {"inputs": wanted, "outputs": outputs, **QUIET}
    show = handler("operator", judgements.show)
    gr.on([tab.select, refresh.click], handler("operator", choices.choices), None, filters, **QUIET)
    gr.on(
        [tab.select, refresh.click, *(one.input for one in filters), *(one.change for one in days)],
        show,
        **shows,
    )
    for button, turn in ((pager.older, judgements.older), (pager.newer, judgements.newer)):
        button.click(handler("operator", turn), [pager.place, *wanted], outputs, **QUIET)
    read: Any = {"inputs": chosen, "outputs": [*one.parts, seen_one], **QUIET}
    # Also the same one again, which may have changed.
    table.select(selecting("operator", judgements.chosen), None, chosen, **QUIET).success(
        handler("operator", judging.read), **read
    )
    for name, button in one.buttons.items():
        given = [seen_one, one.better] if name == "edit" else [seen_one]
        done = button.click(handler("operator", getattr(judging, name)), given, [last, undoing], **QUIET)
        done.success(show, **shows)
    for button, method in ((accept_all, judgements.accept_all), (reject_all, judgements.reject_all)):
        button.click(handler("operator", method), seen, [last, undoing], **QUIET).success(show, **shows)
    undone = undo.click(handler("operator", judgements.undo_review), last, [last, undoing], **QUIET)
    undone.success(show, **shows)
    expanded.expand(handler("operator", by_model.plot), None, drawn, **QUIET)
    gr.on([expanded.expand, unit.input], handler("operator", by_model.results), unit, results, **QUIET)
