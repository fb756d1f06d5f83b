"""Responses at addresses where nothing exists: a page for people, JSON for programs."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from string import Template

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, Response

from webchat.auth import error_answer
from webchat.sentences import LANGUAGES, Language, locale


class NotFound:
    """In our own words instead of Gradio's. title: the product's name. language: for visitors who have not
    chosen one, or `auto`. at: the path below which the addresses are. about, status: of another reason why
    there is no page, from the table of texts."""

    def __init__(
        self, title: str, language: str, at: str = "", *, about: str = "notfound", status: int = 404
    ) -> None:
        self._title = title
        self._at = at
        self._about = about
        self._status = status
        self._language = language
        self._page = Template(files("webchat.ui").joinpath("not_found.html").read_text(encoding="utf-8"))

    def answer(self, method: str, path: str, headers: Headers) -> Response:
        if method not in ("GET", "HEAD") or "text/html" not in headers.get("accept", ""):
            return error_answer(404, "not_found", "There is nothing at this address.", "Check the address.")
        language = language_of(headers, self._language)
        words = locale(language)
        page = self._page.substitute(
            language=language,
            name=escape(self._title),
            title=escape(words[f"{self._about}.title"]),
            words=escape(words[f"{self._about}.words"]),
            open=escape(words["notfound.open"]),
            home="../" * ((self._at + path).count("/") - 1)
            or "./",  # relative, so that a proxy's prefix stays
        )
        return HTMLResponse(page, self._status, {"cache-control": "no-store"})


def language_of(headers: Headers, default: str) -> Language:
    """The language the page would use: the visitor's choice, else `default`, else the browser's first
    preference with a table."""
    chosen = cookie_parser(headers.get("cookie", "")).get("webchat_lang", "")
    browser = (wish.partition(";")[0].strip() for wish in headers.get("accept-language", "").split(","))
    for wish in (chosen, default, *browser):
        for language in LANGUAGES:
            if wish.lower().partition("-")[0] == language.partition("-")[0]:
                return language
    return LANGUAGES[0]
