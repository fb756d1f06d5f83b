"""The one format of backups and snapshots: a gzipped tar of three kinds of members, sealed if there is a key.

    manifest.json    what is inside, with checksums; see `Manifest`
    webchat.db       an SQLite database, whatever kind of database it was made of
    secrets/NAME     the files that sign and encrypt; only in a sealed file

An unsealed backup can be opened by `tar xzf`. Files are read to their end before anything of them is used, so
a torn one is found out.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from gzip import BadGzipFile, GzipFile
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from webchat.backups.errors import Damaged, KeyMissing
from webchat.backups.sealing import MAGIC, Opening, Sealing
from webchat.private_files import make_private

FORMAT = 1
DATABASE = "webchat.db"
MANIFEST = "manifest.json"
_SECRETS = "secrets/"
_LEVEL = 4  # of gzip: two thirds of the time of its default, for a few per cent more bytes
_PIECE = 1 << 20
_UNREADABLE = (tarfile.TarError, BadGzipFile, EOFError, zlib.error, ValueError)
_MOST_MANIFEST = 1 << 20
_MOST_SECRET = 1 << 16
_SECRET = re.compile(rf"{_SECRETS}[a-z-]+-secret")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a file says of itself.

    made_at: UTC. generation: grows with each snapshot of a history, whatever the clock says. branch: the
    server's copy of the history that it was made of; before: the branches that this one goes on from, the
    latest first. revision: of the tables. sizes, sums: of the members, in bytes and by SHA-256.
    placeholders: conversations with masked personal data. secrets: a fingerprint of each secret that was in
    use, also of those that are not inside.
    """

    made_at: datetime
    name: str
    generation: int
    branch: str
    before: tuple[str, ...]
    revision: str
    conversations: int
    messages: int
    placeholders: int
    secrets: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    sums: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def enclosed(self) -> frozenset[str]:
        """The names of the secrets inside."""
        return frozenset(name.removeprefix(_SECRETS) for name in self.sizes if name.startswith(_SECRETS))


def fingerprint(secret: str) -> str:
    """Tells whether two secrets are the same, and nothing else about them."""
    return hashlib.scrypt(secret.encode(), salt=b"webchat backup", n=2**14, r=8, p=1, dklen=8).hex()


def write_archive(
    target: Path,
    database: Path,
    manifest: Manifest,
    *,
    secrets: Mapping[str, str],
    key: str | None,
    stop: Callable[[], None] = lambda: None,
) -> Manifest:
    """Write a new private file, on the disk when this returns; returns the manifest with sizes and sums.

    secrets: left out without a key. stop: called now and then, ends it by raising. Raises OSError. What was
    written stays then, torn.
    """
    inside = {f"{_SECRETS}{name}": value.encode() for name, value in secrets.items()} if key else {}
    sums = {DATABASE: _sum_of(database, stop)}
    sums |= {name: hashlib.sha256(data).hexdigest() for name, data in inside.items()}
    sizes = {DATABASE: database.stat().st_size} | {name: len(data) for name, data in inside.items()}
    whole = _with(manifest, sizes=sizes, sums=sums)
    make_private(target)
    with target.open("wb") as file:
        sealing = Sealing(file, key) if key else None
        with (
            GzipFile("", "wb", _LEVEL, cast(BinaryIO, sealing or file), 0) as zipped,
            tarfile.open(fileobj=zipped, mode="w|", format=tarfile.PAX_FORMAT) as tar,
        ):
            _add(tar, MANIFEST, BytesIO(_dump(whole)), whole.made_at)
            for name, data in inside.items():
                _add(tar, name, BytesIO(data), whole.made_at)
            with database.open("rb") as source:
                _add(tar, DATABASE, _Watched(source, stop), whole.made_at, sizes[DATABASE])
        if sealing is not None:
            sealing.end()
        file.flush()
        os.fsync(file.fileno())
    return whole


def read_archive(source: Path, key: str | None, into: Path | None = None) -> Manifest:
    """Read a file to its end and compare everything with its checksums. into: a folder for its members.

    Raises Damaged, WrongKey, KeyMissing, OSError.
    """
    with source.open("rb") as file, _opened(file, key) as stream:
        try:
            told = _Told(stream)
            with tarfile.open(fileobj=cast(BinaryIO, told), mode="r|") as tar:
                manifest = _members(tar, told, into)
            while told.read(_PIECE):  # to the checksum at the end
                pass
        except _UNREADABLE as error:
            raise Damaged(_why(error)) from error
    return manifest


def read_manifest(source: Path, key: str | None) -> Manifest:
    """What a file says of itself, of which only the beginning is read. Raises as `read_archive` does."""
    with source.open("rb") as file, _opened(file, key) as stream:
        try:
            with tarfile.open(fileobj=cast(BinaryIO, _Told(stream)), mode="r|") as tar:
                return _first(tar)
        except _UNREADABLE as error:
            raise Damaged(_why(error)) from error


def _why(error: Exception) -> str:
    """Without the bytes that gzip quotes."""
    return f"{error}".partition(" (b")[0].rstrip(".") or "it cannot be unpacked"


@contextmanager
def _opened(file: BinaryIO, key: str | None) -> Iterator[GzipFile]:
    sealed = file.read(len(MAGIC)) == MAGIC
    file.seek(0)
    if sealed and not key:
        raise KeyMissing
    inner = BufferedReader(Opening(file, key or ""), _PIECE) if sealed else file
    with closing(GzipFile(fileobj=inner, mode="rb")) as stream:
        yield stream


def _first(tar: tarfile.TarFile) -> Manifest:
    member = tar.next()
    if member is None or member.name != MANIFEST or not member.isreg() or member.size > _MOST_MANIFEST:
        raise Damaged("it does not begin as a backup of webchat")
    content = tar.extractfile(member)
    assert content is not None
    return _load(content.read())


def _members(tar: tarfile.TarFile, told: _Told, into: Path | None) -> Manifest:
    manifest = _first(tar)
    missing = dict(manifest.sums)
    if DATABASE not in missing:
        raise Damaged("it holds no database")
    while (member := tar.next()) is not None:
        expected = missing.pop(member.name, None)
        if expected is None or not member.isreg() or member.size != manifest.sizes.get(member.name):
            raise Damaged("it holds something that its list does not name")
        if member.name != DATABASE and not (_SECRET.fullmatch(member.name) and member.size <= _MOST_SECRET):
            raise Damaged("it holds something that is not of a backup")
        told.most += member.size
        content = tar.extractfile(member)
        assert content is not None
        if _take(content, None if into is None else into / member.name) != expected:
            raise Damaged("its checksum is wrong")
    if missing:
        raise Damaged("a part is missing")
    return manifest


def _take(content: IO[bytes], path: Path | None) -> str:
    """The checksum of a member, which is written to a new private file."""
    total = hashlib.sha256()
    if path is None:
        while piece := content.read(_PIECE):
            total.update(piece)
        return total.hexdigest()
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.unlink(missing_ok=True)
    make_private(path)
    with path.open("wb") as file:
        while piece := content.read(_PIECE):
            total.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return total.hexdigest()


class _Told:
    """What is unpacked, as much of it as the list named so far: a few bytes can unpack to any number, which
    `tarfile` would hold in memory."""

    def __init__(self, stream: GzipFile) -> None:
        self._stream = stream
        self.most = 4 * _MOST_MANIFEST

    def read(self, size: int = -1) -> bytes:
        piece = self._stream.read(size)
        self.most -= len(piece)
        if self.most < 0:
            raise Damaged("it holds more than its list names")
        return piece


class _Watched:
    """A file that lets its reader be stopped."""

    def __init__(self, file: BinaryIO, stop: Callable[[], None]) -> None:
        self._file = file
        self._stop = stop

    def read(self, size: int = -1) -> bytes:
        self._stop()
        return self._file.read(size)


def _add(tar: tarfile.TarFile, name: str, content: Any, at: datetime, size: int | None = None) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content.getbuffer()) if size is None else size
    member.mode = 0o600
    member.mtime = int(at.timestamp())
    tar.addfile(member, content)


def _sum_of(path: Path, stop: Callable[[], None]) -> str:
    total = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            stop()
            total.update(piece)
    return total.hexdigest()


def _with(manifest: Manifest, **changed: Any) -> Manifest:
    return Manifest(**{one.name: getattr(manifest, one.name) for one in fields(Manifest)} | changed)


def _dump(manifest: Manifest) -> bytes:
    stored = asdict(manifest) | {"made_at": manifest.made_at.isoformat()}
    return json.dumps(stored, indent=1).encode()


def _load(data: bytes) -> Manifest:
    try:
        stored = json.loads(data)
        if stored["format"] > FORMAT:
            raise Damaged("a newer version of webchat wrote it")
        known = {one.name: stored[one.name] for one in fields(Manifest)}
        made_at = datetime.fromisoformat(stored["made_at"]).astimezone(UTC)
        generation = int(stored["generation"])
        return Manifest(
            **known | {"made_at": made_at, "before": tuple(stored["before"]), "generation": generation}
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Damaged("its list cannot be read") from error
