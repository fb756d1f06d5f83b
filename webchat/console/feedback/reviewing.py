"""Queues for reviewers, in the tab of judgements: operators make them, and see what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import gradio as gr

from backends.installation import add_extra
from webchat.api import Services
from webchat.console.asking import QUIET, Caller, handler, refuse, selecting, tell
from webchat.console.labels import Labels
from webchat.console.paging import create_table
from webchat.console.times import moment, plain
from webchat.feedback.extras import ExtraMissing
from webchat.feedback.results.agreement import agreement
from webchat.store.errors import NotFound
from webchat.store.queue_records import NewQueue, Queue, QueueFilter, QueueJudged, QueueKind

MOST_SHOWN = 50
MOST_NAMED = 100
"""Links and people to choose from, the newest."""

MOST_REVIEWS = 10
LONGEST_NAME = 200

COLUMNS = ("when", "name", "kind", "items", "given", "state", "id")
KINDS: tuple[QueueKind, ...] = get_args(QueueKind)
JUDGED: tuple[QueueJudged, ...] = get_args(QueueJudged)


class Queues:
    """The handlers. Each returns new values of components, in the order in which it is bound to them."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    async def choices(self, caller: Caller) -> list[Any]:
        """What a queue can be made of, and for whom: kinds, models, links, judgements, people."""
        counts = await self._store.call(self._store.judgement_counts)
        links = await self._store.call(self._store.listed_links, limit=MOST_NAMED)
        people = await self._store.call(self._store.search_people, "", MOST_NAMED)
        every = (caller.t("console.feedback.all"), "")
        return [
            gr.Dropdown([(caller.t(f"console.reviewing.kind.{one}"), one) for one in KINDS]),
            gr.Dropdown([every, *((name, name) for name in sorted({one.model for one in counts} - {""}))]),
            gr.Dropdown([every, *((one.link.name, one.link.id) for one in links.items)]),
            gr.Dropdown([(caller.t(f"console.reviewing.judged.{one}"), one) for one in JUDGED]),
            gr.Dropdown([(one.name or one.subject, one.owner_id) for one in people.items]),
        ]

    async def show(self, caller: Caller) -> list[Any]:
        """The queues, and nothing chosen."""
        page = await self._store.call(self._store.queues, caller.owner.id, limit=MOST_SHOWN)
        headers = [caller.t(f"console.reviewing.{name}") for name in COLUMNS]
        rows = [self._row(caller, one) for one in page.items]
        return [gr.Dataframe(rows, headers=headers, visible=bool(rows)), None, gr.Column(visible=False)]

    async def make(self, caller: Caller, name: object, *fields: object) -> None:
        """Make a queue of what matches now."""
        text = name.strip()[:LONGEST_NAME] if isinstance(name, str) else ""
        if not text:
            raise refuse(caller, "console.reviewing.no_name")
        new = queue_of(text, *fields)
        if new.kind == "comparisons" and new.wanted.judged in ("good", "bad"):
            raise refuse(caller, "console.reviewing.no_thumbs")
        made = await self._store.call(self._store.make_queue, caller.owner.id, new)
        tell(caller, "console.reviewing.told.made" if made.items else "console.reviewing.told.empty",
             count=made.items)  # fmt: skip

    async def chosen(self, caller: Caller, row: Sequence[object]) -> list[Any]:
        """The queue in a row of the table: how far its reviewers agree, and its end."""
        id = row[-1] if row else None
        if not isinstance(id, str):
            raise NotFound("queue")
        name = next((str(value) for value in row[1:2]), "")
        said = await self._store.call(self._store.queue_verdicts, caller.owner.id, id)
        told = await self._agreement(caller, [(one.reviewer_id, one.item_id, one.verdict) for one in said])
        people = len({one.reviewer_id for one in said})
        about = caller.t("console.reviewing.about", name=name, count=len(said), people=people)
        return [id, gr.Column(visible=True), gr.Markdown(f"{plain(about)}\n\n{plain(told)}")]

    async def _agreement(self, caller: Caller, said: list[tuple[str, str, str]]) -> str:
        try:
            found = await asyncio.to_thread(agreement, said)
        except ExtraMissing:
            return caller.t("console.feedback.missing", cure=add_extra("feedback"))
        if found is None:
            return caller.t("console.reviewing.no_agreement")
        spread = f"{found.interval.low:.2f} … {found.interval.high:.2f}"
        return caller.t(
            "console.reviewing.agreement", alpha=f"{found.alpha:.2f}", spread=spread, items=found.units
        )

    async def close(self, caller: Caller, id: object) -> None:
        """Ask nobody any more."""
        if not isinstance(id, str):
            raise NotFound("queue")
        await self._store.call(self._store.close_queue, caller.owner.id, id)
        tell(caller, "console.reviewing.told.closed")

    def _row(self, caller: Caller, one: Queue) -> list[str]:
        total = one.items * one.reviews
        state = "closed" if one.closed_at else "done" if one.given >= total else "open"
        return [
            moment(caller, one.created_at),
            one.name,
            caller.t(f"console.reviewing.kind.{one.kind}"),
            str(one.items),
            f"{one.given} / {total}",
            caller.t(f"console.reviewing.state.{state}"),
            one.id,
        ]


def queue_of(
    name: str,
    kind: object = "replies",
    model: object = "",
    link: object = "",
    judged: object = "any",
    since: object = "",
    until: object = "",
    reviews: object = 1,
    reviewers: object = (),
) -> NewQueue:
    """What the fields of the form ask for; what they cannot mean is left out. until: the last day."""
    wanted = QueueFilter(
        model=model if isinstance(model, str) and model else None,
        link_id=link if isinstance(link, str) and link else None,
        since=day_of(since),
        before=after(day_of(until)),
        judged=next((one for one in JUDGED if one == judged), "any"),
    )
    people = reviewers if isinstance(reviewers, list) else []
    count = int(reviews) if isinstance(reviews, int | float) else 1
    return NewQueue(
        name,
        next((one for one in KINDS if one == kind), "replies"),
        wanted,
        min(max(count, 1), MOST_REVIEWS),
        tuple(one for one in people if isinstance(one, str)),
    )


def day_of(text: object) -> datetime | None:
    """The beginning of a day (UTC) as `gr.DateTime` has it; `None` for anything else."""
    try:
        return datetime.fromisoformat(str(text)[:10]).replace(tzinfo=UTC) if text else None
    except ValueError:
        return None


def after(day: datetime | None) -> datetime | None:
    return None if day is None or day.year >= 9999 else day + timedelta(days=1)


def create_queues(services: Services, label: Labels) -> None:
    """The queues' components and what they do."""
    queues = Queues(services)

    with gr.Accordion(label("console.reviewing"), open=False, elem_id="wc-queues") as expanded:
        gr.Markdown(label("console.reviewing.are"))
        table = create_table("wc-queues-table")
        chosen = gr.State(None)
        with gr.Column(elem_classes=["wc-card"], visible=False) as card:
            about = gr.Markdown()
            with gr.Row(elem_classes=["wc-buttons"]):
                close = gr.Button(label("console.reviewing.close"), min_width=0, elem_id="wc-queues-close")
        with gr.Row(elem_classes=["wc-bar"]):
            name = gr.Textbox(
                label=label("console.reviewing.name"), max_length=LONGEST_NAME, elem_id="wc-queues-name"
            )
            kind = gr.Dropdown(
                [("", "replies")], value="replies", label=label("console.reviewing.kind"),
                elem_id="wc-queues-kind",
            )  # fmt: skip
            model = gr.Dropdown([("", "")], value="", label=label("console.feedback.model"))
            link = gr.Dropdown([("", "")], value="", label=label("console.feedback.link"))
            judged = gr.Dropdown(
                [("", "any")], value="any", label=label("console.reviewing.judged"),
                elem_id="wc-queues-judged",
            )  # fmt: skip
        with gr.Row(elem_classes=["wc-bar"]):
            since, until = (
                gr.DateTime(include_time=False, type="string", label=label(f"console.feedback.{one}"))
                for one in ("since", "until")
            )
            reviews = gr.Number(
                1, label=label("console.reviewing.reviews"), minimum=1, maximum=MOST_REVIEWS, precision=0
            )
            reviewers = gr.Dropdown(
                [], multiselect=True, label=label("console.reviewing.reviewers"),
                info=label("console.reviewing.reviewers.info"),
            )  # fmt: skip
            make = gr.Button(
                label("console.reviewing.make"), variant="primary", scale=0, min_width=110,
                elem_id="wc-queues-make",
            )  # fmt: skip
    fields = [name, kind, model, link, judged, since, until, reviews, reviewers]
    shows: Any = {"inputs": None, "outputs": [table, chosen, card], **QUIET}
    show = handler("operator", queues.show)
    expanded.expand(
        handler("operator", queues.choices), None, [kind, model, link, judged, reviewers], **QUIET
    )
    expanded.expand(show, **shows)
    made = make.click(handler("operator", queues.make), fields, None, **QUIET)
    made.success(show, **shows)
    table.select(selecting("operator", queues.chosen), None, [chosen, card, about], **QUIET)
    close.click(handler("operator", queues.close), chosen, None, **QUIET).success(show, **shows)
