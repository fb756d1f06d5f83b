"""How the tests start a browser."""

from __future__ import annotations

import shutil
from typing import Any

ARGS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

LAUNCH: dict[str, Any] = {"executable_path": shutil.which("chromium"), "args": ARGS}
"""Debian's Chromium where it is installed, else the one Playwright fetched."""

PATIENCE = 120_000
"""Milliseconds that a test waits for what must come: a slow or busy machine is no fault."""
