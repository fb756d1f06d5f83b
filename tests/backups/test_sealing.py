"""A sealed file gives back what was written, or nothing that was touched."""

from __future__ import annotations

import io
import os

import pytest
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from webchat.backups import sealing
from webchat.backups.errors import Damaged, WrongKey
from webchat.backups.sealing import MAGIC, Opening, Sealing

KEY = "a key of the operator"
HEAD = len(MAGIC) + 32
CHUNK = (1 << 20) + 16


@pytest.fixture(autouse=True)
def cheap_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that cost nothing; `test_backup.py` makes real ones."""
    monkeypatch.setattr(sealing, "Scrypt", lambda **options: Scrypt(**{**options, "n": 2}))


def sealed(data: bytes) -> bytes:
    file = io.BytesIO()
    writing = Sealing(file, KEY)
    for at in range(0, len(data), 300_000):
        writing.write(data[at : at + 300_000])
    writing.end()
    return file.getvalue()


def opened(data: bytes, key: str = KEY) -> bytes:
    return io.BufferedReader(Opening(io.BytesIO(data), key)).read()


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3_000_000])
def test_what_is_sealed_comes_back(size: int) -> None:
    data = os.urandom(size)
    assert opened(sealed(data)) == data
    assert size < 20 or data[:20] not in sealed(data)


def test_two_files_of_one_text_share_nothing_but_the_name_of_the_format() -> None:
    one, other = sealed(b"the same"), sealed(b"the same")
    assert one[: len(MAGIC)] == other[: len(MAGIC)]
    assert one[len(MAGIC) : -1] != other[len(MAGIC) : -1]
    assert one[HEAD:] != other[HEAD:]


def test_another_key_is_told_apart_from_damage() -> None:
    with pytest.raises(WrongKey):
        opened(sealed(b"words"), "another key of theirs")


def test_nothing_can_be_cut_off_changed_moved_or_added() -> None:
    whole = sealed(os.urandom(2_500_000))
    chunks = [whole[at : at + CHUNK] for at in range(HEAD, len(whole), CHUNK)]
    assert len(chunks) == 3
    broken = [
        whole[:-1],
        whole[: HEAD + 2 * CHUNK],  # without the last chunk
        whole[: HEAD + CHUNK],
        whole[:HEAD],
        whole[: HEAD - 1],
        whole + b"x",
        whole[:HEAD] + chunks[1] + chunks[0] + chunks[2],
        whole[:HEAD] + chunks[0] + chunks[2],
        whole[: HEAD + 100] + bytes([whole[HEAD + 100] ^ 1]) + whole[HEAD + 101 :],
    ]
    for data in broken:
        with pytest.raises(Damaged):
            opened(data)
