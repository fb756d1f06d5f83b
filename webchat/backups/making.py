"""Makes a file of a database in use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from webchat.backups.archive import DATABASE, Manifest, fingerprint, write_archive
from webchat.backups.errors import BackupError
from webchat.backups.unfinished import unfinished
from webchat.data_folder import MASKING_SECRET, SECRET
from webchat.settings import Settings
from webchat.store.copying.files import Stopped, faults
from webchat.store.copying.tables import copy_out


def make_backup(
    settings: Settings,
    target: Path,
    *,
    generation: int = 0,
    branch: str = "",
    before: Sequence[str] = (),
    stop: Callable[[], bool] = lambda: False,
) -> Manifest:
    """Make a backup of the settings' database, which may be in use, and of the secrets if there is a key.

    target: a new file, which appears once it is whole. generation, branch, before: see `Manifest`. stop: ends
    it soon, by `Stopped`, once it says so. Raises BackupError, StoreError, OSError.
    """
    if target.exists():
        raise BackupError(f"{target} exists.", cure="Choose another name.")
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = backup_key(settings)
    # What will be encrypted is never bare where it is kept, which may be somebody else's disk.
    here = key is None or target.is_relative_to(settings.data_dir)
    with (
        unfinished(target.parent if here else settings.data_dir) as bare,
        unfinished(target.parent) as beside,
    ):
        copy, making = bare / DATABASE, beside / target.name
        found = copy_out(settings.store_url, copy, stop)
        if wrong := faults(copy, thorough=False):
            raise BackupError(
                f"The database is damaged ({wrong}), so no backup was made.",
                cure="Keep its file, and restore an earlier backup.",
            )
        manifest = Manifest(
            made_at=datetime.now(UTC),
            name=settings.snapshots_name,
            generation=generation,
            branch=branch,
            before=tuple(before),
            secrets={name: fingerprint(secret) for name, secret in secrets_in_use(settings).items()},
            **asdict(found),
        )

        def look() -> None:
            if stop():
                raise Stopped

        whole = write_archive(making, copy, manifest, secrets=secret_files(settings), key=key, stop=look)
        making.rename(target)
    return whole


def backup_key(settings: Settings) -> str | None:
    return None if settings.backup_key is None else settings.backup_key.get_secret_value()


def secret_files(settings: Settings) -> dict[str, str]:
    """The secrets in the data folder, by the names of their files."""
    found = {}
    for name in (SECRET, MASKING_SECRET):
        path = settings.data_dir / name
        if path.exists():
            found[name] = path.read_text(encoding="ascii").strip()
    return found


def secrets_in_use(settings: Settings) -> Mapping[str, str]:
    """The secrets that sign and encrypt: those of the settings, else those in the data folder."""
    given = {SECRET: settings.cookie_secret, MASKING_SECRET: settings.masking_secret}
    return secret_files(settings) | {
        name: secret.get_secret_value() for name, secret in given.items() if secret is not None
    }
