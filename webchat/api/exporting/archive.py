"""webchat's own JSON format for whole conversations: every branch, every record, lossless.

It is an `Archive` of `webchat.api.wire`, written in pieces.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from webchat.api.wire.base import Answer
from webchat.api.wire.conversations import Conversation
from webchat.api.wire.messages import Media, Message, Provenance
from webchat.store import ExportedConversation
from webchat.store.records import Owner

SCHEMA = "webchat/2"


def conversation_archive(exported: ExportedConversation, reader: Owner) -> Iterator[str]:
    """One conversation in the file for `reader`, in pieces: encoding all of it at once would block the
    server."""
    # Whether something runs is true of a server, not of a file.
    yield _dump(Conversation.of(exported.conversation, reader), {"running"})[:-1] + ', "messages": ['
    separator = ""
    for message in exported.messages:
        yield separator + _dump(Message.of(message, reader))
        separator = ", "
    yield '], "provenance": {'
    separator = ""
    settings = exported.conversation.settings
    for id, found in exported.provenance.items() if reader.terms.shows_inspect else ():
        provenance = Provenance.read_by(reader, found, settings)
        yield f"{separator}{json.dumps(id)}: {_dump(provenance)}"
        separator = ", "
    yield '}, "media": [' + ", ".join(_dump(Media.named(media)) for media in exported.media) + "]}"


def _dump(value: Answer, without: set[str] | None = None) -> str:
    return json.dumps(value.model_dump(mode="json", exclude=without), ensure_ascii=False)
