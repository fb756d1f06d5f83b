"""Exports for download: written by `webchat export`, packed into one file, and gone after it was taken."""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from webchat.feedback.datasets import Format
from webchat.feedback.jobs.commands import Commands, ended, last_line
from webchat.slots import Crowded
from webchat.store.errors import NotFound

KEPT_SECONDS = 3600.0
"""How long a file waits to be taken."""

_BLOCK = 256 * 1024
_READ = re.compile(r"([\d,]+) read")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to export. link: its name or id. Empty texts ask for everything."""

    formats: tuple[Format, ...] = ("trl",)
    model: str = ""
    link: str = ""
    rating: Literal["", "good", "bad"] = ""
    by: Literal["person", "conversation"] = "person"
    since: date | None = None
    mask: bool = False

    def arguments(self, folder: Path) -> list[str]:
        """The command. Values are joined to their flags, since they may begin with a dash."""
        given = {"of-model": self.model, "link": self.link, "rating": self.rating}
        if self.since is not None:
            given["since"] = self.since.isoformat()
        flags = [f"--{name}={value}" for name, value in given.items() if value]
        masked = ["--mask"] if self.mask else []
        return [
            "export",
            str(folder),
            f"--format={','.join(self.formats)}",
            f"--by={self.by}",
            *flags,
            *masked,
        ]


@dataclass(frozen=True, slots=True)
class Export:
    """How an export is. read: judgements and comparisons so far. told: the last sentence of the command: what
    was written, or why not. size: bytes of the file."""

    id: str
    state: Literal["running", "ready", "failed"]
    read: int = 0
    told: str = ""
    size: int = 0


class JudgementExports:
    """The exports that operators began here, one at a time for each. folder: for them alone; what an earlier
    server left in it is deleted. Lives on the event loop."""

    def __init__(self, commands: Commands, folder: Path) -> None:
        self._commands = commands
        self._folder = folder
        self._running: dict[str, tuple[str, asyncio.Task[None]]] = {}
        self._ended: dict[str, tuple[str, Export]] = {}
        shutil.rmtree(folder, ignore_errors=True)

    def begin(self, owner: str, wanted: Wanted) -> str:
        """Begin an export; its id. An earlier one of this owner that was not taken is deleted. Raises
        `Crowded` while one is running."""
        if any(one == owner for one, _ in self._running.values()):
            raise Crowded
        for id in [id for id, (one, _) in self._ended.items() if one == owner]:
            self._drop(id)
        id = secrets.token_hex(8)
        task = asyncio.create_task(self._run(owner, id, wanted), name="export judgements")
        self._running[id] = (owner, task)
        return id

    def look(self, owner: str, id: str) -> Export:
        """Raises NotFound."""
        if self._running.get(id, ("", None))[0] == owner:
            found = _READ.search(last_line(self._output(id)))
            return Export(id, "running", int(found[1].replace(",", "")) if found else 0)
        theirs, export = self._ended.get(id, ("", None))
        if export is None or theirs != owner:
            raise NotFound("export")
        return export

    def take(self, owner: str, id: str) -> tuple[int, AsyncIterator[bytes]]:
        """The size and the bytes of a file, which is deleted when the last was taken. Raises NotFound."""
        export = self.look(owner, id)
        if export.state != "ready":
            raise NotFound("export")
        return export.size, self._bytes(id)

    async def aclose(self) -> None:
        """End what is running, and delete all files."""
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def _run(self, owner: str, id: str, wanted: Wanted) -> None:
        place = self._folder / id
        try:
            await asyncio.to_thread(place.mkdir, mode=0o700, parents=True)
            process = await self._commands.start(wanted.arguments(place / "webchat-export"), self._output(id))
            code = await ended(process)
            told = last_line(self._output(id), of="" if code == 0 else "webchat: ").removeprefix("webchat: ")
            if code:
                export = Export(id, "failed", told=told)
            else:
                size = await asyncio.to_thread(_pack, place / "webchat-export", self._file(id))
                export = Export(id, "ready", told=told, size=size)
        except OSError as error:
            export = Export(id, "failed", told=str(error.strerror or error))
        finally:
            del self._running[id]
        self._ended[id] = (owner, export)
        asyncio.get_running_loop().call_later(KEPT_SECONDS, self._drop, id)

    async def _bytes(self, id: str) -> AsyncIterator[bytes]:
        with await asyncio.to_thread(self._file(id).open, "rb") as file:
            while block := await asyncio.to_thread(file.read, _BLOCK):
                yield block
        self._drop(id)

    def _drop(self, id: str) -> None:
        self._ended.pop(id, None)
        shutil.rmtree(self._folder / id, ignore_errors=True)

    def _file(self, id: str) -> Path:
        return self._folder / id / "export.zip"

    def _output(self, id: str) -> Path:
        return self._folder / id / "output.txt"


def _pack(folder: Path, file: Path) -> int:
    """Put a folder into a file, and delete it; the bytes of the file."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder.parent))
    shutil.rmtree(folder)
    return file.stat().st_size
