"""What was used lately. For operators: no owner is checked.

Ids of replies are in the order of time, so that the newest are found by their key, however many there are;
and at most `MOST_TURNS` of them are read.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Subquery, func, select

from webchat.store.database.tables.conversations import ConversationRow, TurnRow
from webchat.store.database.tables.links import LinkRow
from webchat.store.database.tables.people import OwnerRow
from webchat.store.database.transactions import Database, heavy
from webchat.store.database.until import Until
from webchat.store.usage_records import Usage, Used

MOST_TURNS = 20_000
MOST_NAMED = 20
"""Models, links, people and errors."""

MOST_TIMES = 2_000

_FIELDS = (
    TurnRow.message_id,
    TurnRow.model,
    TurnRow.link_id,
    TurnRow.conversation_id,
    TurnRow.failure,
    TurnRow.begun_at,
    TurnRow.prompt_tokens,
    TurnRow.completion_tokens,
)


class UsageVerbs(Database):
    """Sums over replies."""

    @heavy
    def usage_since(self, connection: Connection, until: Until, since: datetime) -> Usage:
        """Of the replies begun since then, the newest `MOST_TURNS` at most."""
        first = id_at(since)
        newest = select(*_FIELDS).where(TurnRow.message_id >= first).order_by(TurnRow.message_id.desc())
        some = newest.limit(MOST_TURNS).subquery("some")
        count, began = connection.execute(select(func.count(), func.min(some.c.begun_at))).one()
        times = (
            select(TurnRow.first_token_seconds)
            .where(TurnRow.message_id >= first)
            .order_by(TurnRow.message_id.desc())
            .limit(MOST_TIMES)
        )
        return Usage(
            since=began if count == MOST_TURNS else since,
            replies=count,
            whole=count < MOST_TURNS,
            models=_sums(connection, some, some.c.model),
            links=_sums(
                connection, some, LinkRow.name, LinkRow.id, joins=[(LinkRow, LinkRow.id == some.c.link_id)]
            ),
            people=_sums(
                connection,
                some,
                OwnerRow.name,
                OwnerRow.id,
                OwnerRow.kind,
                joins=[
                    (ConversationRow, ConversationRow.id == some.c.conversation_id),
                    (OwnerRow, OwnerRow.id == ConversationRow.owner_id),
                ],
            ),
            errors=_errors(connection, some),
            first_token=tuple(sorted(one for one in connection.scalars(times) if one is not None)),
        )


def id_at(moment: datetime) -> str:
    """An id that sorts before all that are made from then on (RFC 9562, version 7)."""
    digits = f"{max(0, int(moment.timestamp() * 1000)):012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-000000000000"


def _sums(connection: Connection, some: Subquery, *groups: Any, joins: Any = ()) -> tuple[Used, ...]:
    """groups: columns for the name, the id and the kind, as far as there are. joins: tables they are in."""
    prompt, completion = func.sum(some.c.prompt_tokens), func.sum(some.c.completion_tokens)
    query = select(func.count(), prompt, completion, *groups).select_from(some)
    for table, condition in joins:
        query = query.join(table, condition)
    most = (func.coalesce(completion, 0).desc(), func.count().desc(), *groups)
    rows = connection.execute(query.group_by(*groups).order_by(*most).limit(MOST_NAMED))
    return tuple(
        Used(name or "", count, read or 0, wrote or 0, *rest) for count, read, wrote, name, *rest in rows
    )


def _errors(connection: Connection, some: Subquery) -> tuple[tuple[str, str, int], ...]:
    code = some.c.failure["code"].as_string()
    query = (
        select(code, some.c.model, func.count())
        .where(some.c.failure.is_not(None))
        .group_by(code, some.c.model)
        .order_by(func.count().desc(), code, some.c.model)
        .limit(MOST_NAMED)
    )
    return tuple((row[0] or "", row[1] or "", row[2]) for row in connection.execute(query))
