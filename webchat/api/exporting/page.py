"""Conversations as one HTML file, for reading and printing: the active branches as a share shows them, with
the styles, pictures and sounds inside, so that nothing runs and nothing is loaded."""

from __future__ import annotations

import asyncio
import re
import secrets
from base64 import b64encode
from collections.abc import AsyncIterator
from html import escape
from importlib.resources import files

from webchat.api.exporting.markdown import WORDS, shown_branch
from webchat.api.wire.conversations import settings_for
from webchat.sentences import Language
from webchat.sharing import share_page
from webchat.sharing.share_page import Frame
from webchat.slots import Slots
from webchat.store import ExportedConversation, NotFound, Store
from webchat.store.records import Message, Owner
from webchat.store.share_records import SharedMessage

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:"


class Page:
    """Writes one file for `reader`. slots: one is held while a message is rendered."""

    def __init__(self, store: Store, slots: Slots, language: Language, reader: Owner) -> None:
        self._store = store
        self._slots = slots
        self._frame = Frame(language)
        self._reader = reader
        # Addresses of media until their data takes their place; nobody can have written one.
        self._folder = secrets.token_hex(16)
        self._link = re.compile(rf'<a [^>]*href="{self._folder}/media/[a-p]{{16}}"[^>]*>(.*?)</a>', re.DOTALL)
        self._source = re.compile(rf'src="{self._folder}/media/([a-p]{{16}})"')
        self._number = 0

    async def pieces(
        self, title: str, conversations: AsyncIterator[ExportedConversation]
    ) -> AsyncIterator[bytes]:
        """title: of the file."""
        styles = await asyncio.to_thread(_styles)
        yield _bytes(share_page.page(self._frame, title, styles, ""))
        async for exported in conversations:
            yield _bytes(self._heading(exported))
            media = {one.name for one in exported.media}
            for message in shown_branch(exported):
                async for piece in self._message(message, media):
                    yield piece
            yield b"</section>\n"
        yield b"</body>\n</html>\n"

    def _heading(self, exported: ExportedConversation) -> str:
        words = WORDS[self._frame.language]
        conversation = exported.conversation
        title = " ".join(conversation.title.split()) or words["untitled"]
        prompt = (settings_for(conversation.settings, self._reader).system_prompt or "").strip()
        system = (
            f"<article><h2>{escape(words['system'])}</h2>"
            f'<div class="wc-share-system" dir="auto">{escape(prompt)}</div></article>\n'
        )
        return (
            f'<header class="wc-share-head"><h1 dir="auto">{escape(title)}</h1>'
            f"<p>{conversation.created_at:%Y-%m-%d %H:%M} UTC</p></header>\n"
            f'<section class="wc-share wc-transcript-text">\n{system if prompt else ""}'
        )

    async def _message(self, message: Message, media: set[str]) -> AsyncIterator[bytes]:
        self._number += 1
        shared = SharedMessage(
            message.role,
            message.text,
            message.state,
            message.created_at,
            reasoning=message.reasoning,
            model=self._reader.terms.shows_model(message.model),
            tool_calls=message.tool_calls,
        )
        async with self._slots.place(self._reader.id):
            html = await asyncio.to_thread(
                share_page.message, self._frame, self._folder, self._number, shared
            )
        # A browser opens no data from a link, so the links around media go.
        texts = self._source.split(self._link.sub(r"\1", html))
        yield _bytes(texts[0])
        for name, text in zip(texts[1::2], texts[2::2], strict=True):
            if name in media:
                yield await self._data(message.id, name)
            yield _bytes(text)

    async def _data(self, message: str, name: str) -> bytes:
        """The source of a picture or sound; nothing if it is gone, and its name is shown."""
        try:
            found = await self._store.call(self._store.media, self._reader.id, message, name)
        except NotFound:
            return b""
        data = await asyncio.to_thread(b64encode, found.data)
        return f'src="data:{escape(found.media_type)};base64,'.encode() + data + b'"'


def _styles() -> str:
    folder = files("webchat").joinpath("ui", "assets", "styles")
    sheets = "".join(folder.joinpath(f"{name}.css").read_text(encoding="utf-8") for name in share_page.STYLES)
    return f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n<style>\n{sheets}</style>\n'


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
