"""Encryption of a file of any length with a key, in pieces, so that neither end holds all of it.

This is the STREAM construction (Hoang, Reyhanitabar, Rogaway and Vizár, 2015; also in age and Tink) with
AES-256-GCM of the `cryptography` package:

    MAGIC | salt, 16 bytes | check, 16 bytes | chunk | chunk | ...

scrypt (N = 2^15, r = 8, p = 1) makes 48 bytes of key and salt: the AES key, and `check`, which tells a wrong
key from a damaged file. A chunk is 1 MiB of the text, the last one less, each followed by its tag of 16
bytes. Its nonce is its number, in 11 bytes, and a byte that is 1 for the last chunk; the header is
authenticated with each. So no chunk can be changed, moved, left out or cut off unnoticed, and since each file
has its own salt, no nonce is used twice with one key.
"""

from __future__ import annotations

import hmac
import io
import os
from typing import TYPE_CHECKING, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from webchat.backups.errors import Damaged, WrongKey

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

MAGIC = b"webchat sealed backup 1\n"
_SALT = 16
_CHECK = 16
_CHUNK = 1 << 20
_TAG = 16


class Sealing(io.RawIOBase):
    """Writes what is written to it to another file, encrypted. What is written is whole once
    `end` was called, which leaves the other file open."""

    def __init__(self, file: BinaryIO, key: str) -> None:
        salt = os.urandom(_SALT)
        self._cipher, check = _keys(key, salt)
        self._file = file
        self._header = MAGIC + salt + check
        self._held = bytearray()
        self._number = 0
        file.write(self._header)

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        self._held += data
        while len(self._held) > _CHUNK:  # one chunk is held back: it may be the last
            self._put(bytes(self._held[:_CHUNK]), last=False)
            del self._held[:_CHUNK]
        return len(memoryview(data))

    def end(self) -> None:
        """Write the last chunk."""
        self._put(bytes(self._held), last=True)
        self._held.clear()

    def _put(self, chunk: bytes, *, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number, last), chunk, self._header))
        self._number += 1


class Opening(io.RawIOBase):
    """Reads what `Sealing` wrote. Raises WrongKey at once, and Damaged before it returns anything of a chunk
    that is not as it was written."""

    def __init__(self, file: BinaryIO, key: str) -> None:
        self._header = file.read(len(MAGIC) + _SALT + _CHECK)
        salt, check = self._header[len(MAGIC) :][:_SALT], self._header[len(MAGIC) + _SALT :]
        if len(check) < _CHECK:
            raise Damaged("it ends too early")
        self._cipher, expected = _keys(key, salt)
        if not hmac.compare_digest(check, expected):
            raise WrongKey
        self._file = file
        self._ahead = file.read(_CHUNK + _TAG)
        if not self._ahead:  # even of nothing there is a tag
            raise Damaged("it ends too early")
        self._open = b""
        self._number = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        if not self._open and self._ahead:
            sealed, self._ahead = self._ahead, self._file.read(_CHUNK + _TAG)
            try:
                nonce = _nonce(self._number, last=not self._ahead)
                self._open = self._cipher.decrypt(nonce, sealed, self._header)
            except InvalidTag:
                raise Damaged("it was changed, or ends too early") from None
            self._number += 1
        view = memoryview(buffer).cast("B")
        part = self._open[: len(view)]
        self._open = self._open[len(part) :]
        view[: len(part)] = part
        return len(part)


def _keys(key: str, salt: bytes) -> tuple[AESGCM, bytes]:
    made = Scrypt(salt=salt, length=32 + _CHECK, n=2**15, r=8, p=1).derive(key.encode())
    return AESGCM(made[:32]), made[32:]


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
