"""What the process has imported and made once from which tests fork the app (see `tests.app_process`)."""

from __future__ import annotations

import gc
import tempfile
from pathlib import Path

import pytest

from webchat.gradio_stubs import skip_gradio_stubs

skip_gradio_stubs()
gc.disable()

# What a start imports by the way.
import aiohttp  # noqa: E402, F401
import uvicorn.lifespan.on  # noqa: E402
import uvicorn.loops.uvloop  # noqa: E402, F401

import webchat.cli  # noqa: E402
import webchat.launching  # noqa: E402
import webchat.server  # noqa: E402, F401
from tests.cheap_databases import copy_migrated  # noqa: E402
from webchat.app import build_app  # noqa: E402
from webchat.settings import Settings  # noqa: E402


def build_once() -> None:
    """Half of a start is what the first app of a process reads, compiles and keeps, and what the collector
    looks through."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), endpoint="http://127.0.0.1:9/v1", model="any")
        copy_migrated(Path(folder), pytest.MonkeyPatch())
        build_app(settings).store.close()
    gc.collect()
    gc.freeze()
    gc.enable()


build_once()
