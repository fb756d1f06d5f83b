"""Verbs of operators, who read judgements and say which may be exported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import aliased

from webchat.store.cursors import place, read_place
from webchat.store.database.codec import clean, now
from webchat.store.database.tables.conversations import MessageRow, TurnRow
from webchat.store.database.tables.judgements import JudgementReasonRow, JudgementRow
from webchat.store.database.tables.people import OwnerRow
from webchat.store.database.transactions import heavy, long, reads, writes
from webchat.store.database.until import Until
from webchat.store.errors import NotFound
from webchat.store.judgement_records import (
    MOST_COUNTED,
    Decision,
    Judgement,
    JudgementChoices,
    JudgementCount,
    JudgementFilter,
    ListedJudgement,
    Reviewed,
    ReviewState,
    Thumb,
)
from webchat.store.judgements.rows import is_live, judgements_query, load_judgement, must_operate, trains
from webchat.store.judgements.snapshots import ENDED_WITH_TEXT, judged_of
from webchat.store.records import Page
from webchat.store.testers.verbs import TesterVerbs, agreed

R = TypeVar("R")

MOST_REVIEWED = 500
"""Judgements reviewed at once."""

EXCERPT_CHARS = 300
SLICE_ROWS = 50
SLICE_CHARS = 2_000_000
"""Of what is exported, in memory at a time; a single one may be longer."""

MOST_COUNTS = 20_000
MOST_CHOICES = 200

_REVIEW = (
    JudgementRow.review, JudgementRow.reviewed_by, JudgementRow.reviewed_at, JudgementRow.review_better,
)  # fmt: skip

_ASKED = aliased(MessageRow)
_JUDGE = aliased(OwnerRow)


class ReviewVerbs(TesterVerbs):
    """Reading, reviewing and counting judgements, and what may be exported."""

    @long
    def judgements(
        self,
        operator: str,
        wanted: JudgementFilter = JudgementFilter(),  # noqa: B008  frozen
        *,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[ListedJudgement]:
        """The newest first, without what is in the trash. Testers' are logged like looks at their chats.
        Raises BadCursor; NotFound for somebody who does not operate."""
        self._check_operator(operator)
        page = self._judgements(wanted, cursor, limit)
        for link_id in dict.fromkeys(one.judgement.link_id for one in page.items):
            if link_id is not None:
                self._log_look(operator, "judged", link_id)
        return page

    @reads
    def _judgements(
        self, connection: Connection, wanted: JudgementFilter, cursor: str | None, limit: int
    ) -> Page[ListedJudgement]:
        key = (JudgementRow.at, JudgementRow.id)
        if wanted.reason is not None:
            key = (JudgementReasonRow.at, JudgementReasonRow.judgement_id)  # the same, in their index
        query = _wanted(_listed(reasons=wanted.reason is not None), wanted)
        if cursor is not None:
            _, at, id = read_place(cursor)
            query = query.where(tuple_(*key) < tuple_(literal(at, key[0].type), literal(id)))
        rows = connection.execute(query.order_by(*(column.desc() for column in key)).limit(limit + 1)).all()
        items = tuple(_as_listed(row) for row in rows[:limit])
        return Page(items, place(rows[limit - 1].at, rows[limit - 1].id) if len(rows) > limit else None)

    @long
    def judgement(self, operator: str, id: str) -> Judgement:
        """One with its snapshot; without it and all other words where operators may not read. Raises
        NotFound."""
        self._check_operator(operator)
        found = self._judgement(id)
        if found.link_id is not None:
            self._log_look(operator, "judged", found.link_id, found.conversation_id)
        return found

    @reads
    def _judgement(self, connection: Connection, id: str) -> Judgement:
        row = connection.execute(_listed().where(JudgementRow.id == id, is_live())).first()
        if row is None:
            raise NotFound("judgement")
        return _without_words(row, load_judgement(row, judged_of(connection, row.message_id)))

    @long
    def review_judgements(
        self,
        operator: str,
        shown: Mapping[str, datetime],
        state: ReviewState,
        better: str = "",
    ) -> Reviewed:
        """Say what is made of judgements, at most `MOST_REVIEWED`; of one, `edited` with a better answer.
        shown: their ids, each with its `changed_at` when the operator saw it; what was changed since stays as
        it is. Nothing is accepted whose words operators may not read: they would be exported unread once its
        person agrees. In slices: if it is interrupted, the first ones are reviewed. Raises ValueError for an
        answer without `edited` and the other way round, or for several."""
        if len(shown) > MOST_REVIEWED:
            raise ValueError(f"at most {MOST_REVIEWED} judgements can be reviewed at once")
        if (state == "edited") != bool(better.strip()) or (better.strip() and len(shown) > 1):
            raise ValueError("a better answer belongs to one judgement that is edited")
        at, better = None if state == "new" else now(), clean(better) if better.strip() else ""
        total = Reviewed(0, 0)
        were: dict[str, Mapping[str, Any]] = {}
        for one in self.slices(
            partial(self._review, operator, some, state, better, at) for some in _sliced(shown)
        ):
            assert one.decision is not None
            were.update(one.decision.before)
            total = Reviewed(
                total.reviewed + one.reviewed, total.changed + one.changed, total.unread + one.unread
            )
        return replace(total, decision=Decision(state, at, were))

    @writes
    def _review(
        self,
        connection: Connection,
        operator: str,
        shown: Mapping[str, datetime],
        state: ReviewState,
        better: str,
        at: datetime | None,
    ) -> Reviewed:
        must_operate(connection, operator)
        columns = (JudgementRow.id, JudgementRow.changed_at, *_REVIEW)
        locked = select(*columns).where(JudgementRow.id.in_(shown)).order_by(JudgementRow.id)
        there = connection.execute(locked.with_for_update()).all()
        same = [row.id for row in there if row.changed_at == shown[row.id]]
        changed, unread = len(there) - len(same), 0
        if state in ("accepted", "edited"):
            may = judgements_query().with_only_columns(JudgementRow.id)
            read = set(connection.scalars(may.where(JudgementRow.id.in_(same), readable())))
            same, unread = [id for id in same if id in read], len(same) - len(read)
        connection.execute(
            update(JudgementRow)
            .where(JudgementRow.id.in_(same))
            .values(
                review=state,
                reviewed_by=None if at is None else operator,
                reviewed_at=at,
                review_better=better,
            )
        )
        were = {
            row.id: {column.key: getattr(row, column.key) for column in _REVIEW}
            for row in there
            if row.id in same
        }
        return Reviewed(len(same), changed, unread, Decision(state, at, were))

    @long
    def undo_reviews(self, operator: str, decision: Decision) -> int:
        """Make of judgements what they were before an operator's own decision; returns how many. What was
        decided or changed since stays as it is, and so do exported files. In slices, like the decision."""
        parts = (replace(decision, before=some) for some in _sliced(decision.before))
        return sum(self.slices(partial(self._undo, operator, part) for part in parts))

    @writes
    def _undo(self, connection: Connection, operator: str, decision: Decision) -> int:
        must_operate(connection, operator)
        by = None if decision.state == "new" else operator
        left = (
            JudgementRow.review == decision.state,
            JudgementRow.reviewed_by.is_not_distinct_from(by),
            JudgementRow.reviewed_at.is_not_distinct_from(decision.at),
        )
        those = select(JudgementRow.id).where(JudgementRow.id.in_(decision.before), *left)
        still = list(connection.scalars(those.order_by(JudgementRow.id).with_for_update()))
        for id in still:
            again = update(JudgementRow).where(JudgementRow.id == id)
            connection.execute(again.values(**decision.before[id]))
        return len(still)

    @heavy
    def judgement_counts(self, connection: Connection, _until: Until) -> list[JudgementCount]:
        """By model and day, the oldest day first, the newest `MOST_COUNTS` pairs."""

        def count(condition: Any) -> Any:
            return func.sum(case((condition, 1), else_=0))

        rows = connection.execute(
            select(
                JudgementRow.model,
                JudgementRow.day,
                count(JudgementRow.rating == 1),
                count(JudgementRow.rating == -1),
                count(JudgementRow.corrects),
                func.count(),
            )
            .group_by(JudgementRow.day, JudgementRow.model)
            .order_by(JudgementRow.day.desc(), JudgementRow.model.desc())
            .limit(MOST_COUNTS)
        ).all()
        return [JudgementCount(model, date.fromisoformat(on), *rest) for model, on, *rest in reversed(rows)]

    @heavy
    def judgement_choices(self, connection: Connection, _until: Until) -> JudgementChoices:
        """By what judgements can be filtered, at most `MOST_CHOICES` of each."""

        def distinct(column: Any) -> tuple[str, ...]:
            found = select(column).where(column != "").distinct().order_by(column)
            return tuple(connection.scalars(found.limit(MOST_CHOICES)))

        judged = exists().where(JudgementRow.owner_id == OwnerRow.id)
        people = select(OwnerRow.id, OwnerRow.kind, OwnerRow.name).where(judged)
        rows = connection.execute(people.order_by(OwnerRow.id.desc()).limit(MOST_CHOICES))
        return JudgementChoices(
            distinct(JudgementRow.template),
            distinct(JudgementReasonRow.reason),
            tuple((row.id, _name(row.id, row.kind, row.name)) for row in rows),
        )

    @heavy
    def count_judgements(self, connection: Connection, _until: Until, wanted: JudgementFilter) -> int:
        """How many there are; counted up to `MOST_COUNTED`."""
        query = judgements_query(reasons=wanted.reason is not None)
        found = _wanted(query.with_only_columns(JudgementRow.id, maintain_column_froms=True), wanted)
        counted = select(func.count()).select_from(found.limit(MOST_COUNTED).subquery())
        return connection.scalar(counted) or 0

    @heavy
    def thumbs(self, connection: Connection, _until: Until) -> list[Thumb]:
        """All ratings that were not rejected."""
        rows = connection.execute(
            select(JudgementRow.owner_id, JudgementRow.model, JudgementRow.rating).where(
                JudgementRow.rating != 0, JudgementRow.review != "rejected"
            )
        )
        return [Thumb(owner, model, 1 if rating > 0 else -1) for owner, model, rating in rows]

    def usable(self) -> Iterator[Judgement]:
        """The judgements that may be exported, each with its snapshot, the oldest first: accepted or edited,
        of people who agreed and were not removed, of replies that ended. Of one that did not end by itself,
        only those with a better answer. What is withdrawn meanwhile is left out from then on.

        Reads in slices, in the calling thread: memory stays the same however many there are, and nobody who
        judges waits.
        """
        after = ""
        while True:
            read, found = self._usable_slice(after)
            yield from found
            if read is None:
                return
            after = read

    @reads
    def _usable_slice(self, connection: Connection, after: str) -> tuple[str | None, list[Judgement]]:
        """The last id that was looked at, `None` at the end, and what may be exported of those."""
        rows = connection.execute(_USABLE.where(JudgementRow.id > after).limit(SLICE_ROWS)).all()
        found: list[Judgement] = []
        chars = 0
        for row in rows:
            judged = judged_of(connection, row.message_id)
            if judged is None or not (judged.whole or row.better or row.review_better):
                continue
            found.append(load_judgement(row, judged))
            chars += sum(len(message.text) for message in judged.prompt) + len(judged.reply)
            if chars > SLICE_CHARS:
                return row.id, found
        return rows[-1].id if len(rows) == SLICE_ROWS else None, found

    @reads
    def _check_operator(self, connection: Connection, operator: str) -> None:
        must_operate(connection, operator)


def readable() -> ColumnElement[bool]:
    """Whether operators may read its words: of what trains, and of testers' chats those they read elsewhere,
    judged under a sentence."""
    return or_(trains(), and_(OwnerRow.kind == "guest", JudgementRow.consent.is_not(None), agreed()))


def _listed(*, reasons: bool = False) -> Select[Any]:
    return (
        judgements_query(reasons=reasons)
        .add_columns(
            _JUDGE.kind,
            _JUDGE.name,
            trains().label("trains"),
            readable().label("readable"),
            func.substr(MessageRow.text, 1, EXCERPT_CHARS).label("reply"),
            func.substr(_ASKED.text, 1, EXCERPT_CHARS).label("asked"),
        )
        .join(_JUDGE, _JUDGE.id == JudgementRow.owner_id)
        .outerjoin(_ASKED, _ASKED.id == MessageRow.parent_id)
    )


def _sliced(shown: Mapping[str, R]) -> Iterator[Mapping[str, R]]:
    """At least one, which finds out whether an operator asks."""
    ids = list(shown)
    for start in range(0, max(1, len(ids)), SLICE_ROWS):
        yield {id: shown[id] for id in ids[start : start + SLICE_ROWS]}


def _wanted(query: Select[Any], wanted: JudgementFilter) -> Select[Any]:
    query = query.where(is_live())
    for column, value in (
        (JudgementRow.model, wanted.model),
        (JudgementRow.link_id, wanted.link_id),
        (JudgementRow.template, wanted.template),
        (JudgementRow.rating, wanted.rating),
        (JudgementRow.owner_id, wanted.person),
        (JudgementRow.review, wanted.review),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.since is not None:
        query = query.where(JudgementRow.at >= wanted.since)
    if wanted.before is not None:
        query = query.where(JudgementRow.at < wanted.before)
    if wanted.reason is not None:
        query = query.where(JudgementReasonRow.reason == wanted.reason)
    return query


def _without_words(row: Row[Any], found: Judgement) -> Judgement:
    """What was rated and chosen is all that operators are shown where they may not read."""
    if row.readable:
        return found
    answers = tuple(one for one in found.answers if one.question.kind != "text")
    review = replace(found.review, better="")
    return replace(found, comment="", better="", answers=answers, review=review, judged=None)


def _name(owner_id: str, kind: str, name: str) -> str:
    """A name, or what tells the people of a link apart."""
    return owner_id[-4:] if kind == "guest" else name


def _as_listed(row: Row[Any]) -> ListedJudgement:
    return ListedJudgement(
        _without_words(row, load_judgement(row)),
        model=row.model,
        template=row.template,
        person=_name(row.owner_id, row.kind, row.name),
        asked=(row.asked or "") if row.readable else "",
        reply=row.reply if row.readable else "",
        trains=bool(row.trains),
    )


_USABLE = (
    judgements_query()
    .join(TurnRow, TurnRow.message_id == JudgementRow.message_id)
    .where(
        JudgementRow.review.in_(("accepted", "edited")),
        TurnRow.state.in_(ENDED_WITH_TEXT),
        is_live(),
        trains(),
    )
    .order_by(JudgementRow.id)
)
