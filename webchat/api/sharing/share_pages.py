"""The pages of shares: for whoever has the address, without scripts, cookies or an owner."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from http.cookies import CookieError, SimpleCookie
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Path
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from backends._plurals import filled
from webchat import sentences
from webchat.api.media import media_answer
from webchat.api.reading import Language, language_of
from webchat.api.services import Services
from webchat.auth.forwarding import one_person
from webchat.sharing import share_page
from webchat.sharing.share_errors import ShareDelayed, ShareEnded, ShareLocked
from webchat.sharing.share_page import Frame
from webchat.sharing.shares import UNLOCKED
from webchat.slots import Crowded
from webchat.store.errors import NotFound
from webchat.store.share_records import Share

ShareId = Annotated[str, Path()]

COOKIE = "webchat_share"
UNCACHED = {"cache-control": "private, no-store"}
_ID = re.compile(r"[A-Za-z0-9_-]{32}")
_PREVIEWS = re.compile(
    r"bot\b|bot/|crawl|spider|preview|facebookexternalhit|facebot|whatsapp|slack|telegram|discord|twitter"
    r"|linkedin|pinterest|skypeuri|vkshare|embedly|iframely|bitly|mastodon|wechat-share",
    re.IGNORECASE,
)


class SharePages:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.store
        self._shares = services.shares

    async def page(self, id: ShareId, language: Language, request: Request) -> Response:
        """A share as a page, or a form that asks for its password."""
        frame = self._frame(language, request)
        try:
            share = await self._opened(id)
        except (NotFound, ShareEnded) as gone:
            return _missing(frame, gone)
        if not self._shares.unlocked(share, _cookie(request)):
            return HTMLResponse(share_page.locked(frame), headers=UNCACHED)
        if request.method == "HEAD":
            return HTMLResponse(headers=UNCACHED)
        if _is_read(request):
            self._shares.viewed(share.id)
        return StreamingResponse(
            self._whole(frame, share), media_type="text/html; charset=utf-8", headers=UNCACHED
        )

    async def unlock(self, id: ShareId, language: Language, request: Request) -> Response:
        """Check the password of a share, sent as a form; back to its page if it is right."""
        frame = self._frame(language, request)
        try:
            share = await self._opened(id)
        except (NotFound, ShareEnded) as gone:
            return _missing(frame, gone)
        if share.password_hash is None:
            return RedirectResponse(share.id, 303, UNCACHED)
        password = _password((await request.body()).decode("utf-8", "replace"))
        try:
            kept = await self._shares.unlock(share, password, network_of(request))
        except ShareLocked:
            return HTMLResponse(share_page.locked(frame, frame.words["share.wrong"]), 403, UNCACHED)
        except (ShareDelayed, Crowded) as error:
            wait = error.seconds if isinstance(error, ShareDelayed) else 1
            problem = filled(frame.words["share.delayed"], {"count": wait})
            headers = {**UNCACHED, "retry-after": str(wait)}
            return HTMLResponse(share_page.locked(frame, problem), 429, headers)
        answer = RedirectResponse(share.id, 303, UNCACHED)
        answer.set_cookie(
            COOKIE,
            kept,
            max_age=int(UNLOCKED.total_seconds()),
            path=f"{self._services.root_path}/s/{share.id}",
            secure=request.state.sign_in.secure,
            httponly=True,
            samesite="lax",
        )
        return answer

    async def media(
        self, id: ShareId, name: Annotated[str, Path(pattern="^[a-p]{16}$")], request: Request
    ) -> Response:
        """A picture or sound that a share shows."""
        try:
            share = await self._opened(id)
            if not self._shares.unlocked(share, _cookie(request)):
                raise NotFound("media")
            media = await self._store.call(self._store.shared_media, share.id, name)
        except (NotFound, ShareEnded) as gone:
            return _missing(self._frame(language_of(request), request), gone)
        return media_answer(media, request.headers.get("range", ""), UNCACHED["cache-control"])

    async def _opened(self, id: str) -> Share:
        """Raises NotFound, ShareEnded."""
        if _ID.fullmatch(id) is None:
            raise NotFound("share")
        return await self._shares.opened(id)

    async def _whole(self, frame: Frame, share: Share) -> AsyncIterator[bytes]:
        first = None
        if share.preview:
            found = await self._store.call(self._store.shared_messages, share.id, 0, 1)
            first = found[0] if found else None
        yield share_page.beginning(frame, share, first).encode("utf-8", "replace")
        async for piece in self._shares.rendering.messages(frame, share):
            yield piece
        yield share_page.ending(frame, share).encode("utf-8", "replace")

    def _frame(self, language: sentences.Language, request: Request) -> Frame:
        return Frame(language, self._services.share_assets, request.state.nonce)


def network_of(request: Request) -> str | None:
    """Under which wrong passwords are counted; `None` where everybody may have the same address."""
    if request.state.unnamed_proxy or request.client is None:
        return None
    return one_person(request.client.host)


def _password(form: str) -> str:
    """What the form of a share sends. One with more fields is not ours: no password."""
    try:
        return parse_qs(form, max_num_fields=5).get("password", [""])[0]
    except ValueError:
        return ""


def _missing(frame: Frame, error: NotFound | ShareEnded) -> Response:
    ended = isinstance(error, ShareEnded)
    return HTMLResponse(share_page.missing(frame, ended=ended), 410 if ended else 404, UNCACHED)


def _cookie(request: Request) -> str:
    """What this browser has kept for this share: the cookie's path names it."""
    try:
        found = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _is_read(request: Request) -> bool:
    """Whether somebody looks at it, and not a browser ahead of its user or a site that makes a preview."""
    headers = request.headers
    ahead = "prefetch" in headers.get("sec-purpose", headers.get("purpose", ""))
    return not ahead and _PREVIEWS.search(headers.get("user-agent", "")) is None
