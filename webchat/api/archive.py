"""Our own JSON of whole conversations: every branch, every record, nothing lost. Pure functions both ways.

    {"schema": "webchat/1", "exported_at": ..., "version": ..., "conversations": [CONVERSATION, ...]}

A CONVERSATION is what the API calls one, with `messages` (all branches, parents before children; a message
hangs under its `parent_id`), `provenance` by message id, and `media`: what pictures and sounds came with
replies, each with the address it is had from as long as it is kept there. A later schema keeps reading this
one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from backends.types import Sampling
from webchat.api.wire import conversation_json, message_json, provenance_json
from webchat.store import ExportedConversation, NamedMedia
from webchat.store.records import (
    Conversation,
    ConversationSettings,
    Failure,
    Message,
    Owner,
    Provenance,
    TemplateUse,
)

SCHEMA = "webchat/1"


def conversation_archive(exported: ExportedConversation, reader: Owner) -> Iterator[str]:
    """One conversation as it stands in the file that `reader` gets, in pieces: all of it at once would hold
    the server."""
    whole = conversation_json(exported.conversation)
    # Whether something runs is true of a server, not of a file.
    del whole["running"]
    yield _dump(whole)[:-1] + ', "messages": ['
    separator = ""
    for message in exported.messages:
        yield separator + _dump(message_json(message, reader))
        separator = ", "
    yield '], "provenance": {'
    separator = ""
    settings = exported.conversation.settings
    for id, found in exported.provenance.items():
        yield f"{separator}{_dump(id)}: {_dump(provenance_json(found, settings, reader))}"
        separator = ", "
    yield '}, "media": ' + _dump([_media_json(media) for media in exported.media]) + "}"


def _media_json(media: NamedMedia) -> dict[str, Any]:
    address = f"/api/messages/{media.message_id}/media/{media.name}"
    return {
        "message_id": media.message_id,
        "name": media.name,
        "media_type": media.media_type,
        "size": media.size,
        "address": address,
    }


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def read_archive(document: Mapping[str, Any], owner_id: str) -> list[ExportedConversation]:
    """The records of a file, as this owner's. Raises `ValueError` for another schema, `KeyError` or
    `TypeError` for a file that does not hold what its schema says."""
    if document.get("schema") != SCHEMA:
        raise ValueError(f"not a {SCHEMA} file")
    return [_read_conversation(found, owner_id) for found in document["conversations"]]


def _read_conversation(found: Mapping[str, Any], owner_id: str) -> ExportedConversation:
    settings = found["settings"]
    conversation = Conversation(
        id=found["id"],
        owner_id=owner_id,
        title=found["title"],
        title_by=found["title_by"],
        pinned=found["pinned"],
        archived=found["archived"],
        created_at=datetime.fromisoformat(found["created_at"]),
        updated_at=datetime.fromisoformat(found["updated_at"]),
        deleted_at=None,
        active_leaf_id=found["active_leaf_id"],
        settings=ConversationSettings(
            settings["model"],
            settings["system_prompt"],
            _read_sampling(settings["sampling"]),
            _read_use(settings.get("persona")),
        ),
    )
    messages = tuple(_read_message(message) for message in found["messages"])
    provenance = {id: _read_provenance(value) for id, value in found["provenance"].items()}
    media = tuple(
        NamedMedia(one["message_id"], one["name"], one["media_type"], one["size"])
        for one in found.get("media", ())
    )
    return ExportedConversation(conversation, messages, provenance, media)


def _read_sampling(found: Mapping[str, Any]) -> Sampling:
    return Sampling(**{**found, "stop": tuple(found.get("stop", ()))})


def _read_use(found: Mapping[str, Any] | None) -> TemplateUse | None:
    return None if found is None else TemplateUse(**found)


def _read_message(found: Mapping[str, Any]) -> Message:
    values = dict(found)
    values["created_at"] = datetime.fromisoformat(values["created_at"])
    if values["finished_at"] is not None:
        values["finished_at"] = datetime.fromisoformat(values["finished_at"])
    if values["failure"] is not None:
        values["failure"] = _read_failure(values["failure"])
    values["siblings"] = tuple(values["siblings"])
    values["template"] = _read_use(values.get("template"))
    return Message(**values)


def _read_failure(found: Mapping[str, Any]) -> Failure:
    return Failure(**{name: value for name, value in found.items() if name != "audience"})


def _read_provenance(found: Mapping[str, Any]) -> Provenance:
    values = dict(found)
    values["sampling"] = _read_sampling(values["sampling"])
    values["prompt"] = tuple(values["prompt"])
    return Provenance(**values)
