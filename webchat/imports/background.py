"""Imports that people begin in the page: a file comes in pieces, is looked through, and imported when its
owner says so.

All of it happens behind other work, and each step is in the database: a lost connection goes on with the next
piece, and a restarted server with the next entry. The file is the server's alone and goes when it is done.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from backends.errors import ExplainedError
from webchat.imports.importing import Found, Importer
from webchat.imports.notes import Noted, Unreadable
from webchat.imports.recognising import Problem
from webchat.slots import Slots
from webchat.store import NotFound, Store
from webchat.store.import_records import ImportJob, Note, OnBad
from webchat.store.records import Owner

MOST_BYTES = 8 << 30
"""Of a file."""

MOST_OF_VISITORS = 256 << 20
"""Of a file of somebody who did not sign in."""

SPARE = 2 << 30
"""Bytes that stay free on the disk."""

KEPT = timedelta(days=2)
"""How long the server waits for the next piece of a file, or for its owner's word."""

TRIM_EVERY = timedelta(hours=3)

PLACES = 2
"""Files that are worked on at once, one per person."""

TELL_SECONDS = 0.5

MOST_TRIES = 2
"""Times that a file is read while the server dies: it may be what kills it."""

_log = logging.getLogger(__name__)


class ImportRefused(ExplainedError):
    """An import that cannot begin or go on."""

    def __init__(self, status: int, code: str, message: str, cure: str, params: dict[str, Any] | None = None):
        super().__init__(message, cure, params)
        self.status = status
        self.code = code


class Imports:
    """Lives on one event loop. folder: of the files. changed: called with an owner whose conversations
    changed."""

    def __init__(
        self, store: Store, importer: Importer, folder: Path, changed: Callable[[str], None]
    ) -> None:
        self._store = store
        self._importer = importer
        self._folder = folder
        self._changed = changed
        self._slots = Slots(PLACES)
        self._working: dict[str, asyncio.Task[None]] = {}
        self._trimming: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Go on with what was cut off."""
        self._trimming = asyncio.create_task(self._trim())
        for job in await self._store.call(self._store.unfinished_file_imports):
            # Of several servers, the one that has the file.
            if not self._store.shared or await asyncio.to_thread(self._path(job.id).exists):
                self._work_on(job)

    async def aclose(self) -> None:
        """Stop; the next start goes on."""
        tasks = [*self._working.values(), *([self._trimming] if self._trimming else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _trim(self) -> None:
        """Forget what nobody came back to, and files that belong to nothing."""
        while True:
            try:
                await self._store.call(self._store.trim_file_imports, datetime.now(UTC) - KEPT)
                await self._remove_strays()
            except Exception:
                _log.exception("forgetting idle imports failed; will retry")
            await asyncio.sleep(TRIM_EVERY.total_seconds())

    async def _remove_strays(self) -> None:
        """Files are listed before the imports: an import is there before its file."""
        files = await asyncio.to_thread(lambda: list(self._folder.glob("*.part")))
        needed = await self._store.call(self._store.import_files)
        for path in files:
            if path.stem not in needed:
                with suppress(OSError):
                    await asyncio.to_thread(path.unlink, missing_ok=True)

    async def begin(self, owner: Owner, name: str, size: int) -> ImportJob:
        """An import whose file comes in pieces. Raises ImportRefused, TooManyImports."""
        most = MOST_OF_VISITORS if owner.kind in ("visitor", "guest") else MOST_BYTES
        if size > most:
            raise ImportRefused(
                413,
                "import_too_large",
                f"The file is larger than {most >> 20} MB.",
                "Ask the operator to import it with webchat import.",
                {"mb": most >> 20},
            )
        await self._check_room(size)
        return await self._store.call(self._store.begin_file_import, owner.id, name, size)

    async def _check_room(self, size: int) -> None:
        free = await asyncio.to_thread(self._free)
        if free - size < SPARE:
            raise ImportRefused(
                507,
                "import_no_room",
                "The server doesn't have enough space for this file.",
                "Contact the administrator.",
            )

    async def _check_here(self, id: str) -> None:
        """Of several servers, only the one that a file was sent to has it."""
        if self._store.shared and not await asyncio.to_thread(self._path(id).exists):
            raise ImportRefused(
                409, "import_elsewhere", "Another server has this file.", "Choose the file again."
            )

    def _free(self) -> int:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return shutil.disk_usage(self._folder).free

    async def add(self, owner: Owner, id: str, at: int, piece: bytes) -> ImportJob:
        """Add a piece of the file; with the last one, look through it. at: where it begins; another place
        than the end of what is there changes nothing, and the answer says where to go on. Raises NotFound,
        ImportRefused."""
        job = await self._store.call(self._store.file_import, owner.id, id)
        if job.state != "uploading" or at != job.received or not piece:
            return job
        if at:
            await self._check_here(id)
        if at + len(piece) > job.size:
            raise ImportRefused(
                400, "import_longer", "The file has changed since it was chosen.", "Choose it again."
            )
        await self._check_room(len(piece))
        await asyncio.to_thread(self._write, id, at, piece)
        received = at + len(piece)
        values: dict[str, Any] = {"received": received}
        if received == job.size:
            values["state"] = "checking"
        try:
            job = await self._store.call(self._store.change_file_import, owner.id, id, values, ("uploading",))
        except NotFound:
            await (
                self._remove_strays()
            )  # forgotten meanwhile; or the same piece came twice, and the file stays
            raise
        if job.state == "checking":
            self._work_on(job)
        return job

    def _write(self, id: str, at: int, piece: bytes) -> None:
        path = self._path(id)
        path.touch(mode=0o600)
        with path.open("r+b") as file:
            file.seek(at)
            file.write(piece)

    async def start(self, owner: Owner, id: str, on_bad: OnBad) -> ImportJob:
        """Import a file that was looked through. on_bad: what entries that cannot be read mean; with
        `refuse`, nothing is imported if there are any. Raises NotFound."""
        job = await self._store.call(self._store.file_import, owner.id, id)
        if job.state != "checked":
            return job
        await self._check_here(id)
        refuses = on_bad == "refuse" and bool(job.counts.get("bad"))
        values: dict[str, Any] = {"on_bad": on_bad, "state": "cancelled"}
        if not refuses:
            entries = job.counts.get("entries", 0)
            values |= {"state": "importing", "done": 0, "entries": entries, "counts": {}, "problems": []}
        job = await self._store.call(self._store.change_file_import, owner.id, id, values, ("checked",))
        if refuses:
            await asyncio.to_thread(self._path(id).unlink, missing_ok=True)
        else:
            self._work_on(job)
        return job

    async def forget(self, owner: Owner, id: str) -> None:
        """Stop an import and forget it; what it brought stays. Raises NotFound."""
        await self._store.call(self._store.forget_file_import, owner.id, id)
        if (task := self._working.get(id)) is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await asyncio.to_thread(self._path(id).unlink, missing_ok=True)

    def _path(self, id: str) -> Path:
        return self._folder / f"{id}.part"

    def _work_on(self, job: ImportJob) -> None:
        task = asyncio.create_task(self._work(job))
        self._working[job.id] = task
        task.add_done_callback(lambda _: self._working.pop(job.id, None))

    async def _work(self, job: ImportJob) -> None:
        values: dict[str, Any]
        path = self._path(job.id)
        try:
            async with self._slots.place(job.owner_id):
                await self._count_try(job)
                if job.state == "checking":
                    found = await self._importer.check(path, job.owner_id, self._telling(job))
                    values = {"state": "checked"}
                else:
                    found = await self._importer.bring(
                        path, job.owner_id, self._telling(job), before=_before(job), job=job.id
                    )
                    values = {"state": "done"}
                values |= _values(found) | {"tries": 0}
        except asyncio.CancelledError:
            await self._change(job, {"tries": job.tries})
            raise
        except Noted as noted:
            values = {"state": "failed", "failure": noted.note.code, "problems": [_dumped("", noted.note)]}
        except NotFound:  # cancelled, or its owner was removed
            await asyncio.to_thread(path.unlink, missing_ok=True)
            return
        except Exception:
            _log.exception("an import failed")
            values = {"state": "failed", "failure": "unexpected"}
        try:
            await self._store.call(self._store.change_file_import, job.owner_id, job.id, values, (job.state,))
            kept = values["state"] == "checked"
        except NotFound:
            kept = False
        if not kept:
            await asyncio.to_thread(path.unlink, missing_ok=True)
        self._changed(job.owner_id)

    async def _count_try(self, job: ImportJob) -> None:
        """Note that the file is being read, unless the server died of that before: raises Unreadable."""
        tries = job.tries or 0
        if tries >= MOST_TRIES:
            raise Unreadable("server_ended")
        await self._change(job, {"tries": tries + 1})

    async def _change(self, job: ImportJob, values: dict[str, Any]) -> None:
        """Change an import that is still there and in the same state."""
        with suppress(NotFound):
            await self._store.call(self._store.change_file_import, job.owner_id, job.id, values, (job.state,))

    def _telling(self, job: ImportJob) -> Callable[[Found], Any]:
        last = time.monotonic()

        async def tell(found: Found) -> None:
            nonlocal last
            if time.monotonic() - last >= TELL_SECONDS:
                last = time.monotonic()
                await self._store.call(
                    self._store.change_file_import, job.owner_id, job.id, _values(found), (job.state,)
                )

        return tell


def _before(job: ImportJob) -> Found:
    """What an import had found when it was cut off."""
    problems = [Problem(one["place"], Note(one["code"], one["params"]), one["lost"]) for one in job.problems]
    return Found(Counter(job.counts), problems, job.first_id)


def _values(found: Found) -> dict[str, Any]:
    return {
        "done": found.counts["entries"],
        "counts": {**found.counts, "read": found.read, "size": found.size},
        "problems": [_dumped(one.place, one.note, lost=one.lost) for one in found.problems],
        "first_id": found.first_id,
    }


def _dumped(place: str, note: Note, *, lost: bool = True) -> dict[str, Any]:
    return {"place": place, **asdict(note), "lost": lost}
