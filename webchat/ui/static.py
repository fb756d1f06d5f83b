"""The page's own files: their location, version, and the routes that serve them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path

from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

from webchat.sentences import LANGUAGES, LOCALES
from webchat.ui.i18n import locale_json
from webchat.ui.kept import Kept

ASSETS = Path(__file__).parent / "assets"

IMMUTABLE = "public, max-age=31536000, immutable"


def asset_version() -> str:
    """Twelve hex digits over all assets and locales: a changed file has a new address, so caches never
    revalidate."""
    digest = sha256()
    for folder in (ASSETS, LOCALES):
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                digest.update(
                    path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0"
                )
    return digest.hexdigest()[:12]


def asset_routes(version: str) -> list[BaseRoute]:
    """Routes for the parent app, registered before the page: `/assets/<version>/...`, cached forever."""
    tables = [Route(f"/locales/{language}.json", _table(language), methods=["GET"]) for language in LANGUAGES]
    files = Mount("/", Kept(_Immutable(directory=ASSETS), ("gzip",)))
    # Read-only shares find them next to themselves, where nobody needs to be anybody.
    shared = Mount(f"/s/assets/{version}", files.app)
    return [Mount(f"/assets/{version}", routes=[*tables, files]), shared]


def _table(language: str) -> Callable[[Request], Response]:
    body = locale_json(language).encode()
    return lambda _request: Response(
        body, media_type="application/json", headers={"cache-control": IMMUTABLE}
    )


class _Immutable:
    """Static files, compressed, with a cache header that only a found file gets."""

    def __init__(self, directory: Path) -> None:
        self._files = GZipMiddleware(StaticFiles(directory=directory), minimum_size=1024)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._files(scope, receive, partial(_send_immutable, send))


async def _send_immutable(send: Send, message: Message) -> None:
    if message["type"] == "http.response.start" and message["status"] in (200, 206, 304):
        message["headers"] = [*message["headers"], (b"cache-control", IMMUTABLE.encode())]
    await send(message)
