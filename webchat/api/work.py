"""Routes whose work is long: it waits for its place among other people's, and may end when whoever asked has
gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp

from webchat.api.reading import owner_of
from webchat.slots import Slots

PLACES = 2
"""For each kind of work: so many people's at once, and one of each person."""

Handler = Callable[[Request], Awaitable[ASGIApp]]


def in_its_place(endpoint: Handler, slots: Slots, *, leaves: bool) -> Handler:
    """The endpoint, in one of the places. leaves: when the client does. Raises `Crowded`,
    `ClientDisconnect`."""

    async def placed(request: Request) -> ASGIApp:
        async with slots.place(owner_of(request).id):
            return await endpoint(request)

    async def handler(request: Request) -> ASGIApp:
        await request.body()  # nobody has a place while it comes; behind it comes only that the client goes
        return await (_while_asked(request, placed(request)) if leaves else placed(request))

    return handler


async def _while_asked(request: Request, work: Coroutine[Any, Any, ASGIApp]) -> ASGIApp:
    """Raises `ClientDisconnect`."""
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
