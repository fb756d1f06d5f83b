"""The operator's console: one page with tabs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import gradio as gr

from webchat.api import Services
from webchat.console.asking import QUIET, Caller, Method, handler
from webchat.console.feedback import create_feedback
from webchat.console.health import create_health
from webchat.console.labels import Labels
from webchat.console.links import create_links
from webchat.console.models import create_models
from webchat.console.moderation import create_moderation
from webchat.console.people import create_people
from webchat.console.programs import create_keys, create_webhooks
from webchat.console.replay import create_replay
from webchat.console.testers import create_testers
from webchat.console.training import create_training
from webchat.ui.gradio_page import built

PATH = "/operator"

TABS: dict[str, Callable[[gr.Blocks, gr.Tab, Services, Labels], gr.Timer | None]] = {
    "people": create_people,
    "links": create_links,
    "testers": create_testers,
    "feedback": create_feedback,
    "training": create_training,
    "replay": create_replay,
    "models": create_models,
    "moderation": create_moderation,
    "keys": create_keys,
    "webhooks": create_webhooks,
    "health": create_health,
}
"""What makes each tab's components. A tab is filled when it is selected, as the first is when the page opens:
each event costs Gradio a search through all components. A timer that it returns, made inactive, runs while
the tab is open."""

IN_TURN: Any = {**QUIET, "concurrency_id": "opened tabs", "concurrency_limit": 1}
"""Of what follows which tab is open: the tab selected last is answered last."""


async def tab_wanted(caller: Caller) -> Any:
    """The tab that the page's address names, `operator/?tab=models`. The page selects it, which starts its
    timer."""
    name = caller.request.query_params.get("tab")
    return gr.Tabs(selected=name) if name in TABS else gr.skip()


def opened(timed: Collection[str], name: str) -> Method:
    """A handler that answers with the timers, for a page on which that tab was opened."""

    async def tab_opened(_caller: Caller) -> list[Any]:
        """Only the open tab's timer runs: nobody sees the others' tables."""
        return [gr.Timer(active=name == one) for one in timed]

    tab_opened.__name__ = f"open_{name}"
    return tab_opened


def create_console(services: Services) -> tuple[gr.Blocks, frozenset[str]]:
    """The console's Blocks, and the keys of their labels. Builds components only."""
    label = Labels()

    def build() -> gr.Blocks:
        page: gr.Blocks
        with gr.Blocks(title="webchat", analytics_enabled=False) as page, gr.Column(elem_id="wc-console"):
            with gr.Row(elem_id="wc-console-head"):
                gr.Markdown(label("console.title"), elem_id="wc-console-title")
                gr.Button(label("console.chat"), link="../", link_target="_self", elem_id="wc-console-chat")
            with gr.Tabs(elem_id="wc-console-tabs") as tabs:
                made: dict[str, gr.Tab] = {}
                timers: dict[str, gr.Timer] = {}
                for name, create in TABS.items():
                    with gr.Tab(label(f"console.{name}"), id=name) as made[name]:
                        timer = create(page, made[name], services, label)
                    if timer is not None:
                        timers[name] = timer
            page.load(handler("operator", tab_wanted), None, tabs, **QUIET)
            for name, tab in made.items():
                tab.select(handler("operator", opened(timers, name)), None, [*timers.values()], **IN_TURN)
        return page

    return built(build), label.keys
