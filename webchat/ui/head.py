"""What must be in the page before Gradio's bundle runs: language, colours, the first paint."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files

from webchat.sentences import LANGUAGES, locale

STYLES = (
    "colours", "theme", "frame", "base", "sidebar", "composer", "drawer", "overlays",
    "messages", "actions", "waiting", "prose", "code", "sheet", "compare",
)  # fmt: skip
"""The sheets, in their order."""

MODULES = (
    "api", "bus", "composer", "connection", "dom", "drawer", "gradio", "i18n", "menus", "picker", "search",
    "settings", "sidebar", "toast", "transcript", "message", "markdown", "follow", "identity", "storage",
    "channel", "copying", "download", "drafts", "outbox", "stops", "files", "filetext", "print", "routing",
    "sidebar/calendar", "sidebar/deeds", "sidebar/keys", "sidebar/row", "account/leaving", "account/menu",
    "account/problems", "shares/menu", "compare/choice", "compare/differing", "compare/view", "compare/vote",
    "reviewing/menu",
)  # fmt: skip
"""What the shell imports, told to the browser at once so that it does not find them one after the other."""

LOST = {
    "failed": "app.load_failed",
    "cookies": "app.no_cookie",
    "framed": "app.framed",
    "retry": "app.retry",
    "open": "app.open_alone",
    "server": "console.lost",
}
"""What the boot script says when nothing else has come, and the console when the server has gone, by key."""


@dataclass(frozen=True, slots=True)
class Assets:
    """What a page takes of the assets. home: the path from the page's own address to the chat. styles: in
    their order. shell: the module that runs; modules: what it imports."""

    home: str = ""
    styles: Sequence[str] = STYLES
    modules: Sequence[str] = MODULES
    shell: str = "shell"


_CHAT = Assets()


def head_html(version: str, title: str, language: str, taken: Assets = _CHAT) -> bytes:
    """Our head: the first scripts inline (they must not wait for a request), the stylesheets, the modules."""
    base = f"{taken.home}assets/{version}/"
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
            *(f'<link rel="stylesheet" href="{base}styles/{name}.css" />' for name in taken.styles),
            *(f'<link rel="modulepreload" href="{base}{name}.js" />' for name in taken.modules),
            # Waits for no other script, and lets none wait for it.
            f'<script type="module" async src="{base}{taken.shell}.js"></script>',
        )
    ).encode()
