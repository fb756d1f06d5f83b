"""Where snapshots are kept: a folder, such as a mounted bucket, or a dataset repository (`hub.py`).

Each server has a folder of its own there, by its name, so two in one place leave each other's alone. Only new
names are written: nothing is ever changed or replaced.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from webchat.backups.errors import Unreachable
from webchat.private_files import is_shared

_NAME = re.compile(r"webchat-(\d{8,})-(\d{8}T\d{6}Z)-([0-9a-f]+)\.tar\.gz(?:\.sealed)?")
_PART = ".part"


@dataclass(frozen=True, slots=True, order=True)
class Stored:
    """A snapshot by its name; a later one of a history is greater, whatever the clock said."""

    generation: int
    made: str
    branch: str
    name: str


class Place(Protocol):
    """Every method raises Unreachable. shown: for people."""

    shown: str

    def names(self) -> Sequence[str]:
        """All files of this server."""

    def others(self) -> Sequence[str]:
        """Names of other servers that keep snapshots there."""

    def put(self, source: Path, name: str) -> None:
        """Store a file under a new name. It appears there whole, or not at all, as far as the place can."""

    def fetch(self, name: str, target: Path) -> None:
        """Copy a file from there."""

    def remove(self, names: Sequence[str]) -> None:
        """Remove files; missing ones are no error."""


def name_for(generation: int, made_at: datetime, branch: str, *, sealed: bool) -> str:
    kind = ".sealed" if sealed else ""
    return f"webchat-{generation:08}-{made_at:%Y%m%dT%H%M%SZ}-{branch}.tar.gz{kind}"


def snapshots_among(names: Iterable[str]) -> list[Stored]:
    """The oldest first."""
    found = ((name, _NAME.fullmatch(name)) for name in names)
    return sorted(Stored(int(match[1]), match[2], match[3], name) for name, match in found if match)


def folder_for(server: str) -> str:
    """The folder of a server of this name."""
    return server.replace("/", "--")


class Folder:
    """A folder of this machine or mounted on it."""

    def __init__(self, root: Path, server: str) -> None:
        self._root = root
        self._folder = root / folder_for(server)
        self.shown = str(self._folder)

    def names(self) -> Sequence[str]:
        try:
            return os.listdir(self._folder)
        except FileNotFoundError:
            if not self._root.exists():
                raise Unreachable(
                    f"The folder for snapshots, {self._root}, does not exist.",
                    cure="Create or mount it, or leave out the setting snapshots.",
                ) from None
            return ()
        except OSError as error:
            raise self._refused(error) from error

    def others(self) -> Sequence[str]:
        try:
            return sorted(
                one.name
                for one in self._root.iterdir()
                if one != self._folder and one.is_dir() and any(one.glob("webchat-*.tar.gz*"))
            )
        except OSError as error:
            raise self._refused(error) from error

    def put(self, source: Path, name: str) -> None:
        target, part = self._folder / name, self._folder / f"{name}{_PART}"
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._clear(name)
            with source.open("rb") as file, _new(part) as copy:
                shutil.copyfileobj(file, copy, 1 << 20)
                copy.flush()
                os.fsync(copy.fileno())
            if _sum_of(part) != _sum_of(source):
                raise Unreachable(f"{self._folder} did not store what was written.", cure="Check its disk.")
            part.rename(target)
        except Unreachable:
            part.unlink(missing_ok=True)
            raise
        except OSError as error:
            part.unlink(missing_ok=True)
            raise self._refused(error) from error

    def _clear(self, name: str) -> None:
        """Remove what an earlier attempt of the same branch left half written."""
        branch = snapshots_among([name])[0].branch
        for path in self._folder.glob(f"*{_PART}"):
            if any(one.branch == branch for one in snapshots_among([path.name.removesuffix(_PART)])):
                path.unlink(missing_ok=True)

    def fetch(self, name: str, target: Path) -> None:
        try:
            shutil.copyfile(self._folder / name, target)
        except OSError as error:
            raise self._refused(error) from error

    def remove(self, names: Sequence[str]) -> None:
        try:
            for name in names:
                (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> Unreachable:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return Unreachable(f"The disk is full: nothing more fits into {self._folder}. Free some space.")
        return Unreachable(f"{self._folder} cannot be used: {error.strerror or error}. Check it.")


def _new(path: Path) -> BinaryIO:
    """A new file, private unless its folder is a group's."""
    mode = 0o660 if is_shared(path.parent) else 0o600
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb")


def _sum_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
