"""The disk and the database."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from backends.installation import add_extra
from webchat.backups import last_saved
from webchat.data_folder import backup_times
from webchat.database_url import without_password
from webchat.doctor.finding import Finding, Value, gigabytes
from webchat.settings import Settings
from webchat.store.checkup import Checkup, DriverMissing, check_up
from webchat.store.copying.files import sqlite_path
from webchat.store.errors import StoreUnavailable

LITTLE_DISK = 2 * 10**9
SLOW_SYNC = 0.05
"""Seconds: each commit waits for one, and each reply needs several a second."""

OLD_BACKUP = 7 * 86400
_SYNCS = 5


def disk(settings: Settings) -> Iterator[Finding]:
    """Space where the data is, whether it can be written, and how fast a commit can be."""
    folder = settings.data_dir
    while not os.path.exists(folder):
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    said: dict[str, Value] = {"folder": str(settings.data_dir), "free_gb": gigabytes(free)}
    low = free < LITTLE_DISK
    yield Finding("storage", "warning" if low else "ok", "disk_low" if low else "disk", said)
    try:
        seconds = sync_seconds(folder)
    except OSError as error:
        why = error.strerror or type(error).__name__
        yield Finding("storage", "error", "disk_unwritable", {"folder": str(folder), "why": why})
        return
    slow = seconds > SLOW_SYNC
    params = {"ms": round(1000 * seconds, 1)}
    yield Finding("storage", "warning" if slow else "ok", "sync_slow" if slow else "sync", params)


def sync_seconds(folder: Path) -> float:
    """Seconds until a small write is on the disk, the median of a few. Leaves nothing. Raises `OSError`."""
    took = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(_SYNCS):
            began = time.perf_counter()
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return statistics.median(took)


def database(settings: Settings, *, whole: bool) -> Iterator[Finding]:
    """The database as it is. whole: check its integrity too, which reads all of it."""
    shown = without_password(settings.store_url)
    try:
        found = check_up(settings.store_url, whole=whole)
    except DriverMissing:
        yield Finding(
            "database", "error", "driver_missing", {"database": shown, "command": add_extra("postgres")}
        )
        return
    except StoreUnavailable as error:
        yield Finding("database", "error", "database_unreachable", {"database": shown}, cure=error.cure or "")
        return
    if found is None:
        yield Finding("database", "ok", "database_new", {"database": shown})
        return
    yield from _state(found, shown)
    yield from _backups(settings)


def _state(found: Checkup, shown: str) -> Iterator[Finding]:
    params: dict[str, Value] = {
        "database": shown,
        "server": found.server,
        "size_mb": round(found.size / 1e6, 1),
        "revision": found.revision or "-",
    }
    if found.damage:
        yield Finding("database", "error", "database_damaged", {**params, "damage": found.damage})
    elif found.tables == "foreign":
        yield Finding("database", "error", "database_foreign", params)
    elif found.tables == "copying":
        yield Finding("database", "error", "database_copying", params)
    elif found.tables == "newer":
        yield Finding("database", "error", "database_newer", params)
    elif found.tables == "older":
        yield Finding("database", "note", "database_older", params)
    else:
        yield Finding("database", "ok", "database_checked" if found.whole else "database", params)
    if found.no_trigrams:
        yield Finding("database", "warning", "database_no_trigrams", params)
    if found.failing:
        told: dict[str, Value] = {"count": found.failing, "events": found.undelivered}
        yield Finding("database", "warning", "webhooks_failing", told)


def snapshots(settings: Settings) -> Iterator[Finding]:
    """Whether everything is in a snapshot that is new enough."""
    if settings.snapshots is None:
        if settings.ephemeral and settings.store_url.startswith("sqlite"):
            yield Finding("database", "warning", "ephemeral")
        return
    params: dict[str, Value] = {"place": settings.snapshots}
    saved = last_saved(settings)
    if saved is None:
        yield Finding("database", "warning", "snapshot_none", params)
        return
    params["minutes"] = max(0, int((datetime.now(UTC) - saved).total_seconds() / 60))
    late = int(params["minutes"]) > 3 * settings.snapshots_every
    yield Finding("database", "warning" if late else "ok", "snapshot_late" if late else "snapshot", params)


def _backups(settings: Settings) -> Iterator[Finding]:
    try:
        times = backup_times(settings.data_dir)
    except OSError:
        times = []
    if not times:
        if settings.snapshots is None:
            of_file = sqlite_path(settings.store_url) is not None
            yield Finding("database", "note", "backup_none" if of_file else "backup_unseen")
        return
    newest, oldest = (max(0.0, time.time() - moment) / 86400 for moment in (max(times), min(times)))
    params = {"count": len(times), "newest_days": round(newest, 1), "oldest_days": round(oldest, 1)}
    old = newest * 86400 > OLD_BACKUP
    yield Finding("database", "warning" if old else "ok", "backup_old" if old else "backup", params)
