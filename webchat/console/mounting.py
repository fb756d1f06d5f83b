"""Puts a page made of `gr.Blocks` behind the door, to people who have its role."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass

import gradio as gr
import gradio.utils
from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from webchat.console.queue import MOST_WAITING, QueueDoor
from webchat.console.roles import Role, has_role
from webchat.ui import PageSettings, theme
from webchat.ui.gradio_page import PageHead, Shell, built, mounted
from webchat.ui.head import Assets, head_html
from webchat.ui.i18n import gradio_i18n
from webchat.ui.not_found import NotFound, language_of

AT_ONCE = 8
"""Handlers of one kind that run at once."""
MOST_SESSIONS = 500
"""Whose state Gradio keeps: of each page that was opened, the values of what its handlers changed."""
_LOOKS_FOR_WORK = 0.02
"""Seconds. By itself Gradio's queue looks a thousand times a second."""


@dataclass(frozen=True, slots=True)
class MountedBlocks:
    """A page that is mounted. Its handlers answer while `running`."""

    blocks: gr.Blocks
    app: FastAPI

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Runs Gradio's queue on this loop, which must be the one that serves the page."""
        queue = self.blocks._queue
        queue.sleep_when_free = queue.progress_update_sleep_when_free = _LOOKS_FOR_WORK
        async with self.app.router.lifespan_context(self.app):
            before = asyncio.all_tasks()
            self.blocks.run_startup_events()  # type: ignore[no-untyped-call]
            looking = asyncio.all_tasks() - before
            try:
                yield
            finally:
                self.blocks.is_running = False
                queue.close()  # type: ignore[no-untyped-call]
                for task in looking:
                    task.cancel()
                await asyncio.gather(*looking, return_exceptions=True)


def mount_blocks(
    parent: FastAPI,
    path: str,
    blocks: gr.Blocks,
    needed_role: Role,
    *,
    ui: PageSettings,
    root_path: str = "",
    labels: frozenset[str] = frozenset(),
    i18n: gr.I18n | None = None,
) -> MountedBlocks:
    """Mounts `blocks` at `path` of `parent`, before the chat is mounted there.

    To whoever lacks the role it is as if nothing were there. Each handler must check the role again, see
    `webchat.console.asking`. ui: title and language; labels: the texts that the components name by key;
    i18n: in place of those.
    root_path: the path a proxy serves the app under.
    """
    # It readies matplotlib, where that is installed, around each handler: on the loop, at first for a second.
    gradio.utils.MatplotlibBackendMananger = nullcontext  # type: ignore[misc, assignment]
    blocks.state_session_capacity = MOST_SESSIONS
    built(lambda: blocks.queue(max_size=MOST_WAITING, default_concurrency_limit=AT_ONCE, api_open=False))
    app = mounted(
        blocks,
        root_path=root_path + path,
        max_file_size=0,
        i18n=i18n or gradio_i18n(labels),
        theme=theme.create_theme(),
    )
    blocks.config["connect_heartbeat"] = False  # asked for by pages with a `gr.State`; see `QueueDoor`
    gradio_app = app.routes[-1].app  # type: ignore[attr-defined]
    taken = Assets(
        home="../" * path.count("/"),
        styles=("colours", "prose", "code", "console"),
        modules=("gradio",),
        shell="console",
    )
    head = head_html(ui.version, ui.title, ui.language, taken)
    not_found = NotFound(ui.title, ui.language, path)
    page = QueueDoor(app, blocks, Shell(PageHead(app, head), not_found))
    gate = _RoleGate(page, path, needed_role, not_found, ui.language)
    parent.router.routes += [Route(path, gate), Mount(path, gate)]
    return MountedBlocks(blocks, gradio_app)


class _RoleGate:
    """ASGI: lets the page be asked only by who has the role, as if it were mounted at `/`."""

    def __init__(self, app: ASGIApp, path: str, needed: Role, not_found: NotFound, language: str) -> None:
        self._app = app
        self._path = path
        self._needed = needed
        self._not_found = not_found
        self._language = language

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"].removeprefix(self._path)
        headers = Headers(scope=scope)
        state = scope.setdefault("state", {})
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
        elif not has_role(state.get("owner"), self._needed):
            await self._not_found.answer(scope["method"], path, headers)(scope, receive, send)
        elif not path:
            await RedirectResponse(f"{self._path.rpartition('/')[2]}/")(scope, receive, send)
        else:
            state["language"] = language_of(headers, self._language)
            below = {"path": path, "raw_path": path.encode("utf-8", "surrogatepass"), "root_path": ""}
            await self._app({**scope, **below}, receive, send)
