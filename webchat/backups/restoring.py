"""Puts a backup in place of a database, so that a crash at any moment leaves the old one or the new one.

Everything is unpacked and checked in a folder beside the database. Then `ready` is written there, and from
there on only files are moved; whoever comes next finishes that.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from backends._plurals import counted
from webchat.backups.archive import DATABASE, Manifest, fingerprint, read_archive
from webchat.backups.errors import BackupError, Damaged, TooNew
from webchat.backups.history import History, save_history
from webchat.backups.making import backup_key, secrets_in_use
from webchat.backups.unfinished import unfinished
from webchat.data_folder import MASKING_SECRET, SECRET
from webchat.private_files import make_private
from webchat.settings import Settings
from webchat.store.copying.files import faults, is_newer_file, put_in_place, serving_alone, sqlite_path
from webchat.store.copying.tables import CopyRefused, copy_database

_READY = "ready"


@dataclass(frozen=True, slots=True)
class Restored:
    """manifest: of the backup. aside: the folder with what was there before. lost: sentences."""

    manifest: Manifest
    aside: Path | None
    lost: tuple[str, ...]


def verify(settings: Settings, source: Path) -> Manifest:
    """Read a backup to its end, and check the database in it. Raises BackupError, OSError."""
    with unfinished(settings.data_dir) as folder:
        return _unpacked(source, backup_key(settings), folder, thorough=True)


def restore(settings: Settings, source: Path, *, replace: bool = False) -> Restored:
    """Put a backup in place of the settings' database, which no server may use. Secrets in it replace those
    in the data folder. What was there is put aside; PostgreSQL must be empty.

    replace: also if there is a database. Raises BackupError, StoreError, OSError.
    """
    path = sqlite_path(settings.store_url)
    if path is None:
        return _copied_in(settings, source)
    with serving_alone(settings.store_url):
        _finish(settings, path)
        if path.exists() and not replace:
            raise BackupError(
                f"There is a database at {path}.", cure="To replace it with the backup, add --replace."
            )
        staging = _fresh(_staging(path))
        try:
            manifest = _unpacked(source, backup_key(settings), staging, thorough=False)
            if is_newer_file(staging / DATABASE):
                raise TooNew
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
        aside = path.parent / "backups" / f"before-restore-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        lost = tuple(_lost(settings, manifest))
        _write(
            staging / _READY,
            {
                "aside": str(aside),
                "branch": uuid.uuid4().hex[:12],
                "before": [one for one in (manifest.branch, *manifest.before) if one],
                "generation": manifest.generation,
                "made_at": manifest.made_at.isoformat(),
            },
        )
        _finish(settings, path)
    return Restored(manifest, aside if aside.exists() else None, lost)


def _copied_in(settings: Settings, source: Path) -> Restored:
    """Into PostgreSQL, which must be empty."""
    with unfinished(settings.data_dir) as folder:
        manifest = _unpacked(source, backup_key(settings), folder, thorough=False)
        lost = tuple(_lost(settings, manifest))
        try:
            copy_database(f"sqlite:///{folder / DATABASE}", settings.store_url, index=False)
        except CopyRefused as error:
            raise BackupError(str(error)) from None
        for new in sorted((folder / "secrets").glob("*-secret")):
            _copied(new, settings.data_dir / new.name)
    return Restored(manifest, None, lost)


def finish_restoring(settings: Settings) -> bool:
    """Finish a restore that was interrupted. Returns whether there was one. Raises StoreError, OSError."""
    path = sqlite_path(settings.store_url)
    if path is None or not _staging(path).exists():
        return False
    with serving_alone(settings.store_url):
        return _finish(settings, path)


def _finish(settings: Settings, path: Path) -> bool:
    staging = _staging(path)
    try:
        plan = json.loads((staging / _READY).read_text(encoding="utf-8"))
    except FileNotFoundError:
        shutil.rmtree(staging, ignore_errors=True)
        return False
    aside = Path(plan["aside"])
    for new in sorted((staging / "secrets").glob("*-secret")):
        _replace_secret(new, settings.data_dir / new.name, aside)
    if (new := staging / DATABASE).exists():
        put_in_place(new, path, aside / path.name)
    save_history(
        settings,
        History(
            plan["branch"], tuple(plan["before"]), plan["generation"], datetime.fromisoformat(plan["made_at"])
        ),
    )
    shutil.rmtree(staging)
    return True


def _replace_secret(new: Path, path: Path, aside: Path) -> None:
    if path.exists() and path.read_bytes().strip() != new.read_bytes().strip():
        aside.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = aside / path.name
        if not kept.exists():
            make_private(kept)
            shutil.copyfile(path, kept)
    _copied(new, path)  # the data folder may be on another disk than the database
    new.unlink()


def _copied(new: Path, path: Path) -> None:
    part = path.with_name(f"{path.name}.part")
    make_private(part)
    with part.open("wb") as file:
        file.write(new.read_bytes())
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _lost(settings: Settings, manifest: Manifest) -> Iterator[str]:
    """What the backup cannot bring back because a secret is missing."""
    given = {SECRET: settings.cookie_secret, MASKING_SECRET: settings.masking_secret}
    here = {name: fingerprint(secret) for name, secret in secrets_in_use(settings).items()}

    def missing(name: str) -> bool:
        brought = name in manifest.enclosed and given[name] is None
        return name in manifest.secrets and not brought and here.get(name) != manifest.secrets[name]

    if missing(SECRET):
        yield (
            "The key that signs cookies isn't the one of the backup: visitors without an account lose their"
            " chats, and everyone else has to sign in or open their link again."
        )
    if manifest.placeholders and missing(MASKING_SECRET):
        yield (
            "The key that encrypts masked personal data isn't the one of the backup: the values behind the"
            f" placeholders of {counted(manifest.placeholders, 'conversation')} can't be read any more."
        )


def _unpacked(source: Path, key: str | None, into: Path, *, thorough: bool) -> Manifest:
    manifest = read_archive(source, key, into)
    if wrong := faults(into / DATABASE, thorough=thorough):
        raise Damaged(f"the database in it is not whole ({wrong})")
    return manifest


def _staging(path: Path) -> Path:
    return path.with_name(f"{path.name}.restoring")


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    return folder


def _write(path: Path, value: object) -> None:
    part = path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
