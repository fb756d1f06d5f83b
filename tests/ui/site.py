"""The real app on the echo backend, served from a thread of the test's own process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from backends.types import Sampling
from tests.app_process import free_port
from webchat.app import build_app
from webchat.models import ModelSpec
from webchat.settings import Settings

MODELS = (
    ModelSpec(name="Echo One", kind="echo", source="echo", sampling=Sampling(max_tokens=512)),
    ModelSpec(name="Echo Two", kind="echo", source="echo", system_prompt="Be brief."),
    ModelSpec(name="Echo Slow", kind="echo", source="echo", options={"rate": 8}),
)


@contextmanager
def site(data_dir: Path, port: int | None = None) -> Iterator[str]:
    """Serve until the block ends; yields the address with a slash at its end."""
    settings = Settings(port=port or free_port(), data_dir=data_dir, titles=False, max_message_chars=2000)
    app = build_app(settings, specs=MODELS)
    server = uvicorn.Server(
        uvicorn.Config(app.asgi, host="127.0.0.1", port=settings.port, log_level="error", ws="none")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{settings.port}/"
    finally:
        server.should_exit = True
        server.force_exit = True
        thread.join(30)
