"""Reading stored texts again, and changing those that the rules no longer allow.

Nothing else changes what was said. A change is one short transaction, and happens only to the text that was
judged: whoever else changed or deleted it meanwhile is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import Connection, and_, delete, select, tuple_, update

from webchat.store.database.codec import clean
from webchat.store.database.dialect import Debt
from webchat.store.database.tables.conversations import InspectionRow, TurnRow
from webchat.store.database.tables.operating import DecisionRow
from webchat.store.database.tables.people import OwnerRow
from webchat.store.database.tables.search import SearchEntryRow
from webchat.store.database.transactions import Database, long, reads, writes
from webchat.store.decision_records import StoredPlace, StoredPlaces, StoredWanted
from webchat.store.search.index import replace_text, replace_title, take_part
from webchat.store.upkeep.slicing import SLICE_ROWS
from webchat.store.upkeep.stored_kinds import KINDS, Kind, strings_in, with_string

PAGE_ROWS = 100

Key = tuple[str | int, ...]
_Outcome = Literal["changed", "gone", "again"]


class RewritingVerbs(Database):
    """For operators: no owner is checked."""

    @reads
    def stored_places(
        self,
        connection: Connection,
        kind: str,
        after: Key | None = None,
        wanted: StoredWanted = StoredWanted(),  # noqa: B008  frozen
    ) -> StoredPlaces:
        """The texts in the next `PAGE_ROWS` rows of a kind, in the order of their keys, as far as they are
        wanted."""
        its = KINDS[kind]
        key = tuple_(*its.key)
        beyond = () if after is None else (key > tuple_(*after),)
        page = connection.execute(select(*its.key).where(*beyond).order_by(*its.key).limit(PAGE_ROWS)).all()
        if not page:
            return StoredPlaces((), None)
        last: Key = tuple(page[-1])
        query = its.query().where(*beyond, key <= tuple_(*last)).order_by(*its.key)
        if wanted.since is not None:
            query = query.where(its.at >= wanted.since)
        if wanted.owner_id is not None:
            query = query.where(its.owner == wanted.owner_id)
        if wanted.link_id is not None:
            query = query.where(OwnerRow.link_id == wanted.link_id)
        places = [place for row in connection.execute(query) for place in _places(kind, its, row._mapping)]
        return StoredPlaces(tuple(places), last)

    @reads
    def flagged_before(
        self, connection: Connection, conversation_id: str | None, owner_id: str
    ) -> set[tuple[str, str | None, int, int]]:
        """What the log has of rules that flagged stored texts of a conversation, or of a person beside
        conversations: rule, message, start and end."""
        row = DecisionRow
        those = row.conversation_id == conversation_id
        if conversation_id is None:
            those = and_(row.conversation_id.is_(None), row.owner_id == owner_id)
        query = select(row.rule, row.message_id, row.start, row.end)
        found = connection.execute(query.where(those, row.stage == "stored", row.action == "flag"))
        return {(rule, message, start, end) for rule, message, start, end in found}

    @long
    def rewrite_stored(self, place: StoredPlace, becomes: str) -> bool:
        """Put another text in the place of a stored one, in the search index too. What models were sent in
        that conversation is forgotten. `False`, and nothing happens, where the text has changed meanwhile."""
        while (outcome := self.in_turn(self._rewrite, place, clean(becomes))) == "again":
            pass
        if outcome == "gone":
            return False
        if place.conversation_id is not None:
            while self.in_turn(self._forget_sent, place.conversation_id):
                pass
        return True

    @writes
    def _rewrite(self, connection: Connection, place: StoredPlace, becomes: str) -> _Outcome:
        its = KINDS[place.kind]
        column = getattr(its.table, place.column)
        this = tuple_(*its.key) == tuple_(*place.key)
        row = connection.execute(select(column).where(this).with_for_update(of=its.table)).first()
        if row is None:
            return "gone"
        below = (its.values or {}).get(place.column)
        was = [row[0]] if below is None else list(strings_in(row[0], below))
        if place.text not in was:
            return "gone"
        self.dialect.owe(connection, Debt.WORDS)
        if place.kind == "message" and place.column == "text" and _take_last_part(connection, place):
            return "again"
        changed: dict[str, Any] = {
            place.column: becomes if below is None else with_string(row[0], below, place.text, becomes)
        }
        if place.kind == "judgement" and place.column == "better":
            changed["corrects"] = bool(becomes)
        connection.execute(update(its.table).where(this).values(changed))
        if place.kind == "message" and place.column == "text":
            replace_text(connection, str(place.key[0]), becomes)
        elif place.kind == "conversation" and place.column == "title":
            replace_title(connection, str(place.key[0]), becomes)
        return "changed"

    @writes
    def _forget_sent(self, connection: Connection, conversation_id: str) -> int:
        ids: Sequence[str] = connection.scalars(
            select(InspectionRow.message_id)
            .join(TurnRow, TurnRow.message_id == InspectionRow.message_id)
            .where(TurnRow.conversation_id == conversation_id)
            .limit(SLICE_ROWS)
        ).all()
        if ids:
            self.dialect.owe(connection, Debt.WORDS)
            connection.execute(delete(InspectionRow).where(InspectionRow.message_id.in_(ids)))
        return len(ids)


def _take_last_part(connection: Connection, place: StoredPlace) -> bool:
    """Remove one of the parts in which the words of a long text are indexed, if there are any left."""
    entry = connection.execute(
        select(SearchEntryRow.number, SearchEntryRow.parts).where(SearchEntryRow.message_id == place.key[0])
    ).first()
    if entry is None or not entry.parts:
        return False
    take_part(connection, entry.number, entry.parts)
    return True


def _places(kind: str, its: Kind, row: Any) -> list[StoredPlace]:
    texts = [(name, row[name]) for name in its.texts if row[name]]
    for name, below in (its.values or {}).items():
        texts += [(name, text) for text in dict.fromkeys(strings_in(row[name], below)) if text]
    key = tuple(row[f"key_{number}"] for number in range(len(its.key)))
    return [
        StoredPlace(
            kind,
            key,
            name,
            row["owner"],
            row["link"],
            row.get("its_conversation"),
            row.get("its_message"),
            row.get("its_model"),
            text,
        )
        for name, text in texts
    ]
