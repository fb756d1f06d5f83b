"""The tab of judgements: what people thought of replies, and which of it may train models."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from html import escape
from typing import Any, TypeGuard, get_args

import gradio as gr

from backends.installation import add_extra
from webchat.api import Services
from webchat.console.asking import QUIET, Caller, handler, selecting, tell
from webchat.console.labels import Labels
from webchat.console.paging import FIRST, Pager, Place, shown
from webchat.console.plots import plot
from webchat.console.reviewing import after, create_queues, day_of
from webchat.console.times import moment, plain
from webchat.console.votes import create_votes
from webchat.feedback.extras import ExtraMissing
from webchat.feedback.results import Interval, Results, results, thumbs
from webchat.store.errors import NotFound
from webchat.store.judgement_records import (
    MOST_COUNTED,
    Judgement,
    JudgementFilter,
    ListedJudgement,
    Rating,
    ReviewState,
)

MOST_SHOWN = 50
MOST_LINKS = 100
LONGEST_BETTER = 100_000
_EXCERPT = 120

COLUMNS = ("when", "model", "rating", "reasons", "asked", "reply", "person", "link", "state", "id")
THUMB_COLUMNS = ("model", "share", "good", "bad", "people")
VOTE_COLUMNS = ("model", "rate", "score", "wins", "losses", "ties", "people")
CHOICES = ("model", "link", "rating", "state", "template", "reason", "person")
"""What is filtered by, besides days."""

STATES: tuple[ReviewState, ...] = get_args(ReviewState)
_RATINGS: dict[str, Rating] = {"good": 1, "bad": -1, "none_rated": 0}


class Feedback:
    """The handlers. Each returns new values of components, in the order in which it is bound to them."""

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
            gr.Dropdown([every, *((caller.t(f"console.feedback.{name}"), name) for name in _RATINGS)]),
            gr.Dropdown([every, *((caller.t(f"console.feedback.state.{name}"), name) for name in STATES)]),
            gr.Dropdown([every, *((name, name) for name in found.templates)]),
            gr.Dropdown([every, *((self._reason(caller, name), name) for name in found.reasons)]),
            gr.Dropdown([every, *((name, id) for id, name in found.people)]),
        ]

    async def show(self, caller: Caller, *wanted: object) -> list[Any]:
        """The first page."""
        return await self._page(caller, FIRST, wanted)

    async def opened(self, caller: Caller, *wanted: object) -> list[Any] | dict[str, Any]:
        """The first page, if the console was opened at this tab. Each look is logged: nobody looks who opens
        another one."""
        return await self.show(caller, *wanted) if _is_opened(caller) else gr.skip()

    async def opened_choices(self, caller: Caller) -> list[Any] | dict[str, Any]:
        """The choices, if the console was opened at this tab."""
        return await self.choices(caller) if _is_opened(caller) else gr.skip()

    async def older(self, caller: Caller, place: object, *wanted: object) -> list[Any]:
        """The following page."""
        return await self._page(caller, _place(place).older(), wanted)

    async def newer(self, caller: Caller, place: object, *wanted: object) -> list[Any]:
        """The page before."""
        return await self._page(caller, _place(place).newer(), wanted)

    async def _page(self, caller: Caller, place: Place, wanted: Sequence[object]) -> list[Any]:
        asked = filter_of(*wanted)
        count = await self._store.call(self._store.count_judgements, asked)
        page = await self._store.call(
            self._store.judgements,
            caller.owner.id,
            asked,
            cursor=place.cursor,
            limit=MOST_SHOWN,
        )
        rows = [self._row(caller, one) for one in page.items]
        note = caller.t("console.feedback.none_found" if any(wanted) else "console.feedback.none")
        seen = {one.judgement.id: one.judgement.changed_at for one in page.items}
        return [
            self._table(caller, COLUMNS, rows),
            gr.Markdown(note, visible=not rows),
            seen,
            gr.Row(visible=bool(rows)),
            *shown(place, page.next),
            gr.Markdown(self._counted(caller, count), visible=bool(rows)),
        ]

    def _counted(self, caller: Caller, count: int) -> str:
        key = "console.feedback.count_more" if count >= MOST_COUNTED else "console.feedback.count"
        return caller.t(key, count=f"{count:,}")

    async def plot(self, caller: Caller) -> Any:
        """Judgements over time, by model."""
        drawn = plot(caller, await self._store.call(self._store.judgement_counts))
        return gr.Markdown(drawn, visible=bool(drawn))

    async def results(self, caller: Caller) -> list[Any]:
        """What people think of each model, and how sure that is: by thumbs, and by comparisons."""
        given, votes = await self._store.call(self._store.thumbs), await self._store.call(self._store.votes)
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
            for note in preferred.notes
        ]
        told = "\n\n".join(filter(None, (missing, *notes)))
        return [
            self._table(caller, THUMB_COLUMNS, thumb_rows),
            self._table(caller, VOTE_COLUMNS, vote_rows),
            gr.Markdown(told, visible=bool(told)),
        ]

    def _table(self, caller: Caller, columns: Sequence[str], rows: list[list[Any]]) -> Any:
        headers = [caller.t(f"console.feedback.{name}") for name in columns]
        return gr.Dataframe(rows, headers=headers, visible=bool(rows))

    async def chosen(self, caller: Caller, row: Sequence[object]) -> str:
        """The id in a row of the table."""
        id = row[-1] if row else None
        if not _is_id(id):
            raise NotFound("judgement")
        return id

    async def read(self, caller: Caller, id: object) -> list[Any]:
        """The judgement that was chosen, with what was judged."""
        if not _is_id(id):
            return [gr.Column(visible=False), "", gr.Chatbot([]), "", "", {}]
        one: Judgement = await self._store.call(self._store.judgement, caller.owner.id, id)
        return [
            gr.Column(visible=True),
            self._about(caller, one),
            gr.Chatbot(self._messages(caller, one)),
            gr.Markdown(self._said(caller, one)),
            one.review.better or one.better or ("" if one.judged is None else one.judged.reply),
            {one.id: one.changed_at},
        ]

    async def accept(self, caller: Caller, seen: object) -> None:
        """Accept the judgement that was chosen."""
        await self._review(caller, seen, "accepted")

    async def reject(self, caller: Caller, seen: object) -> None:
        """Reject it."""
        await self._review(caller, seen, "rejected")

    async def renew(self, caller: Caller, seen: object) -> None:
        """Take back what was decided."""
        await self._review(caller, seen, "new")

    async def edit(self, caller: Caller, seen: object, better: object) -> None:
        """Accept it with this as the better answer."""
        text = better[:LONGEST_BETTER].strip() if isinstance(better, str) else ""
        await self._review(caller, seen, "edited" if text else "accepted", text)

    async def accept_all(self, caller: Caller, seen: object) -> None:
        """Accept those on the page that is shown."""
        await self._review(caller, seen, "accepted")

    async def reject_all(self, caller: Caller, seen: object) -> None:
        """Reject those on the page that is shown."""
        await self._review(caller, seen, "rejected")

    async def _review(self, caller: Caller, seen: object, state: ReviewState, better: str = "") -> None:
        """seen: the ids of what is shown, each with when that was last changed."""
        shown = seen if isinstance(seen, dict) else {}
        done = await self._store.call(self._store.review_judgements, caller.owner.id, shown, state, better)
        if not (done.reviewed or done.changed or done.unread):
            raise NotFound("judgement")
        if done.reviewed:
            tell(caller, f"console.feedback.told.{state}", count=done.reviewed)
        if done.changed:
            tell(caller, "console.feedback.told.changed", count=done.changed)
        if done.unread:
            tell(caller, "console.feedback.told.unread", count=done.unread)

    def _row(self, caller: Caller, one: ListedJudgement) -> list[str]:
        judgement = one.judgement
        state = caller.t(f"console.feedback.state.{judgement.review.state}")
        kept = "" if one.trains else caller.t("console.feedback.not_for_training")
        return [
            moment(caller, judgement.at),
            one.model,
            self._rated(caller, judgement),
            ", ".join(self._reason(caller, reason) for reason in judgement.reasons),
            one.asked[:_EXCERPT],
            one.reply[:_EXCERPT],
            one.person,
            judgement.link,
            " · ".join(filter(None, (state, kept))),
            judgement.id,
        ]

    def _rated(self, caller: Caller, one: Judgement) -> str:
        names = {1: "console.feedback.good", -1: "console.feedback.bad"}
        told = [names.get(one.rating), "console.feedback.better" if one.better else None]
        return ", ".join(caller.t(key) for key in told if key)

    def _reason(self, caller: Caller, reason: str) -> str:
        """A stored key in the caller's language; a link's own reason is words already."""
        said = caller.known(f"judge.reason.{reason}")
        return reason if said is None else said

    def _about(self, caller: Caller, one: Judgement) -> str:
        model = "" if one.judged is None else one.judged.model
        parts = (
            model,
            one.link,
            moment(caller, one.at),
            caller.t(f"console.feedback.state.{one.review.state}"),
        )
        about = " · ".join(plain(part) for part in parts if part)
        where = _chat_of(caller, one)
        return f"{about} · [{caller.t('console.feedback.open_chat')}]({where})" if where else about

    def _said(self, caller: Caller, one: Judgement) -> str:
        reasons = ", ".join(self._reason(caller, reason) for reason in one.reasons)
        said = [": ".join(filter(None, (plain(self._rated(caller, one)), plain(reasons))))]
        if one.comment:
            said.append(f"{caller.t('console.feedback.comment')} {plain(one.comment)}")
        said += [f"{plain(answer.question.text)} {plain(str(answer.value))}" for answer in one.answers]
        return "\n\n".join(filter(None, said))

    def _messages(self, caller: Caller, one: Judgement) -> list[Any]:
        if one.judged is None:
            return [{"role": "assistant", "content": caller.t("console.feedback.unreadable")}]
        roles = {"user": "user"}
        said = [
            {"role": roles.get(message.role, "assistant"), "content": escape(message.text, quote=False)}
            for message in one.judged.prompt
        ]
        return [*said, {"role": "assistant", "content": escape(one.judged.reply, quote=False)}]


class Card:
    """The judgement that was chosen. parts: what `Feedback.read` gives values to. buttons: by method."""

    def __init__(self, label: Labels) -> None:
        with gr.Column(elem_classes=["wc-card"], visible=False, elem_id="wc-feedback-one") as card:
            about, said = gr.Markdown(), gr.Markdown()
            messages = gr.Chatbot(
                show_label=False,
                buttons=[],
                height=420,
                feedback_options=None,
                # As text: Gradio would put it into the page as HTML, see `console.testers`.
                render_markdown=False,
                latex_delimiters=[],
                allow_file_downloads=False,
            )
            self.better = gr.Textbox(
                label=label("console.feedback.better_is"),
                lines=4,
                max_length=LONGEST_BETTER,
                elem_id="wc-feedback-better",
            )
            with gr.Row(elem_classes=["wc-buttons"]):
                self.buttons = {
                    name: gr.Button(
                        label(f"console.feedback.do.{name}"),
                        variant="primary" if name == "accept" else "secondary",
                        min_width=0,
                        elem_id=f"wc-feedback-{name}",
                    )
                    for name in ("accept", "reject", "edit", "renew")
                }
        self.parts = [card, about, messages, said, self.better]


def _create_results(label: Labels) -> tuple[gr.Accordion, Any, list[Any]]:
    """What opens the results, and what `Feedback.plot` and `Feedback.results` give values to."""
    with gr.Accordion(
        label("console.feedback.results"), open=False, elem_id="wc-feedback-results"
    ) as expanded:
        # HTML of our own, in which all names are escaped. `gr.HTML` needs `unsafe-eval`, see `console.plots`.
        drawn = gr.Markdown(
            visible=False, sanitize_html=False, latex_delimiters=[], elem_id="wc-feedback-plot"
        )
        liked, preferred = (
            gr.Dataframe(interactive=False, type="array", buttons=[], show_label=False) for _ in range(2)
        )
        notes = gr.Markdown(visible=False)
        gr.Markdown(label("console.feedback.results_are"))
    return expanded, drawn, [liked, preferred, notes]


def _create_filters(label: Labels) -> tuple[list[Any], list[Any], Any]:
    """The fields above the table: what `Feedback.choices` gives choices to, two days, and the button."""

    def named(name: str) -> Any:
        return {"label": label(f"console.feedback.{name}"), "elem_id": f"wc-feedback-{name}"}

    with gr.Row(elem_classes=["wc-bar"]):
        first = [gr.Dropdown([("", "")], value="", **named(name)) for name in CHOICES[:4]]
        refresh = gr.Button(label("console.refresh"), scale=0, min_width=110, elem_id="wc-feedback-refresh")
    with gr.Row(elem_classes=["wc-bar"]):
        rest = [gr.Dropdown([("", "")], value="", **named(name)) for name in CHOICES[4:]]
        days = [gr.DateTime(include_time=False, type="string", **named(name)) for name in ("since", "until")]
    return [*first, *rest], days, refresh


def create_feedback(page: gr.Blocks, tab: gr.Tab, services: Services, label: Labels) -> None:
    """The tab's components and what they do."""
    feedback = Feedback(services)
    filters, days, refresh = _create_filters(label)
    note, counted = gr.Markdown(visible=False), gr.Markdown(visible=False, elem_id="wc-feedback-count")
    table = gr.Dataframe(
        interactive=False, type="array", wrap=False, buttons=[], show_label=False, elem_id="wc-feedback-table"
    )
    pager = Pager(label, "feedback")
    seen, chosen, seen_one = gr.State({}), gr.State(None), gr.State({})
    with gr.Row(elem_classes=["wc-buttons"], visible=False) as all_shown:
        accept_all, reject_all = (
            gr.Button(label(f"console.feedback.{name}"), min_width=0, elem_id=f"wc-feedback-{name}")
            for name in ("accept_all", "reject_all")
        )
    one = Card(label)
    expanded, drawn, results = _create_results(label)
    create_votes(services, label)
    create_queues(services, label)

    outputs = [table, note, seen, all_shown, *pager.parts, counted]
    wanted = [*filters, *days]
    shows: Any = {"inputs": wanted, "outputs": outputs, **QUIET}
    show = handler("operator", feedback.show)
    page.load(handler("operator", feedback.opened_choices), None, filters, **QUIET)
    page.load(handler("operator", feedback.opened), **shows)
    gr.on([tab.select, refresh.click], handler("operator", feedback.choices), None, filters, **QUIET)
    gr.on(
        [tab.select, refresh.click, *(one.input for one in filters), *(one.change for one in days)],
        show,
        **shows,
    )
    for button, turn in ((pager.older, feedback.older), (pager.newer, feedback.newer)):
        button.click(handler("operator", turn), [pager.place, *wanted], outputs, **QUIET)
    read: Any = {"inputs": chosen, "outputs": [*one.parts, seen_one], **QUIET}
    # Also the same one again, which may have changed.
    table.select(selecting("operator", feedback.chosen), None, chosen, **QUIET).success(
        handler("operator", feedback.read), **read
    )
    for name, button in one.buttons.items():
        given = [seen_one, one.better] if name == "edit" else [seen_one]
        done = button.click(handler("operator", getattr(feedback, name)), given, None, **QUIET)
        done.success(show, **shows)
    for button, method in ((accept_all, feedback.accept_all), (reject_all, feedback.reject_all)):
        button.click(handler("operator", method), seen, None, **QUIET).success(show, **shows)
    expanded.expand(handler("operator", feedback.plot), None, drawn, **QUIET)
    expanded.expand(handler("operator", feedback.results), None, results, **QUIET)


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
        link_id=link if _is_id(link) else None,
        rating=_RATINGS.get(rating) if isinstance(rating, str) else None,
        review=next((one for one in STATES if one == state), None),
        template=template if isinstance(template, str) and template else None,
        reason=reason if isinstance(reason, str) and reason else None,
        person=person if _is_id(person) else None,
        since=day_of(since),
        before=after(day_of(until)),
    )


def _chat_of(caller: Caller, one: Judgement) -> str:
    """Where the chat can be read: one's own in the chat, a tester's in its tab; empty if it can't."""
    if one.author_id == caller.owner.id:
        return f"../?c={one.conversation_id}"
    return f"?tab=testers&chat={one.conversation_id}" if one.judged and one.link_id else ""


def _is_opened(caller: Caller) -> bool:
    return caller.request.query_params.get("tab") == "feedback"


def _share(share: float, spread: Interval | None) -> str:
    told = f"{100 * share:.0f} %"
    return told if spread is None else f"{told} ({100 * spread.low:.0f}-{100 * spread.high:.0f})"


def _score(score: float | None, spread: Interval | None) -> str:
    if score is None:
        return ""
    return f"{score:.0f}" if spread is None else f"{score:.0f} ({spread.low:.0f}-{spread.high:.0f})"


def _place(value: object) -> Place:
    return value if isinstance(value, Place) else FIRST


def _is_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= 64
