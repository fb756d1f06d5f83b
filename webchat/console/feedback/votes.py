"""Votes on comparisons, in the tab of judgements: operators read them, and reject what must not count."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from webchat.api import Services
from webchat.console.asking import QUIET, Caller, handler, selecting, tell
from webchat.console.chats import create_chat
from webchat.console.labels import Labels
from webchat.console.paging import FIRST, Pager, Place, create_table, shown
from webchat.console.times import moment, plain
from webchat.store.errors import NotFound
from webchat.store.judgement_records import Comparison, ListedVote, ReviewState, with_calls

MOST_SHOWN = 50
COLUMNS = ("when", "asked", "a", "b", "preferred", "person", "link", "state", "id")
STATES: tuple[ReviewState, ...] = ("new", "accepted", "rejected")
_DO: dict[str, ReviewState] = {"accept": "accepted", "reject": "rejected", "renew": "new"}
_EXCERPT = 120


class Votes:
    """The handlers. Each returns new values of components, in the order in which it is bound to them."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    async def states(self, caller: Caller) -> gr.Dropdown:
        """What can be filtered by."""
        every = (caller.t("console.feedback.all"), "")
        return gr.Dropdown([every, *((caller.t(f"console.feedback.state.{one}"), one) for one in STATES)])

    async def show(self, caller: Caller, state: object) -> list[Any]:
        """The first page."""
        return await self._page(caller, FIRST, state)

    async def older(self, caller: Caller, place: object, state: object) -> list[Any]:
        """The following page."""
        return await self._page(caller, _place(place).older(), state)

    async def newer(self, caller: Caller, place: object, state: object) -> list[Any]:
        """The page before."""
        return await self._page(caller, _place(place).newer(), state)

    async def _page(self, caller: Caller, place: Place, state: object) -> list[Any]:
        wanted = next((one for one in STATES if one == state), None)
        page = await self._store.call(
            self._store.listed_votes, caller.owner.id, review=wanted, cursor=place.cursor, limit=MOST_SHOWN
        )
        headers = [caller.t(f"console.votes.{name}") for name in COLUMNS]
        rows = [self._row(caller, one) for one in page.items]
        note = gr.Markdown(caller.t("console.votes.none"), visible=not rows)
        return [gr.Dataframe(rows, headers=headers, visible=bool(rows)), note, *shown(place, page.next)]

    async def chosen(self, caller: Caller, row: Sequence[object]) -> list[Any]:
        """The vote in a row of the table, with both replies."""
        return await self.read(caller, row[-1] if row else None)

    async def read(self, caller: Caller, id: object) -> list[Any]:
        """A vote with both replies."""
        if not isinstance(id, str) or not 0 < len(id) <= 64:
            raise NotFound("comparison")
        one = await self._store.call(self._store.vote, caller.owner.id, id)
        said = [self._preferred(caller, one), moment(caller, one.at), one.link]
        said.append(caller.t(f"console.feedback.state.{one.review.state}"))
        about = " · ".join(plain(part) for part in said if part)
        if one.comment:
            about += f"\n\n{caller.t('console.feedback.comment')} {plain(one.comment)}"
        return [id, gr.Column(visible=True), gr.Markdown(about), gr.Chatbot(self._messages(caller, one))]

    async def accept(self, caller: Caller, id: object) -> None:
        """Accept the vote that was chosen."""
        await self._review(caller, id, "accept")

    async def reject(self, caller: Caller, id: object) -> None:
        """Leave it out of results and exports."""
        await self._review(caller, id, "reject")

    async def renew(self, caller: Caller, id: object) -> None:
        """Take back what was decided."""
        await self._review(caller, id, "renew")

    async def _review(self, caller: Caller, id: object, do: str) -> None:
        ids = [id] if isinstance(id, str) else []
        if not await self._store.call(self._store.review_votes, caller.owner.id, ids, _DO[do]):
            raise NotFound("comparison")
        tell(caller, f"console.feedback.told.{_DO[do]}", count=1)

    def _row(self, caller: Caller, one: ListedVote) -> list[str]:
        vote = one.vote
        state = caller.t(f"console.feedback.state.{vote.review.state}")
        kept = "" if one.trains else caller.t("console.feedback.not_for_training")
        return [
            moment(caller, vote.at),
            one.asked[:_EXCERPT],
            vote.left.model,
            vote.right.model,
            self._preferred(caller, vote),
            one.person,
            vote.link,
            " · ".join(filter(None, (state, kept))),
            vote.id,
        ]

    def _preferred(self, caller: Caller, one: Comparison) -> str:
        goods = (one.left.good, one.right.good)
        kind: str = one.preferred or "tie"
        if kind == "tie" and goods in ((True, True), (False, False)):
            kind = "both_good" if goods[0] else "both_bad"
        return caller.t(f"console.votes.{kind}")

    def _messages(self, caller: Caller, one: Comparison) -> list[Any]:
        sides = (("A", one.left), ("B", one.right))
        if one.left.judged is None:
            return [{"role": "assistant", "content": caller.t("console.feedback.unreadable")}]
        said: list[dict[str, Any]] = [
            {
                "role": "user" if message.role == "user" else "assistant",
                "content": escape(with_calls(message.text, message.tool_calls), quote=False),
            }
            for message in one.left.judged.prompt
        ]
        for letter, side in sides:
            judged = side.judged
            reply = "" if judged is None else with_calls(judged.reply, judged.calls)
            text = escape(f"{letter} · {side.model}\n\n{reply}", quote=False)
            said.append({"role": "assistant", "content": text})
        return said


def create_votes(services: Services, label: Labels) -> None:
    """The votes' components and what they do."""
    votes = Votes(services)
    with gr.Accordion(label("console.votes"), open=False, elem_id="wc-votes") as expanded:
        gr.Markdown(label("console.votes.are"))
        state = gr.Dropdown([("", "")], value="", label=label("console.feedback.state"))
        note = gr.Markdown(visible=False)
        table = create_table("wc-votes-table")
        pager = Pager(label, "votes")
        chosen = gr.State(None)
        with gr.Column(elem_classes=["wc-card"], visible=False, elem_id="wc-votes-one") as card:
            about = gr.Markdown()
            messages = create_chat(max_height=420)
            with gr.Row(elem_classes=["wc-buttons"]):
                buttons = {
                    name: gr.Button(
                        label(f"console.feedback.do.{name}"), min_width=0, elem_id=f"wc-votes-{name}"
                    )
                    for name in _DO
                }
    outputs = [table, note, *pager.parts]
    shows: Any = {"inputs": state, "outputs": outputs, **QUIET}
    show = handler("operator", votes.show)
    expanded.expand(handler("operator", votes.states), None, state, **QUIET)
    gr.on([expanded.expand, state.input], show, **shows)
    for button, turn in ((pager.older, votes.older), (pager.newer, votes.newer)):
        button.click(handler("operator", turn), [pager.place, state], outputs, **QUIET)
    one: Any = {"outputs": [chosen, card, about, messages], **QUIET}
    table.select(selecting("operator", votes.chosen), None, **one)
    for name, button in buttons.items():
        done = button.click(handler("operator", getattr(votes, name)), chosen, None, **QUIET)
        done.success(show, **shows)
        done.success(handler("operator", votes.read), chosen, **one)


def _place(value: object) -> Place:
    return value if isinstance(value, Place) else FIRST
