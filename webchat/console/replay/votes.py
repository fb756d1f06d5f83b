"""Voting on replays: two replies without their models, in random order."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from random import SystemRandom
from typing import Any

import gradio as gr

from webchat.api import Services
from webchat.console.asking import QUIET, Caller, handler, tell
from webchat.console.labels import Labels
from webchat.feedback.replay import is_whole
from webchat.store.errors import NotFound
from webchat.store.judgement_records import Vote
from webchat.store.replay_records import STORED

VOTES = {
    "better_left": Vote("left"),
    "better_right": Vote("right"),
    "equal": Vote("tie"),
    "both_bad": Vote("tie", left_good=False, right_good=False),
}
_PAGE = 50


@dataclass(frozen=True, slots=True)
class Pair:
    """What is voted on: an item of a set, and the runs whose replies are shown, left and right. Kept by the
    server, so that the page cannot tell which is which."""

    set_id: str
    number: int
    left: str
    right: str


class ReplayVotes:
    """The handlers."""

    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._random = SystemRandom()

    async def next(self, caller: Caller, set_id: object, left: object, right: object) -> list[Any]:
        """The next pair of two variants that nobody has voted on and that differs."""
        if not all(isinstance(one, str) and len(one) <= 64 for one in (set_id, left, right)) or left == right:
            raise NotFound("replay_item")
        pair, html = await self._next(caller, str(set_id), str(left), str(right))
        if pair is None:
            html = f'<p class="wc-note">{escape(caller.t("console.replay.no_pair"))}</p>'
        return [pair, gr.Markdown(as_block(html)), gr.Row(visible=pair is not None)]

    async def vote(self, caller: Caller, name: str, pair: object) -> None:
        """Store a vote, and tell which was which."""
        if not isinstance(pair, Pair):
            raise NotFound("replay_item")
        await self._store.call(
            self._store.vote_on_replay,
            caller.owner.id,
            pair.set_id,
            pair.number,
            pair.left,
            pair.right,
            VOTES[name],
        )
        runs = await self._store.call(self._store.replay_runs, caller.owner.id, pair.set_id)
        names = {STORED: caller.t("replay.stored"), **{run.id: run.name for run in runs}}
        tell(caller, "console.replay.voted", left=names[pair.left], right=names[pair.right])

    async def _next(self, caller: Caller, set_id: str, left: str, right: str) -> tuple[Pair | None, str]:
        operator = caller.owner.id
        voted = await self._store.call(self._store.replay_votes, operator, set_id)
        one, other = sorted((left, right))
        runs = [run for run in (left, right) if run != STORED]
        after = 0
        while page := await self._store.call(
            self._store.replay_items, operator, set_id, runs, after=after, limit=_PAGE
        ):
            for item in page:
                replies = {STORED: item.stored, **dict(zip(runs, item.replies, strict=True))}
                first, second = replies[left], replies[right]
                if not (is_whole(first) and is_whole(second)) or first.text.strip() == second.text.strip():
                    continue
                if (item.number, one, other) in voted:
                    continue
                sides = [left, right]
                self._random.shuffle(sides)
                cells = "".join(
                    f'<td><div class="wc-replay-text" dir="auto">{escape(replies[side].text)}</div></td>'
                    for side in sides
                )
                asked = f'<td colspan="2" dir="auto">{escape(item.asked)}</td>'
                html = (
                    '<table class="wc-replay"><thead><tr><th>A</th><th>B</th></tr></thead><tbody>'
                    f'<tr class="wc-replay-asked">{asked}</tr><tr>{cells}</tr></tbody></table>'
                )
                return Pair(set_id, item.number, sides[0], sides[1]), html
            after = page[-1].number
        return None, ""


def as_block(html: str) -> str:
    """HTML as a block of Markdown that ends nowhere before its end. `gr.HTML` runs what it is given as a
    template, which the page's policy forbids."""
    return html.replace("\r", "").replace("\n", "&#10;")


def create_votes(
    services: Services, label: Labels, chosen: gr.Dropdown, left: gr.Dropdown, right: gr.Dropdown
) -> None:
    """The part of the tab, and what it does."""
    votes = ReplayVotes(services)
    pair = gr.State(None)
    with gr.Accordion(label("console.replay.vote"), open=False, elem_id="wc-replay-vote"):
        gr.Markdown(label("console.replay.vote_is"), elem_classes=["wc-note"])
        with gr.Row(elem_classes=["wc-buttons"]):
            more = gr.Button(label("console.replay.next"), min_width=0, elem_id="wc-replay-next")
        shown = gr.Markdown(latex_delimiters=[], elem_id="wc-replay-pair")
        with gr.Row(elem_classes=["wc-buttons"], visible=False) as row:
            buttons = {
                name: gr.Button(
                    label(f"console.replay.{name}"),
                    min_width=0,
                    elem_id=f"wc-replay-{name.replace('_', '-')}",
                )
                for name in VOTES
            }
    following: Any = {"inputs": [chosen, left, right], "outputs": [pair, shown, row], **QUIET}
    next_pair = handler("operator", votes.next)
    more.click(next_pair, **following)
    for name, button in buttons.items():
        button.click(handler("operator", _voting(votes, name)), pair, None, **QUIET).success(
            next_pair, **following
        )


def _voting(votes: ReplayVotes, name: str) -> Any:
    async def vote(caller: Caller, pair: object) -> None:
        await votes.vote(caller, name, pair)

    return vote
