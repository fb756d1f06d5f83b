"""The data folder: that it is usable, and the address its server last had."""

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
MASKING_SECRET = "masking-secret"
"""The file with the key that encrypts the values of placeholders."""
SNAPSHOTS = "snapshots.json"
"""What the last snapshot was."""
LEASE = "lease"
"""The file with the lease of the last server, on a database that several can serve."""
_ADDRESS = "address"
_log = logging.getLogger(__name__)


def make_data_folder(settings: Settings) -> Path:
    """Create the data folder, private to this user, if it is missing. In an existing one, remove other users'
    read access, or log a warning if that fails.

    Raises BadSettings if it cannot be created or written to.
    """
    folder = settings.data_dir
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        refusal = "" if os.access(folder, os.W_OK | os.X_OK) else "Permission denied"
    except OSError as error:
        refusal = error.strerror or type(error).__name__
    if refusal:
        raise BadSettings(
            f"The data folder {folder} cannot be used: {refusal}. Choose another with --data-dir or"
            " WEBCHAT_DATA_DIR."
        )
    for warning in kept_private(_ours(folder), shared=is_shared(folder)):
        _log.warning(warning)
    return folder


def _ours(folder: Path) -> Iterator[Path]:
    """What no other user may read: our files, and the folder itself if it holds nothing else. Runs before the
    database exists, which protects its own files."""
    backups = folder / "backups"
    secrets = [*folder.glob("*-secret")]
    yield from (*secrets, folder / _ADDRESS, backups, *backups.glob("*"))
    known = {
        _ADDRESS,
        LEASE,
        f"{LEASE}.lock",
        SNAPSHOTS,
        backups.name,
        "server.log",
        *(path.name for path in secrets),
    }
    names = {path.name for path in folder.iterdir()}
    if names and all(name.startswith("webchat.db") for name in names - known):
        yield folder


def backup_times(data_dir: Path) -> list[float]:
    """When the backups in a data folder were made, in seconds since 1970. Raises `OSError`."""
    folder = data_dir / "backups"
    return [path.stat().st_mtime for kind in ("*.db*", "*.tar.gz*") for path in folder.glob(kind)]


def remember_address(settings: Settings, address: str) -> None:
    """Store the address of a starting server for links created on the command line. Ignores a failure to
    write it."""
    with contextlib.suppress(OSError):
        (settings.data_dir / _ADDRESS).write_text(address + "\n", encoding="utf-8")


def last_address(settings: Settings) -> str | None:
    """The address of this folder's server when it last started; `None` if there is none."""
    try:
        return (settings.data_dir / _ADDRESS).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None
