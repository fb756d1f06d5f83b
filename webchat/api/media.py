"""Pictures and sounds of replies. Only types that browsers show without executing anything are sent as
themselves; everything else is a download."""

from __future__ import annotations

import mimetypes
import re
from typing import Annotated

from fastapi import Path
from starlette.requests import Request
from starlette.responses import Response

from backends.types import SURE_MEDIA, Media
from webchat.api.filenames import disposition
from webchat.api.reading import Caller, Operator, PathId
from webchat.api.services import Services

TESTERS_MEDIA = "/api/testers/{id}/media/{name}"
"""Where operators find what a conversation of a tester, the id, shows."""
MediaName = Annotated[str, Path(pattern="^[a-p]{16}$")]
_RANGE = re.compile(r"bytes=([0-9]{1,12})-([0-9]{0,12})")


class MediaRoutes:
    def __init__(self, services: Services) -> None:
        self._store = services.store

    async def get(self, owner: Caller, id: PathId, name: MediaName, request: Request) -> Response:
        """A picture or sound of a message. Its name is derived from the data, so browsers may cache it."""
        media = await self._store.call(self._store.media, owner.id, id, name)
        return media_answer(media, request.headers.get("range", ""), "private, max-age=31536000, immutable")

    async def of_tester(self, operator: Operator, id: PathId, name: MediaName, request: Request) -> Response:
        """A picture or sound in a tester's conversation, for as long as its tester agrees that operators read
        it."""
        media = await self._store.call(self._store.tester_media, operator.id, id, name)
        return media_answer(media, request.headers.get("range", ""), "private, no-store")


def media_answer(media: Media, asked: str, cached: str) -> Response:
    """asked: the requested range, or empty. cached: how long browsers may."""
    sure = media.media_type in SURE_MEDIA
    download = disposition(
        f"{media.media_type.partition('/')[0]} {media.name}",
        mimetypes.guess_extension(media.media_type) or ".bin",
    )
    headers = {
        "content-disposition": download.replace("attachment", "inline", 1) if sure else download,
        "cache-control": cached,
        "accept-ranges": "bytes",
    }
    media_type = media.media_type if sure else "application/octet-stream"
    return _ranged(asked, media.data, headers, media_type)


def _ranged(asked: str, data: bytes, headers: dict[str, str], media_type: str) -> Response:
    """All of it, or the requested range, without which some browsers do not play sound."""
    if (found := _RANGE.fullmatch(asked)) is None:
        return Response(data, headers=headers, media_type=media_type)
    start, last = int(found[1]), min(int(found[2] or len(data)), len(data) - 1)
    if start > last:
        return Response(status_code=416, headers={"content-range": f"bytes */{len(data)}"})
    headers["content-range"] = f"bytes {start}-{last}/{len(data)}"
    return Response(data[start : last + 1], 206, headers, media_type)
