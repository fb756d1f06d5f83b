"""The fields above the table of judgements."""

from __future__ import annotations

from typing import Any, get_args

import gradio as gr

from webchat.api import Services
from webchat.console.asking import Caller
from webchat.console.feedback.judgement import is_id, reason_of
from webchat.console.feedback.reviewing import after, day_of
from webchat.console.labels import Labels
from webchat.store.judgement_records import JudgementFilter, Rating, ReviewState

MOST_LINKS = 100

CHOICES = ("model", "link", "rating", "state", "template", "reason", "person")
"""What is filtered by, besides days."""

STATES: tuple[ReviewState, ...] = get_args(ReviewState)
RATINGS: dict[str, Rating] = {"good": 1, "bad": -1, "none_rated": 0}


class Choices:
    """The handlers of the filters."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    async def choices(self, caller: Caller) -> list[Any]:
        """What can be filtered by, in the order of `CHOICES`."""
        counts = await self._store.call(self._store.judgement_counts)
        links = await self._store.call(self._store.listed_links, limit=MOST_LINKS)
        every = (caller.t("console.feedback.all"), "")
        found = await self._store.call(self._store.judgement_choices)
        return [
            gr.Dropdown([every, *((name, name) for name in sorted({one.model for one in counts} - {""}))]),
            gr.Dropdown([every, *((one.link.name, one.link.id) for one in links.items)]),
            gr.Dropdown([every, *((caller.t(f"console.feedback.{name}"), name) for name in RATINGS)]),
            gr.Dropdown([every, *((caller.t(f"console.feedback.state.{name}"), name) for name in STATES)]),
            gr.Dropdown([every, *((name, name) for name in found.templates)]),
            gr.Dropdown([every, *((reason_of(caller, name), name) for name in found.reasons)]),
            gr.Dropdown([every, *((name, id) for id, name in found.people)]),
        ]


def create_filters(label: Labels) -> tuple[list[Any], list[Any], gr.Button]:
    """The fields above the table: what `Choices.choices` gives choices to, two days, and the button."""

    def named(name: str) -> Any:
        return {"label": label(f"console.feedback.{name}"), "elem_id": f"wc-feedback-{name}"}

    with gr.Row(elem_classes=["wc-bar"]):
        first = [gr.Dropdown([("", "")], value="", **named(name)) for name in CHOICES[:4]]
    with gr.Row(elem_classes=["wc-bar"]):
        rest = [gr.Dropdown([("", "")], value="", **named(name)) for name in CHOICES[4:]]
        days = [gr.DateTime(include_time=False, type="string", **named(name)) for name in ("since", "until")]
        refresh = gr.Button(label("console.refresh"), scale=0, min_width=110, elem_id="wc-feedback-refresh")
    return [*first, *rest], days, refresh


def filter_of(
    model: object = "",
    link: object = "",
    rating: object = "",
    state: object = "",
    template: object = "",
    reason: object = "",
    person: object = "",
    since: object = "",
    until: object = "",
) -> JudgementFilter:
    """What the fields above the table ask for; what they cannot mean is left out. until: the last day."""
    return JudgementFilter(
        model=model if isinstance(model, str) and model else None,
        link_id=link if is_id(link) else None,
        rating=RATINGS.get(rating) if isinstance(rating, str) else None,
        review=next((one for one in STATES if one == state), None),
        template=template if isinstance(template, str) and template else None,
        reason=reason if isinstance(reason, str) and reason else None,
        person=person if is_id(person) else None,
        since=day_of(since),
        before=after(day_of(until)),
    )
