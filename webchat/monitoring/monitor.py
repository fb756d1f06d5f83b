"""Everything that is known about how one server does, for whoever asks."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from webchat.data_folder import backup_times
from webchat.models import Models
from webchat.monitoring.exposition import Exposition, Now
from webchat.monitoring.live import Live
from webchat.monitoring.sampling import Sampler
from webchat.turns import Turns


@dataclass(frozen=True, slots=True)
class Files:
    """The server's data on its disk, in bytes and seconds; `None` for what there is not."""

    disk_free: int | None = None
    disk_total: int | None = None
    database_bytes: int | None = None
    backup_age: float | None = None


def look_at(
    data_dir: Path, database: Path | None, saved: Callable[[], datetime | None] = lambda: None
) -> Files:
    """Blocks. database: its file, if it is one. saved: when the last snapshot was made."""
    try:
        usage = shutil.disk_usage(data_dir)
        size = None if database is None else sum(one.stat().st_size for one in _files(database))
        copies = backup_times(data_dir)
        snapshot = saved()
    except OSError:
        return Files()
    if snapshot is not None:
        copies.append(snapshot.timestamp())
    age = max(0.0, time.time() - max(copies)) if copies else None
    return Files(usage.free, usage.total, size, age)


def _files(database: Path) -> Iterator[Path]:
    """An SQLite file and its log."""
    yield database
    if (log := Path(f"{database}-wal")).exists():
        yield log


class Monitor:
    """live: what has happened; version: of the app; files: looks at the data; dropped: decisions that the
    moderation log lost."""

    def __init__(
        self,
        live: Live,
        turns: Turns,
        models: Models,
        *,
        version: str,
        files: Callable[[], Files] = Files,
        dropped: Callable[[], int] = int,
    ) -> None:
        self.live = live
        self.sampler = Sampler(live, turns.activity)
        self.files = files
        self._turns = turns
        self._models = models
        self._version = version
        self._dropped = dropped
        self._exposition = Exposition(live)

    async def metrics(self) -> bytes:
        """For Prometheus. Most of the work is done in a thread."""
        failing = set(self._models.failing)
        up = {info.name: info.name not in failing for info in self._models.infos()}
        up.update(dict.fromkeys(failing, False))
        ready, activity, dropped = self._turns.accepting, self._turns.activity(), self._dropped()

        def write() -> bytes:
            files = self.files()
            return self._exposition.text(
                Now(
                    ready,
                    activity,
                    up,
                    self._version,
                    dropped,
                    files.disk_free,
                    files.database_bytes,
                    files.backup_age,
                )
            )

        return await asyncio.to_thread(write)
