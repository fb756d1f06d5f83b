"""The replies of two variants side by side, with what differs marked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from webchat.api import Services
from webchat.console.asking import Caller
from webchat.console.paging import FIRST, Place, shown
from webchat.console.replay.choosing import is_id
from webchat.console.replay.votes import as_block
from webchat.feedback.replay import JudgedItem, facts_of, judged_items, verdicts_of_judges, word_diff
from webchat.feedback.replay.marked import marked_new, marked_old
from webchat.sentences import locale
from webchat.store.replay_records import STORED, ReplayJudge, ReplayRun

MOST_SHOWN = 10


class SideBySide:
    """The handlers. Each returns new values of components, in the order in which it is bound to them."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    async def compare(self, caller: Caller, set_id: object, left: object, right: object) -> list[Any]:
        """The first items with two replies side by side."""
        return await self._page(caller, FIRST, set_id, left, right)

    async def older(
        self, caller: Caller, place: object, set_id: object, left: object, right: object
    ) -> list[Any]:
        """The following items."""
        return await self._page(caller, _place(place).older(), set_id, left, right)

    async def newer(
        self, caller: Caller, place: object, set_id: object, left: object, right: object
    ) -> list[Any]:
        """The items before."""
        return await self._page(caller, _place(place).newer(), set_id, left, right)

    async def _page(
        self, caller: Caller, place: Place, set_id: object, left: object, right: object
    ) -> list[Any]:
        if not is_id(set_id) or not isinstance(left, str) or not isinstance(right, str):
            return [gr.Markdown(""), *shown(FIRST, None)]
        runs = [one for one in dict.fromkeys((left, right)) if one != STORED]
        operator = caller.owner.id
        of = await self._store.call(self._store.replay_set, operator, set_id)
        judging = await self._store.call(self._store.replay_judging, operator, set_id)
        after, limit = int(place.cursor or 0), MOST_SHOWN + 1
        found = await asyncio.to_thread(
            judged_items, self._store, operator, set_id, runs, judging, after=after, limit=limit
        )
        items = found[:MOST_SHOWN]
        names = await self._names(caller, set_id)
        parts = await asyncio.to_thread(_table, caller, of.judges, items, runs, (left, right), names)
        next = str(items[-1][0].number) if len(found) > MOST_SHOWN else None
        return [gr.Markdown(as_block(parts)), *shown(place, next)]

    async def _names(self, caller: Caller, set_id: str) -> dict[str, str]:
        runs: list[ReplayRun] = await self._store.call(self._store.replay_runs, caller.owner.id, set_id)
        return {STORED: caller.t("replay.stored"), **{one.id: one.name for one in runs}}


def _table(
    caller: Caller,
    judges: Sequence[ReplayJudge],
    items: Sequence[JudgedItem],
    runs: Sequence[str],
    sides: tuple[str, str],
    names: dict[str, str],
) -> str:
    """Both replies to each message, with what differs marked; all text is escaped."""
    words = locale(caller.language)
    heads = "".join(f'<th dir="auto">{escape(names.get(side, ""))}</th>' for side in sides)
    rows = []
    for item, verdicts in items:
        replies = {STORED: item.stored, **dict(zip(runs, item.replies, strict=True))}
        judged = dict(zip((STORED, *runs), verdicts, strict=True))
        left, right = (replies[side] for side in sides)
        pieces = word_diff(left.text, right.text)
        cells = "".join(
            f'<td><div class="wc-replay-facts">{facts_of(reply, words)}</div>'
            f'<div class="wc-replay-text" dir="auto">{text}</div>'
            f"{verdicts_of_judges(judges, reply, judged[side], words)}</td>"
            for side, reply, text in (
                (sides[0], left, marked_old(pieces)),
                (sides[1], right, marked_new(pieces)),
            )
        )
        asked = f'<td colspan="2" dir="auto">{item.number}. {escape(item.asked)}</td>'
        rows.append(f'<tr class="wc-replay-asked">{asked}</tr><tr>{cells}</tr>')
    body = "".join(rows)
    return f'<table class="wc-replay"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'


def _place(value: object) -> Place:
    return value if isinstance(value, Place) else FIRST
