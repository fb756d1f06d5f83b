"""Puts pages of other packages beside the chat."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from functools import partial

import gradio as gr
from fastapi import FastAPI
from gradio.i18n import I18nData
from starlette.datastructures import Headers
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from webchat.api import PageEntry, Services
from webchat.console import MountedBlocks, mount_blocks
from webchat.console.roles import has_role
from webchat.pages.page import Page
from webchat.pages.services import PageServices
from webchat.sentences import LANGUAGES, locale
from webchat.ui import PageSettings
from webchat.ui.gradio_page import built
from webchat.ui.not_found import NotFound

log = logging.getLogger(__name__)

PATH = "/pages"
_TITLE = "page.title"
_CHAT = "console.chat"
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+.!|~$&:-])")


def mount_pages(
    parent: FastAPI,
    pages: Iterable[Page],
    services: Services,
    menu: list[PageEntry],
    *,
    ui: PageSettings,
    root_path: str = "",
) -> list[MountedBlocks]:
    """Builds pages and mounts them, before the chat; of two with one name the first. Adds them to the menu.

    A page that cannot be built is logged, and its address says so to operators: the others work, and so does
    the chat.
    """
    face, mounted = PageServices(services), dict[str, MountedBlocks | None]()
    for page in pages:
        if page.name in mounted:
            log.error("two pages are named %s; only the first is there", page.name)
            continue
        path = f"{PATH}/{page.name}"
        try:
            blocks = built(partial(_framed, page, face))
            mounted[page.name] = mount_blocks(
                parent, path, blocks, page.role, ui=ui, root_path=root_path, i18n=_texts(page)
            )
            role = page.role
        except Exception:
            log.exception("the page %s cannot be built", page.name)
            mounted[page.name], role = None, "operator"
            broken = _Broken(ui)
            parent.router.routes += [Route(path, broken), Mount(path, broken)]
        menu.append(PageEntry(page.name, page.titles, partial(has_role, needed=role)))
    return [one for one in mounted.values() if one is not None]


def _framed(page: Page, face: PageServices) -> gr.Blocks:
    """The page below its title and the way back to the chat."""
    content = page.create(face)
    if not isinstance(content, gr.Blocks):
        raise TypeError(f"create returned {type(content).__name__}, not gr.Blocks")
    framed: gr.Blocks
    with (
        gr.Blocks(title=page.titles["en"], analytics_enabled=False) as framed,
        gr.Column(elem_id="wc-console"),
    ):
        with gr.Row(elem_id="wc-console-head"):
            gr.Markdown(I18nData(_TITLE), elem_id="wc-console-title")
            gr.Button(
                I18nData(_CHAT), link="../../", link_target="_self", min_width=0, elem_id="wc-console-chat"
            )
        content.render()  # type: ignore[no-untyped-call]
    return framed


def _texts(page: Page) -> gr.I18n:
    """The page's own and those around it."""
    own = {} if page.texts is None else page.texts.translations
    titles = {name: _SPECIAL.sub(r"\\\1", title) for name, title in page.titles.items()}
    frame: dict[str, dict[str, str]] = {
        name: {_TITLE: f"# {titles[name]}", _CHAT: locale(name)[_CHAT]} for name in LANGUAGES
    }
    return gr.I18n(**{name: {**own.get(name, {}), **frame.get(name, {})} for name in {*own, *frame}})


class _Broken:
    """ASGI: in place of a page that cannot be built."""

    def __init__(self, ui: PageSettings) -> None:
        self._broken = NotFound(ui.title, ui.language, about="pages.broken", status=500)
        self._nothing = NotFound(ui.title, ui.language)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        told = self._broken if has_role(scope["state"].get("owner"), "operator") else self._nothing
        answer = told.answer(scope["method"], scope["path"], Headers(scope=scope))
        await answer(scope, receive, send)
