"""The messages of shares as HTML: rendered in a thread while somebody reads, sent to whoever reads meanwhile,
and kept for a while."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from webchat.sentences import LANGUAGES, Language, locale
from webchat.sharing import share_page
from webchat.sharing.share_page import Frame
from webchat.slots import Slots
from webchat.store.calling import Calls
from webchat.store.share_records import Share, SharedMessage

KEPT_BYTES = 64_000_000
KEPT_SECONDS = 60.0
"""After its last reader, so that nothing of a share stays long after it, or its chat, has ended."""
MOST_AT_ONCE = 2
MESSAGES_READ = 20
"""From the store at a time."""

_MOST_WAITING = 1000
_Key = tuple[str, str]


class MessageStore(Calls, Protocol):
    """The part of the store used to read messages of shares."""

    def shared_messages(self, share_id: str, start: int, limit: int) -> list[SharedMessage]: ...


@dataclass(eq=False)
class _Rendered:
    """What a share says in one language, as far as it has come. more: set and replaced at each piece. end:
    lets go of it where nobody reads it."""

    pieces: list[bytes] = field(default_factory=list)
    size: int = 0
    readers: int = 0
    done: bool = False
    error: Exception | None = None
    more: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    end: asyncio.TimerHandle | None = None

    def tell(self) -> None:
        self.more.set()
        self.more = asyncio.Event()


class Rendering:
    """Keeps the most recently read shares, `KEPT_BYTES` of them with those being rendered. Lives on one event
    loop."""

    def __init__(self, store: MessageStore) -> None:
        self._store = store
        self._kept: OrderedDict[_Key, _Rendered] = OrderedDict()
        self._size = 0
        self._slots = Slots(MOST_AT_ONCE, most_waiting=_MOST_WAITING)
        # One: rendering is Python, and takes turns with the event loop.
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="shares")

    async def messages(self, frame: Frame, share: Share) -> AsyncGenerator[bytes]:
        """The messages in order, as they become ready."""
        key = (share.id, frame.language)
        rendered = self._kept.get(key)
        if rendered is None:
            rendered = self._kept[key] = _Rendered()
            work = self._render(key, rendered, frame, share)
            rendered.task = asyncio.create_task(work, name="render share")
        self._kept.move_to_end(key)
        if rendered.end is not None:
            rendered.end.cancel()
        rendered.readers += 1
        try:
            async for piece in _pieces(rendered):
                yield piece
        finally:
            rendered.readers -= 1
            self._left(key, rendered)

    async def text(self, text: str, language: Language, prefix: str, media: str | None = None) -> str:
        """A reply as HTML. prefix: of ids, unique on the page. media: the relative address of its pictures
        and sounds, which are only named without."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, share_page.reply, text, locale(language), media, prefix
        )

    def forget(self, share_id: str) -> None:
        """Keep nothing of a share that has ended. Who reads it now reads on."""
        for language in LANGUAGES:
            if (rendered := self._kept.get((share_id, language))) is not None:
                self._drop((share_id, language), rendered)

    async def _render(self, key: _Key, rendered: _Rendered, frame: Frame, share: Share) -> None:
        try:
            # In turn by owner: one with many long shares delays only their own readers.
            async with self._slots.place(share.owner_id):
                for start in range(0, share.messages, MESSAGES_READ):
                    await self._render_some(key, rendered, frame, share, start)
            rendered.done = True
        except Exception as error:
            rendered.error = error
            self._drop(key, rendered)
        rendered.task = None
        rendered.tell()

    async def _render_some(
        self, key: _Key, rendered: _Rendered, frame: Frame, share: Share, start: int
    ) -> None:
        loop = asyncio.get_running_loop()
        found = await self._store.call(self._store.shared_messages, share.id, start, MESSAGES_READ)
        for number, one in enumerate(found, start + 1):
            html = await loop.run_in_executor(self._threads, share_page.message, frame, share.id, number, one)
            piece = html.encode("utf-8", "replace")
            rendered.pieces.append(piece)
            rendered.size += len(piece)
            if self._kept.get(key) is rendered:
                self._size += len(piece)
                self._let_go()
            rendered.tell()

    def _left(self, key: _Key, rendered: _Rendered) -> None:
        """A reader has gone: without any, nothing more is rendered, and what is there is kept a while."""
        if rendered.readers:
            return
        if not rendered.done:
            if rendered.task is not None:
                rendered.task.cancel()
            self._drop(key, rendered)
        elif self._kept.get(key) is rendered:
            loop = asyncio.get_running_loop()
            rendered.end = loop.call_later(KEPT_SECONDS, self._drop, key, rendered)

    def _drop(self, key: _Key, rendered: _Rendered) -> None:
        if rendered.end is not None:
            rendered.end.cancel()
        if self._kept.get(key) is rendered:
            del self._kept[key]
            self._size -= rendered.size

    def _let_go(self) -> None:
        if self._size <= KEPT_BYTES:
            return
        for key, rendered in list(self._kept.items()):
            if rendered.done:
                self._drop(key, rendered)
            if self._size <= KEPT_BYTES:
                return

    async def aclose(self) -> None:
        tasks = [one.task for one in self._kept.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for key, rendered in list(self._kept.items()):
            self._drop(key, rendered)
        self._threads.shutdown(wait=False)


async def _pieces(rendered: _Rendered) -> AsyncIterator[bytes]:
    at = 0
    while True:
        more = rendered.more
        while at < len(rendered.pieces):
            yield rendered.pieces[at]
            at += 1
        if rendered.error is not None:
            raise rendered.error
        if rendered.done and at == len(rendered.pieces):
            return
        if at == len(rendered.pieces):
            await more.wait()
