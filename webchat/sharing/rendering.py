"""The messages of shares as HTML: rendered once in a thread, sent to whoever reads meanwhile, and kept."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

from webchat.sharing import share_page
from webchat.sharing.share_page import Frame
from webchat.store.share_records import Share, SharedMessage

KEPT_BYTES = 64_000_000
MESSAGES_READ = 20
"""From the store at a time."""


class MessageStore(Protocol):
    """The part of the store used to read messages of shares."""

    def shared_messages(self, share_id: str, start: int, limit: int) -> list[SharedMessage]: ...

    async def call(self, verb: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any: ...


@dataclass
class _Rendered:
    """What a share says in one language, as far as it has come. more: set and replaced at each piece."""

    pieces: list[bytes] = field(default_factory=list)
    size: int = 0
    done: bool = False
    error: Exception | None = None
    more: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def add(self, piece: bytes) -> None:
        self.pieces.append(piece)
        self.size += len(piece)
        self.tell()

    def tell(self) -> None:
        self.more.set()
        self.more = asyncio.Event()


class Rendering:
    """Keeps the most recently read shares, `KEPT_BYTES` of them. Lives on one event loop."""

    def __init__(self, store: MessageStore) -> None:
        self._store = store
        self._kept: OrderedDict[tuple[str, str], _Rendered] = OrderedDict()
        # One: rendering is Python, and takes turns with the event loop.
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="shares")

    async def messages(self, frame: Frame, share: Share) -> AsyncIterator[bytes]:
        """The messages in order, as they become ready."""
        key = (share.id, frame.language)
        rendered = self._kept.get(key)
        if rendered is None or rendered.error is not None:
            rendered = self._kept[key] = _Rendered()
            rendered.task = asyncio.create_task(self._render(rendered, frame, share), name="render share")
        self._kept.move_to_end(key)
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

    async def _render(self, rendered: _Rendered, frame: Frame, share: Share) -> None:
        loop = asyncio.get_running_loop()
        try:
            for start in range(0, share.messages, MESSAGES_READ):
                read = self._store.shared_messages
                for number, one in enumerate(
                    await self._store.call(read, share.id, start, MESSAGES_READ), start + 1
                ):
                    html = await loop.run_in_executor(
                        self._threads, share_page.message, frame, share.id, number, one
                    )
                    rendered.add(html.encode("utf-8", "replace"))
            rendered.done = True
        except Exception as error:
            rendered.error = error
        rendered.tell()
        self._let_go()

    def _let_go(self) -> None:
        finished = [key for key, one in self._kept.items() if one.done or one.error is not None]
        total = sum(self._kept[key].size for key in finished)
        for key in finished:
            if total <= KEPT_BYTES:
                return
            total -= self._kept.pop(key).size

    async def aclose(self) -> None:
        tasks = [one.task for one in self._kept.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._threads.shutdown(wait=False)
