"""The tab of trainings: what runs, how the losses go, and what came of it."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import gradio as gr

from webchat.api import Services
from webchat.console.asking import QUIET, Caller, handler, refuse, selecting, tell
from webchat.console.confirming import Question, asked
from webchat.console.exporting import create_exporting
from webchat.console.labels import Labels
from webchat.console.paging import create_table
from webchat.console.times import moment, plain
from webchat.feedback.finetuning import ADAPTER_LEARNING_RATES, Method, Words, curves
from webchat.feedback.jobs import Refused, Training, Trainings
from webchat.feedback.jobs.trainings import MOST_EPOCHS, MOST_ROWS
from webchat.store.errors import NotFound

REFRESH_SECONDS = 5
COLUMNS = ("name", "method", "model", "state", "progress", "held_out", "when")
BUTTONS = ("cancel", "resume", "delete")
METHODS: tuple[Method, ...] = tuple(ADAPTER_LEARNING_RATES)


class TrainingTab:
    """The handlers. Each returns new values of components, in the order in which it is bound to them."""

    def __init__(self, trainings: Trainings) -> None:
        self._trainings = trainings

    async def show(self, caller: Caller) -> list[Any]:
        """The table."""
        listed = await asyncio.to_thread(self._trainings.listed)
        headers = [caller.t(f"console.training.{name}") for name in COLUMNS]
        rows = [self._row(caller, one) for one in listed]
        return [
            gr.Dataframe(rows, headers=headers, visible=bool(rows)),
            gr.Markdown(caller.t("console.training.none"), visible=not rows),
        ]

    async def models(self, caller: Caller) -> list[Any]:
        """What can be trained from here."""
        names = list(await asyncio.to_thread(self._trainings.models))
        return [
            gr.Dropdown(names, value=names[0] if names else None),
            gr.Markdown(caller.t("console.training.no_models"), visible=not names),
        ]

    async def chosen(self, caller: Caller, row: Sequence[object]) -> str:
        """The name in a row of the table."""
        return (await self._found(row[0] if row else None)).name

    async def read(self, caller: Caller, name: object) -> list[Any]:
        """The training that was chosen: its facts, its curves, and what can be done."""
        if not name:
            return [gr.Column(visible=False), "", "", *(gr.Button(visible=False) for _ in BUTTONS)]
        try:
            one = await self._found(name)
        except NotFound:  # it was given up
            return await self.read(caller, "")
        words = Words(
            training=caller.t("console.training.curve.training"),
            held_out=caller.t("console.training.curve.held_out"),
            epochs=caller.t("console.training.curve.epochs"),
            title=caller.t("console.training.curve.title", name=one.name),
        )
        drawn = _picture(curves(one.points, words, epochs=one.epochs), words.title) if one.points else ""
        return [
            gr.Column(visible=True),
            self._about(caller, one),
            drawn,
            gr.Button(visible=one.state == "running"),
            gr.Button(visible=one.state in ("stopped", "failed") and bool(one.points)),
            gr.Button(visible=one.state in ("stopped", "failed", "done")),
        ]

    async def cancel(self, caller: Caller, name: object) -> None:
        """End it."""
        await self._do(caller, lambda: self._trainings.cancel(_text(name)))
        tell(caller, "console.training.told.cancelled")

    async def resume(self, caller: Caller, name: object) -> None:
        """Go on from its last checkpoint."""
        await self._do(caller, lambda: self._trainings.resume(_text(name)))
        tell(caller, "console.training.told.resumed")

    async def ask_delete(self, caller: Caller, name: object) -> list[Any]:
        """What would be deleted, and the button that does."""
        one = await self._found(name)
        words = caller.t("console.training.delete_is", name=plain(one.name))
        return asked(one.name, words)

    async def delete(self, caller: Caller, name: object) -> str:
        """Delete it; nothing is chosen from then on."""
        one = await self._found(name)
        try:
            await asyncio.to_thread(self._trainings.delete, one.name)
        except Refused as error:
            raise refuse(caller, f"console.training.no.{error.reason}") from None
        tell(caller, "console.training.told.deleted")
        return ""

    async def begin(self, caller: Caller, name: object, method: object, model: object, epochs: object) -> str:
        """Train an adapter; its name."""
        if method not in METHODS:
            raise refuse(caller, "console.training.no.method")
        models = await asyncio.to_thread(self._trainings.models)
        wanted, way = _text(name).strip(), METHODS[METHODS.index(method)]
        count = int(epochs) if isinstance(epochs, int | float) and epochs == epochs // 1 else 0
        await self._do(caller, lambda: self._trainings.begin(wanted, way, _text(model), count, models))
        tell(caller, "console.training.told.begun")
        return wanted

    async def _do(self, caller: Caller, what: Callable[[], None]) -> None:
        try:
            what()
        except Refused as error:
            raise refuse(caller, f"console.training.no.{error.reason}") from None

    async def _found(self, name: object) -> Training:
        """Raises `NotFound`."""
        listed = await asyncio.to_thread(self._trainings.listed)
        found = next((one for one in listed if one.name == name), None)
        if found is None:
            raise NotFound("training")
        return found

    def _row(self, caller: Caller, one: Training) -> list[str]:
        return [
            one.name,
            one.method,
            one.model or caller.t("console.training.fresh"),
            caller.t(f"console.training.is.{one.state}"),
            self._progress(caller, one),
            "" if one.held_out is None else f"{one.held_out:.3f}",
            moment(caller, datetime.fromisoformat(one.made_at)) if one.made_at else "",
        ]

    def _progress(self, caller: Caller, one: Training) -> str:
        share = round(100 * one.done)
        if one.left is not None:
            minutes = max(1, round(one.left / 60))
            return caller.t("console.training.left", share=share, minutes=minutes)
        return "" if one.state == "done" else caller.t("console.training.share", share=share)

    def _about(self, caller: Caller, one: Training) -> str:
        parts = [
            one.name,
            one.method,
            one.model or caller.t("console.training.fresh"),
            caller.t(f"console.training.is.{one.state}"),
            self._progress(caller, one),
        ]
        told = [" · ".join(plain(part) for part in parts if part)]
        facts = []
        if one.held_out is not None:
            facts.append(caller.t("console.training.best", loss=f"{one.held_out:.3f}"))
        if one.perplexity is not None:
            facts.append(caller.t("console.training.perplexity", perplexity=f"{one.perplexity:.1f}"))
        told.append(" · ".join(facts))
        if one.too_many:
            rows, most = f"{one.too_many:,}", f"{MOST_ROWS:,}"
            told.append(caller.t("console.training.too_many", rows=rows, most=most))
        told.append(plain(one.failure))
        return "\n\n".join(filter(None, told))


def create_training(_page: gr.Blocks, tab: gr.Tab, services: Services, label: Labels) -> gr.Timer | None:
    """The tab's components and what they do."""
    gr.Markdown(label("console.training.intro"), elem_classes=["wc-note"])
    create_exporting(services, label)
    if services.trainings is None:
        return None
    trains = TrainingTab(services.trainings)
    form = _Form(label)
    refresh = gr.Button(label("console.refresh"), scale=0, min_width=110, elem_id="wc-training-refresh")
    note = gr.Markdown(visible=False)
    table = create_table("wc-training-table")
    chosen = gr.State("")
    with gr.Column(elem_classes=["wc-card"], visible=False, elem_id="wc-training-one") as card:
        about = gr.Markdown()
        drawn = gr.Markdown(elem_id="wc-training-curves")
        gr.Markdown(label("console.training.curves_are"), elem_classes=["wc-note"])
        with gr.Row(elem_classes=["wc-buttons"]):
            cancel, resume, remove = (
                gr.Button(
                    label(f"console.training.{name}"),
                    visible=False,
                    min_width=0,
                    elem_id=f"wc-training-{name}",
                )
                for name in BUTTONS
            )
        deletion = Question(label, "training", "console.training.delete_really", chosen)
    listing: Any = {"inputs": None, "outputs": [table, note], **QUIET}
    reading: Any = {"inputs": chosen, "outputs": [card, about, drawn, cancel, resume, remove], **QUIET}
    show, read = handler("operator", trains.show), handler("operator", trains.read)
    timer = gr.Timer(REFRESH_SECONDS, active=False)
    gr.on([tab.select, refresh.click, timer.tick], show, **listing)
    gr.on([refresh.click, timer.tick], read, **reading)
    tab.select(handler("operator", trains.models), None, [form.model, form.note], **QUIET)
    table.select(selecting("operator", trains.chosen), None, chosen, **QUIET).success(read, **reading)
    for button, method in ((cancel, trains.cancel), (resume, trains.resume)):
        done = button.click(handler("operator", method), chosen, None, **QUIET)
        done.success(show, **listing).success(read, **reading)
    remove.click(handler("operator", trains.ask_delete), chosen, deletion.parts, **QUIET)
    gone = deletion.yes.click(handler("operator", trains.delete), deletion.about, chosen, **QUIET)
    gone.success(show, **listing).success(read, **reading)
    begun = form.start.click(handler("operator", trains.begin), form.fields, chosen, **QUIET)
    begun.success(show, **listing).success(read, **reading)
    return timer


class _Form:
    """What begins a training."""

    def __init__(self, label: Labels) -> None:
        def named(name: str) -> Any:
            return {"label": label(f"console.training.{name}"), "elem_id": f"wc-training-{name}"}

        title = label("console.training.begin")
        with gr.Accordion(title, open=False, elem_id="wc-training-form") as self.opened:
            gr.Markdown(label("console.training.begin_is"))
            self.note = gr.Markdown(visible=False)
            with gr.Row():
                name = gr.Textbox(max_length=64, **named("name"))
                self.model = gr.Dropdown(choices=[], **named("model"))
            with gr.Row():
                method = gr.Radio(list(METHODS), value="sft", **named("method"))
                epochs = gr.Slider(1, MOST_EPOCHS, 3, step=1, **named("epochs"))
            with gr.Row(elem_classes=["wc-buttons"]):
                self.start = gr.Button(
                    label("console.training.start"),
                    variant="primary",
                    min_width=0,
                    elem_id="wc-training-start",
                )
        self.fields: list[Any] = [name, method, self.model, epochs]


def _picture(svg: str, alt: str) -> str:
    """As Markdown: `gr.HTML`, and Gradio's plots, evaluate code, which this page's policy forbids."""
    return f"![{plain(alt)}](data:image/svg+xml;base64,{b64encode(svg.encode()).decode()})"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
