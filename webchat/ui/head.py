"""What must stand in the page before Gradio's bundle runs: language, colours, the first paint."""

from __future__ import annotations

import json
import re
from html import escape
from importlib.resources import files

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webchat.sentences import LANGUAGES, locale

_FOREIGN_META = re.compile(
    rb"<meta\s+(?:property|name)=\"(?:og|twitter):[^>]*?/?>\s*|<link rel=\"manifest\"[^>]*>\s*", re.S
)


STYLES = (
    "theme", "frame", "base", "sidebar", "composer", "drawer", "overlays",
    "messages", "actions", "waiting", "prose", "code", "sheet",
)  # fmt: skip
"""The sheets, in their order."""

MODULES = (
    "api", "bus", "composer", "connection", "dom", "drawer", "gradio", "i18n", "menus", "picker", "search",
    "settings", "sidebar", "toast", "transcript", "message", "markdown", "follow", "identity", "storage",
    "channel", "copying", "download", "drafts", "outbox", "stops", "files", "filetext", "print",
    "sidebar/calendar", "sidebar/deeds", "sidebar/keys", "sidebar/row",
)  # fmt: skip
"""What the shell imports, told to the browser at once so that it does not find them one after the other."""

LOST = {
    "failed": "app.load_failed",
    "cookies": "app.no_cookie",
    "framed": "app.framed",
    "retry": "app.retry",
    "open": "app.open_alone",
}
"""What the boot script says when nothing else has come, and the keys of the words."""


def head_html(version: str, title: str, language: str) -> bytes:
    """Our head: the first scripts inline (they must not wait for a request), the stylesheets, the modules."""
    base = f"assets/{version}/"
    # Said by the boot script when the modules, which have the tables, did not come.
    lost = {name: {word: locale(name)[key] for word, key in LOST.items()} for name in LANGUAGES}
    settings = {"assets": base, "title": title, "language": language, "lost": lost}
    config = json.dumps(settings).replace("<", "\\u003c")
    guard, boot = (
        files("webchat.ui").joinpath(f"assets/{name}.js").read_text(encoding="utf-8")
        for name in ("guard", "boot")
    )
    return "\n".join(
        (
            f"<title>{escape(title)}</title>",
            '<meta name="color-scheme" content="light dark" />',
            f"<script>window.webchatConfig = {config};\n{guard}\n{boot}</script>",
            f'<link rel="icon" href="{base}icon.svg" type="image/svg+xml" />',
            *(f'<link rel="stylesheet" href="{base}styles/{name}.css" />' for name in STYLES),
            *(f'<link rel="modulepreload" href="{base}{name}.js" />' for name in MODULES),
            # Waits for no other script, and lets none wait for it.
            f'<script type="module" async src="{base}shell.js"></script>',
        )
    ).encode()


class PageHead:
    """ASGI: puts our head into the page Gradio renders, and takes out what names other hosts."""

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
        await self._app(scope, receive, _Rewriter(send, self._head))


class _Rewriter:
    """Collects one HTML answer and sends it changed; anything else passes through."""

    def __init__(self, send: Send, head: bytes) -> None:
        self._send, self._head = send, head
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
        body = rewrite_page(self._body, self._head)
        headers = MutableHeaders(raw=list(self._start["headers"]))
        headers["content-length"] = str(len(body))
        headers["cache-control"] = "no-cache"
        await self._send({**self._start, "headers": headers.raw})
        await self._send({"type": "http.response.body", "body": body})


def rewrite_page(page: bytes, head: bytes) -> bytes:
    """Gradio's page with `head` behind its `<base>`, without the metadata and manifest of Gradio's own.
    Browsers without scripts are told that the page needs them."""
    before, base, rest = _FOREIGN_META.sub(b"", page).partition(b"<base ")
    tag, end, rest = rest.partition(b">")
    if not base:
        raise ValueError(
            "Gradio's page has no <base> to put the head behind; is this another version of Gradio?"
        )
    said = "".join(f"<p lang={name}>{escape(locale(name)['app.noscript'])}</p>" for name in LANGUAGES)
    css = "position: fixed; inset: 0; z-index: 9; display: grid; place-content: center; font: 1em sans-serif"
    noscript = f'<noscript><div style="{css}">{said}</div></noscript>'
    rest = re.sub(rb"<body[^>]*>", lambda body: body.group() + noscript.encode(), rest, count=1)
    return before + base + tag + end + b"\n" + head + rest
