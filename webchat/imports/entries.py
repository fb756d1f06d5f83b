"""Cuts a JSON file of any size into its entries, in constant memory.

A parser of events would stop at the first mistake and lose all that follows. Here only strings and brackets
are looked at, so each entry is parsed by itself: a broken one, one that is too large or nested too deeply is
named, and those behind it are read. Entries are the elements of a list, those of the list `conversations` of
an object, or the values of a file with one JSON value per line.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import orjson

from webchat.imports.notes import Noted
from webchat.store.import_records import Note

CHUNK = 1 << 18
MOST_BYTES = 32 << 20
"""Of an entry."""

MOST_WHOLE = 16 << 20
"""Of an object that is read whole to see what it is; a larger one has a list of conversations, or is nothing
we know."""

MOST_PARTS = 1_000_000
"""Lists and objects in an entry: each costs many times its two bytes in memory."""

MOST_MEMORY = 256 << 20
"""Bytes that the value of an entry may need, as `_weight` has it."""

MOST_DEPTH = 900

# Possessive: else each escape of a text would cost 100 bytes of memory to come back to.
_INSIDE = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{}]', re.DOTALL)
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_SCALAR = re.compile(rb"[^\s,\[\]{}\":]+")
_SPACE = re.compile(rb"[\s,]*")
_SAID_BY = ("from", "role", "value")

QUOTE, LIST, END, OBJECT, OBJECT_END = b'"[]{}'
_OPENING = (LIST, OBJECT)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a file: its number from 1, and its value or why it cannot be read. weight: the bytes of
    memory that the value needs at most, roughly."""

    number: int
    value: Any = None
    problem: Note | None = None
    weight: int = 0


class _Broken(Noted):
    """The rest of the file cannot be read."""


class _Input:
    """What was read of a stream and is not dealt with. at: the place in it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.data = b""
        self.at = 0

    def more(self) -> bool:
        """Read on, the more the more is held: so that a long value is not copied again and again."""
        chunk = self._stream.read(max(CHUNK, len(self.data)))
        self.data = self.data[self.at :] + chunk
        self.at = 0
        return bool(chunk)

    def next(self) -> int:
        """The byte after spaces and commas, still to be read; -1 at the end."""
        while True:
            found = _SPACE.match(self.data, self.at)
            self.at = found.end() if found else self.at
            if self.at < len(self.data):
                return self.data[self.at]
            if not self.more():
                return -1

    def value(self) -> tuple[bytes, Note | None]:
        """The next value's bytes, or why it is passed over. Raises _Broken where it does not end."""
        first = self.next()
        if first == QUOTE:
            return self.matching(_STRING), None
        if first in (LIST, OBJECT):
            return self._nested()
        return self.matching(_SCALAR), None

    def line(self) -> tuple[bytes, Note | None]:
        """The rest of the line; a mistake in it does not reach the next."""
        start = self.at
        while (end := self.data.find(b"\n", start)) < 0:
            start = len(self.data) - self.at
            if start > MOST_BYTES:
                raise _Broken("text_too_long", mb=MOST_BYTES >> 20)
            if not self.more():
                end = len(self.data)
                break
        raw, self.at = self.data[self.at : end], end
        return raw, _why(1, _parts(raw), len(raw)) or _too_heavy(raw)

    def matching(self, form: re.Pattern[bytes]) -> bytes:
        while True:
            found = form.match(self.data, self.at)
            if found and found.end() < len(self.data):
                break
            if len(self.data) - self.at > MOST_BYTES or not self.more():
                if found:
                    break
                raise _Broken("rest_not_json")
        self.at = found.end()
        return found.group()

    def _nested(self) -> tuple[bytes, Note | None]:
        depth = parts = 0
        scanned = self.at
        why: Note | None = None
        while True:
            data = self.data
            for found in _INSIDE.finditer(data, scanned):
                start, scanned = found.span()
                kind = data[start]
                if kind == QUOTE:
                    if scanned - start == 1:
                        scanned = start  # a string that goes on in the next chunk
                        break
                elif kind in _OPENING:
                    depth += 1
                    parts += 1
                else:
                    depth -= 1
                    if depth == 0:
                        raw, self.at = data[self.at : scanned], scanned
                        return (b"", why) if why else (raw, _why(1, parts, len(raw)) or _too_heavy(raw))
                if depth > MOST_DEPTH:
                    why = why or _why(depth, 0, 0)
            else:
                scanned = len(data)
            why = why or _why(depth, parts, scanned - self.at)
            if why:
                self.at = scanned
            if len(data) - scanned > MOST_BYTES:
                raise _Broken("text_too_long", mb=MOST_BYTES >> 20)
            scanned -= self.at
            if not self.more():
                raise _Broken("breaks_off")


def _why(depth: int, parts: int, size: int) -> Note | None:
    """Why an entry is passed over; `None` if it is not."""
    if depth > MOST_DEPTH:
        return Note("too_deep")
    if parts > MOST_PARTS:
        return Note("too_many_parts")
    return Note("too_large", {"mb": MOST_BYTES >> 20}) if size > MOST_BYTES else None


def _parts(raw: bytes) -> int:
    return raw.count(b"[") + raw.count(b"{")


def _weight(raw: bytes) -> int:
    """Of texts at two bytes per character, lists and objects, and what is between commas."""
    return 2 * len(raw) + 200 * _parts(raw) + 60 * raw.count(b",")


def _too_heavy(raw: bytes) -> Note | None:
    return Note("too_many_parts") if _weight(raw) > MOST_MEMORY else None


def entries(stream: BinaryIO) -> Iterator[Entry]:
    """The entries of a JSON file; the last one has a problem if the file breaks off. Nothing for a file that
    does not begin as JSON."""
    source = _Input(stream)
    source.more()
    if source.data.startswith(b"\xef\xbb\xbf"):
        source.at = 3
    number = 0
    try:
        for raw, why in _values(source):
            number += 1
            yield Entry(number, problem=why) if why else _parsed(number, raw)
    except _Broken as broken:
        yield Entry(number + 1, problem=broken.note)


def _parsed(number: int, raw: bytes) -> Entry:
    try:
        return Entry(number, load(raw), weight=_weight(raw))
    except (ValueError, RecursionError, MemoryError):
        return Entry(number, problem=Note("not_json"))


def load(raw: bytes) -> Any:
    """A JSON value; NaN and infinities, which JSON lacks, are null. Raises ValueError, RecursionError."""
    try:
        return orjson.loads(raw)
    except ValueError:
        return json.loads(raw.decode("utf-8", "replace"), parse_constant=lambda _name: None)


def _values(source: _Input) -> Iterator[tuple[bytes, Note | None]]:
    first = source.next()
    if first == LIST:
        source.at += 1
        yield from _elements(source)
    elif first == OBJECT:
        yield from _objects(source)


def _elements(source: _Input) -> Iterator[tuple[bytes, Note | None]]:
    """Of the list that was entered."""
    while (first := source.next()) != END:
        if first == -1:
            raise _Broken("breaks_off")
        yield source.value()
    source.at += 1


def _objects(source: _Input) -> Iterator[tuple[bytes, Note | None]]:
    """Of a file that begins with an object: the entries of a large one, or each value of a small one or of
    lines."""
    while len(source.data) < MOST_WHOLE and source.more():
        pass
    first = _whole(source)
    if first is None:
        yield from _inside(source)
        return
    expanded = _conversations_in(first)
    if expanded is not None:
        yield from ((json.dumps(one).encode(), None) for one in expanded)
    else:
        yield first, None
    one_per_line = b"\n" not in first
    while (following := source.next()) != -1:
        if following in (END, OBJECT_END):
            source.at += 1
        else:
            yield source.line() if one_per_line else source.value()


def _whole(source: _Input) -> bytes | None:
    """The first object, if it ends in what was read; else nothing is read of it."""
    ahead = _Input(io.BytesIO())
    ahead.data = source.data[source.at :]
    try:
        raw, why = ahead.value()
    except _Broken:
        return None
    source.at += ahead.at if not why else 0
    return None if why else raw


def _conversations_in(raw: bytes) -> list[Any] | None:
    """The list of conversations of an object that has one, rather than one conversation's messages of that
    name."""
    try:
        value = load(raw)
    except (ValueError, RecursionError):
        return None
    held = value.get("conversations") if isinstance(value, dict) else None
    if not isinstance(held, list) or not held:
        return held if isinstance(held, list) and "schema" in value else None
    said = held[0]
    return None if isinstance(said, dict) and any(key in said for key in _SAID_BY) else held


def _inside(source: _Input) -> Iterator[tuple[bytes, Note | None]]:
    """Of a large object: the elements of its lists of conversations."""
    source.at += 1
    while (first := source.next()) != OBJECT_END:
        if first != QUOTE:
            raise _Broken("rest_not_json")
        key = source.matching(_STRING)
        if source.next() != ord(":"):
            raise _Broken("rest_not_json")
        source.at += 1
        if key == b'"conversations"' and source.next() == LIST:
            source.at += 1
            yield from _elements(source)
        else:
            source.value()
    source.at += 1
