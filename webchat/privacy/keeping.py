"""Storage of placeholders: in memory only, or encrypted in the database.

AES-256-GCM, with a key derived with HKDF (RFC 5869) from a secret in the data folder. Each value is bound to
its conversation and placeholder, so that nothing in the database can be moved to another. Stored: a version,
the nonce, the value and its tag.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

_VERSION = b"\x01"
_NONCE_BYTES = 12

_log = logging.getLogger(__name__)


class Keep(Protocol):
    """Stores the values of placeholders, by owner, conversation and placeholder."""

    async def load(self, owner: str, conversation: str) -> Mapping[str, str]: ...

    async def add(self, owner: str, conversation: str, values: Mapping[str, str]) -> None: ...


Load = Callable[[str, str], Awaitable[Mapping[str, bytes]]]
"""Reads the stored values of an owner's conversation."""

Save = Callable[[str, str, Mapping[str, bytes], bool], Awaitable[None]]
"""Stores more values; with `True`, replaces all existing ones."""


class Unkept:
    """Stores nothing: placeholder values are known only while the server runs."""

    async def load(self, owner: str, conversation: str) -> Mapping[str, str]:
        return {}

    async def add(self, owner: str, conversation: str, values: Mapping[str, str]) -> None:
        return None


class Encrypted:
    """Stores values that only the holder of the secret can read. Unreadable values are dropped, with a line
    in the log."""

    def __init__(self, load: Load, save: Save, secret: str) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        self._load = load
        self._save = save
        self._cipher = AESGCM(HKDF(SHA256(), 32, None, b"webchat placeholders 1").derive(secret.encode()))
        self._lost: set[str] = set()

    async def load(self, owner: str, conversation: str) -> Mapping[str, str]:
        from cryptography.exceptions import InvalidTag

        kept = await self._load(owner, conversation)
        try:
            return {name: self._open(conversation, name, value) for name, value in kept.items()}
        except (InvalidTag, ValueError):
            _log.warning(
                "the placeholders of conversation %s cannot be decrypted with this masking-secret; new"
                " ones are assigned",
                conversation,
            )
            self._lost.add(conversation)
            return {}

    async def add(self, owner: str, conversation: str, values: Mapping[str, str]) -> None:
        sealed = {name: self._seal(conversation, name, value) for name, value in values.items()}
        await self._save(owner, conversation, sealed, conversation in self._lost)
        self._lost.discard(conversation)

    def _seal(self, conversation: str, name: str, value: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        # Values may hold halves of surrogate pairs, as any text of a person.
        data = value.encode("utf-8", "surrogatepass")
        return _VERSION + nonce + self._cipher.encrypt(nonce, data, _bound(conversation, name))

    def _open(self, conversation: str, name: str, kept: bytes) -> str:
        if kept[:1] != _VERSION:
            raise ValueError("not of this version")
        nonce, sealed = kept[1 : 1 + _NONCE_BYTES], kept[1 + _NONCE_BYTES :]
        return self._cipher.decrypt(nonce, sealed, _bound(conversation, name)).decode(
            "utf-8", "surrogatepass"
        )


def _bound(conversation: str, name: str) -> bytes:
    return f"{conversation}\n{name}".encode()
