"""The components of the tab, and what they do."""

from __future__ import annotations

from typing import Any

import gradio as gr

from webchat.api import Services
from webchat.console.asking import QUIET, handler
from webchat.console.confirming import Question
from webchat.console.labels import Labels
from webchat.console.paging import Pager, create_table
from webchat.console.replay.choosing import create_fields
from webchat.console.replay.sets import Sets
from webchat.console.replay.side_by_side import SideBySide
from webchat.console.replay.votes import create_votes
from webchat.feedback.replay.judging import PROMPT_CHARS

REFRESH_SECONDS = 3


class Maker:
    """Makes components with the tab's labels and ids."""

    def __init__(self, label: Labels) -> None:
        self.label = label

    def text(self, name: str) -> gr.Textbox:
        return gr.Textbox(
            label=self.label(f"console.replay.{name}"), max_length=100, elem_id=f"wc-replay-{name}"
        )

    def choice(self, name: str, first: str | None = None) -> gr.Dropdown:
        choices = [] if first is None else [(self.label(first), "")]
        return gr.Dropdown(choices, label=self.label(f"console.replay.{name}"), elem_id=f"wc-replay-{name}")

    def button(self, name: str, variant: Any = "secondary") -> gr.Button:
        text = self.label(f"console.replay.{name}")
        return gr.Button(text, variant=variant, min_width=0, elem_id=f"wc-replay-{name}")


class NewSet:
    """The form of a new set. fields: what `Sets.create` takes."""

    def __init__(self, make: Maker) -> None:
        label = make.label
        with gr.Accordion(label("console.replay.new"), open=False, elem_id="wc-replay-new"):
            name = make.text("name")
            self.filters, checks = create_fields(label)
            every = gr.Checkbox(label=label("console.replay.every"), elem_id="wc-replay-every")
            with gr.Row(elem_classes=["wc-buttons"]):
                self.create = make.button("create", "primary")
        self.fields = [name, every, *self.filters, *checks]


class NewRun:
    """The form of a new run. fields: what `Sets.start` takes, after the set."""

    def __init__(self, make: Maker) -> None:
        label = make.label("console.replay.start_run")
        with gr.Accordion(label, open=False, elem_id="wc-replay-start_run"):
            with gr.Row(elem_classes=["wc-bar"]):
                self.model = make.choice("model")
                self.template = make.choice("template", "console.replay.keep_prompt")
            with gr.Row(elem_classes=["wc-bar"]):
                texts = [make.text(name) for name in ("temperature", "seed", "run_name")]
            with gr.Row(elem_classes=["wc-buttons"]):
                self.start = make.button("start", "primary")
        self.fields = [self.model, self.template, *texts]


class Judges:
    """The form of a set's judges. fields: what `Sets.judge_replies` takes, after the set."""

    def __init__(self, make: Maker) -> None:
        label = make.label
        with gr.Accordion(label("console.replay.judge"), open=False, elem_id="wc-replay-judge"):
            gr.Markdown(label("console.replay.judge_is"), elem_classes=["wc-note"])
            with gr.Row(elem_classes=["wc-bar"]):
                self.chosen = make.choice("which_judge", "console.replay.new_judge")
                name, model = make.text("judge_name"), make.choice("judge_model")
            prompt = gr.Textbox(
                label=label("console.replay.judge_prompt"),
                lines=10,
                max_lines=24,
                max_length=PROMPT_CHARS,
                elem_id="wc-replay-judge_prompt",
            )
            with gr.Row(elem_classes=["wc-buttons"]):
                self.start = make.button("judge_replies", "primary")
                self.stop = make.button("stop_judging")
        self.fields = [name, model, prompt]


class Results:
    """The runs of a set, and two of them side by side."""

    def __init__(self, make: Maker, services: Services, chosen: gr.Dropdown) -> None:
        label = make.label
        with gr.Column(visible=False) as self.column:
            with gr.Row(elem_classes=["wc-bar"]):
                self.run = make.choice("run")
            with gr.Row(elem_classes=["wc-buttons"]):
                self.cancel, self.retry = make.button("cancel"), make.button("retry")
                self.as_file = make.button("report")
            gr.Markdown(label("console.replay.compare"), elem_classes=["wc-heading"])
            with gr.Row(elem_classes=["wc-bar"]):
                self.left, self.right = make.choice("left"), make.choice("right")
            self.compared = gr.Markdown(latex_delimiters=[], elem_id="wc-replay-compared")
            self.pager = Pager(label, "replay", "console.replay.previous", "console.replay.following")
            create_votes(services, label, chosen, self.left, self.right)


def create_replay(_page: gr.Blocks, tab: gr.Tab, services: Services, label: Labels) -> None:
    """The tab's components and what they do."""
    sets, side_by_side, make = Sets(services), SideBySide(services), Maker(label)
    gr.Markdown(label("console.replay.intro"), elem_classes=["wc-note"])
    with gr.Row(elem_classes=["wc-bar"]):
        chosen = make.choice("set")
        refresh = gr.Button(label("console.refresh"), scale=0, min_width=110, elem_id="wc-replay-refresh")
    note = gr.Markdown(visible=False)
    new_set = NewSet(make)
    with gr.Column(visible=False) as with_set:
        table = create_table("wc-replay-runs")
        gr.Markdown(label("replay.columns_are"), elem_classes=["wc-note"])
        judged = create_table("wc-replay-judged")
        judged_note = gr.Markdown(label("replay.judge.columns_are"), visible=False, elem_classes=["wc-note"])
        new_run, judge = NewRun(make), Judges(make)
        with gr.Row(elem_classes=["wc-buttons"]):
            delete = make.button("delete")
        deletion = Question(label, "replay", "console.replay.delete_really", chosen)
        results = Results(make, services, chosen)
    timer = gr.Timer(REFRESH_SECONDS, active=False)
    computed = gr.State(None)

    left, right, pager = results.left, results.right, results.pager
    outputs = [table, note, results.run, left, right, timer, results.column, results.as_file]
    outputs += [with_set, judged, judged_note, judge.chosen, *judge.fields, judge.stop, computed]
    choosing = [chosen, *new_set.filters[:4], new_run.model, new_run.template]
    show, choose = handler("operator", sets.show), handler("operator", sets.choices)
    side: Any = {"inputs": [chosen, left, right], "outputs": [results.compared, *pager.parts], **QUIET}
    compare = handler("operator", side_by_side.compare)
    gr.on([tab.select, refresh.click], choose, chosen, choosing, **QUIET).success(
        show, chosen, outputs, **QUIET
    ).success(compare, **side)
    judge.chosen.input(
        handler("operator", sets.judge_of), [chosen, judge.chosen], [*judge.fields, judge.stop], **QUIET
    )
    chosen.input(show, chosen, outputs, **QUIET).success(compare, **side)
    for changed in (left, right):
        changed.input(compare, **side)
    for turn, method in ((pager.older, side_by_side.older), (pager.newer, side_by_side.newer)):
        turn.click(handler("operator", method), [pager.place, chosen, left, right], side["outputs"], **QUIET)
    delete.click(handler("operator", sets.ask_delete), chosen, deletion.parts, **QUIET)
    timer.tick(handler("operator", sets.tick), [chosen, computed], [table, note, timer, computed], **QUIET)
    for done in (
        new_set.create.click(handler("operator", sets.create), new_set.fields, chosen, **QUIET),
        new_run.start.click(handler("operator", sets.start), [chosen, *new_run.fields], None, **QUIET),
        judge.start.click(handler("operator", sets.judge_replies), [chosen, *judge.fields], None, **QUIET),
        judge.stop.click(handler("operator", sets.stop_judging), [chosen, judge.chosen], None, **QUIET),
        results.cancel.click(handler("operator", sets.cancel), results.run, None, **QUIET),
        results.retry.click(handler("operator", sets.retry), results.run, None, **QUIET),
        deletion.yes.click(handler("operator", sets.delete), deletion.about, None, **QUIET),
    ):
        done.success(choose, chosen, choosing, **QUIET).success(show, chosen, outputs, **QUIET).success(
            compare, **side
        )
