"""The operator's console: one page with tabs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import gradio as gr

from webchat.api import Services
from webchat.console.asking import QUIET, Caller, Method, handler, selecting
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


def wanted(timed: Collection[str]) -> Method:
    """A handler that answers with the tab that the page's address names, `operator/?tab=models`, and the
    timers of the tabs that have one."""

    async def tab_wanted(caller: Caller) -> list[Any]:
        """Stops no timer: it may come after another tab was opened."""
        name = caller.request.query_params.get("tab")
        tabs = gr.Tabs(selected=name) if name in TABS else gr.skip()
        return [tabs, *(gr.Timer(active=True) if one == name else gr.skip() for one in timed)]

    return tab_wanted


def opened(timed: Collection[str]) -> Method:
    """A handler that answers with the timers, for a page on which a tab was opened."""

    async def open_tab(_caller: Caller, name: object) -> list[Any]:
        """Only the open tab's timer runs: nobody sees the others' tables."""
        return [gr.Timer(active=one == name) for one in timed]

    return open_tab


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
                timers: dict[str, gr.Timer] = {}
                for name, create in TABS.items():
                    with gr.Tab(label(f"console.{name}"), id=name) as tab:
                        timer = create(page, tab, services, label)
                    if timer is not None:
                        timers[name] = timer
            running = [*timers.values()]
            page.load(handler("operator", wanted(timers)), None, [tabs, *running], **QUIET)
            # The event of all tabs, not of each: Gradio's page runs a tab's listeners one after the other, so
            # this one would wait for the tab's list and could be overtaken by the next tab's. With one call
            # at a time, answers come in the order of the clicks.
            chosen = selecting("operator", opened(timers), lambda chosen: getattr(chosen, "id", None))
            tabs.select(chosen, None, running, trigger_mode="multiple", concurrency_limit=1, **QUIET)
        return page

    return built(build), label.keys
