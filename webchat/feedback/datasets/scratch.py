"""The rows of an export on their way to its files: in a file of their own, so that memory does not grow."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from webchat.feedback.datasets.alternating import Kept, alternating
from webchat.feedback.datasets.rows import Row, pair

_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -32000;
CREATE TABLE rows (
    id INTEGER PRIMARY KEY, config TEXT NOT NULL, node INTEGER NOT NULL, label INTEGER, place INTEGER,
    prompt INTEGER, versions BLOB, tokens INTEGER NOT NULL, body TEXT NOT NULL, about TEXT NOT NULL
);
CREATE TABLE seen (key BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE rated (person BLOB NOT NULL, reply TEXT NOT NULL, rating INTEGER NOT NULL);
BEGIN;
"""


class Stored(NamedTuple):
    """A row as it comes back. node: of its group."""

    node: int
    tokens: int
    body: dict[str, Any]
    about: dict[str, Any]


class Scratch:
    """Keeps rows in a SQLite file. Close it, then delete the file."""

    def __init__(self, path: Path, salt: str) -> None:
        self._salt = salt
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.executescript(_TABLES)

    def close(self) -> None:
        self.connection.close()

    def add(self, row: Row, node: int, tokens: int) -> bool:
        """Whether the row is new to its config."""
        config = f"{row.config}_tools" if row.tools else row.config
        if row.key:
            key = _hash(f"{config} {row.key}")
            if not self.connection.execute("INSERT OR IGNORE INTO seen VALUES (?)", (key,)).rowcount:
                return False
        self.connection.execute(
            "INSERT INTO rows (config, node, label, place, prompt, versions, tokens, body, about)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                config,
                node,
                row.label,
                _number(f"{self._salt} {row.about['judgement']}"),
                _number(row.prompt) if row.prompt else None,
                _hash(row.versions) if row.versions else None,
                tokens,
                _json(row.body),
                _json(row.about),
            ),
        )
        return True

    def rate(self, person: str, reply_id: str, rating: int) -> None:
        """Keep a thumb for the agreement."""
        self.connection.execute("INSERT INTO rated VALUES (?, ?, ?)", (_hash(person), reply_id, rating))

    def rated(self) -> Iterator[tuple[str, str, int]]:
        """Person, reply and thumb, for replies that several people rated."""
        self.connection.execute("CREATE INDEX replies ON rated (reply)")
        for person, reply, rating in self.connection.execute(
            "SELECT person, reply, rating FROM rated WHERE reply IN"
            " (SELECT reply FROM rated GROUP BY reply HAVING count(DISTINCT person) > 1) ORDER BY rowid"
        ):
            yield person.hex(), reply, rating

    def add_versions(self, tokens: Callable[[str], int]) -> None:
        """Pairs of versions of one reply, one of which a person found good and one bad; each is in at least
        one pair, and in several only if it has more counterparts than its kind has members."""
        self.connection.execute("CREATE INDEX versions ON rows (versions) WHERE versions IS NOT NULL")
        both = self.connection.execute(
            "SELECT versions, min(node) FROM rows WHERE versions IS NOT NULL GROUP BY versions"
            " HAVING min(label) < max(label) ORDER BY min(id)"
        ).fetchall()
        for key, node in both:
            found: dict[bool, list[Stored]] = {True: [], False: []}
            for label, *stored in self.connection.execute(
                "SELECT label, node, tokens, body, about FROM rows WHERE versions = ? ORDER BY id", (key,)
            ):
                found[bool(label)].append(_stored(*stored))
            good, bad = found[True], found[False]
            for at in range(max(len(good), len(bad))):
                chosen, rejected = good[at % len(good)], bad[at % len(bad)]
                if chosen.body["completion"] == rejected.body["completion"]:
                    continue
                about = {**chosen.about, "source": "version", "other_model": rejected.about["model"]}
                texts = chosen.body["prompt"], chosen.body["completion"], rejected.body["completion"]
                tools = chosen.body.get("tools") or rejected.body.get("tools")
                for row in pair(*texts, about, tools):
                    self.add(row, node, tokens(row.text))

    def configs(self) -> list[str]:
        """Those with rows."""
        self.connection.execute("CREATE INDEX configs ON rows (config)")
        return [
            str(name) for (name,) in self.connection.execute("SELECT DISTINCT config FROM rows ORDER BY 1")
        ]

    def rows(self, config: str) -> Iterator[Stored]:
        """In the order they came."""
        for stored in self.connection.execute(
            "SELECT node, tokens, body, about FROM rows WHERE config = ? ORDER BY id", (config,)
        ):
            yield _stored(*stored)

    def alternating(self, config: str, file_of: Callable[[int], str]) -> Iterator[Stored]:
        """Rows with a label, one file after another, as KTO needs them. file_of: of a node."""
        files: dict[str, list[Kept]] = {}
        for row, node, label, place, prompt in self.connection.execute(
            "SELECT id, node, label, place, prompt FROM rows WHERE config = ? ORDER BY id", (config,)
        ):
            files.setdefault(file_of(node), []).append(Kept(place, prompt, bool(label), row))
        for name in sorted(files):
            for row in alternating(files.pop(name)):
                found = self.connection.execute(
                    "SELECT node, tokens, body, about FROM rows WHERE id = ?", (row,)
                ).fetchone()
                yield _stored(*found)


def _stored(node: int, tokens: int, body: str, about: str) -> Stored:
    return Stored(node, tokens, json.loads(body), json.loads(about))


def _json(value: object) -> str:
    # A lone surrogate has no place in UTF-8.
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()


def _hash(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()


def _number(text: str) -> int:
    return int.from_bytes(_hash(text)[:7])
