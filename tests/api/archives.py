"""Our own JSON read back, to show that nothing is lost in it."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue, TypeAdapter

from webchat.api.exporting.archive import SCHEMA
from webchat.store import ExportedConversation

_CONVERSATIONS = TypeAdapter(list[dict[str, JsonValue]])
_RECORDS = TypeAdapter(ExportedConversation)


def read_archive(document: Mapping[str, JsonValue], owner_id: str) -> list[ExportedConversation]:
    """The records of a file, as this owner's."""
    assert document.get("schema") == SCHEMA
    found = _CONVERSATIONS.validate_python(document.get("conversations"))
    return [_RECORDS.validate_python(_whole(one, owner_id)) for one in found]


def _whole(found: dict[str, JsonValue], owner_id: str) -> dict[str, object]:
    return {
        "conversation": {**found, "owner_id": owner_id, "deleted_at": None},
        "messages": found.get("messages"),
        "provenance": found.get("provenance"),
        "media": found.get("media", ()),
    }
