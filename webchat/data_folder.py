"""The data folder beside its database: that it can be used, and the address its server last had."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from webchat.private_files import is_shared, kept_private
from webchat.settings import BadSettings, Settings

SECRET = "cookie-secret"
"""The file with the key that signs cookies."""
_ADDRESS = "address"
_log = logging.getLogger(__name__)


def make_data_folder(settings: Settings) -> Path:
    """Make the data folder where it is missing, for this user alone. In one that exists, take from others
    what they may read, or log that they may.

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
    for warning in kept_private(_ours(folder), shared=is_shared(folder)):
        _log.warning(warning)
    return folder


def _ours(folder: Path) -> Iterator[Path]:
    """What nobody else may read: our files, and the folder where it holds nothing else. It is made before the
    database, which looks after its own."""
    backups = folder / "backups"
    secrets = [*folder.glob("*-secret")]
    yield from (*secrets, folder / _ADDRESS, backups, *backups.glob("*"))
    known = {_ADDRESS, backups.name, "server.log", *(path.name for path in secrets)}
    names = {path.name for path in folder.iterdir()}
    if names and all(name.startswith("webchat.db") for name in names - known):
        yield folder


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
