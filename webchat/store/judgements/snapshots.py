"""What was judged, read from what never changes: stored messages, and how their turns ended.

Nothing is copied. A message keeps its words for as long as it exists, and a judgement goes with its message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from webchat.store.database.codec import load_provenance
from webchat.store.database.tables import MessageRow, TurnRow
from webchat.store.judgement_records import Judged, JudgedMessage
from webchat.store.records import PathMessage, Provenance, TurnState
from webchat.store.verbs.messages import PATH_CHARS
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
    row = connection.execute(_REPLY, {"message": message_id}).first()
    if row is None or row.state not in ENDED_WITH_TEXT or not row.text.strip():
        return None
    path = [] if row.parent_id is None else path_to(connection, row.parent_id, PATH_CHARS)
    if _any_deleted(connection, [message.id for message in path]):
        return None
    provenance = load_provenance(row)
    return Judged(
        message_id,
        prompt=(*_before(provenance), *_read_by_models(path)),
        reply=row.text,
        model=row.model or "",
        provenance=_flat(provenance),
        cut=int(provenance.details.get("left_out") or 0),
        masked=int(provenance.details.get("masked_count") or 0),
        continues=row.continues is not None,
        whole=_is_whole(row),
    )


def _any_deleted(connection: Connection, ids: Sequence[str]) -> bool:
    """Of a path, messages are deleted from the top: what is below follows in slices."""
    return any(connection.scalar(_DELETED, {"ids": some}) is not None for some in chunks(ids))


def _is_whole(row: Row[Any]) -> bool:
    return bool(row.state == "complete" and row.finish_reason != "length")


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
        JudgedMessage(message.role, message.text, message.template is not None)
        for message in path
        if message.role != "assistant" or (message.text.strip() and message.state != "blocked")
    ]


def _flat(provenance: Provenance) -> Mapping[str, Any]:
    sampling = {name: value for name, value in asdict(provenance.sampling).items() if name != "stop"}
    stop = json.dumps(provenance.sampling.stop, ensure_ascii=False) if provenance.sampling.stop else None
    known = {name: getattr(provenance, name) for name in _PROVENANCE}
    return {name: value for name, value in {**sampling, "stop": stop, **known}.items() if value is not None}
