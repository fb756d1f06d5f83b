"""Limits how many requests of one person are handled at once. Long work also waits for a slot shared with
others, and may stop when its client disconnects."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Literal, get_args

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp

from webchat.api.errors import Endpoint
from webchat.api.reading import owner_of
from webchat.slots import Slots

PLACES = 2
"""Per kind of long work: how many people at once, with one request each."""

SHORT_AT_ONCE = 3
"""Of one person. Fewer than the store's readers (`webchat.store.database.transactions.READERS`): one is
always left to others."""

SENDS_AT_ONCE = 8
"""Per person. Sends have their own slots, because a message may wait long for its review."""

MOST_WAITING = 250
"""Waiting short requests, or sends, per person. A page makes a few, a program may make many."""

LongWork = Literal["search", "list", "render", "trial", "save"]
Work = LongWork | Literal["short", "send"]

LEAVING: tuple[Work, ...] = ("search", "list", "render", "trial")
"""Work that stops when its client disconnects."""


def places() -> dict[Work, Slots]:
    """The slots for each kind of work."""
    long: dict[Work, Slots] = {kind: Slots(PLACES) for kind in get_args(LongWork)}
    return long | {
        "short": Slots(None, each=SHORT_AT_ONCE, most_waiting=MOST_WAITING),
        "send": Slots(None, each=SENDS_AT_ONCE, most_waiting=MOST_WAITING),
    }


def in_its_place(endpoint: Endpoint, slots: Slots, *, leaves: bool) -> Endpoint:
    """The endpoint, run in one of the slots. leaves: stop when the client disconnects. Raises `Crowded`,
    `ClientDisconnect`."""

    async def placed(request: Request) -> ASGIApp:
        async with slots.place(owner_of(request).id):
            return await endpoint(request)

    async def handler(request: Request) -> ASGIApp:
        await request.body()  # nobody has a place while it comes; behind it comes only that the client goes
        return await (while_asked(request, placed(request)) if leaves else placed(request))

    return handler


async def while_asked(request: Request, work: Coroutine[None, None, ASGIApp]) -> ASGIApp:
    """The answer, unless the client leaves before. Raises `ClientDisconnect`."""
    doing = asyncio.create_task(work)
    leaving = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({doing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            return doing.result()
        raise ClientDisconnect
    finally:
        doing.cancel()
        leaving.cancel()
        await asyncio.gather(doing, leaving, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
