"""webchat's own format for whole conversations: every branch, every record, lossless.

It is an `Archive` of `webchat.api.wire`, written in pieces; in a zip the pictures and sounds are beside it.
"""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

from webchat.api.wire.base import Answer, time_text
from webchat.api.wire.conversations import Conversation
from webchat.api.wire.messages import Media, Message, Provenance
from webchat.store import ExportedConversation, NotFound, Store
from webchat.store.import_records import MEDIA_FOLDER
from webchat.store.records import Owner

SCHEMA = "webchat/2"


async def zip_pieces(
    store: Store, version: str, reader: Owner, conversations: AsyncIterator[ExportedConversation]
) -> AsyncIterator[bytes]:
    """A zip as it is read: first the archive, then the pictures and sounds by their names. Not compressed:
    they are already."""
    told: dict[str, str] = {}

    async def noted() -> AsyncIterator[ExportedConversation]:
        async for exported in conversations:
            for media in exported.media:
                told.setdefault(media.name, media.message_id)
            yield exported

    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w") as archive:
        with archive.open("conversations.json", "w", force_zip64=True) as member:
            async for piece in json_pieces(noted(), version, reader):
                member.write(piece)
                yield pipe.taken()
        for name, message in told.items():
            try:
                media = await store.call(store.media, reader.id, message, name)
            except NotFound:
                continue  # deleted since
            archive.writestr(MEDIA_FOLDER + name, media.data)
            yield pipe.taken()
    yield pipe.taken()


class _Pipe(io.RawIOBase):
    """Where a zip is written, which cannot be taken back."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._written += data
        return len(data)

    def taken(self) -> bytes:
        """What was written since the last time."""
        written, self._written = bytes(self._written), bytearray()
        return written


async def json_pieces(
    conversations: AsyncIterator[ExportedConversation], version: str, reader: Owner
) -> AsyncIterator[bytes]:
    """An `Archive`, as it is read."""
    head = {"schema": SCHEMA, "exported_at": time_text(datetime.now(UTC)), "version": version}
    yield (json.dumps(head)[:-1] + ', "conversations": [').encode()
    separator = "\n"
    async for exported in conversations:
        yield separator.encode()
        for piece in conversation_archive(exported, reader):
            yield piece.encode("utf-8", "replace")
            await asyncio.sleep(0)
        separator = ",\n"
    yield b"\n]}\n"


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
