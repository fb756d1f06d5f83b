"""Snapshots of a server's database while it runs, and the newest one in place where there is no database.

A snapshot gets the number after the highest there is, so the newest is known whatever the clock says. One
server goes on with the numbers of the snapshot that it began with, on a branch of its own: where two have
begun with the same one, each sees the other's branch go on and leaves its snapshots alone.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from webchat.backups.archive import read_manifest
from webchat.backups.errors import BackupError, Damaged, Unreachable
from webchat.backups.history import History, read_history, save_history
from webchat.backups.hub import Repository
from webchat.backups.making import backup_key, make_backup
from webchat.backups.places import Folder, Place, Stored, name_for, snapshots_among
from webchat.backups.restoring import Restored, finish_restoring, restore
from webchat.backups.unfinished import remove_leftovers, unfinished
from webchat.settings import Settings
from webchat.store import StoreError
from webchat.store.copying.files import Changes, Stopped, sqlite_path

_HUB = "hf://datasets/"
_FIRST_SECONDS = 60.0
"""After the start, and after a failure; sooner if snapshots are made more often."""

_TRIES = 3

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SnapshotState:
    """where: the place, for people. age: seconds since everything stored was in a snapshot, `None` before the
    first. failure: why the last attempt failed; empty if it did not. rivals: whether another server goes on
    with the same history."""

    where: str
    age: float | None
    failure: str
    rivals: bool


def place_of(settings: Settings) -> Place:
    """The place that the settings name."""
    place = settings.snapshots or ""
    if place.startswith(_HUB):
        token = None if settings.hf_token is None else settings.hf_token.get_secret_value()
        return Repository(place.removeprefix(_HUB), settings.snapshots_name, token)
    return Folder(Path(place), settings.snapshots_name)


def prepare_database(settings: Settings) -> Snapshots | None:
    """What comes before a server opens its database: finish a restore that was interrupted, remove what
    killed backups left, and where there is no database, begin with the newest snapshot that is whole.
    Returns the snapshots, if any are wanted.

    Raises BackupError where there are snapshots and none can be used: an empty database would take their
    place. Raises StoreError, OSError.
    """
    finish_restoring(settings)
    for folder in (settings.data_dir, settings.data_dir / "backups"):
        remove_leftovers(folder)
    if settings.snapshots is None:
        return None
    snapshots = Snapshots(settings, place_of(settings))
    snapshots.begin()
    return snapshots


class Snapshots:
    """The snapshots of one server."""

    def __init__(self, settings: Settings, place: Place) -> None:
        path = sqlite_path(settings.store_url)
        assert path is not None
        self._settings = settings
        self._place = place
        self._path = path
        self._stopping = threading.Event()
        self._failure = ""
        self._rivals: set[str] = set()
        self._changes: Changes | None = None
        self._version: int | None = None
        saved_at = read_history(settings).saved_at
        self._since = None if saved_at is None else time.monotonic() - _age(saved_at)

    @property
    def state(self) -> SnapshotState:
        age = None if self._since is None else time.monotonic() - self._since
        return SnapshotState(self._place.shown, age, self._failure, bool(self._rivals))

    # The beginning

    def begin(self) -> Restored | None:
        """Put the newest whole snapshot in place if there is no database. Raises as `prepare_database`."""
        if self._path.exists():
            return None
        found = snapshots_among(self._reached())
        if not found:
            self._tell_others()
            return None
        with unfinished(self._settings.data_dir) as staging:
            for one in reversed(found):
                try:
                    restored = self._restored(one, staging)
                except Damaged as error:
                    log.warning("the snapshot %s is passed over: %s", one.name, error.why)
                    continue
                self._since = time.monotonic() - _age(restored.manifest.made_at)
                log.info(
                    "began with the snapshot %s: %d conversations", one.name, restored.manifest.conversations
                )
                for sentence in restored.lost:
                    log.warning("%s", sentence)
                return restored
        raise BackupError(
            f"None of the {len(found)} snapshots in {self._place.shown} can be read, and there is no"
            " database.",
            cure="Move them away to begin without them.",
        )

    def _restored(self, one: Stored, staging: Path) -> Restored:
        copy = staging / one.name
        self._place.fetch(one.name, copy)
        if read_manifest(copy, backup_key(self._settings)).generation != one.generation:
            raise Damaged("its name was changed")
        return restore(self._settings, copy)

    def _reached(self) -> Sequence[str]:
        """What is in the place, which may be slow to appear."""
        for left in reversed(range(_TRIES)):
            try:
                return self._place.names()
            except Unreachable:
                if not left:
                    raise
                time.sleep(1)
        raise AssertionError

    def _tell_others(self) -> None:
        if others := self._place.others():
            log.warning(
                "snapshots of %s are kept in the same place and are left alone; to begin with one of them,"
                " use webchat restore, or set snapshots_name",
                ", ".join(others),
            )

    # While it runs

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Makes snapshots inside the block, and the last one at its end, of a database that is closed."""
        task = asyncio.create_task(self._run(), name="snapshots")
        try:
            yield
        finally:
            self._stopping.set()
            await task
            self._stopping.clear()
            await asyncio.to_thread(self._attempt)
            if self._changes is not None:
                self._changes.close()

    async def _run(self) -> None:
        every = self._settings.snapshots_every * 60
        wait = min(_FIRST_SECONDS, every)
        while not await asyncio.to_thread(self._stopping.wait, wait):
            await asyncio.to_thread(self._attempt)
            wait = min(_FIRST_SECONDS, every) if self._failure else every

    def _attempt(self) -> None:
        try:
            self.save()
            self._failure = ""
        except Stopped:
            pass
        except (BackupError, StoreError, OSError) as error:
            self._failure = str(error)
            log.warning("no snapshot was made: %s", error)
        except Exception:
            self._failure = "internal error"
            log.exception("no snapshot was made")

    def save(self) -> str | None:
        """Make a snapshot, unless nothing was stored since the last one; returns its name. Raises
        BackupError, StoreError, OSError."""
        if self._changes is None:
            self._changes = Changes(self._path)
        began, version = time.monotonic(), self._changes.version()
        history = read_history(self._settings)
        now = datetime.now(UTC)
        if version == self._version:
            self._saved(replace(history, saved_at=now), began)
            return None
        there = snapshots_among(self._place.names())
        history = self._without_rivals(history, there)
        generation = max([history.generation, *(one.generation for one in there)]) + 1
        name = name_for(generation, now, history.branch, sealed=self._settings.backup_key is not None)
        self._make(name, history, generation)
        self._version = version
        self._saved(replace(history, generation=generation, saved_at=now), began)
        self._prune(history)
        return name

    def _make(self, name: str, history: History, generation: int) -> None:
        with unfinished(self._settings.data_dir) as staging:
            make_backup(
                self._settings,
                staging / name,
                generation=generation,
                branch=history.branch,
                before=history.before,
                stop=self._stopping.is_set,
            )
            self._place.put(staging / name, name)

    def _saved(self, history: History, began: float) -> None:
        save_history(self._settings, history)
        self._since = began

    def _without_rivals(self, history: History, there: Sequence[Stored]) -> History:
        """What another server stored since this one last did."""
        rivals = {
            one.branch
            for one in there
            if one.generation > history.generation and one.branch != history.branch
        }
        for branch in sorted(rivals - self._rivals):
            log.warning(
                "another server stores snapshots of the same history in %s (…-%s); each keeps its own, and"
                " only the newest is used at a start without a database",
                self._place.shown,
                branch,
            )
        self._rivals |= rivals
        return replace(history, before=tuple(one for one in history.before if one not in rivals))

    def _prune(self, history: History) -> None:
        """Remove the oldest of this history, and never those of a rival."""
        own = [one for one in snapshots_among(self._place.names()) if one.branch in history.branches]
        if old := [one.name for one in own[: -self._settings.snapshots_keep]]:
            self._place.remove(old)


def _age(moment: datetime) -> float:
    """Seconds; 0 of a moment that the clock says is to come."""
    return max(0.0, (datetime.now(UTC) - moment).total_seconds())
