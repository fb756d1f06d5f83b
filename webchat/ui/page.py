"""Assembles the page's Blocks and mounts them in the parent app."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import gradio as gr
from fastapi import FastAPI

from webchat.ui import theme
from webchat.ui.gradio_page import PageHead, Shell, built, mounted
from webchat.ui.head import head_html
from webchat.ui.i18n import gradio_i18n
from webchat.ui.layout import LABELS, create_layout
from webchat.ui.not_found import NotFound
from webchat.ui.static import asset_routes, asset_version


@dataclass(frozen=True, slots=True)
class PageSettings:
    """What the page is built with.

    language: the language for every visitor who has not chosen one; `auto` follows the browser.
    max_message_chars: the longest message the composer sends.
    version: of the assets' address; by default a digest of their content.
    """

    title: str = "webchat"
    language: Literal["auto", "en", "zh-CN"] = "auto"
    max_message_chars: int = 100_000
    version: str = field(default_factory=asset_version)


def create_page(ui: PageSettings) -> gr.Blocks:
    """The page's Blocks. Builds components only: no server, no request, no file but the locales."""

    def build() -> gr.Blocks:
        page: gr.Blocks
        with gr.Blocks(title=ui.title, analytics_enabled=False, fill_width=True, fill_height=True) as page:
            create_layout(ui.max_message_chars)
        return page

    return built(build)


def mount(
    parent: FastAPI,
    page: gr.Blocks,
    ui: PageSettings,
    *,
    root_path: str = "",
) -> FastAPI:
    """Puts the page at `/` of `parent` and its assets at `/assets/<version>`.

    Call it last: the page takes every path that is left. root_path: the path a proxy serves the app under.
    """
    parent.router.routes.extend(asset_routes(ui.version))
    # An app of its own whose lifespan nobody runs.
    app = mounted(page, root_path=root_path or None, i18n=gradio_i18n(LABELS), theme=theme.create_theme())
    page_app = PageHead(app, head_html(ui.version, ui.title, ui.language))
    parent.mount("/", Shell(page_app, NotFound(ui.title, ui.language)))
    return parent
