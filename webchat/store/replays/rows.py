"""Queries of replays, and their rows as records.

Of a set counts what may still be used: what its people have deleted, or agree to no more, is left out of
every query from that moment on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import ColumnElement, Row, Select, and_, case, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, aliased

from webchat.store.database.codec import clean, dump_settings, load_failure, load_settings
from webchat.store.database.tables.conversations import MessageRow, TurnRow
from webchat.store.database.tables.replays import ReplayItemRow, ReplayReplyRow, ReplayRunRow, ReplaySetRow
from webchat.store.errors import StoreUnavailable
from webchat.store.judgements.rows import is_live, may_replay, replayed_from
from webchat.store.replay_records import STORED, ReplayJudge, ReplayReply, ReplayRun, ReplaySet, ReplayVariant

JUDGE = "judge"
"""The kind of the assertion that is a set's judge."""

MOST_ATTEMPTS = 5
"""Ends of the server during a reply after which it counts as failed: it may be what ends the server."""


def items_query(viewer: str | InstrumentedAttribute[str]) -> Select[Any]:
    """The numbers of what an operator may use of sets."""
    query = select(ReplayItemRow.number).join(MessageRow, MessageRow.id == ReplayItemRow.message_id)
    usable: Select[Any] = replayed_from(query).where(is_live(), may_replay(viewer))
    return usable


def with_replies(query: Select[Any]) -> Select[Any]:
    """Such a query with what became of each item in each run of its set. Of runs that judge others, only the
    items whose reply there is whole."""
    return (
        query.join(ReplayRunRow, ReplayRunRow.set_id == ReplayItemRow.set_id)
        .outerjoin(
            ReplayReplyRow,
            and_(ReplayReplyRow.run_id == ReplayRunRow.id, ReplayReplyRow.number == ReplayItemRow.number),
        )
        .outerjoin(TurnRow, TurnRow.message_id == ReplayReplyRow.reply_id)
        .where(_is_ready())
    )


def _is_ready() -> ColumnElement[bool]:
    judged, turn = aliased(ReplayReplyRow), aliased(TurnRow)
    partly = exists().where(turn.message_id == ReplayItemRow.message_id, turn.state != "complete")
    whole = exists().where(
        judged.run_id == ReplayRunRow.judges,
        judged.number == ReplayItemRow.number,
        turn.message_id == judged.reply_id,
        turn.state == "complete",
    )
    return or_(ReplayRunRow.judges.is_(None), and_(ReplayRunRow.judges == STORED, ~partly), whole)


def is_done() -> ColumnElement[bool]:
    return cast(ColumnElement[bool], func.coalesce(TurnRow.state == "complete", False))


def is_failed() -> ColumnElement[bool]:
    """Interrupted ones, and those that could not be stored, are begun again."""
    unstored = func.coalesce(TurnRow.failure["code"].as_string() == StoreUnavailable.code, False)
    broken_off = or_(TurnRow.state == "interrupted", unstored)
    gave_up = or_(~broken_off, ReplayReplyRow.attempts >= MOST_ATTEMPTS)
    ended = and_(TurnRow.state.in_(("failed", "blocked", "stopped", "interrupted")), gave_up)
    return or_(ReplayReplyRow.failure.is_not(None), func.coalesce(ended, False))


def runs_query(*wanted: ColumnElement[bool]) -> Select[Any]:
    """Runs with how many items each has that their operators may use, and how many are done and failed.
    wanted: conditions on runs; only the replies of those are counted."""

    def count(those: ColumnElement[bool]) -> Any:
        return func.coalesce(func.sum(case((those, 1), else_=0)), 0)

    counts = (
        with_replies(items_query(ReplayRunRow.owner_id))
        .with_only_columns(
            ReplayRunRow.id.label("run_id"),
            func.count().label("usable"),
            count(is_done()).label("done"),
            count(is_failed()).label("failed"),
        )
        .where(*wanted)
        .group_by(ReplayRunRow.id)
        .subquery()
    )
    counted = select(
        *ReplayRunRow.__table__.columns,
        func.coalesce(counts.c.usable, 0).label("items"),
        func.coalesce(counts.c.done, 0).label("done"),
        func.coalesce(counts.c.failed, 0).label("failed"),
    ).outerjoin(counts, counts.c.run_id == ReplayRunRow.id)
    return counted.where(*wanted)


def sets_query(viewer: str, ids: Select[tuple[str]] | Sequence[str]) -> Select[Any]:
    """These sets, with how many items of each an operator may use."""
    counts = (
        items_query(viewer)
        .with_only_columns(ReplayItemRow.set_id.label("set_id"), func.count().label("usable"))
        .where(ReplayItemRow.set_id.in_(ids))
        .group_by(ReplayItemRow.set_id)
        .subquery()
    )
    usable = func.coalesce(counts.c.usable, 0).label("items")
    counted = select(*ReplaySetRow.__table__.columns, usable).outerjoin(
        counts, counts.c.set_id == ReplaySetRow.id
    )
    return counted.where(ReplaySetRow.id.in_(ids))


def load_set(row: Row[Any]) -> ReplaySet:
    checks = [one for one in row.assertions if one["kind"] != JUDGE]
    judges = load_judges(row.assertions)
    return ReplaySet(row.id, row.owner_id, row.name, row.chosen, checks, row.created_at, row.items, judges)


def load_run(row: Row[Any]) -> ReplayRun:
    return ReplayRun(
        id=row.id,
        set_id=row.set_id,
        owner_id=row.owner_id,
        name=row.name,
        variant=load_variant(row.variant),
        state=row.state,
        created_at=row.created_at,
        items=row.items,
        done=row.done,
        failed=row.failed,
        judges=row.judges,
    )


def dump_variant(variant: ReplayVariant) -> dict[str, Any]:
    return {"model": variant.model, "settings": dump_settings(variant.settings)}


def dump_judge(judge: ReplayJudge) -> dict[str, Any]:
    """Without the model's name where the judge is called by it, as all were before they had names."""
    variant = dump_variant(judge.variant)
    own = {} if judge.name == judge.model else {"model": clean(judge.model)}
    return {"kind": JUDGE, "name": clean(judge.name), "value": clean(judge.prompt), "variant": variant, **own}


def load_judges(assertions: Iterable[Mapping[str, Any]]) -> tuple[ReplayJudge, ...]:
    return tuple(
        ReplayJudge(one["name"], one["value"], load_variant(one["variant"]), one.get("model", one["name"]))
        for one in assertions
        if one["kind"] == JUDGE
    )


def load_variant(stored: Mapping[str, Any]) -> ReplayVariant:
    return ReplayVariant(stored["model"], load_settings(stored["settings"]))


def load_reply(row: Row[Any]) -> ReplayReply:
    """A row of `replies_query`."""
    return ReplayReply(
        message_id=row.id,
        state=row.state or "complete",
        text=row.text,
        model=row.made_by or row.model or "",
        failure=load_failure(row.failure),
        finish_reason=row.finish_reason,
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        first_token_seconds=row.first_token_seconds,
        total_seconds=row.total_seconds,
        queued_seconds=row.queued_seconds,
        seed=row.seed,
    )


def replies_query() -> Select[Any]:
    """Replies with how their turns went."""
    return select(
        MessageRow.id,
        MessageRow.text,
        MessageRow.model,
        TurnRow.model.label("made_by"),
        TurnRow.state,
        TurnRow.failure,
        TurnRow.finish_reason,
        TurnRow.prompt_tokens,
        TurnRow.completion_tokens,
        TurnRow.first_token_seconds,
        TurnRow.total_seconds,
        TurnRow.queued_seconds,
        TurnRow.seed,
    ).outerjoin(TurnRow, TurnRow.message_id == MessageRow.id)
