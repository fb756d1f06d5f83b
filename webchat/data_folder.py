"""The data folder beside its database: that it can be used, and the address its server last had."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from webchat.settings import BadSettings, Settings

_ADDRESS = "address"


def make_data_folder(settings: Settings) -> Path:
    """Make the data folder where it is missing, for this user alone.

    Raises BadSettings when it cannot be made or written to.
    """
    folder = settings.data_dir
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        refusal = "" if os.access(folder, os.W_OK | os.X_OK) else "Permission denied"
    except OSError as error:
        refusal = error.strerror or type(error).__name__
    if refusal:
        raise BadSettings(
            f"The data folder {folder} cannot be used: {refusal}. Name another with --data-dir or"
            " WEBCHAT_DATA_DIR."
        )
    return folder


def remember_address(settings: Settings, address: str) -> None:
    """Keep the address of a starting server, for links made at the command line. It is a convenience: a
    failure to write it is none of the start."""
    with contextlib.suppress(OSError):
        (settings.data_dir / _ADDRESS).write_text(address + "\n", encoding="utf-8")


def last_address(settings: Settings) -> str | None:
    """The address the server of this folder had when it last started, `None` if there was none."""
    try:
        return (settings.data_dir / _ADDRESS).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None
