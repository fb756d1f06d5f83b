"""Verbs on what replays gave: replies side by side, and votes between two of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, func, insert, literal, null, select
from sqlalchemy.orm import aliased

from webchat.store.database.codec import clean, load_failure, new_id, now
from webchat.store.database.tables.conversations import ConversationRow, MessageRow, TurnRow
from webchat.store.database.tables.judgements import ComparisonRow, JudgementRow
from webchat.store.database.tables.people import OwnerRow
from webchat.store.database.tables.replays import ReplayItemRow, ReplayReplyRow, ReplayRunRow
from webchat.store.database.transactions import long, reads, writes
from webchat.store.errors import NotFound
from webchat.store.judgement_records import Vote
from webchat.store.judgements.rows import must_operate
from webchat.store.records import TurnState
from webchat.store.replay_records import STORED, ReplayItem, ReplayReply
from webchat.store.replays.rows import items_query, load_reply, replies_query
from webchat.store.replays.runs import ReplayRunVerbs
from webchat.store.testers.verbs import TesterVerbs

_ASKED = aliased(MessageRow)
_ENDED: tuple[TurnState, ...] = ("complete",)


class ReplayResultVerbs(ReplayRunVerbs, TesterVerbs):
    """Reading results, and voting on them."""

    @long
    def replay_items(
        self,
        operator: str,
        set_id: str,
        runs: Sequence[str],
        *,
        after: int = 0,
        limit: int = 50,
    ) -> list[ReplayItem]:
        """The items behind the number `after`, each with the stored reply and those of these runs. Testers'
        are logged like looks at their chats, once per link. Raises NotFound for somebody who does not
        operate."""
        links, items = self._replay_items(operator, set_id, runs, after, limit)
        for link_id in links:
            self._log_look(operator, "replayed", link_id)
        return items

    @reads
    def _replay_items(
        self, connection: Connection, operator: str, set_id: str, runs: Sequence[str], after: int, limit: int
    ) -> tuple[list[str], list[ReplayItem]]:
        """Also the links that the items' people came by."""
        must_operate(connection, operator)
        rows = connection.execute(
            items_query(operator)
            .add_columns(
                ReplayItemRow.message_id,
                MessageRow.conversation_id,
                MessageRow.parent_id,
                _ASKED.text,
                OwnerRow.link_id,
            )
            .join(_ASKED, _ASKED.id == MessageRow.parent_id)
            .where(ReplayItemRow.set_id == set_id, ReplayItemRow.number > after)
            .order_by(ReplayItemRow.number)
            .limit(limit)
        ).all()
        given = _given(connection, runs, [row.number for row in rows])
        stored = _replies(connection, [row.message_id for row in rows])
        again = _replies(connection, [one.reply_id for one in given.values() if one.reply_id])
        prompts = _prompts(connection, given.values())
        links = list(dict.fromkeys(row.link_id for row in rows if row.link_id is not None))
        return links, [
            ReplayItem(
                number=row.number,
                conversation_id=row.conversation_id,
                asked=row.text,
                stored=stored[row.message_id],
                replies=tuple(_reply(given.get((run, row.number)), again, prompts) for run in runs),
            )
            for row in rows
        ]

    @writes
    def vote_on_replay(
        self,
        connection: Connection,
        operator: str,
        set_id: str,
        number: int,
        left: str,
        right: str,
        vote: Vote,
    ) -> str:
        """Store what an operator prefers for an item: of two runs, by their ids, or of one and the stored
        reply (`STORED`). It counts like a vote in a chat; another vote of theirs on the same two replaces
        it. Returns its id. Raises NotFound, also for replies that did not end by themselves."""
        must_operate(connection, operator)
        sides = [_side(connection, operator, set_id, number, run) for run in (left, right)]
        replayed = next((side for side in sides if side.asked_id is not None), None)
        if replayed is None or sides[0].reply_id == sides[1].reply_id:
            raise NotFound("replay_item")
        ids = [side.reply_id for side in sides]
        connection.execute(
            delete(ComparisonRow).where(
                ComparisonRow.owner_id == operator,
                ComparisonRow.left_id.in_(ids),
                ComparisonRow.right_id.in_(ids),
            )
        )
        id, moment = new_id(), now()
        connection.execute(
            insert(ComparisonRow).values(
                id=id,
                owner_id=operator,
                conversation_id=replayed.conversation_id,
                asked_id=replayed.asked_id,
                left_id=ids[0],
                right_id=ids[1],
                left_model=sides[0].name,
                right_model=sides[1].name,
                left_settings=sides[0].settings,
                right_settings=sides[1].settings,
                at=moment,
                preferred=vote.preferred,
                left_good=vote.left_good,
                right_good=vote.right_good,
                comment=clean(vote.comment),
                voted_at=moment,
                closed_at=moment,
            )
        )
        return id

    @reads
    def replay_votes(
        self, connection: Connection, operator: str, set_id: str
    ) -> dict[tuple[int, str, str], int]:
        """How often the items of a set were voted on: by number and the two run ids, in order; `STORED` is
        the first."""
        must_operate(connection, operator)
        replies = _named_replies(set_id)
        first, second = replies.subquery("first"), replies.subquery("second")
        rows = connection.execute(
            select(first.c.number, first.c.run_id, second.c.run_id, func.count())
            .select_from(ComparisonRow)
            .join(first, first.c.reply_id == ComparisonRow.left_id)
            .join(second, second.c.reply_id == ComparisonRow.right_id)
            .where(first.c.number == second.c.number)
            .group_by(first.c.number, first.c.run_id, second.c.run_id)
        )
        found: dict[tuple[int, str, str], int] = {}
        for number, one, other, count in rows:
            key = (number, *sorted((one, other)))
            found[key] = found.get(key, 0) + count
        return found


def _named_replies(set_id: str) -> Any:
    """(number, run_id, reply_id) of all replies of a set."""
    again = (
        select(ReplayReplyRow.number, ReplayReplyRow.run_id, ReplayReplyRow.reply_id)
        .join(ReplayRunRow, ReplayRunRow.id == ReplayReplyRow.run_id)
        .where(ReplayRunRow.set_id == set_id, ReplayReplyRow.reply_id.is_not(None))
    )
    stored = select(ReplayItemRow.number, literal(STORED).label("run_id"), ReplayItemRow.message_id).where(
        ReplayItemRow.set_id == set_id
    )
    return again.union_all(stored)


def _given(
    connection: Connection, runs: Sequence[str], numbers: Sequence[int]
) -> dict[tuple[str, int], Row[Any]]:
    """What became of these items in these runs."""
    rows: Any = connection.execute(
        select(*ReplayReplyRow.__table__.columns, ReplayRunRow.judges)
        .join(ReplayRunRow, ReplayRunRow.id == ReplayReplyRow.run_id)
        .where(ReplayReplyRow.run_id.in_(runs), ReplayReplyRow.number.in_(numbers))
    )
    return {(row.run_id, row.number): row for row in rows}


def _replies(connection: Connection, ids: Sequence[str]) -> dict[str, ReplayReply]:
    rows = connection.execute(replies_query().where(MessageRow.id.in_(ids)))
    liked = _liked(connection, ids)
    return {row.id: replace(load_reply(row), liked=liked[row.id]) for row in rows}


def _liked(connection: Connection, ids: Sequence[str]) -> Counter[str]:
    """See `ReplayReply.liked`."""
    thumbs = select(JudgementRow.message_id, JudgementRow.rating).where(
        JudgementRow.message_id.in_(ids), JudgementRow.review != "rejected"
    )
    liked: Counter[str] = Counter()
    for id, rating in connection.execute(thumbs):
        liked[id] += rating
    for side, is_good in (
        (ComparisonRow.left_id, ComparisonRow.left_good),
        (ComparisonRow.right_id, ComparisonRow.right_good),
    ):
        state = func.coalesce(ComparisonRow.review["state"].as_string(), "")
        votes = select(side, is_good).where(side.in_(ids), is_good.is_not(None), state != "rejected")
        for id, good in connection.execute(votes):
            liked[id] += 1 if good else -1
    return liked


def _prompts(connection: Connection, given: Iterable[Row[Any]]) -> dict[str, str]:
    """What judges were asked, by the ids of those messages."""
    ids = [row.asked_id for row in given if row.judges is not None]
    rows = connection.execute(select(MessageRow.id, MessageRow.text).where(MessageRow.id.in_(ids)))
    return {row.id: row.text for row in rows}


def _reply(given: Row[Any] | None, again: dict[str, ReplayReply], prompts: Mapping[str, str]) -> ReplayReply:
    if given is None:
        return ReplayReply(None, None)
    prompt = prompts.get(given.asked_id, "")
    if given.reply_id is None:
        failure = load_failure(given.failure)
        return ReplayReply(None, None if failure is None else "failed", failure=failure, prompt=prompt)
    return replace(again[given.reply_id], prompt=prompt)


def _side(connection: Connection, operator: str, set_id: str, number: int, run: str) -> Row[Any]:
    """(reply_id, asked_id, conversation_id, name, settings) of a side; asked_id: `None` for the stored
    reply. Raises NotFound."""
    of_item = (ReplayItemRow.set_id == set_id, ReplayItemRow.number == number)
    if run == STORED:
        query = (
            items_query(operator)
            .with_only_columns(
                MessageRow.id.label("reply_id"),
                null().label("asked_id"),
                MessageRow.conversation_id,
                func.coalesce(TurnRow.model, MessageRow.model, "").label("name"),
                ConversationRow.settings,
            )
            .outerjoin(TurnRow, TurnRow.message_id == MessageRow.id)
            .where(*of_item)
        )
    else:
        copy, reply_turn = aliased(ConversationRow), aliased(TurnRow)
        of_run = and_(ReplayReplyRow.number == ReplayItemRow.number, ReplayReplyRow.run_id == run)
        query = (
            items_query(operator)
            .with_only_columns(
                ReplayReplyRow.reply_id,
                ReplayReplyRow.asked_id,
                ReplayReplyRow.conversation_id,
                ReplayRunRow.name,
                copy.settings,
            )
            .join(ReplayReplyRow, of_run)
            .join(ReplayRunRow, ReplayRunRow.id == ReplayReplyRow.run_id)
            .join(copy, copy.id == ReplayReplyRow.conversation_id)
            .join(reply_turn, reply_turn.message_id == ReplayReplyRow.reply_id)
            .where(
                *of_item,
                ReplayRunRow.set_id == set_id,
                ReplayRunRow.judges.is_(None),
                reply_turn.state.in_(_ENDED),
            )
        )
    row = connection.execute(query).first()
    if row is None:
        raise NotFound("replay_item")
    return row
