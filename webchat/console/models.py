"""The tab of models: what is configured, and how each is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import gradio as gr

from backends.errors import BackendError
from webchat.api import Services
from webchat.console.asking import QUIET, Caller, handler, selecting
from webchat.console.chat_templates import create_chat_template, find_model
from webchat.console.labels import Labels
from webchat.console.paging import create_table
from webchat.console.servers import create_servers
from webchat.console.times import plain
from webchat.models.specs import ModelInfo

REFRESH_SECONDS = 5
_LOOK_SECONDS = 0.5
_LOAD_SECONDS = 2.0
COLUMNS = ("name", "status", "memory", "context", "place", "source")


class ModelTab:
    """The handlers. Each returns new values of components, in the order in which it is bound to them."""

    def __init__(self, services: Services) -> None:
        self._models = services.models
        self._loading: set[asyncio.Task[Any]] = set()

    async def show(self, caller: Caller) -> tuple[gr.Dataframe, gr.Dropdown]:
        """The table and the choice of a model."""
        await self._models.look(_LOOK_SECONDS)
        infos = self._models.infos()
        headers = [caller.t(f"console.models.{name}") for name in COLUMNS]
        rows = [self._row(caller, info) for info in infos]
        return gr.Dataframe(rows, headers=headers, visible=True), gr.Dropdown(choices=_names(infos))

    async def named(self, caller: Caller) -> Any:
        """The model that the page's address names, as the choice."""
        name = caller.request.query_params.get("model")
        names = _names(self._models.infos())
        return gr.Dropdown(choices=names, value=name) if name in names else gr.skip()

    async def tick(self, caller: Caller) -> Any:
        return (await self.show(caller))[0]

    async def chosen(self, caller: Caller, row: list[object]) -> gr.Dropdown:
        """The model in a row of the table, as the choice."""
        name = self._found(caller, row[0] if row else None).name
        return gr.Dropdown(choices=[name], value=name)

    async def about(self, caller: Caller, name: str | None) -> gr.Markdown:
        """What is wrong with the model, if anything."""
        if not name:
            return gr.Markdown(visible=False)
        info = self._found(caller, name)
        failure = info.failure
        said = caller.t("console.models.fine") if failure is None else f"{failure} {failure.cure}"
        return gr.Markdown(f"**{plain(info.name)}** · {plain(said)}", visible=True)

    async def load(self, caller: Caller, name: str | None) -> gr.Markdown:
        """Load a model, or ask an endpoint again; it goes on after the answer."""
        info = self._found(caller, name)
        task = asyncio.create_task(self._ready(info.name), name="load model")
        self._loading.add(task)
        task.add_done_callback(self._loading.discard)
        await asyncio.wait({task}, timeout=_LOAD_SECONDS)
        return await self.about(caller, info.name)

    async def _ready(self, name: str) -> None:
        try:
            await self._models.retry(name)
            await self._models.ready(name)
        except BackendError:
            return  # it is shown with the model

    def _found(self, caller: Caller, name: object) -> ModelInfo:
        return find_model(self._models, caller, name)

    def _row(self, caller: Caller, info: ModelInfo) -> list[str]:
        status = caller.t(f"console.models.is_{'unlisted' if info.unlisted else info.status}")
        if info.eta_seconds is not None:
            status = caller.t("console.models.loading_for", status=status, seconds=round(info.eta_seconds))
        able = info.capabilities
        context = "" if able is None or able.context_length is None else f"{able.context_length:,}"
        place = "here" if info.in_process or info.kind == "function" else "elsewhere"
        memory = "" if info.memory is None else f"{info.memory / 1e9:.1f} GB"
        return [info.name, status, memory, context, caller.t(f"console.models.{place}"), info.source]


def _names(infos: Iterable[ModelInfo]) -> list[str]:
    """Of those that can be chosen."""
    return [info.name for info in infos if not info.unlisted]


def create_models(page: gr.Blocks, tab: gr.Tab, services: Services, label: Labels) -> gr.Timer:
    """The tab's components and what they do."""
    models = ModelTab(services)
    table = create_table("wc-models-table")
    with gr.Column(elem_classes=["wc-card"]):
        model = gr.Dropdown(choices=[], label=label("console.models.model"), elem_id="wc-models-model")
        about = gr.Markdown(visible=False)
        with gr.Row(elem_classes=["wc-buttons"]):
            load = gr.Button(label("console.models.load"), min_width=0, elem_id="wc-models-load")
    create_servers(services, label)
    create_chat_template(services, label, model)
    gr.Markdown(label("console.models.elsewhere_edited"), elem_classes=["wc-note"])

    show = handler("operator", models.show)
    page.load(handler("operator", models.named), None, model, **QUIET)
    tab.select(show, None, [table, model], **QUIET)
    timer = gr.Timer(REFRESH_SECONDS, active=False)
    timer.tick(handler("operator", models.tick), None, [table], **QUIET)
    chosen = table.select(selecting("operator", models.chosen), None, model, **QUIET)
    chosen.success(show, None, [table, model], **QUIET)
    model.change(handler("operator", models.about), model, about, **QUIET)
    load.click(handler("operator", models.load), model, about, **QUIET).success(
        show, None, [table, model], **QUIET
    )
    return timer
