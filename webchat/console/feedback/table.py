"""The table of judgements: a page of those that the fields above it ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from webchat.api import Services
from webchat.console.asking import Caller
from webchat.console.feedback.filters import filter_of
from webchat.console.feedback.judgement import is_id, rated, reason_of, review, undo
from webchat.console.paging import FIRST, Place, shown
from webchat.console.times import moment
from webchat.store.errors import NotFound
from webchat.store.judgement_records import MOST_COUNTED, ListedJudgement

MOST_SHOWN = 50
_EXCERPT = 120
COLUMNS = ("when", "model", "rating", "reasons", "state", "asked", "reply", "person", "link", "id")


class Judgements:
    """The handlers. Each returns new values of components, in the order in which it is bound to them."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    async def show(self, caller: Caller, *wanted: object) -> list[Any]:
        """The first page."""
        return await self._page(caller, FIRST, wanted)

    async def older(self, caller: Caller, place: object, *wanted: object) -> list[Any]:
        """The following page."""
        return await self._page(caller, _place(place).older(), wanted)

    async def newer(self, caller: Caller, place: object, *wanted: object) -> list[Any]:
        """The page before."""
        return await self._page(caller, _place(place).newer(), wanted)

    async def chosen(self, caller: Caller, row: Sequence[object]) -> str:
        """The id in a row of the table."""
        id = row[-1] if row else None
        if not is_id(id):
            raise NotFound("judgement")
        return id

    async def accept_all(self, caller: Caller, seen: object) -> list[Any]:
        """Accept those on the page that is shown."""
        return await review(self._store, caller, seen, "accepted")

    async def reject_all(self, caller: Caller, seen: object) -> list[Any]:
        """Reject those on the page that is shown."""
        return await review(self._store, caller, seen, "rejected")

    async def undo_review(self, caller: Caller, decision: object) -> list[Any]:
        """Undo what was decided last."""
        return await undo(self._store, caller, decision)

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
            table_of(caller, COLUMNS, rows),
            gr.Markdown(note, visible=not rows),
            seen,
            gr.Row(visible=bool(rows)),
            *shown(place, page.next),
            gr.Markdown(self._counted(caller, count), visible=bool(rows)),
        ]

    def _counted(self, caller: Caller, count: int) -> str:
        key = "console.feedback.count_more" if count >= MOST_COUNTED else "console.feedback.count"
        return caller.t(key, count=f"{count:,}")

    def _row(self, caller: Caller, one: ListedJudgement) -> list[str]:
        judgement = one.judgement
        state = caller.t(f"console.feedback.state.{judgement.review.state}")
        kept = "" if one.trains else caller.t("console.feedback.not_for_training")
        return [
            moment(caller, judgement.at),
            one.model,
            rated(caller, judgement),
            ", ".join(reason_of(caller, reason) for reason in judgement.reasons),
            " · ".join(filter(None, (state, kept))),
            one.asked[:_EXCERPT],
            one.reply[:_EXCERPT],
            one.person,
            judgement.link,
            judgement.id,
        ]


def table_of(caller: Caller, columns: Sequence[str], rows: list[list[Any]]) -> gr.Dataframe:
    """A table with these columns; hidden without rows."""
    headers = [caller.t(f"console.feedback.{name}") for name in columns]
    return gr.Dataframe(rows, headers=headers, visible=bool(rows))


def _place(value: object) -> Place:
    return value if isinstance(value, Place) else FIRST
