"""What belongs together: people, their conversations, and near-duplicates of what they wrote.

Near-duplicates are found by MinHash (Broder 1997) on character n-grams. The tables are in the export's
scratch file, and only a few bytes for each person, conversation and text in memory.
"""

from __future__ import annotations

import sqlite3
import zlib
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webchat.feedback.datasets.own_words import grams
from webchat.feedback.extras import extra

SIMILAR = 0.7
"""Share of n-grams in common from which two texts are near-duplicates, as estimated."""

_ROWS, _BANDS = 6, 21
"""Texts with all rows of a band in common are compared: 99.9 % of those with 0.8 in common, 93 % at 0.7."""

_HASHES = _ROWS * _BANDS
_SAME = 0.95
"""A text so similar to one in a bucket needs no place of its own there."""
_MOST_IN_BUCKET = 100

_TABLES = (
    "CREATE TABLE nodes (key BLOB PRIMARY KEY, id INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE texts (id INTEGER PRIMARY KEY, node INTEGER NOT NULL, signature BLOB NOT NULL)",
    "CREATE TABLE bands (band BLOB NOT NULL, text INTEGER NOT NULL, PRIMARY KEY (band, text)) WITHOUT ROWID",
)


@dataclass(slots=True)
class Group:
    """What belongs together. key: stays as long as nothing of it goes. anchors: hashes of its people, or of
    its conversations. records: judgements and comparisons."""

    key: bytes
    records: int
    anchors: list[str]


class Groups:
    """Connected components, grown record by record. Raises ExtraMissing."""

    def __init__(self, scratch: sqlite3.Connection, salt: str, *, by_person: bool) -> None:
        datasketch = extra("datasketch", "feedback", "Finding near-duplicates")
        self._scratch = scratch
        self._salt = salt.encode()
        self._by_person = by_person
        self._none = datasketch.MinHash(num_perm=_HASHES, hashfunc=zlib.crc32, scheme="affine32")
        self._parents = array("q")
        self._records = array("q")
        self.people = self.conversations = self.texts = self.repeated = self.similar = 0
        for table in _TABLES:
            scratch.execute(table)

    def add(self, person: str, conversation: str, texts: Iterable[str]) -> int:
        """A judgement or comparison; returns the node that `group_of` looks up in the end."""
        chat, new = self._node(f"conversation:{conversation}")
        self.conversations += new
        owner, new = self._node(f"person:{person}")
        self.people += new
        if self._by_person:
            self._join(chat, owner)
        for text in texts:
            self._join(chat, self._text(text))
        self._records[chat] += 1
        return chat

    def hashed(self, kind: str, name: str) -> str:
        """A salted hash to show in place of an id. kind: person or conversation."""
        return self._key(f"{kind}:{name}").hex()[:16]

    def roots(self) -> dict[int, Group]:
        """The groups by their root."""
        groups: dict[int, Group] = {}
        for key, node in self._scratch.execute("SELECT key, id FROM nodes ORDER BY key"):
            root = self.root(node)
            group = groups.get(root)
            if group is None:
                group = groups[root] = Group(key, 0, [])
            group.records += self._records[node]
            if key[-1:] == (b"p" if self._by_person else b"c"):
                group.anchors.append(key.hex()[:16])
        if not self._by_person:  # people are no part of groups
            return {root: group for root, group in groups.items() if group.records}
        return groups

    def root(self, node: int) -> int:
        """The root of a node's group."""
        parents = self._parents
        while parents[node] != node:
            parents[node] = parents[parents[node]]
            node = parents[node]
        return node

    def _join(self, one: int, other: int) -> None:
        first, second = sorted((self.root(one), self.root(other)))
        self._parents[second] = first

    def _key(self, name: str) -> bytes:
        return (
            blake2b(name.encode("utf-8", "replace"), digest_size=16, key=self._salt[:64]).digest()
            + name[:1].encode()
        )

    def _node(self, name: str) -> tuple[int, bool]:
        key = self._key(name)
        found = self._scratch.execute("SELECT id FROM nodes WHERE key = ?", (key,)).fetchone()
        if found:
            return int(found[0]), False
        node = len(self._parents)
        self._parents.append(node)
        self._records.append(0)
        self._scratch.execute("INSERT INTO nodes VALUES (?, ?)", (key, node))
        return node, True

    def _text(self, text: str) -> int:
        node, new = self._node(f"text:{text}")
        if not new:
            self.repeated += 1
            return node
        self.texts += 1
        near = False
        for size, pieces in grams(text):
            near |= self._compare(node, size, pieces)
        self.similar += near
        return node

    def _compare(self, node: int, size: int, pieces: set[bytes]) -> bool:
        """Join a new text with its near-duplicates. Returns whether it has any."""
        made = self._none.copy()
        made.update_batch(sorted(pieces))
        signature: NDArray[Any] = made.hashvalues
        bands = {
            blake2b(
                bytes((size, at)) + signature[at * _ROWS : (at + 1) * _ROWS].tobytes(), digest_size=8
            ).digest()
            for at in range(_BANDS)
        }
        near, covered = False, set()
        for other, known, band in self._candidates(bands):
            alike = np.count_nonzero(np.frombuffer(known, signature.dtype) == signature) / _HASHES
            if alike >= SIMILAR:
                near = True
                self._join(node, other)
            if alike >= _SAME:
                covered.add(band)
        insert = self._scratch.execute
        text = insert(
            "INSERT INTO texts (node, signature) VALUES (?, ?)", (node, signature.tobytes())
        ).lastrowid
        self._scratch.executemany(
            "INSERT INTO bands VALUES (?, ?)", ((band, text) for band in sorted(bands - covered))
        )
        return near

    def _candidates(self, bands: set[bytes]) -> Iterator[tuple[int, bytes, bytes]]:
        for band in sorted(bands):
            for node, signature in self._scratch.execute(
                "SELECT node, signature FROM bands JOIN texts ON texts.id = bands.text"
                " WHERE band = ? ORDER BY text LIMIT ?",
                (band, _MOST_IN_BUCKET),
            ):
                yield node, signature, band
