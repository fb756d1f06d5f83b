"""What is answered at addresses with nothing behind them: a page to people, JSON to programs."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from string import Template

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webchat.auth import error_answer
from webchat.sentences import LANGUAGES, Language, locale

_GRADIO = "/gradio_api/"


class NotFound:
    """ASGI around the page, which takes every address that nothing else does: answers those it does not know
    in our own words instead of Gradio's. title: the product's name. language: for visitors who have not
    chosen one, or `auto`."""

    def __init__(self, app: ASGIApp, title: str, language: str) -> None:
        self._app = app
        self._title = title
        self._language = language
        self._page = Template(files("webchat.ui").joinpath("not_found.html").read_text(encoding="utf-8"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        if scope["type"] != "http" or path.startswith(_GRADIO):
            await self._app(scope, receive, send)
            return
        missing = False

        async def watched(message: Message) -> None:
            nonlocal missing
            if message["type"] == "http.response.start":
                missing = message["status"] == 404
            if not missing:
                await send(message)

        await self._app(scope, receive, watched)
        if missing:
            await self._answer(scope["method"], path, Headers(scope=scope))(scope, receive, send)

    def _answer(self, method: str, path: str, headers: Headers) -> Response:
        if method not in ("GET", "HEAD") or "text/html" not in headers.get("accept", ""):
            return error_answer(404, "not_found", "There is nothing at this address.", "Check the address.")
        language = language_of(headers, self._language)
        words = locale(language)
        page = self._page.substitute(
            language=language,
            name=escape(self._title),
            title=escape(words["notfound.title"]),
            words=escape(words["notfound.words"]),
            open=escape(words["notfound.open"]),
            home="../" * (path.count("/") - 1) or "./",  # relative, so that a proxy's prefix stays
        )
        return HTMLResponse(page, 404, {"cache-control": "no-store"})


def language_of(headers: Headers, default: str) -> Language:
    """The language the page would have: the visitor's choice, else `default`, else the browser's first that
    there is a table for."""
    chosen = cookie_parser(headers.get("cookie", "")).get("webchat_lang", "")
    browser = (wish.partition(";")[0].strip() for wish in headers.get("accept-language", "").split(","))
    for wish in (chosen, default, *browser):
        for language in LANGUAGES:
            if wish.lower().partition("-")[0] == language.partition("-")[0]:
                return language
    return LANGUAGES[0]
