"""What models were sent for their replies: compressed, each stored as an addition to the one before.

A conversation is sent again with each of its replies, one turn longer. Only what a reply adds to the nearest
earlier one on its path is stored; every `FULL_EVERY` replies, and if too little is shared (because the
beginning was cut, for example), all of it. Only ancestors are used as a base: a purge never deletes one
before what builds on it.
"""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, bindparam, literal, select, update

from webchat.store.database.codec import known_provenance
from webchat.store.database.tables.conversations import InspectionRow, MessageRow, TurnRow
from webchat.store.database.transactions import Database, reads, writes
from webchat.store.errors import StoreUnavailable
from webchat.store.records import Inspection, KeptInspection, Provenance
from webchat.store.verbs.tree import own_message

FULL_EVERY = 16
"""Replies: so many rows are read at most for one."""

_FURTHEST = 16
"""Messages to look back for a reply whose content is kept."""
_SHARED = ("messages", "rendered", "token_ids", "sizes")
"""What is stored as the rest behind what the base has too."""

_log = logging.getLogger(__name__)

_walk = (
    select(MessageRow.id, MessageRow.parent_id, literal(0).label("depth"))
    .where(MessageRow.id == bindparam("end"))
    .cte("ancestors", recursive=True)
)
_walk = _walk.union_all(
    select(MessageRow.id, MessageRow.parent_id, _walk.c.depth + 1).where(
        MessageRow.id == _walk.c.parent_id, _walk.c.depth < _FURTHEST
    )
)
_NEAREST = (
    select(InspectionRow.message_id)
    .join(_walk, _walk.c.id == InspectionRow.message_id)
    .where(_walk.c.depth > 0)
    .order_by(_walk.c.depth)
    .limit(1)
)
_chain = (
    select(InspectionRow.message_id, InspectionRow.base_id, InspectionRow.content, literal(0).label("depth"))
    .where(InspectionRow.message_id == bindparam("top"))
    .cte("chain", recursive=True)
)
_chain = _chain.union_all(
    select(InspectionRow.message_id, InspectionRow.base_id, InspectionRow.content, _chain.c.depth + 1).where(
        InspectionRow.message_id == _chain.c.base_id, _chain.c.depth < FULL_EVERY
    )
)
_CHAIN = select(_chain.c.base_id, _chain.c.content).order_by(_chain.c.depth.desc())
_TELL = update(TurnRow).where(TurnRow.message_id == bindparam("message"), TurnRow.finished_at.is_(None))


class InspectionVerbs(Database):
    """Storing and reading it."""

    @reads
    def inspection(self, connection: Connection, owner: str, message_id: str) -> Inspection | None:
        """What a reply's model was sent; `None` where nothing was kept. Raises NotFound."""
        own_message(connection, owner, message_id)
        whole = _whole(_rows(connection, message_id))
        return None if whole is None else _loaded(whole)

    def pack_inspection(self, message_id: str, sent: Inspection, provenance: Provenance) -> KeptInspection:
        """Make what a model was sent ready for `keep_inspections`: as what it adds to the nearest earlier
        reply on its path. Takes long for a long prompt: run it in a thread that nobody waits for."""
        if not any(message["role"] == "assistant" for message in sent.messages):
            # The first of its conversation, or all before it was left out: there is nothing to build on.
            return KeptInspection(message_id, *_packed(_dumped(sent), None, None), provenance)
        with self.transaction(write=False) as connection:
            base_id = connection.scalar(_NEAREST, {"end": message_id})
            rows = [] if base_id is None else _rows(connection, base_id)
        base = _whole(rows) if len(rows) < FULL_EVERY else None
        return KeptInspection(message_id, *_packed(_dumped(sent), base_id, base), provenance)

    def keep_inspections(self, kept: Sequence[KeptInspection]) -> None:
        """Store what models are sent for replies that run, in place of what was kept before: all together;
        where that fails, each alone. What cannot be kept costs the others nothing; only trouble of the
        database is raised."""
        try:
            self._keep(kept)
        except StoreUnavailable:
            raise
        except Exception:
            if len(kept) == 1:
                _log.exception("the prompt of reply %s could not be stored", kept[0].message_id)
                return
            for one in kept:
                self.keep_inspections([one])

    @writes
    def _keep(self, connection: Connection, kept: Sequence[KeptInspection]) -> None:
        rows = [
            {"message_id": one.message_id, "base_id": one.base_id, "content": one.content} for one in kept
        ]
        connection.execute(_keep(self.dialect.insert), rows)
        for one in kept:
            connection.execute(_TELL, {"message": one.message_id, **known_provenance(one.provenance)})


@cache
def _keep(insert: Callable[..., Any]) -> Any:
    """The statement, built once."""
    keep = insert(InspectionRow)
    there = {name: keep.excluded[name] for name in ("base_id", "content")}
    return keep.on_conflict_do_update(index_elements=["message_id"], set_=there)


def _packed(
    whole: dict[str, Any], base_id: str | None, base: dict[str, Any] | None
) -> tuple[str | None, bytes]:
    """The id of the reply this one builds on, if any, and the content to store."""
    if base is not None:
        kept = {name: _common(base[name], whole[name]) for name in _SHARED}
        weighed = "messages" if whole["rendered"] == "" else "rendered"
        if 2 * kept[weighed] > len(base[weighed]):
            rest = {name: whole[name][count:] for name, count in kept.items()}
            return base_id, _compressed({**whole, **rest, "kept": kept})
    return None, _compressed(whole)


def _rows(connection: Connection, message_id: str) -> list[Row[Any]]:
    """What a reply's content is made of, from the whole one on."""
    return list(connection.execute(_CHAIN, {"top": message_id}))


def _whole(rows: Sequence[Row[Any]]) -> dict[str, Any] | None:
    """The whole content; `None` for nothing, or where its beginning is lost."""
    if not rows or rows[0].base_id is not None:
        return None
    whole: dict[str, Any] = {}
    for row in rows:
        content = json.loads(zlib.decompress(row.content))
        kept = content.pop("kept", {})
        content |= {name: whole[name][:count] + content[name] for name, count in kept.items()}
        whole = content
    return whole


def _compressed(content: dict[str, Any]) -> bytes:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return zlib.compress(text.encode("utf-8", "surrogatepass"), 6)


def _dumped(sent: Inspection) -> dict[str, Any]:
    """All of it as JSON. Pieces are sizes: they stand in the text. A body that repeats the messages, as most
    do, is kept without them."""
    messages = [dict(message) for message in sent.messages]
    body = None if sent.body is None else dict(sent.body)
    same = body is not None and body.get("messages") == [_as_posted(message) for message in messages]
    if body is not None and same:
        body["messages"] = None
    return {
        "messages": messages,
        "rendered": sent.rendered or "",
        "local": sent.rendered is not None,
        "token_ids": list(sent.token_ids),
        "sizes": [len(piece) for piece in sent.pieces],
        "body": body,
        "url": sent.url,
        "template": sent.template,
    }


def _as_posted(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name not in ("id", "at")}


def _loaded(whole: dict[str, Any]) -> Inspection:
    pieces, at = [], 0
    for size in whole["sizes"]:
        pieces.append(whole["rendered"][at : at + size])
        at += size
    body = whole["body"]
    if body is not None and body.get("messages") is None:
        body = {
            name: [_as_posted(message) for message in whole["messages"]] if name == "messages" else value
            for name, value in body.items()
        }
    return Inspection(
        messages=tuple(whole["messages"]),
        rendered=whole["rendered"] if whole["local"] else None,
        token_ids=tuple(whole["token_ids"]),
        pieces=tuple(pieces),
        body=body,
        url=whole["url"],
        template=whole["template"],
    )


def _common(one: Sequence[object], other: Sequence[object]) -> int:
    """How many of their first items are the same. Whole pieces are compared, which is quick."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
