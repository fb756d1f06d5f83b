"""Opens a file to import, plain or zipped, without trusting what it says.

Nothing is unpacked to disk, so names in a zip only name places for people. Sizes are counted as they are
read: what a zip claims is not believed. Every member is looked at by its first bytes, and only JSON is read
on.
"""

from __future__ import annotations

import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, BinaryIO

from webchat.imports.entries import entries
from webchat.imports.notes import Unreadable

MOST_MEMBERS = 100_000
MOST_READ = 20 << 30
"""Bytes read of one file, unpacked."""

MOST_RATIO = 250
RATIO_FROM = 64 << 20
"""No JSON is packed more tightly than this, from so many bytes on."""

_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""No export is packed otherwise; of other methods a few bytes are unpacked to gigabytes at once."""

_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OSError,
)
_NAMES_BYTES = 16 << 20
_NAMES_READ = 64 << 20
_MOST_NAMES = 200_000
_JSON_BEGINS = (b"[", b"{")
_EXPLAINED = {
    b"\x1f\x8b": "gzip",
    b"Rar!": "other_archive",
    b"7z": "other_archive",
    b"<": "web_page",
}


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON file. name: for people, empty where there is only one."""

    name: str
    stream: BinaryIO


@dataclass(slots=True)
class Progress:
    """How much of a file was read. read, size: bytes, unpacked."""

    read: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Files:
    """What else is in a zip. names: of attachments, by the ids that messages call them by; sizes: of the
    members. given: how much of those was read as data."""

    names: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    archive: zipfile.ZipFile | None = None
    given: Progress = field(default_factory=Progress)

    def name(self, id: str) -> str:
        """An attachment's name, as far as the file knows it."""
        bare = id.rpartition("://")[2].partition("#")[0]
        return self.names.get(bare) or self.names.get(f"{bare}.dat") or bare

    def data(self, name: str, most: int) -> bytes | None:
        """A member's data; `None` if there is none of the name, if it has more than `most` bytes, or if it is
        damaged. Raises Unreadable where all of it together is more than an export has: many may name one."""
        if self.archive is None or not 0 < self.sizes.get(name, 0) <= most:
            return None
        member = self.archive.getinfo(name)
        try:
            with self.archive.open(member) as packed:
                data = _stream(packed, self.given, member.compress_size).read(most + 1)
        except _BROKEN:
            return None
        except Unreadable as error:
            if error.note.code == "zip_damaged":
                return None
            raise
        return data if len(data) <= most else None


class _Counted(io.RawIOBase):
    """A stream that counts, and ends in an error where there is more than there may be. packed: its size in
    the zip, 0 of a plain file."""

    def __init__(self, stream: IO[bytes], progress: Progress, packed: int = 0) -> None:
        self._stream = stream
        self._progress = progress
        self._packed = packed
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        try:
            chunk = self._stream.read(len(buffer))
        except _BROKEN as error:
            raise Unreadable("zip_damaged") from error
        self._read += len(chunk)
        self._progress.read += len(chunk)
        if self._packed and self._read > max(RATIO_FROM, MOST_RATIO * self._packed):
            raise Unreadable("zip_bomb")
        if self._progress.read > MOST_READ:
            raise Unreadable("too_much", gb=MOST_READ >> 30)
        buffer[: len(chunk)] = chunk
        return len(chunk)


@dataclass(frozen=True, slots=True)
class Opened:
    """An opened file to import."""

    documents: Iterator[Document]
    files: Files
    progress: Progress


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """A file to import. Raises Unreadable, also while its documents are read, and OSError."""
    with path.open("rb") as file:
        begins = file.read(512)
        file.seek(0)
        if begins.startswith(b"PK\x03\x04"):
            try:
                archive = zipfile.ZipFile(file)
            except _BROKEN as error:
                raise Unreadable("zip_damaged") from error
            with archive:
                yield _zipped(archive)
            return
        for begin, why in _EXPLAINED.items():
            if begins.lstrip().startswith(begin):
                raise Unreadable(why)
        if not is_json(begins):
            raise Unreadable("no_export")
        progress = Progress(size=path.stat().st_size)
        plain = Document("", _stream(file, progress))
        yield Opened(iter((plain,)), Files(), progress)


def is_json(begins: bytes) -> bool:
    return begins.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(_JSON_BEGINS)


def _zipped(archive: zipfile.ZipFile) -> Opened:
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) > MOST_MEMBERS:
        raise Unreadable("too_many_files", count=MOST_MEMBERS)
    if any(member.flag_bits & 1 for member in members):
        raise Unreadable("zip_locked")
    if any(member.compress_type not in _PACKED for member in members):
        raise Unreadable("zip_packed")
    read = [member for member in members if _is_json_member(archive, member)]
    progress = Progress(size=sum(member.file_size for member in read))
    sizes = {member.filename: member.file_size for member in members}
    files = Files(_names(archive, read), sizes, archive)
    documents = (
        Document(printable(member.filename), _stream(archive.open(member), progress, member.compress_size))
        for member in sorted(read, key=lambda one: one.filename)
    )
    return Opened(documents, files, progress)


def _stream(file: IO[bytes], progress: Progress, packed: int = 0) -> BinaryIO:
    return io.BufferedReader(_Counted(file, progress, packed), 1 << 18)


def _is_json_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    try:
        with archive.open(member) as stream:
            return is_json(stream.read(64))
    except _BROKEN as error:
        raise Unreadable("zip_damaged") from error


def _names(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> dict[str, str]:
    """Names of attachments, which newer exports of ChatGPT keep apart: an object of names by id, or a list of
    objects with both. They only serve people, so where there are too many the others are left out."""
    names: dict[str, str] = {}
    progress = Progress()
    for member in members:
        if progress.read > _NAMES_READ:
            break
        if member.file_size > _NAMES_BYTES or "conversations" in member.filename.rpartition("/")[2][:13]:
            continue
        with _stream(archive.open(member), progress, member.compress_size) as stream:
            for entry in entries(stream):
                value = entry.value
                if not isinstance(value, dict):
                    break
                pairs = value if all(isinstance(one, str) for one in value.values()) else {}
                id, name = (
                    value.get("id") or value.get("file_id"),
                    value.get("file_name") or value.get("name"),
                )
                if isinstance(id, str) and isinstance(name, str):
                    pairs = {id: name}
                named = ((key, printable(name)) for key, name in pairs.items() if key.startswith("file"))
                names |= islice(named, _MOST_NAMES - len(names))
                if not pairs or len(names) >= _MOST_NAMES:
                    break
    return names


def printable(name: str) -> str:
    """A name from the file, for people: without what would move a cursor, and not endless."""
    return "".join(char if char.isprintable() else "?" for char in name)[-200:]
