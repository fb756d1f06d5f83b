"""Verbs of operators on votes: what was preferred to what, and whether it may be exported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Connection, Row, and_, func, literal, or_, tuple_, update
from sqlalchemy.orm import aliased

from webchat.store.cursors import place, read_place
from webchat.store.database.codec import now
from webchat.store.database.tables.conversations import ConversationRow, MessageRow
from webchat.store.database.tables.judgements import ComparisonRow
from webchat.store.database.tables.people import OwnerRow, PersonRow
from webchat.store.database.transactions import long, reads, writes
from webchat.store.errors import NotFound
from webchat.store.judgement_records import Comparison, ListedVote, Review, ReviewState
from webchat.store.judgements.comparison_rows import COMPARISONS, load_comparison, with_judged
from webchat.store.judgements.reviewing import EXCERPT_CHARS, MOST_REVIEWED, ReviewVerbs
from webchat.store.judgements.rows import must_operate, trains
from webchat.store.judgements.votes import WITHDRAWN
from webchat.store.records import Page
from webchat.store.testers.verbs import agreed

_ASKED, _JUDGE = aliased(MessageRow), aliased(OwnerRow)


class VoteReviewVerbs(ReviewVerbs):
    """Reading and reviewing votes."""

    @long
    def listed_votes(
        self,
        operator: str,
        *,
        review: ReviewState | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[ListedVote]:
        """Votes, the newest first, without what is in the trash. Testers' are logged like looks at their
        chats. Raises BadCursor; NotFound for somebody who does not operate."""
        self._check_operator(operator)
        page = self._listed_votes(review, cursor, limit)
        for link_id in dict.fromkeys(one.vote.link_id for one in page.items):
            if link_id is not None:
                self._log_look(operator, "judged", link_id)
        return page

    @reads
    def _listed_votes(
        self, connection: Connection, review: ReviewState | None, cursor: str | None, limit: int
    ) -> Page[ListedVote]:
        key = (ComparisonRow.at, ComparisonRow.id)
        query = _votes()
        if review is not None:
            state = ComparisonRow.review["state"].as_string()
            query = query.where(ComparisonRow.review.is_(None) if review == "new" else state == review)
        if cursor is not None:
            _, at, id = read_place(cursor)
            query = query.where(tuple_(*key) < tuple_(literal(at, key[0].type), literal(id)))
        rows = connection.execute(query.order_by(*(column.desc() for column in key)).limit(limit + 1)).all()
        items = tuple(_listed(row) for row in rows[:limit])
        return Page(items, place(rows[limit - 1].at, rows[limit - 1].id) if len(rows) > limit else None)

    @long
    def vote(self, operator: str, id: str) -> Comparison:
        """One with both replies; without all words where operators may not read. Raises NotFound."""
        self._check_operator(operator)
        found = self._vote(id)
        if found.link_id is not None:
            self._log_look(operator, "judged", found.link_id, found.conversation_id)
        return found

    @reads
    def _vote(self, connection: Connection, id: str) -> Comparison:
        row = connection.execute(_votes().where(ComparisonRow.id == id)).first()
        if row is None:
            raise NotFound("comparison")
        found = load_comparison(row)
        return with_judged(connection, found) if row.readable else replace(found, comment="")

    @writes
    def review_votes(
        self, connection: Connection, operator: str, ids: Sequence[str], state: ReviewState
    ) -> int:
        """Say what is made of votes, at most `MOST_REVIEWED`: `accepted`, `rejected`, or `new` again. Returns
        how many. Raises ValueError for more, and for `edited`."""
        if len(ids) > MOST_REVIEWED or state == "edited":
            raise ValueError("votes are accepted or rejected, not too many at once")
        must_operate(connection, operator)
        review = asdict(Review(state, operator, None)) if state != "new" else None
        if review is not None:
            review["at"] = now().isoformat()
        those = (ComparisonRow.id.in_(ids), ComparisonRow.voted_at.is_not(None))
        return connection.execute(update(ComparisonRow).where(*those).values(review=review)).rowcount


def _votes() -> Any:
    tested = and_(OwnerRow.kind == "guest", ComparisonRow.consent.is_not(None), agreed())
    return (
        COMPARISONS.add_columns(
            _JUDGE.kind,
            _JUDGE.name,
            trains(ComparisonRow).label("trains"),
            or_(trains(ComparisonRow), tested).label("readable"),
            func.substr(_ASKED.text, 1, EXCERPT_CHARS).label("asked"),
        )
        .join(OwnerRow, OwnerRow.id == ConversationRow.owner_id)
        .outerjoin(PersonRow, PersonRow.owner_id == OwnerRow.id)
        .join(_JUDGE, _JUDGE.id == ComparisonRow.owner_id)
        .join(_ASKED, _ASKED.id == ComparisonRow.asked_id)
        .where(
            ComparisonRow.voted_at.is_not(None),
            ConversationRow.deleted_at.is_(None),
            _ASKED.deleted_at.is_(None),
            or_(ConversationRow.kind != "replay", ~WITHDRAWN),
        )
    )


def _listed(row: Row[Any]) -> ListedVote:
    vote = load_comparison(row)
    return ListedVote(
        vote if row.readable else replace(vote, comment=""),
        person=row.owner_id[-4:] if row.kind == "guest" else row.name,
        asked=row.asked if row.readable else "",
        trains=bool(row.trains),
    )
