"""What a handler is told of who asks, after it was checked that they may."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr
from starlette.requests import Request

from backends._plurals import filled
from backends.errors import ExplainedError
from webchat.auth.answers import in_one_line
from webchat.console.roles import Role, has_role
from webchat.sentences import LANGUAGES, Language, locale
from webchat.store.records import Owner

log = logging.getLogger(__name__)

QUIET: Any = {"show_progress": "hidden", "api_visibility": "private"}
"""Of listeners: a page says nothing of its handlers, and no veil falls over what is being read."""

Method = Callable[..., Awaitable[Any]]
Handler = Callable[..., Awaitable[Any]]
Stream = Callable[..., AsyncGenerator[Any]]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and the language in which they are answered. request: without its cookies."""

    owner: Owner
    language: Language
    request: Request

    def known(self, key: str) -> str | None:
        """A text of the tables; `None` if there is none."""
        return locale(self.language).get(key)

    def t(self, key: str, **params: object) -> str:
        """A text of the tables."""
        return filled(locale(self.language)[key], params)


def tell(caller: Caller, key: str, **params: object) -> None:
    """Show a message above the page."""
    gr.Info(_as_html(caller.t(key, **params)), title="")


def _as_html(text: str) -> str:
    """Text for a message above the page. Gradio takes that for HTML, and names in it are their owners' to
    choose."""
    return escape(text, quote=False)


def handler(needed: Role, method: Method) -> Handler:
    """A listener for Gradio that calls `method(caller, *values)`, for callers who have the role at the time
    of the call. What fails is told in the caller's language; unexpected errors only by an ID."""

    async def checked(request: gr.Request, *values: object) -> Any:
        return await _answer(needed, method, request, values)

    checked.__name__ = method.__name__
    return checked


def streaming(needed: Role, method: Stream) -> Stream:
    """The same for a method that yields values as they come."""

    async def checked(request: gr.Request, *values: object) -> AsyncGenerator[Any]:
        with _refused(needed, method.__name__, request) as caller:
            async with aclosing(method(caller, *values)) as all_of_them:
                async for one in all_of_them:
                    yield one

    checked.__name__ = method.__name__
    return checked


def _row(chosen: gr.SelectData) -> list[object]:
    row = getattr(chosen, "row_value", None)
    return row if isinstance(row, list) else []


def selecting(needed: Role, method: Method, read: Callable[[gr.SelectData], object] = _row) -> Handler:
    """The same for a choice: `method(caller, value)` gets what `read` takes from it, by default the values of
    the table's row."""

    async def checked(request: gr.Request, chosen: gr.SelectData) -> Any:
        return await _answer(needed, method, request, (read(chosen),))

    checked.__name__ = method.__name__
    return checked


async def _answer(needed: Role, method: Method, request: gr.Request, values: tuple[object, ...]) -> Any:
    with _refused(needed, method.__name__, request) as caller:
        return await method(caller, *values)


@contextmanager
def _refused(needed: Role, name: str, request: gr.Request) -> Iterator[Caller]:
    """The caller, if they have the role; what fails in the block is told in their language."""
    caller = caller_of(request)
    try:
        if caller is None or not has_role(caller.owner, needed):
            raise refusal(caller, "error.not_found")
        yield caller
    except gr.Error:
        raise
    except ExplainedError as error:
        raise refusal(caller, f"error.{error.code}", error.params) from None
    except Exception as error:
        ticket = secrets.token_hex(4)
        log.error("handler %s failed (ID %s): %s", name, ticket, in_one_line(error))
        raise refusal(caller, "console.failed", {"id": ticket}) from None


def refuse(caller: Caller, key: str, **params: object) -> gr.Error:
    """What to raise where something cannot be done, for a reason that the caller can mend."""
    return refusal(caller, key, params)


def refusal(caller: Caller | None, key: str, params: Any = None) -> gr.Error:
    table = locale(LANGUAGES[0] if caller is None else caller.language)
    cure = table.get(f"{key}.cure", "")
    if caller is not None and caller.owner.operates:
        cure = table.get(f"{key}.cure_operator", cure)
    words = [table.get(key, table["error.unknown"]), cure]
    text = ("" if caller is not None and caller.language == "zh-CN" else " ").join(filter(None, words))
    return gr.Error(_as_html(filled(text, dict(params or {}))), title="", print_exception=False)


def caller_of(request: gr.Request) -> Caller | None:
    asked = request.request
    state = {} if asked is None else asked.scope.get("state", {})
    owner, language = state.get("owner"), state.get("language")
    if asked is None or not isinstance(owner, Owner):
        return None
    return Caller(owner, language if language in LANGUAGES else LANGUAGES[0], asked)
