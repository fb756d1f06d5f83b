"""Reads the tree of messages: ownership, the path to the root, descendants, and rows as records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeVar

from sqlalchemy import (
    CTE,
    Connection,
    Row,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    exists,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.orm import aliased

from webchat.store.database.codec import (
    dump_settings,
    load_calls,
    load_conversation,
    load_failure,
    load_use,
    new_id,
    now,
)
from webchat.store.database.tables.base import DISCARDED, FLEETING
from webchat.store.database.tables.conversations import ConversationRow, JournalRow, MessageRow, TurnRow
from webchat.store.database.tables.judgements import JudgementRow
from webchat.store.errors import NotFound, TooManyVersions
from webchat.store.records import (
    Compared,
    Conversation,
    ConversationKind,
    ConversationSettings,
    ListedConversation,
    Message,
    PathMessage,
    calls_chars,
    fold,
    fold_calls,
)

T = TypeVar("T")

_CHUNK = 500  # ids in one IN list
MARKED_ROWS = 200
"""Rows that one slice of a verb marks as deleted, or as alive again."""

PATH_CHARS = 4_000_000
"""Of what is read for a prompt: a million tokens of English."""

_NO_LIMIT = 2**31 - 1
_GONE = (DISCARDED, FLEETING)

MOST_VERSIONS = 1000
"""Messages in one place of the tree: each is shown with the ids of all."""


def conversations_query() -> Select[Any]:
    """Conversations with their `running` flag, answered by the small index of running turns."""
    running = exists().where(TurnRow.conversation_id == ConversationRow.id, TurnRow.finished_at.is_(None))
    return select(*ConversationRow.__table__.columns, running.label("running"))


def listed_query() -> Select[Any]:
    """The same as `ListedConversation` has it: without the settings, which may hold a long prompt."""
    query, wanted = conversations_query(), {one.name for one in fields(ListedConversation)}
    return query.with_only_columns(*(one for one in query.selected_columns if one.name in wanted))


def messages_query() -> Select[Any]:
    """Messages with what their turn and their owner's judgement add."""
    return (
        select(
            *MessageRow.__table__.columns,
            TurnRow.state,
            TurnRow.finished_at,
            TurnRow.finish_reason,
            TurnRow.failure,
            TurnRow.reasoning_seconds,
            TurnRow.compared_in,
            TurnRow.prompt_tokens,
            TurnRow.completion_tokens,
            TurnRow.details["first_sent"].as_string().label("first_sent"),
            TurnRow.details["masked_count"].as_integer().label("masked"),
            TurnRow.details["cut_calls"].as_integer().label("cut_calls"),
            JudgementRow.rating,
            JudgementRow.id.is_not(None).label("judged"),
        )
        .join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
        .outerjoin(TurnRow, TurnRow.message_id == MessageRow.id)
        .outerjoin(
            JudgementRow,
            and_(JudgementRow.message_id == MessageRow.id, JudgementRow.owner_id == ConversationRow.owner_id),
        )
    )


def _ancestors() -> CTE:
    """(id, depth) from the message `end`, depth 0, to the root, or `limit` of them."""
    walk = (
        select(MessageRow.id, MessageRow.parent_id, literal(0).label("depth"))
        .where(MessageRow.id == bindparam("end"))
        .cte("ancestors", recursive=True)
    )
    return walk.union_all(
        select(MessageRow.id, MessageRow.parent_id, walk.c.depth + 1).where(
            MessageRow.id == walk.c.parent_id, walk.c.depth + 1 < bindparam("limit")
        )
    )


def _up(query: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """The query's messages that are on the way, root first."""
    walk = _ancestors()
    return query.join(walk, walk.c.id == MessageRow.id).order_by(walk.c.depth.desc())


# Built once: building a statement costs several times what running it does.
_OWN_CONVERSATION = conversations_query().where(
    ConversationRow.id == bindparam("conversation"), ConversationRow.owner_id == bindparam("owner")
)
_OWN_MESSAGE = (
    select(*MessageRow.__table__.columns)
    .join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
    .where(
        MessageRow.id == bindparam("message"),
        ConversationRow.owner_id == bindparam("owner"),
        ConversationRow.deleted_at.is_(None),
    )
)
# Keyed by whether the tree is locked against other transactions (SQLite has one writer anyway).
_CONVERSATION = {False: _OWN_CONVERSATION, True: _OWN_CONVERSATION.with_for_update(of=ConversationRow)}
_MESSAGE = {False: _OWN_MESSAGE, True: _OWN_MESSAGE.with_for_update(of=ConversationRow)}
_MESSAGES = messages_query().where(MessageRow.id.in_(bindparam("ids", expanding=True)))
_THREAD = _up(messages_query())
ABOVE = _up(select(MessageRow.id))
"""Ids of the last `limit` messages of the path to `end`."""
_PATH = _up(
    select(
        MessageRow.id,
        MessageRow.role,
        MessageRow.text,
        TurnRow.state,
        MessageRow.template,
        MessageRow.tool_calls,
        MessageRow.tool_call_id,
    )
    .select_from(MessageRow)
    .outerjoin(TurnRow, TurnRow.message_id == MessageRow.id)
)
_WALK = _ancestors()
_LENGTHS = (
    select(
        MessageRow.role,
        func.length(MessageRow.text) + func.coalesce(func.length(cast(MessageRow.tool_calls, Text)), 0),
    )
    .join(_WALK, _WALK.c.id == MessageRow.id)
    .order_by(_WALK.c.depth)
)
_SIBLINGS = (
    select(MessageRow.id, MessageRow.under_id, MessageRow.role)
    .where(MessageRow.under_id.in_(bindparam("ids", expanding=True)), MessageRow.deleted_at.is_(None))
    .order_by(MessageRow.created_at, MessageRow.id)
)
_COMPARING = select(TurnRow.compared_in).where(
    TurnRow.compared_in.in_(bindparam("ids", expanding=True)), TurnRow.finished_at.is_(None)
)
_VERSIONS = (
    select(func.count())
    .select_from(MessageRow)
    .where(MessageRow.under_id == bindparam("under"), MessageRow.role == bindparam("role"))
)
_PIECES = (
    select(*JournalRow.__table__.columns)
    .where(JournalRow.message_id.in_(bindparam("ids", expanding=True)))
    .order_by(JournalRow.message_id, JournalRow.seq)
)


def add_copy(connection: Connection, owner: str, *, kind: ConversationKind, title: str, title_by: str) -> str:
    """A conversation for copies. Discarded until it is whole, so that what is cut off midway goes with
    the next purge."""
    id, moment = new_id(), now()
    connection.execute(
        insert(ConversationRow).values(
            id=id,
            owner_id=owner,
            kind=kind,
            title=title,
            title_by=title_by,
            pinned=False,
            archived=False,
            created_at=moment,
            updated_at=moment,
            deleted_at=DISCARDED,
            settings=dump_settings(ConversationSettings()),
        )
    )
    return id


def own_conversation(
    connection: Connection, owner: str, conversation_id: str, *, deleted: bool = False, lock: bool = False
) -> Conversation:
    """A conversation of this owner, deleted or not as requested. Raises NotFound.

    lock: no other transaction changes its tree until this one ends (SQLite has one writer anyway).
    """
    row = connection.execute(_CONVERSATION[lock], {"conversation": conversation_id, "owner": owner}).first()
    if row is None or (row.deleted_at is not None) != deleted or row.deleted_at in _GONE:
        raise NotFound("conversation")
    return load_conversation(row)


def own_message(
    connection: Connection, owner: str, message_id: str, *, deleted: bool = False, lock: bool = False
) -> Row[Any]:
    """The row of a message in a living conversation of this owner. Raises NotFound."""
    row = connection.execute(_MESSAGE[lock], {"message": message_id, "owner": owner}).first()
    if row is None or (row.deleted_at is not None) != deleted or row.deleted_at in _GONE:
        raise NotFound("message")
    return row


def descendants(message_id: str) -> CTE:
    """(id) of the message and everything below it, including deleted ones."""
    walk = select(MessageRow.id).where(MessageRow.id == message_id).cte("descendants", recursive=True)
    return walk.union_all(select(MessageRow.id).where(MessageRow.under_id == walk.c.id))


def newest_leaf(connection: Connection, message_id: str) -> str:
    """The newest message below this one (or itself) that has nothing below it."""
    child = aliased(MessageRow)
    leaf = connection.scalar(
        select(MessageRow.id)
        .where(
            # Joined, SQLite may read every message for a Bloom filter.
            MessageRow.id.in_(select(descendants(message_id).c.id)),
            MessageRow.deleted_at.is_(None),
            ~exists().where(child.under_id == MessageRow.id, child.deleted_at.is_(None)),
        )
        .order_by(MessageRow.created_at.desc(), MessageRow.id.desc())
        .limit(1)
    )
    return leaf or message_id


def thread_to(connection: Connection, end: str, limit: int) -> list[Message]:
    """The last `limit` messages of the path from the root to `end`. The cost does not depend on what precedes
    them."""
    return load_messages(connection, connection.execute(_THREAD, {"end": end, "limit": limit}).all())


def path_to(connection: Connection, end: str) -> list[PathMessage]:
    """The messages from the root to `end`, which no turn writes any more; of a path that is longer than
    `PATH_CHARS` its end, from a question on."""
    lengths = connection.execute(_LENGTHS, {"end": end, "limit": _NO_LIMIT}).all()
    read = _within([(role, length) for role, length in lengths], PATH_CHARS)
    rows = connection.execute(_PATH, {"end": end, "limit": read}).all()
    return [
        PathMessage(
            row.id,
            row.role,
            row.text,
            row.state or "complete",
            load_use(row.template),
            0 if at else len(lengths) - read,
            load_calls(row.tool_calls),
            row.tool_call_id,
        )
        for at, row in enumerate(rows)
    ]


def _within(lengths: Sequence[tuple[str, int]], chars: int) -> int:
    """How many messages to read, the newest first: the last question at least."""
    read = total = 0
    for count, (role, length) in enumerate(lengths, 1):
        total += length
        if total > chars and read:
            return read
        if role == "user":
            read = count
    return len(lengths)


def newest_of(messages: Sequence[Message], chars: int) -> Sequence[Message]:
    """The last of them within this number of characters, and at least one."""
    for count, message in enumerate(reversed(messages)):
        chars -= len(message.text) + len(message.reasoning) + calls_chars(message.tool_calls)
        if chars < 0:
            return messages[-max(count, 1) :]
    return messages


def messages_by_id(connection: Connection, ids: Sequence[str]) -> list[Message]:
    """The messages of these ids, in this order."""
    found: dict[str, Message] = {}
    for chunk in chunks(ids):
        rows = connection.execute(_MESSAGES, {"ids": chunk}).all()
        found.update((message.id, message) for message in load_messages(connection, rows))
    return [found[id] for id in ids]


def check_versions(connection: Connection, under_id: str, role: str) -> int:
    """How many messages there are in one place. Raises TooManyVersions where that is more than there may
    be."""
    count: int = connection.scalar(_VERSIONS, {"under": under_id, "role": role}) or 0
    if count > MOST_VERSIONS:
        raise TooManyVersions(MOST_VERSIONS)
    return count


def load_messages(connection: Connection, rows: Sequence[Row[Any]]) -> list[Message]:
    """Rows of `messages_query` as records, in their order; running ones with their journal so far."""
    siblings: dict[tuple[str, str], list[str]] = defaultdict(list)
    for chunk in chunks(list({row.under_id for row in rows})):
        for id, under_id, role in connection.execute(_SIBLINGS, {"ids": chunk}):
            siblings[under_id, role].append(id)
    shared = {place: tuple(ids) for place, ids in siblings.items()}  # not one list for each of them
    running = [row.id for row in rows if row.state is not None and row.finished_at is None]
    pieces = journal_pieces(connection, running)
    compared = list({row.compared_in for row in rows if row.compared_in is not None})
    written = set(connection.scalars(_COMPARING, {"ids": compared})) if compared else set()
    return [
        _message(row, pieces.get(row.id, []), shared.get((row.under_id, row.role), ()), written)
        for row in rows
    ]


def journal_pieces(connection: Connection, message_ids: Sequence[str]) -> dict[str, list[Row[Any]]]:
    """The journal (message_id, seq, kind, text) of each message, in order."""
    pieces: dict[str, list[Row[Any]]] = defaultdict(list)
    for chunk in chunks(message_ids):
        for row in connection.execute(_PIECES, {"ids": chunk}):
            pieces[row.message_id].append(row)
    return pieces


def chunks(ids: Sequence[T], most: int = _CHUNK) -> list[Sequence[T]]:
    return [ids[start : start + most] for start in range(0, len(ids), most)]


def _message(
    row: Row[Any], pieces: Sequence[Row[Any]], siblings: tuple[str, ...], written: set[str | None]
) -> Message:
    """written: the comparisons of which a side still runs."""
    text, reasoning = fold(row.text, row.reasoning, pieces)
    calls, cut = load_calls(row.tool_calls), row.cut_calls or 0
    if pieces:
        calls, _ = fold_calls(row.id, pieces, ended=True)
    return Message(
        id=row.id,
        conversation_id=row.conversation_id,
        parent_id=row.parent_id,
        role=row.role,
        author_id=row.author_id,
        text=text,
        reasoning=reasoning,
        state=row.state or "complete",
        created_at=row.created_at,
        finished_at=row.finished_at,
        finish_reason=row.finish_reason,
        failure=load_failure(row.failure),
        model=row.model,
        continues=row.continues,
        reasoning_seconds=row.reasoning_seconds,
        rating=row.rating or 0,
        judged=bool(row.judged),
        seq=pieces[-1].seq if pieces else row.seq,
        siblings=siblings,
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        first_sent=row.first_sent,
        masked=row.masked or 0,
        template=load_use(row.template),
        compared=None if row.compared_in is None else Compared(row.compared_in, row.compared_in in written),
        tool_calls=calls,
        tool_call_id=row.tool_call_id,
        cut_calls=cut,
    )
