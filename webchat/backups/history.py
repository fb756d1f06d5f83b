"""Which history the database of this data folder is, and its last snapshot: a small file beside it."""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from webchat.data_folder import SNAPSHOTS
from webchat.private_files import make_private
from webchat.settings import Settings


@dataclass(frozen=True, slots=True)
class History:
    """branch, before, generation: see `Manifest`; generation: of the last snapshot, 0 before the first.
    saved_at: UTC, when everything stored until then was in it."""

    branch: str
    before: tuple[str, ...] = ()
    generation: int = 0
    saved_at: datetime | None = None

    @property
    def branches(self) -> tuple[str, ...]:
        return (self.branch, *self.before)


def read_history(settings: Settings) -> History:
    """The history of the data folder, a new one if it has none or its file cannot be read."""
    try:
        stored = json.loads(_file(settings).read_text(encoding="utf-8"))
        at = stored["saved_at"]
        saved_at = None if at is None else datetime.fromisoformat(at).astimezone(UTC)
        return History(str(stored["branch"]), tuple(stored["before"]), int(stored["generation"]), saved_at)
    except (OSError, ValueError, KeyError, TypeError):
        return History(uuid.uuid4().hex[:12])


def save_history(settings: Settings, history: History) -> None:
    """Raises OSError."""
    path = _file(settings)
    unfinished = path.with_name(f"{path.name}.part")
    make_private(unfinished)
    at = history.saved_at
    stored = {
        "branch": history.branch,
        "before": history.before,
        "generation": history.generation,
        "saved_at": None if at is None else at.isoformat(),
    }
    with unfinished.open("w", encoding="utf-8") as file:
        json.dump(stored, file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def last_saved(settings: Settings) -> datetime | None:
    """When everything stored until then was last in a snapshot, in UTC; `None` if never."""
    return read_history(settings).saved_at


def _file(settings: Settings) -> Path:
    return settings.data_dir / SNAPSHOTS
