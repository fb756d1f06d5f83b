"""Verbs on sets of replies that are to be given again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, exists, insert, or_, select, update
from sqlalchemy.orm import aliased

from webchat.store.database.codec import clean, new_id, now
from webchat.store.database.tables.base import DISCARDED
from webchat.store.database.tables.conversations import ConversationRow, MessageRow, TurnRow
from webchat.store.database.tables.judgements import ComparisonRow, JudgementReasonRow, JudgementRow
from webchat.store.database.tables.people import OwnerRow
from webchat.store.database.tables.replays import ReplayItemRow, ReplayReplyRow, ReplayRunRow, ReplaySetRow
from webchat.store.database.transactions import Database, heavy, long, reads, writes
from webchat.store.database.until import Until
from webchat.store.errors import NotFound, NothingToReplay, ReplayNameTaken
from webchat.store.judgements.rows import is_live, may_replay, must_operate, replayed_from
from webchat.store.judgements.snapshots import ENDED_WITH_TEXT
from webchat.store.replay_records import ReplayChoice, ReplaySet
from webchat.store.replays.rows import load_set, sets_query
from webchat.store.verbs.tree import chunks

MOST_ITEMS = 2000
"""Of a set."""
MOST_SETS = 200
"""Shown."""
SLICE_ROWS = 100

_ASKED = aliased(MessageRow)


class ReplaySetVerbs(Database):
    """Choosing replies."""

    @long
    def make_replay_set(
        self,
        operator: str,
        name: str,
        choice: ReplayChoice,
        assertions: Sequence[Mapping[str, Any]] = (),
    ) -> ReplaySet:
        """Store the newest `MOST_ITEMS` replies of this choice that may be used, under a new name, the oldest
        first; of several to one message the newest. Raises NotFound for somebody who does not operate,
        ReplayNameTaken, NothingToReplay."""
        found = self._chosen(operator, choice)
        if not found:
            raise NothingToReplay
        return self.replay_set(
            operator, self.in_turn(self._add_replay_set, operator, name, choice, assertions, found)
        )

    @heavy
    def _chosen(
        self, connection: Connection, _until: Until, operator: str, choice: ReplayChoice
    ) -> list[str]:
        must_operate(connection, operator)
        asked: dict[str, str] = {}
        for query in _wanted(operator, choice):
            rows = connection.execute(query.order_by(MessageRow.id.desc()).limit(2 * MOST_ITEMS))
            for id, parent_id in rows:
                asked[parent_id] = max(id, asked.get(parent_id, ""))
        # Ids rise with time.
        return sorted(sorted(asked.values())[-MOST_ITEMS:])

    @writes
    def _add_replay_set(
        self,
        connection: Connection,
        operator: str,
        name: str,
        choice: ReplayChoice,
        assertions: Sequence[Mapping[str, Any]],
        messages: Sequence[str],
    ) -> str:
        id = new_id()
        values = {
            "id": id,
            "owner_id": operator,
            "name": clean(name),
            "chosen": _as_json(choice),
            "assertions": [dict(one) for one in assertions],
            "created_at": now(),
        }
        if not self.dialect.insert_once(connection, ReplaySetRow, values):
            raise ReplayNameTaken(name)
        living = set(
            connection.scalars(
                select(MessageRow.id).where(MessageRow.id.in_(messages), MessageRow.deleted_at.is_(None))
            )
        )
        rows = [
            {"set_id": id, "number": number, "message_id": message}
            for number, message in enumerate((one for one in messages if one in living), start=1)
        ]
        if not rows:
            raise NothingToReplay
        connection.execute(insert(ReplayItemRow), rows)
        return id

    @reads
    def replay_sets(self, connection: Connection, operator: str) -> list[ReplaySet]:
        """The newest first. Raises NotFound for somebody who does not operate."""
        must_operate(connection, operator)
        newest = (ReplaySetRow.created_at.desc(), ReplaySetRow.id.desc())
        ids = list(connection.scalars(select(ReplaySetRow.id).order_by(*newest).limit(MOST_SETS)))
        rows = connection.execute(sets_query(operator, ids).order_by(*newest))
        return [load_set(row) for row in rows]

    @reads
    def replay_set(self, connection: Connection, operator: str, name_or_id: str) -> ReplaySet:
        """Raises NotFound."""
        must_operate(connection, operator)
        found = select(ReplaySetRow.id).where(
            or_(ReplaySetRow.id == name_or_id, ReplaySetRow.name == name_or_id)
        )
        id = connection.scalar(found.limit(1))
        if id is None:
            raise NotFound("replay_set")
        return load_set(connection.execute(sets_query(operator, [id])).one())

    @long
    def delete_replay_set(self, operator: str, set_id: str) -> None:
        """Delete a set with its runs, their replies and the votes on them; the chats stay as they are. Raises
        NotFound."""
        self.in_turn(self._close_set, operator, set_id)
        while copies := self._copies(set_id):
            self.in_turn(self._discard_copies, copies)
        self.in_turn(self._take_set, set_id)

    @writes
    def _close_set(self, connection: Connection, operator: str, set_id: str) -> None:
        must_operate(connection, operator)
        must_exist(connection, set_id)
        of_set = update(ReplayRunRow).where(ReplayRunRow.set_id == set_id, ReplayRunRow.state == "open")
        connection.execute(of_set.values(state="cancelled"))

    @reads
    def _copies(self, connection: Connection, set_id: str, *those: ColumnElement[bool]) -> list[str]:
        runs = select(ReplayRunRow.id).where(ReplayRunRow.set_id == set_id, *those)
        found = select(ReplayReplyRow.conversation_id).where(ReplayReplyRow.run_id.in_(runs))
        return list(connection.scalars(found.limit(SLICE_ROWS)))

    @writes
    def _discard_copies(self, connection: Connection, ids: Sequence[str]) -> None:
        discard_copies(connection, ids)

    @writes
    def _take_set(self, connection: Connection, set_id: str) -> None:
        for table in (ReplayRunRow, ReplayItemRow):
            connection.execute(delete(table).where(table.set_id == set_id))
        connection.execute(delete(ReplaySetRow).where(ReplaySetRow.id == set_id))


def discard_copies(connection: Connection, conversation_ids: Sequence[str]) -> None:
    """Forget replies with the conversations they are in; the next purge takes those."""
    connection.execute(delete(ReplayReplyRow).where(ReplayReplyRow.conversation_id.in_(conversation_ids)))
    connection.execute(
        update(ConversationRow)
        .where(ConversationRow.id.in_(conversation_ids), ConversationRow.kind == "replay")
        .values(deleted_at=DISCARDED)
    )


def must_exist(connection: Connection, set_id: str) -> None:
    """Raises NotFound for the id of no set."""
    if connection.scalar(select(ReplaySetRow.id).where(ReplaySetRow.id == set_id)) is None:
        raise NotFound("replay_set")


def _as_json(choice: ReplayChoice) -> dict[str, Any]:
    """What was asked for. Of the ids of an export, how many there were."""
    values = {name: value for name, value in asdict(choice).items() if value not in (None, False)}
    if choice.judgements is not None:
        values["judgements"] = len(choice.judgements)
    return {
        name: value.isoformat() if name in ("since", "before") else value for name, value in values.items()
    }


def _wanted(operator: str, choice: ReplayChoice) -> Iterator[Select[Any]]:
    """Queries of (reply, message it answers) that find the choice together."""
    query = (
        replayed_from(select(MessageRow.id).add_columns(MessageRow.parent_id))
        .join(_ASKED, _ASKED.id == MessageRow.parent_id)
        .outerjoin(TurnRow, TurnRow.message_id == MessageRow.id)
        .where(
            ConversationRow.kind == "chat",
            MessageRow.role == "assistant",
            MessageRow.continues.is_(None),
            _ASKED.role == "user",
            or_(TurnRow.message_id.is_(None), TurnRow.state.in_(ENDED_WITH_TEXT)),
            is_live(),
            may_replay(operator),
        )
    )
    if choice.link_id is not None:
        query = query.where(OwnerRow.link_id == choice.link_id)
    if choice.model is not None:
        query = query.where(or_(TurnRow.model == choice.model, MessageRow.model == choice.model))
    if choice.since is not None:
        query = query.where(MessageRow.created_at >= choice.since)
    if choice.before is not None:
        query = query.where(MessageRow.created_at < choice.before)
    if choice.judged or choice.rating is not None or choice.reason is not None:
        yield query.where(_is_judged(choice))
    elif choice.judgements is not None:
        for ids in chunks(choice.judgements):
            of_them = select(JudgementRow.message_id).where(JudgementRow.id.in_(ids))
            voted = select(ComparisonRow.left_id).where(ComparisonRow.id.in_(ids))
            yield query.where(or_(MessageRow.id.in_(of_them), MessageRow.id.in_(voted)))
    elif choice.every_reply:
        yield query.where(MessageRow.id.in_(select(_shown().c.id)))
    else:
        yield query.where(MessageRow.id == ConversationRow.active_leaf_id)


def _is_judged(choice: ReplayChoice) -> Any:
    judged = exists().where(JudgementRow.message_id == MessageRow.id)
    if choice.rating is not None:
        judged = judged.where(JudgementRow.rating == choice.rating)
    if choice.reason is not None:
        judged = judged.where(
            JudgementReasonRow.judgement_id == JudgementRow.id, JudgementReasonRow.reason == choice.reason
        )
    return judged


def _shown() -> Any:
    """(id) of all messages on the paths that chats show."""
    alone = aliased(ConversationRow)
    walk = (
        select(MessageRow.id, MessageRow.parent_id)
        .join(alone, alone.active_leaf_id == MessageRow.id)
        .where(alone.kind == "chat", alone.deleted_at.is_(None))
        .cte("shown", recursive=True)
    )
    return walk.union(
        select(MessageRow.id, MessageRow.parent_id).join(walk, walk.c.parent_id == MessageRow.id)
    )
