"""The real app on the echo backend, served from a thread of the test's own process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import uvicorn

from backends.types import Sampling
from tests.app_process import free_port
from webchat.app import App, build_app
from webchat.models import ModelSpec
from webchat.settings import Settings

Access = Literal["auto", "local", "link", "open"]

MODELS = (
    ModelSpec(name="Echo One", kind="echo", source="echo", sampling=Sampling(max_tokens=512)),
    ModelSpec(name="Echo Two", kind="echo", source="echo", system_prompt="Be brief."),
    ModelSpec(name="Echo Slow", kind="echo", source="echo", options={"rate": 8}),
)


@contextmanager
def running(data_dir: Path, port: int | None = None, access: Access = "auto") -> Iterator[tuple[App, str]]:
    """Serve until the block ends; yields the app and its address with a slash at its end."""
    settings = Settings(
        port=port or free_port(),
        data_dir=data_dir,
        titles=False,
        max_message_chars=2000,
        sign_in=() if access == "auto" else (access,),
    )
    app = build_app(settings, specs=MODELS)
    server = uvicorn.Server(
        uvicorn.Config(app.asgi, host="127.0.0.1", port=settings.port, log_level="error", ws="none")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.02)
    try:
        yield app, f"http://127.0.0.1:{settings.port}/"
    finally:
        server.should_exit = True
        server.force_exit = True
        thread.join(30)


@contextmanager
def site(data_dir: Path, port: int | None = None) -> Iterator[str]:
    """The address alone."""
    with running(data_dir, port) as (_, url):
        yield url
