"""Exporting judgements from the console: what is asked for, how it goes, and the link to the file."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from typing import Any, Literal, cast

import gradio as gr

from webchat.api import Services
from webchat.console.asking import QUIET, Caller, handler, refuse
from webchat.console.labels import Labels
from webchat.console.times import plain
from webchat.feedback.datasets import FORMATS
from webchat.feedback.jobs import Export, JudgementExports, Wanted
from webchat.store.errors import NotFound

LOOK_SECONDS = 1.0
_MOST_LINKS = 100
_RATINGS = ("good", "bad")
_WAYS = ("person", "conversation")
_LONGEST = 300


class Exporting:
    """The handlers. Each returns new values of components, in the order in which it is bound to them."""

    def __init__(self, services: Services, exports: JudgementExports) -> None:
        self._store = services.store
        self._exports = exports

    async def choices(self, caller: Caller) -> list[Any]:
        """Formats, models, links, ratings, and what train and test never share."""
        counts = await self._store.call(self._store.judgement_counts)
        links = await self._store.call(self._store.listed_links, limit=_MOST_LINKS)
        every = (caller.t("console.feedback.all"), "")
        ways = [(caller.t(f"console.export.by.{way}"), way) for way in _WAYS]
        return [
            gr.CheckboxGroup([(caller.t(f"console.export.format.{name}"), name) for name in FORMATS]),
            gr.Dropdown([every, *((name, name) for name in sorted({one.model for one in counts} - {""}))]),
            gr.Dropdown([every, *((one.link.name, one.link.id) for one in links.items)]),
            gr.Dropdown([every, *((caller.t(f"console.feedback.{name}"), name) for name in _RATINGS)]),
            gr.Radio(ways, value="person"),
        ]

    async def begin(self, caller: Caller, *given: object) -> list[Any]:
        """Begin an export."""
        id = self._exports.begin(caller.owner.id, wanted_of(caller, given))
        return [id, *await self.look(caller, id)]

    async def look(self, caller: Caller, id: object) -> list[Any]:
        """How it is: a sentence, the link to the file, and whether to look again."""
        try:
            export = self._exports.look(caller.owner.id, id if isinstance(id, str) else "")
        except NotFound:  # taken, or deleted after an hour
            return [gr.Markdown(visible=False), gr.Markdown(visible=False), gr.Timer(active=False)]
        told = self._told(caller, export)
        link = _link(caller, export) if export.state == "ready" else ""
        return [
            gr.Markdown(told, visible=True),
            gr.Markdown(link, visible=bool(link)),
            gr.Timer(active=export.state == "running"),
        ]

    def _told(self, caller: Caller, export: Export) -> str:
        if export.state == "running":
            return caller.t("console.export.running", read=f"{export.read:,}")
        if export.state == "failed":
            return caller.t("console.export.failed", why=plain(export.told))
        return caller.t("console.export.ready")


def _link(caller: Caller, export: Export) -> str:
    size = f"{max(export.size / 1e6, 0.1):,.1f} MB"
    text = caller.t("console.export.download", size=size)
    return f"[{plain(text)}](../api/judgements/exports/{export.id})"


def wanted_of(caller: Caller, given: Sequence[object]) -> Wanted:
    """What the fields ask for; what they cannot mean is left out. Raises `gr.Error`."""
    formats, model, link, rating, by, since, mask = given
    chosen = formats if isinstance(formats, list) else []
    named = tuple(name for name in FORMATS if name in chosen)
    if not named:
        raise refuse(caller, "console.export.no.formats")
    return Wanted(
        formats=named,
        model=_text(model),
        link=_text(link),
        rating=cast('Literal["", "good", "bad"]', rating if rating in _RATINGS else ""),
        by="conversation" if by == "conversation" else "person",
        since=_day(caller, since),
        mask=mask is True,
    )


def _text(value: object) -> str:
    return value[:_LONGEST] if isinstance(value, str) else ""


def _day(caller: Caller, value: object) -> date | None:
    text = _text(value).strip()
    if not text:
        return None
    with suppress(ValueError):
        return date.fromisoformat(text)
    raise refuse(caller, "console.export.no.since")


def create_exporting(services: Services, label: Labels) -> None:
    """The components and what they do; none where nothing can be exported."""
    if services.judgement_exports is None:
        return
    exporting = Exporting(services, services.judgement_exports)

    def named(name: str) -> Any:
        return {"label": label(f"console.export.{name}"), "elem_id": f"wc-export-{name}"}

    with gr.Accordion(label("console.export"), open=False, elem_id="wc-export") as opened:
        formats = gr.CheckboxGroup([], value=["trl"], **named("formats"))
        with gr.Row():
            narrowed = [
                gr.Dropdown([("", "")], value="", **named(name)) for name in ("model", "link", "rating")
            ]
        with gr.Row():
            by = gr.Radio([], **named("by"))
            since = gr.Textbox(max_length=10, info=label("console.export.since_hint"), **named("since"))
        mask = gr.Checkbox(**named("mask"))
        with gr.Row(elem_classes=["wc-buttons"]):
            start = gr.Button(
                label("console.export.start"), variant="primary", min_width=0, elem_id="wc-export-start"
            )
        told = gr.Markdown(visible=False, elem_id="wc-export-told")
        link = gr.Markdown(visible=False, elem_id="wc-export-link")
    id, timer = gr.State(""), gr.Timer(LOOK_SECONDS, active=False)
    shown: list[Any] = [told, link, timer]
    opened.expand(handler("operator", exporting.choices), None, [formats, *narrowed, by], **QUIET)
    given = [formats, *narrowed, by, since, mask]
    start.click(handler("operator", exporting.begin), given, [id, *shown], **QUIET)
    timer.tick(handler("operator", exporting.look), id, shown, **QUIET)
