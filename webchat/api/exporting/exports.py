"""Downloads: one conversation, some or all, in several formats, streamed as they are read."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Query
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from webchat import sentences
from webchat.api.exporting.archive import json_pieces, zip_pieces
from webchat.api.exporting.lines import openai_line, sharegpt_line
from webchat.api.exporting.markdown import conversation_markdown
from webchat.api.exporting.page import Page
from webchat.api.filenames import disposition
from webchat.api.reading import Caller, Language, PathId
from webchat.api.services import Services
from webchat.api.wire.base import Id
from webchat.api.work import PLACES
from webchat.slots import Crowded, Slots
from webchat.store import ExportedConversation, NotFound
from webchat.store.records import Owner
from webchat.turns.comparing.blind import blinded

Form = Literal["json", "zip", "markdown", "html", "openai", "sharegpt"]
ExportFormat = Annotated[Form, Query(alias="format")]
MOST_SELECTED = 100
Selection = Annotated[list[Id], Query(default_factory=list, alias="id", max_length=MOST_SELECTED)]

_KINDS: dict[Form, tuple[str, str]] = {
    "json": (".json", "application/json"),
    "zip": (".zip", "application/zip"),
    "markdown": (".md", "text/markdown; charset=utf-8"),
    "html": (".html", "text/html; charset=utf-8"),
    "openai": (".jsonl", "application/jsonl"),
    "sharegpt": (".jsonl", "application/jsonl"),
}
"""Suffix and media type."""
MOST_OPEN = 4
"""Downloads per person. Each holds a whole conversation in memory until its client has received it; and since
they are fewer than may wait for a slot, none is cut off halfway."""


class _Download:
    """A response that counts until its client has received it or disconnected."""

    def __init__(self, answer: Response, leaving: ExitStack) -> None:
        self._answer = answer
        self._leaving = leaving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._leaving:
            await self._answer(scope, receive, send)


class Exports:
    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._version = services.version
        self._slots = Slots(PLACES)
        self._open = Counter[str]()

    async def one(
        self, owner: Caller, id: PathId, language: Language, form: ExportFormat = "json"
    ) -> ASGIApp:
        """A conversation as a file: `json` has every branch, `zip` its pictures and sounds as well, the other
        formats the active branch."""
        with self._one_more(owner.id) as leaving:
            # Read before the answer begins, so that what is not theirs is a 404 and not a torn file.
            first = await self._read(owner.id, id)
            whole = self._whole(owner.id, (), first)
            return _Download(
                self._answer(first.conversation.title, form, language, owner, whole), leaving.pop_all()
            )

    async def all(
        self, owner: Caller, language: Language, selected: Selection, form: ExportFormat = "json"
    ) -> ASGIApp:
        """All conversations in one file, or those that `id` names (up to 100, repeated), in that order. 404
        if one of them is not there."""
        with self._one_more(owner.id) as leaving:
            ids = await self._store.call(self._store.conversation_ids, owner.id)
            if selected:
                if not set(selected) <= set(ids):
                    raise NotFound("conversation")
                ids = list(dict.fromkeys(selected))
            name = f"conversations {datetime.now(UTC):%Y-%m-%d}"
            whole = self._whole(owner.id, ids, None)
            return _Download(self._answer(name, form, language, owner, whole), leaving.pop_all())

    def _one_more(self, owner: str) -> ExitStack:
        """Count a download until the returned object is closed. Raises `Crowded`."""
        if self._open[owner] >= MOST_OPEN:
            raise Crowded
        self._open[owner] += 1
        leaving = ExitStack()
        leaving.callback(self._one_less, owner)
        return leaving

    def _one_less(self, owner: str) -> None:
        self._open[owner] -= 1
        if not self._open[owner]:
            del self._open[owner]

    async def _read(self, owner: str, wanted: str) -> ExportedConversation:
        """Holds a slot only while reading: how fast the client downloads does not matter. Raises
        `NotFound`."""
        async with self._slots.place(owner):
            return _blinded(await self._store.call(self._store.export_conversation, owner, wanted))

    def _answer(
        self,
        name: str,
        form: Form,
        language: sentences.Language,
        reader: Owner,
        conversations: AsyncIterator[ExportedConversation],
    ) -> Response:
        suffix, media_type = _KINDS[form]
        return StreamingResponse(
            self._pieces(name, form, language, reader, conversations),
            media_type=media_type,
            headers={"content-disposition": disposition(name, suffix), "cache-control": "no-store"},
        )

    def _pieces(
        self,
        name: str,
        form: Form,
        language: sentences.Language,
        reader: Owner,
        conversations: AsyncIterator[ExportedConversation],
    ) -> AsyncIterator[bytes]:
        match form:
            case "json":
                return json_pieces(conversations, self._version, reader)
            case "zip":
                return zip_pieces(self._store, self._version, reader, conversations)
            case "markdown":
                return _markdown_pieces(conversations, language, reader)
            case "html":
                return Page(self._store, self._slots, language, reader).pieces(name, conversations)
            case "openai":
                return _lines(conversations, lambda one: openai_line(one, language, reader))
            case "sharegpt":
                return _lines(conversations, lambda one: sharegpt_line(one, language, reader))

    async def _whole(
        self, owner: str, ids: Sequence[str], first: ExportedConversation | None
    ) -> AsyncIterator[ExportedConversation]:
        if first is not None:
            yield first
        for wanted in ids:
            try:
                yield await self._read(owner, wanted)
            except NotFound:
                continue  # deleted since the download began


def _blinded(exported: ExportedConversation) -> ExportedConversation:
    """Without what would tell which model wrote which side of an open comparison."""
    hidden = {message.id for message in exported.messages if message.compared is not None}
    if not hidden:
        return exported
    return replace(
        exported,
        messages=tuple(blinded(message) for message in exported.messages),
        provenance={id: found for id, found in exported.provenance.items() if id not in hidden},
        media=tuple(media for media in exported.media if media.message_id not in hidden),
    )


async def _markdown_pieces(
    conversations: AsyncIterator[ExportedConversation], language: str, reader: Owner
) -> AsyncIterator[bytes]:
    separator = ""
    async for exported in conversations:
        text = await asyncio.to_thread(conversation_markdown, exported, language, reader)
        yield (separator + text).encode("utf-8", "replace")
        separator = "\n---\n\n"


async def _lines(
    conversations: AsyncIterator[ExportedConversation],
    line: Callable[[ExportedConversation], Iterator[str]],
) -> AsyncIterator[bytes]:
    async for exported in conversations:
        for piece in line(exported):
            yield piece.encode("utf-8", "replace")
            await asyncio.sleep(0)
