"""What testers thought of replies. For operators: no owner is checked."""

from __future__ import annotations

from sqlalchemy import Connection, case, func, select

from webchat.store.database.tables.judgements import JudgementRow
from webchat.store.database.tables.links import LinkRow
from webchat.store.database.transactions import Database, heavy
from webchat.store.database.until import Until
from webchat.store.link_records import LinkRatings

MOST_RATINGS = 1000
"""Pairs of a link and a model."""


class RatingVerbs(Database):
    """Counts; the words of replies are for their owners."""

    @heavy
    def ratings_by_link(self, connection: Connection, _until: Until) -> list[LinkRatings]:
        """Of the people of each link, by model; the newest links first."""
        good, bad = (func.sum(case((JudgementRow.rating == value, 1), else_=0)) for value in (1, -1))
        rows = connection.execute(
            select(LinkRow.name, JudgementRow.model, good, bad)
            .join(LinkRow, LinkRow.id == JudgementRow.link_id)
            .where(JudgementRow.rating != 0)
            .group_by(LinkRow.id, LinkRow.name, LinkRow.created_at, JudgementRow.model)
            .order_by(LinkRow.created_at.desc(), LinkRow.id, JudgementRow.model)
            .limit(MOST_RATINGS)
        )
        return [LinkRatings(*row) for row in rows]
