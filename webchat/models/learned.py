"""Features that endpoints rejected, kept across restarts in a small file in the data folder."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from backends.openai_compat import Learned
from webchat.private_files import make_private

FILE = "endpoints.json"
KEPT_DAYS = 30
"""Servers are updated: after this many days it is detected again."""

_MOST = 1000
_log = logging.getLogger(__name__)


class LearnedFile:
    """The `Memory` of all endpoints. If the file cannot be read or written, only the record is lost."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def recall(self, endpoint: str, model: str) -> Learned | None:
        return next((learned for at, name, learned, _ in self.all() if (at, name) == (endpoint, model)), None)

    def keep(self, endpoint: str, model: str, learned: Learned) -> None:
        rows = [
            row
            for row in self._rows()
            if isinstance(row, dict) and (row.get("endpoint"), row.get("model")) != (endpoint, model)
        ]
        if learned.always or learned.clashes:
            on = datetime.now(UTC).date().isoformat()
            rows.append({"endpoint": endpoint, "model": model, "on": on, **learned.to_json()})
        try:
            self._write(rows[-_MOST:])
        except OSError as error:
            _log.warning("%s cannot be written: %s", self._path, error.strerror)

    def all(self) -> Iterator[tuple[str, str, Learned, date]]:
        """Endpoint, model, what was learned and on which day, except outdated entries."""
        oldest = datetime.now(UTC).date() - timedelta(days=KEPT_DAYS)
        for row in self._rows():
            try:
                endpoint, model = str(row["endpoint"]), str(row["model"])
                learned, on = Learned.from_json(row), date.fromisoformat(row["on"])
            except (TypeError, KeyError, ValueError):
                continue
            if on >= oldest:
                yield endpoint, model, learned, on

    def forget(self) -> None:
        """Forget everything. Raises `OSError`."""
        self._path.unlink(missing_ok=True)

    def _rows(self) -> list[Any]:
        try:
            rows = json.loads(self._path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return []
        return rows if isinstance(rows, list) else []

    def _write(self, rows: list[Any]) -> None:
        """Atomic, even if the machine fails halfway."""
        fresh = self._path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        make_private(fresh)
        fresh.write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")
        fresh.replace(self._path)
