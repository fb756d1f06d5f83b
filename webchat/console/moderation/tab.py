"""The tab's components and what they do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from webchat.api import Services
from webchat.console.asking import QUIET, Caller, handler, selecting
from webchat.console.labels import Labels
from webchat.console.moderation.log import DAYS, Decisions
from webchat.console.moderation.rules import Rules, example
from webchat.console.moderation.trial import MOST_LAST, MOST_RULES, MOST_TEXT, Trials
from webchat.console.moderation.words import ACTIONS, STAGES, action_name, stage_name

START = "webchat --moderation rules.toml"
TRIES_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Choices:
    """Those that have the reader's words: of a stage to try, of the log's filters, and of the days that are
    counted."""

    tried: gr.Dropdown
    stage: gr.Dropdown
    action: gr.Dropdown
    days: gr.Radio

    def all(self) -> list[Any]:
        return [self.tried, self.stage, self.action, self.days]


async def offer(caller: Caller) -> list[Any]:
    """The choices, in the order of `Choices`."""
    every = (caller.t("moderation.all"), "")
    stages = [(stage_name(caller, stage), stage) for stage in STAGES]
    actions = [(action_name(caller, action), action) for action in ACTIONS]
    days = [(caller.t("moderation.days", count=count), count) for count in DAYS]
    return [
        gr.Dropdown(choices=stages, value=STAGES[0]),
        gr.Dropdown(choices=[every, *stages], value=""),
        gr.Dropdown(choices=[every, *actions], value=""),
        gr.Radio(choices=days, value=DAYS[1]),
    ]


def create_moderation(page: gr.Blocks, tab: gr.Tab, services: Services, label: Labels) -> None:
    """The tab's components and what they do."""
    with gr.Tabs(elem_id="wc-moderation") as tabs:
        with gr.Tab(label("moderation.tab.rules"), id="rules"):
            copied = _create_rules(tab, services, label)
        with gr.Tab(label("moderation.tab.try"), id="try"):
            tried, rules = _create_trial(services, label)
        with gr.Tab(label("moderation.tab.log"), id="log") as logged:
            log = _create_log(services, label, logged)
        with gr.Tab(label("moderation.tab.counts"), id="counts") as counted:
            days = _create_counts(services, label, counted, [*log, tabs])
    choices = Choices(tried, log[1], log[2], days)
    page.load(handler("operator", offer), None, choices.all(), **QUIET)

    async def try_these(caller: Caller) -> list[Any]:
        """The example, as rules to try."""
        return [example(caller), gr.Tabs(selected="try")]

    copied.click(handler("operator", try_these), None, [rules, tabs], **QUIET)


def _create_rules(tab: gr.Tab, services: Services, label: Labels) -> gr.Button:
    """Returns the button that takes the example to where rules are tried."""
    lost = gr.Markdown(visible=False, elem_classes=["wc-warning"])
    table = gr.Dataframe(
        interactive=False, type="array", wrap=True, buttons=[], show_label=False, visible=False,
        max_height=700,
        column_widths=["170px", "100px", "150px", "270px", "190px", "170px"], elem_id="wc-moderation-rules",
    )  # fmt: skip
    with gr.Column(elem_classes=["wc-card"], visible=False, elem_id="wc-moderation-none") as none:
        gr.Markdown(label("moderation.off"))
        rules = gr.Code(
            label=label("moderation.step_write"), language=None, interactive=False, lines=12, buttons=["copy"]
        )
        gr.Code(
            START,
            label=label("moderation.step_start"),
            language="shell",
            interactive=False,
            lines=1,
            buttons=["copy"],
        )
        with gr.Row(elem_classes=["wc-buttons"]):
            button = gr.Button(label("moderation.try_these"), min_width=0)
    about = gr.Markdown(elem_classes=["wc-about"])
    show = handler("operator", Rules(services).show)
    tab.select(show, None, [lost, table, about, none, rules], **QUIET)
    return button


def _create_trial(services: Services, label: Labels) -> tuple[gr.Dropdown, gr.Textbox]:
    """Returns the stage and the rules to try."""
    trials = Trials(services)
    text = gr.Textbox(
        label=label("moderation.text"), placeholder=label("moderation.try_placeholder"),
        lines=5, max_lines=14, max_length=MOST_TEXT, elem_id="wc-moderation-text",
    )  # fmt: skip
    with gr.Row(elem_classes=["wc-bar"]):
        stage = gr.Dropdown(choices=[], label=label("moderation.stage"), elem_id="wc-moderation-stage")
        last = gr.Number(
            100, precision=0, minimum=1, maximum=MOST_LAST, label=label("moderation.last"),
            info=label("moderation.last_hint"), elem_id="wc-moderation-last",
        )  # fmt: skip
    with gr.Accordion(label("moderation.own_rules"), open=False, elem_id="wc-moderation-own"):
        rules = gr.Textbox(
            label=label("moderation.own_rules_label"), info=label("moderation.own_rules_hint"),
            lines=8, max_lines=20, max_length=MOST_RULES, elem_classes=["wc-mono"],
        )  # fmt: skip
    with gr.Row(elem_classes=["wc-buttons"]):
        run = gr.Button(label("moderation.run"), variant="primary", min_width=0, elem_id="wc-moderation-run")
        newest = gr.Button(label("moderation.run_last"), min_width=0, elem_id="wc-moderation-newest")
    gr.Markdown(label("moderation.nothing_kept"), elem_classes=["wc-note"])
    with gr.Column(elem_id="wc-moderation-result"):
        verdict = gr.Markdown()
        found = gr.HighlightedText(
            label=label("moderation.found_in"),
            show_label=False,
            visible=False,
            elem_id="wc-moderation-found",
        )
        result = gr.Textbox(visible=False, interactive=False, lines=2, max_lines=14, buttons=["copy"])
    options: Any = {
        "outputs": [verdict, found, result],
        "concurrency_limit": TRIES_AT_ONCE,
        "scroll_to_output": True,
        **QUIET,
    }
    run.click(handler("operator", trials.text), [text, stage, rules], **options)
    newest.click(handler("operator", trials.last), [last, stage, rules], **options)
    return stage, rules


def _create_log(services: Services, label: Labels, tab: gr.Tab) -> list[Any]:
    """Returns the filters: rule, stage, action and conversation."""
    decisions = Decisions(services)
    with gr.Row(elem_classes=["wc-bar"]):
        rule = gr.Dropdown(choices=[], label=label("moderation.column.rule"), elem_id="wc-moderation-rule")
        stage = gr.Dropdown(choices=[], label=label("moderation.column.stage"))
        action = gr.Dropdown(
            choices=[], label=label("moderation.column.action"), elem_id="wc-moderation-action"
        )
        conversation = gr.Textbox(label=label("moderation.conversation_id"), max_length=64)
    with gr.Row(elem_classes=["wc-buttons"]):
        refresh = gr.Button(label("console.refresh"), min_width=0)
        files = [
            gr.Button(
                label(f"moderation.{form}"), link=f"../api/moderation/decisions/export?format={form}",
                link_target="_self", min_width=0, elem_id=f"wc-moderation-{form}",
            )
            for form in ("csv", "jsonl")
        ]  # fmt: skip
    table = gr.Dataframe(
        interactive=False, type="array", buttons=[], show_label=False, visible=False,
        elem_id="wc-moderation-log",
    )  # fmt: skip
    none = gr.Markdown(visible=False, elem_classes=["wc-note"])
    older = gr.Button(label("moderation.older"), visible=False)
    with gr.Column(elem_classes=["wc-card"], visible=False, elem_id="wc-moderation-decision") as card:
        about = gr.Markdown()
        content = gr.Textbox(
            label=label("moderation.content"), lines=3, max_lines=10, interactive=False, visible=False
        )
    cursor = gr.State(None)

    filters = [rule, stage, action, conversation]
    shown = [table, none, cursor, older, card]
    show = handler("operator", decisions.show)
    first: Any = {"inputs": filters, "outputs": [*shown, *files], **QUIET}
    gr.on([tab.select, refresh.click], handler("operator", decisions.rules), rule, rule, **QUIET).success(
        show, **first
    )
    gr.on([rule.input, stage.input, action.input, conversation.submit], show, **first)
    older.click(handler("operator", decisions.older), [cursor, *filters], shown, **QUIET)
    described: Any = {"outputs": [card, about, content], "scroll_to_output": True, **QUIET}
    table.select(selecting("operator", decisions.about), None, **described)
    return filters


def _create_counts(services: Services, label: Labels, tab: gr.Tab, log: list[Any]) -> gr.Radio:
    """log: its filters, and the tabs. Returns the choice of days."""
    decisions = Decisions(services)
    days = gr.Radio(choices=list(DAYS), value=DAYS[1], label=label("moderation.range"))
    lead = gr.Markdown(elem_classes=["wc-note"])
    table = gr.Dataframe(
        interactive=False, type="array", buttons=[], show_label=False, visible=False,
        elem_id="wc-moderation-counts",
    )  # fmt: skip
    gr.on([tab.select, days.input], handler("operator", decisions.counts), days, [lead, table], **QUIET)
    table.select(selecting("operator", decisions.in_log), None, log, **QUIET)
    return days
