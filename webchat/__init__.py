"""A browser chat app for your own model.

    import webchat

    webchat.launch(endpoint="http://127.0.0.1:8000/v1")       # serves until Ctrl+C
    app = webchat.create(endpoint="http://127.0.0.1:8000/v1")  # an ASGI app

The names below are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from webchat.launching import create, launch
    from webchat.settings import BadSettings, Settings

__all__ = ["BadSettings", "Settings", "__version__", "create", "launch"]

_ROOMS = {
    "BadSettings": "webchat.settings",
    "Settings": "webchat.settings",
    "create": "webchat.launching",
    "launch": "webchat.launching",
}

if not TYPE_CHECKING:  # a misspelt name is for type checkers to find

    def __getattr__(name: str) -> Any:
        if name not in _ROOMS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(_ROOMS[name]), name)
