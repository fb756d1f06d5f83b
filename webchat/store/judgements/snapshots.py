"""What was judged, read from what never changes: stored messages, and how their turns ended.

Nothing is copied. A message keeps its words for as long as it exists, and a judgement goes with its message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from webchat.store.database.codec import load_calls, load_provenance
from webchat.store.database.tables.conversations import MessageRow, TurnRow
from webchat.store.judgement_records import Judged, JudgedMessage
from webchat.store.records import PathMessage, Provenance, TurnState
from webchat.store.verbs.tree import chunks, path_to

ENDED_WITH_TEXT: tuple[TurnState, ...] = ("complete", "stopped", "interrupted")
_PROVENANCE = (
    "backend", "model_id", "revision", "adapter", "template", "seed", "prompt_tokens", "completion_tokens",
)  # fmt: skip

_REPLY = (
    select(
        MessageRow.id,
        MessageRow.parent_id,
        MessageRow.text,
        MessageRow.continues,
        MessageRow.tool_calls,
        *(column for column in TurnRow.__table__.columns if column.name != "message_id"),
    )
    .join(TurnRow, TurnRow.message_id == MessageRow.id)
    .where(MessageRow.id == bindparam("message"), MessageRow.deleted_at.is_(None))
)
_DELETED = (
    select(MessageRow.id)
    .where(MessageRow.id.in_(bindparam("ids", expanding=True)), MessageRow.deleted_at.is_not(None))
    .limit(1)
)


def judged_of(connection: Connection, message_id: str) -> Judged | None:
    """A reply of a model as it was and stays, with what it answered; `None` while it runs, if it was refused
    or said nothing, and if it or what it answered is deleted."""
    return judged_together(connection, message_id)[0]


def judged_together(connection: Connection, *message_ids: str) -> list[Judged | None]:
    """The same for several replies. What those to one message answered is read once."""
    paths: dict[str | None, Sequence[PathMessage] | None] = {None: ()}
    found: list[Judged | None] = []
    for message_id in message_ids:
        row = connection.execute(_REPLY, {"message": message_id}).first()
        if row is None or row.state not in ENDED_WITH_TEXT or not (row.text.strip() or row.tool_calls):
            found.append(None)
            continue
        if row.parent_id not in paths:
            paths[row.parent_id] = _answered(connection, row.parent_id)
        path = paths[row.parent_id]
        found.append(None if path is None else _judged(row, path))
    return found


def _answered(connection: Connection, message_id: str) -> Sequence[PathMessage] | None:
    """The path to a message; `None` if any of it is deleted."""
    path = path_to(connection, message_id)
    return None if _any_deleted(connection, [message.id for message in path]) else path


def _judged(row: Row[Any], path: Sequence[PathMessage]) -> Judged:
    provenance = load_provenance(row)
    return Judged(
        row.id,
        prompt=(*_before(provenance), *_read_by_models(path)),
        reply=row.text,
        model=row.model or "",
        provenance=_flat(provenance),
        cut=len(_read_by_models(path[: _first_sent(provenance, path)])),
        masked=int(provenance.details.get("masked_count") or 0),
        continues=row.continues is not None,
        whole=_is_whole(row),
        calls=load_calls(row.tool_calls),
        options=provenance.options or {},
    )


def _any_deleted(connection: Connection, ids: Sequence[str]) -> bool:
    """Of a path, messages are deleted from the top: what is below follows in slices."""
    return any(connection.scalar(_DELETED, {"ids": some}) is not None for some in chunks(ids))


def _is_whole(row: Row[Any]) -> bool:
    return bool(row.state == "complete" and row.finish_reason != "length")


def _first_sent(provenance: Provenance, path: Sequence[PathMessage]) -> int:
    """Where in a path begins what the model was sent. `left_out` does not tell: it counts an opening, and
    what is before a path that was too long to be read."""
    first = provenance.details.get("first_sent")
    return next((place for place, message in enumerate(path) if message.id == first), 0)


def _before(provenance: Provenance) -> list[JudgedMessage]:
    """What was sent before the path: the system prompt, and the opening message of a link."""
    made = "persona" in provenance.details
    said = []
    for item in provenance.prompt:
        if item.get("role") not in ("system", "assistant"):
            break
        said.append(JudgedMessage(item["role"], str(item["content"]), made or item["role"] == "assistant"))
    return said


def _read_by_models(path: Sequence[PathMessage]) -> list[JudgedMessage]:
    """Without empty and refused replies, which no model is sent."""
    return [
        JudgedMessage(
            message.role,
            message.text,
            message.template is not None,
            message.tool_calls,
            message.tool_call_id,
        )
        for message in path
        if message.read_by_models
    ]


def _flat(provenance: Provenance) -> Mapping[str, Any]:
    sampling = {name: value for name, value in asdict(provenance.sampling).items() if name != "stop"}
    stop = json.dumps(provenance.sampling.stop, ensure_ascii=False) if provenance.sampling.stop else None
    known = {name: getattr(provenance, name) for name in _PROVENANCE}
    return {name: value for name, value in {**sampling, "stop": stop, **known}.items() if value is not None}
