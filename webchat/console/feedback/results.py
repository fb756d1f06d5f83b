"""What people think of each model: by thumbs, by votes, and over time."""

from __future__ import annotations

import asyncio
from typing import Any

import gradio as gr

from backends.installation import add_extra
from webchat.api import Services
from webchat.console.asking import Caller
from webchat.console.feedback.plot import plot
from webchat.console.feedback.table import table_of
from webchat.console.labels import Labels
from webchat.console.paging import create_table
from webchat.console.times import plain
from webchat.feedback.extras import ExtraMissing
from webchat.feedback.results import Interval, Results, by_variant, results, thumbs

THUMB_COLUMNS = ("model", "share", "good", "bad", "people")
UNITS = ("model", "variant")
VOTE_COLUMNS = ("model", "rate", "score", "wins", "losses", "ties", "people")


class ModelResults:
    """The handlers. Each returns new values of components, in the order in which it is bound to them."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    async def plot(self, caller: Caller) -> gr.Markdown:
        """Judgements over time, by model."""
        drawn = plot(caller, await self._store.call(self._store.judgement_counts))
        return gr.Markdown(drawn, visible=bool(drawn))

    async def results(self, caller: Caller, unit: object = "model") -> list[Any]:
        """What people think of each model, and how sure that is: by thumbs, and by comparisons. unit: of
        these, `UNITS`."""
        given = await self._store.call(self._store.thumbs)
        by_settings = unit == "variant"
        votes = await self._store.call(self._store.vote_counts, settings=by_settings)
        votes, more = await asyncio.to_thread(by_variant, votes) if by_settings else (votes, ())
        liked = await asyncio.to_thread(thumbs, given)
        try:
            preferred, missing = await asyncio.to_thread(results, votes), ""
        except ExtraMissing:
            preferred, missing = (
                Results(0, 0),
                caller.t("console.feedback.missing", cure=add_extra("feedback")),
            )
        thumb_rows = [
            [one.model, _share(one.share, one.share_interval), one.good, one.bad, one.people] for one in liked
        ]
        vote_rows = [
            [
                one.model,
                _share(one.rate, one.rate_interval),
                _score(one.score, one.score_interval),
                one.wins,
                one.losses,
                one.ties,
                one.people,
            ]
            for one in preferred.models
        ]
        notes = [
            caller.t(f"console.feedback.note.{note.key}", models=", ".join(map(plain, note.models)))
            for note in (*preferred.notes, *more)
            if not (by_settings and note.key == "same_model")
        ]
        told = "\n\n".join(filter(None, (missing, *notes)))
        return [
            table_of(caller, THUMB_COLUMNS, thumb_rows),
            table_of(caller, VOTE_COLUMNS, vote_rows),
            gr.Markdown(told, visible=bool(told)),
        ]


def create_results(label: Labels) -> tuple[gr.Accordion, gr.Markdown, gr.Radio, list[Any]]:
    """What opens the results, what they are by, and what `ModelResults.plot` and `ModelResults.results` give
    values to."""
    with gr.Accordion(
        label("console.feedback.results"), open=False, elem_id="wc-feedback-results"
    ) as expanded:
        # HTML of our own, in which all names are escaped. `gr.HTML` needs `unsafe-eval`, see `plot`.
        drawn = gr.Markdown(
            visible=False, sanitize_html=False, latex_delimiters=[], elem_id="wc-feedback-plot"
        )
        liked = create_table()
        unit = gr.Radio(
            [(label(f"console.feedback.unit.{name}"), name) for name in UNITS],
            value=UNITS[0],
            label=label("console.feedback.unit"),
            elem_id="wc-feedback-unit",
        )
        preferred = create_table()
        notes = gr.Markdown(label("console.feedback.counting"))  # until the first results
        gr.Markdown(label("console.feedback.results_are"))
    return expanded, drawn, unit, [liked, preferred, notes]


def _share(share: float, spread: Interval | None) -> str:
    told = f"{100 * share:.0f} %"
    return told if spread is None else f"{told} ({100 * spread.low:.0f}–{100 * spread.high:.0f})"


def _score(score: float | None, spread: Interval | None) -> str:
    if score is None:
        return ""
    return f"{score:.0f}" if spread is None else f"{score:.0f} ({spread.low:.0f}, {spread.high:.0f})"
