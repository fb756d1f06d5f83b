"""A page made of the shipped assets alone, in a real browser cut off from everything but this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, Route

from tests.browser import PATIENCE, launched
from webchat.auth.headers import Hardening
from webchat.ui.head import STYLES
from webchat.ui.static import ASSETS

HTML = """<!doctype html><html><head><meta charset="utf-8"><link rel="icon" href="data:,">
STYLES</head>
<body><div class="wc-transcript"></div><script type="module">
import { markdownView } from "./markdown.js";
import { settled } from "./conversation/extras.js";
import { math, prose } from "./conversation/sanitize.js";
window.t = (key, params = {}) => key + Object.values(params).map((value) => " " + value).join("");
window.fresh = (options = {}) => {
  const element = document.createElement("div");
  element.className = "wc-md";
  document.querySelector(".wc-transcript").replaceChildren(element);
  window.view = markdownView(element, { t, ...options });
  window.shown = element;
};
window.whole = (text, options) => { fresh(options); view.set(text); return shown.innerHTML; };
window.streamed = (pieces, { flush = true, ...options } = {}) => {
  fresh(options);
  for (const piece of pieces) { view.append(piece); if (flush) view.flush(); }
  view.finish();
  return shown.innerHTML;
};
window.drafts = (pieces) => {
  fresh();
  return pieces.map((piece) => { view.append(piece); view.flush(); return shown.innerText.trim(); });
};
Object.assign(window, { math, prose, settled });
window.ready = true;
</script></body></html>"""

POLICY = Hardening().script_policy.decode()
"""Under which a worker runs."""


class _Assets(SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        if self.path.endswith(".js"):
            self.send_header("content-security-policy", POLICY)
        super().end_headers()

    def do_GET(self) -> None:
        if self.path != "/":
            super().do_GET()
            return
        sheets = "".join(f'<link rel="stylesheet" href="styles/{name}.css">' for name in STYLES)
        body = HTML.replace("STYLES", sheets).encode()
        self.send_response(200)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def asset_server(assets: Path = ASSETS) -> Iterator[str]:
    """The assets at an address of this machine, the page above at its root."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Assets, directory=str(assets))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def asset_page() -> Iterator[tuple[Page, list[str]]]:
    """The page, and the addresses it asked for beyond its own server; those are refused."""
    with asset_server() as address, launched() as browser:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        foreign: list[str] = []

        def guard(route: Route) -> None:
            if route.request.url.startswith((address, "data:")):
                route.continue_()
            else:
                foreign.append(route.request.url)
                route.abort()

        page.route("**/*", guard)
        page.goto(address)
        page.wait_for_function("window.ready")
        yield page, foreign
