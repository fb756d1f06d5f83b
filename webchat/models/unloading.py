"""Closes a backend and returns its memory to the system."""

from __future__ import annotations

import ctypes
import gc
import logging
from contextlib import suppress

from backends.base import Backend

log = logging.getLogger(__name__)


async def close(name: str, backend: Backend) -> None:
    """A failure is logged: whoever needs the room cannot do anything about it."""
    try:
        await backend.aclose()
    except Exception:
        log.exception("closing model %s failed", name)


def give_memory_back() -> None:
    """Return a model's memory to the system: Python's garbage, and what the C library keeps for reuse.
    Blocks."""
    gc.collect()
    with suppress(AttributeError, OSError, TypeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)
