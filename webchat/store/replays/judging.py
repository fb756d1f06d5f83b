"""Verbs on the judges of a set: models whose verdicts on its replies are replies of runs of their own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from itertools import product

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, false, or_, select, update

from webchat.store.database.codec import new_id, now
from webchat.store.database.tables.conversations import MessageRow
from webchat.store.database.tables.judgements import JudgementRow
from webchat.store.database.tables.replays import ReplayItemRow, ReplayReplyRow, ReplayRunRow, ReplaySetRow
from webchat.store.database.transactions import long, reads, writes
from webchat.store.judgements.rows import must_operate
from webchat.store.replay_records import STORED, ReplayJudge, ReplayRun, ToJudge
from webchat.store.replays.rows import (
    JUDGE,
    dump_judge,
    dump_variant,
    is_failed,
    items_query,
    load_judges,
    load_run,
    runs_query,
    with_replies,
)
from webchat.store.replays.sets import SLICE_ROWS, ReplaySetVerbs, must_exist
from webchat.store.verbs.tree import path_to


class JudgingVerbs(ReplaySetVerbs):
    """Choosing judges, and what they are asked about."""

    @long
    def judge_replays(self, operator: str, set_id: str, judges: Sequence[ReplayJudge]) -> None:
        """Have these judge the stored replies of a set and those of its runs, also of later ones. Verdicts of
        other judges, or on other prompts, are deleted; with the same again, what failed is done once more.
        Raises NotFound."""
        self.in_turn(self._choose_judges, operator, set_id, judges)
        while copies := self._copies(set_id, ReplayRunRow.judges.is_not(None), ~_is_by(judges)):
            self.in_turn(self._discard_copies, copies)
        while failed := self._failed_verdicts(set_id):
            self.in_turn(self._discard_copies, failed)
        self.in_turn(self._judge_all, operator, set_id, judges)

    @writes
    def _choose_judges(
        self, connection: Connection, operator: str, set_id: str, judges: Sequence[ReplayJudge]
    ) -> None:
        must_operate(connection, operator)
        must_exist(connection, set_id)
        of_set = ReplaySetRow.id == set_id
        stored = connection.scalar(select(ReplaySetRow.assertions).where(of_set)) or []
        kept = [one for one in stored if one["kind"] != JUDGE]
        chosen = [dump_judge(judge) for judge in judges]
        connection.execute(update(ReplaySetRow).where(of_set).values(assertions=[*kept, *chosen]))
        judging = update(ReplayRunRow).where(ReplayRunRow.set_id == set_id, ReplayRunRow.judges.is_not(None))
        connection.execute(judging.values(state="cancelled"))

    @reads
    def _failed_verdicts(self, connection: Connection, set_id: str) -> list[str]:
        failed = with_replies(items_query(ReplayRunRow.owner_id)).where(
            ReplayRunRow.set_id == set_id, ReplayRunRow.judges.is_not(None), is_failed()
        )
        copies = failed.with_only_columns(ReplayReplyRow.conversation_id)
        return list(connection.scalars(copies.limit(SLICE_ROWS)))

    @writes
    def _judge_all(
        self, connection: Connection, operator: str, set_id: str, judges: Sequence[ReplayJudge]
    ) -> None:
        used = exists().where(ReplayReplyRow.run_id == ReplayRunRow.id)
        of_set = (ReplayRunRow.set_id == set_id, ReplayRunRow.judges.is_not(None))
        connection.execute(delete(ReplayRunRow).where(*of_set, ~_is_by(judges), ~used))
        runs = select(ReplayRunRow.id).where(ReplayRunRow.set_id == set_id, ReplayRunRow.judges.is_(None))
        self._open_judging(connection, operator, set_id, [STORED, *connection.scalars(runs)])

    def _open_judging(self, connection: Connection, operator: str, set_id: str, runs: Iterable[str]) -> None:
        """Have the judges of a set judge these runs."""
        for judge, run in product(_judges(connection, set_id), list(runs)):
            values = {
                "id": new_id(),
                "set_id": set_id,
                "owner_id": operator,
                "name": f"{_digest(judge)} {run}",
                "variant": dump_variant(judge.variant),
                "judges": run,
                "state": "open",
                "created_at": now(),
            }
            if not self.dialect.insert_once(connection, ReplayRunRow, values):
                again = (ReplayRunRow.set_id == set_id, ReplayRunRow.name == values["name"])
                connection.execute(update(ReplayRunRow).where(*again).values(state="open"))

    @reads
    def replay_judging(self, connection: Connection, operator: str, set_id: str) -> list[list[ReplayRun]]:
        """The runs of each judge of a set, the oldest first. Raises NotFound for somebody who does not
        operate."""
        must_operate(connection, operator)
        judges = _judges(connection, set_id)
        by_them = (ReplayRunRow.set_id == set_id, _is_by(judges))
        query = runs_query(*by_them).order_by(ReplayRunRow.created_at, ReplayRunRow.id)
        runs = [load_run(row) for row in connection.execute(query)]
        return [[run for run in runs if run.name.startswith(_digest(judge))] for judge in judges]

    @reads
    def replay_to_judge(self, connection: Connection, run_id: str, number: int) -> ToJudge | None:
        """What a judge's run is asked about an item. `None` where it may not be used any more."""
        row = connection.execute(
            with_replies(items_query(ReplayRunRow.owner_id))
            .with_only_columns(
                ReplayRunRow.set_id,
                ReplayRunRow.name,
                ReplayRunRow.judges,
                ReplayItemRow.message_id,
                MessageRow.parent_id,
                MessageRow.text,
            )
            .where(
                ReplayRunRow.id == run_id, ReplayItemRow.number == number, ReplayRunRow.judges.is_not(None)
            )
        ).first()
        if row is None or row.parent_id is None:
            return None
        judges = _judges(connection, row.set_id)
        by = next((judge for judge in judges if row.name.startswith(_digest(judge))), None)
        if by is None:
            return None
        reply = row.text
        if row.judges != STORED:
            replied = select(ReplayReplyRow.reply_id).where(
                ReplayReplyRow.run_id == row.judges, ReplayReplyRow.number == number
            )
            of_run = MessageRow.id == replied.scalar_subquery()
            reply = connection.scalar(select(MessageRow.text).where(of_run))
        if reply is None:
            return None
        path = [one for one in path_to(connection, row.parent_id) if one.state != "blocked"]
        return ToJudge(tuple(path), reply, _reference(connection, row.message_id), by.prompt)


def _judges(connection: Connection, set_id: str) -> tuple[ReplayJudge, ...]:
    stored = select(ReplaySetRow.assertions).where(ReplaySetRow.id == set_id)
    return load_judges(connection.scalar(stored) or ())


def _is_by(judges: Sequence[ReplayJudge]) -> ColumnElement[bool]:
    """Whether a run is one of these judges."""
    theirs = (ReplayRunRow.name.startswith(f"{_digest(judge)} ") for judge in judges)
    return and_(ReplayRunRow.judges.is_not(None), or_(false(), *theirs))


def _reference(connection: Connection, message_id: str) -> str:
    """The better answer to a message: the newest one of operators, else of others; none that was rejected."""
    by_operator = JudgementRow.review_better != ""
    row = connection.execute(
        select(JudgementRow.review_better, JudgementRow.better)
        .where(
            JudgementRow.message_id == message_id,
            JudgementRow.review != "rejected",
            or_(by_operator, JudgementRow.better != ""),
        )
        .order_by(by_operator.desc(), JudgementRow.changed_at.desc())
        .limit(1)
    ).first()
    return "" if row is None else row.review_better or row.better


def _digest(judge: ReplayJudge) -> str:
    """The same for the same question to the same model."""
    return hashlib.sha256(json.dumps(dump_judge(judge), sort_keys=True).encode()).hexdigest()[:16]
