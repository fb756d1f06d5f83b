"""The operator's console: one page with tabs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from webchat.api import Services
from webchat.console.asking import QUIET, Caller, handler
from webchat.console.feedback import create_feedback
from webchat.console.health import create_health
from webchat.console.labels import Labels
from webchat.console.links import create_links
from webchat.console.models import create_models
from webchat.console.moderation import create_moderation
from webchat.console.people import create_people
from webchat.console.replay import create_replay
from webchat.console.testers import create_testers
from webchat.console.training import create_training
from webchat.ui.gradio_page import built

PATH = "/operator"

TABS: dict[str, Callable[[gr.Blocks, gr.Tab, Services, Labels], None]] = {
    "people": create_people,
    "links": create_links,
    "testers": create_testers,
    "feedback": create_feedback,
    "training": create_training,
    "replay": create_replay,
    "models": create_models,
    "moderation": create_moderation,
    "health": create_health,
}


async def wanted(caller: Caller) -> Any:
    """The tab that the page's address names: `operator/?tab=models`."""
    name = caller.request.query_params.get("tab")
    return gr.Tabs(selected=name) if name in TABS else gr.skip()


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
                for name, create in TABS.items():
                    with gr.Tab(label(f"console.{name}"), id=name) as tab:
                        create(page, tab, services, label)
            page.load(handler("operator", wanted), None, tabs, **QUIET)
        return page

    return built(build), label.keys
