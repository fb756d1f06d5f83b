"""Adapts Gradio to the page; each workaround with its reason.

- Imported, it writes a file for editors beside each of its components; `webchat.gradio_stubs`, which must
  come before any import of it, leaves that out.
- Built outside of an event loop it makes loops of its own and leaves them open: `in_loop`.
- It makes an app with all its routes whenever a page is begun, completed or given a queue, and describes all
  components when one is completed, and twice when it is mounted; it serves only what it mounts: `built`,
  `mounted`.
- It inspects a component's constructor whenever it makes or describes one: `_keep_signatures`.
- Its lifespan starts a queue that nobody asks here and that looks for work a thousand times a second: its app
  is mounted without one, see `webchat.ui.page.mount`.
- It adds a page's own head from its bundle, too late for the language, the theme and the first paint; it
  names other hosts in the page; its scripts know no content security policy: `PageHead`.
- Every listener of the page is JavaScript of our own, so its queue, sessions, uploads, files, proxies and
  descriptions of itself are needed by nobody. What a later release adds is not there either: `Shell`.
- It compiles what `gr.HTML` and listeners bring as text, which takes `unsafe-eval`: the layout has neither.
- It writes widths into the elements of its layout: `scale` and `min_width` say ours, see `webchat.ui.layout`.
- Its mark of loading asks for a frame of animation 60 times a second for ever: `assets/boot.js`.

What else it takes in the browser is in `assets/gradio.js`, `assets/boot.js` and `assets/guard.js`.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable
from contextvars import ContextVar
from functools import cache
from html import escape
from typing import Any, TypeVar

import gradio as gr
import gradio.blocks
import httpx
from fastapi import FastAPI
from gradio.routes import App
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webchat.auth import error_answer, unknown_error_answer
from webchat.sentences import LANGUAGES, locale
from webchat.ui.kept import Kept
from webchat.ui.not_found import NotFound

Built = TypeVar("Built")

_FOREIGN_META = re.compile(
    rb"<meta\s+(?:property|name)=\"(?:og|twitter):[^>]*?/?>\s*|<link rel=\"manifest\"[^>]*>\s*", re.S
)
_SCRIPT_TAG = re.compile(rb"<script(?=[\s>])")
_SERVED = re.compile(r"/|/theme\.css|/(?:assets|static)(?:/[A-Za-z0-9_@+-][A-Za-z0-9_.@+-]{0,199}){1,9}")
_FILE = re.compile(r"/theme\.css|/(?:assets|static)/.*")
_ANOTHER_PAGE = re.compile(rb"(?:^|&)(?:page|deep_link)=[^&]")
"""What Gradio would take for the name of another of its pages; there is one."""
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_HOSTS = (b"host", b"x-forwarded-host")
_HEADERS = frozenset(
    {
        *_HOSTS,
        b"x-forwarded-proto",
        b"origin",
        b"accept-encoding",
        b"if-none-match",
        b"if-modified-since",
        b"if-range",
        b"range",
    }
)


def in_loop(build: Callable[[], Built]) -> Built:
    """Build inside a running event loop: without one, Gradio makes a loop for each of its locks and leaves it
    open."""

    async def run() -> Built:
        return build()

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(run())
    return build()


_building: ContextVar[bool] = ContextVar("building", default=False)


class _AppOfBlocks(App):
    """In place of Gradio's where it is made for Blocks that are not mounted yet."""

    @staticmethod
    def create_app(blocks: gr.Blocks, *args: Any, **options: Any) -> App:
        if not _building.get():
            return App.create_app(blocks, *args, **options)
        app = App()
        app.configure_app(blocks)
        return app


_get_config = gr.Blocks.get_config_file


def _config_of_blocks(blocks: gr.Blocks) -> Any:
    """In place of Gradio's description of a page, which is made again when it is mounted."""
    return {} if _building.get() else _get_config(blocks)


def built(build: Callable[[], Built]) -> Built:
    """Build Blocks that will be mounted. Until then their app has no routes and their components are not
    described: both take long."""
    gradio.blocks.App = _AppOfBlocks  # type: ignore[attr-defined]
    gr.Blocks.get_config_file = _config_of_blocks  # type: ignore[method-assign, assignment]
    _keep_signatures()
    before = _building.set(True)
    try:
        return in_loop(build)
    finally:
        _building.reset(before)


def mounted(blocks: gr.Blocks, **options: Any) -> FastAPI:
    """An app of the blocks alone, at `/`, with nothing of Gradio's own around them. options: more of
    `gr.mount_gradio_app`."""
    app: FastAPI = built(
        lambda: gr.mount_gradio_app(
            FastAPI(),
            blocks,
            path="/",
            footer_links=[],
            run_history=False,
            show_error=False,
            ssr_mode=False,
            pwa=False,
            enable_monitoring=False,
            mcp_server=False,
            **options,
        )
    )
    blocks.config = blocks.get_config_file()
    return app


@cache
def _keep_signatures() -> None:
    """`inspect` looks here first."""
    kinds: list[type[Any]] = [gradio.blocks.Block]
    for kind in kinds:
        kinds += kind.__subclasses__()
        made_by = inspect.unwrap(kind.__init__)
        made_by.__signature__ = inspect.signature(made_by)


class PageHead:
    """ASGI: inserts our head into the page Gradio renders, and removes references to other hosts."""

    def __init__(self, app: ASGIApp, head: bytes) -> None:
        self._app = app
        self._head = head

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        if scope["type"] != "http" or scope["method"] != "GET" or path not in ("", "/"):
            await self._app(scope, receive, send)
            return
        # Gradio compresses its answers; the few bytes of the page are rewritten before that could matter.
        scope = {**scope, "headers": [h for h in scope["headers"] if h[0] != b"accept-encoding"]}
        nonce = scope.get("state", {}).get("nonce", "")
        await self._app(scope, receive, _Rewriter(send, self._head, nonce))


class _Rewriter:
    """Collects an HTML response and sends it modified; anything else passes through."""

    def __init__(self, send: Send, head: bytes, nonce: str) -> None:
        self._send, self._head, self._nonce = send, head, nonce
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=list(message["headers"]))
            if "text/html" in headers.get("content-type", ""):
                self._start = message
                return
        if self._start is None:
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if message.get("more_body"):
            return
        body = rewrite_page(self._body, self._head, self._nonce)
        headers = MutableHeaders(raw=list(self._start["headers"]))
        headers["content-length"] = str(len(body))
        headers["cache-control"] = "no-cache"
        await self._send({**self._start, "headers": headers.raw})
        await self._send({"type": "http.response.body", "body": body})


def rewrite_page(page: bytes, head: bytes, nonce: str) -> bytes:
    """Gradio's page with `head` behind its `<base>`, without the metadata and manifest of Gradio's own, and
    with the nonce that its scripts may run by. Browsers without scripts are told that the page needs them."""
    before, base, rest = _FOREIGN_META.sub(b"", page).partition(b"<base ")
    tag, end, rest = rest.partition(b">")
    if not base:
        raise ValueError(
            "Gradio's page has no <base> after which to insert the head; has the version of Gradio changed?"
        )
    said = "".join(f"<p lang={name}>{escape(locale(name)['app.noscript'])}</p>" for name in LANGUAGES)
    css = "position: fixed; inset: 0; z-index: 9; display: grid; place-content: center; font: 1em sans-serif"
    noscript = f'<noscript><div style="{css}">{said}</div></noscript>'
    rest = re.sub(rb"<body[^>]*>", lambda body: body.group() + noscript.encode(), rest, count=1)
    whole = before + base + tag + end + b"\n" + head + rest
    return _SCRIPT_TAG.sub(b'<script nonce="%b"' % nonce.encode(), whole)


class Shell:
    """ASGI around the page, which is requested for every address that nothing else handles.

    Requests that pass reach Gradio without a query and with only the few headers it needs, so that nothing
    else in a request can break it.
    """

    def __init__(self, app: ASGIApp, not_found: NotFound) -> None:
        self._app = app
        self._files = Kept(app, ("br", "gzip"))
        self._not_found = not_found

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        if _SERVED.fullmatch(path) and not _ANOTHER_PAGE.search(scope["query_string"]):
            refused = _refused(scope)
            if refused is not None:
                await refused(scope, receive, send)
                return
            if await self._from_gradio(path, scope, receive, send):
                return
        missing = self._not_found.answer(scope["method"], path, Headers(scope=scope))
        await missing(scope, receive, send)

    async def _from_gradio(self, path: str, scope: Scope, receive: Receive, send: Send) -> bool:
        kept = [(name, value) for name, value in scope["headers"] if name in _HEADERS]
        app = self._files if _FILE.fullmatch(path) else self._app
        return await from_gradio(app, {**scope, "query_string": b"", "headers": kept}, receive, send)


async def from_gradio(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> bool:
    """Whether Gradio has what is asked for; if so, it is sent, in our own words where Gradio fails."""
    status = 0

    async def watched(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        if status != 404 and status < 500:
            await send(message)

    try:
        await app(scope, receive, watched)
        if status >= 500:
            raise RuntimeError(f"Gradio answered {status}")
    except Exception as error:
        if 0 < status < 500:
            raise
        await unknown_error_answer(error)(scope, receive, send)
    return status != 404


def _refused(scope: Scope) -> Response | None:
    """The response to requests that are not passed to Gradio."""
    if scope["method"] not in ("GET", "HEAD"):
        allow = {"allow": "GET, HEAD"}
        return error_answer(405, "bad_request", "The request is not valid.", headers=allow)
    return bad_host(scope)


def bad_host(scope: Scope) -> Response | None:
    """The response to requests whose host Gradio could not build an address from."""
    if not all(_is_host(value) for name, value in scope["headers"] if name in _HOSTS):
        return error_answer(400, "bad_request", "The request is not valid.")
    return None


def _is_host(value: bytes) -> bool:
    """Whether Gradio can build an address from it; of several, the first counts."""
    text = value.decode("latin-1").partition(",")[0].strip()
    if not _HOST.fullmatch(text):
        return False
    try:
        httpx.URL(f"http://{text}")
    except httpx.InvalidURL:
        return False
    return True
