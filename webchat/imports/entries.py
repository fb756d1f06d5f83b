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

CHUNK = 1 << 18
MOST_BYTES = 64 << 20
"""Of an entry."""

MOST_WHOLE = 16 << 20
"""Of an object that is read whole to see what it is; a larger one has a list of conversations, or is nothing
we know."""

MOST_PARTS = 1_000_000
"""Lists and objects in an entry: each costs many times its two bytes in memory."""

MOST_DEPTH = 900

_INSIDE = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|["\[\]{}]', re.DOTALL)
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_SCALAR = re.compile(rb"[^\s,\[\]{}\":]+")
_SPACE = re.compile(rb"[\s,]*")
_SAID_BY = ("from", "role", "value")

QUOTE, LIST, END, OBJECT, OBJECT_END = b'"[]{}'
_OPENING = (LIST, OBJECT)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a file: its number from 1, and its value or, in one sentence, why it cannot be read."""

    number: int
    value: Any = None
    problem: str = ""


class _Broken(Exception):
    """The rest of the file cannot be read. The message is a sentence."""


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

    def value(self) -> tuple[bytes, str]:
        """The next value's bytes, or why it is passed over. Raises _Broken where it does not end."""
        first = self.next()
        if first == QUOTE:
            return self.matching(_STRING), ""
        if first in (LIST, OBJECT):
            return self._nested()
        return self.matching(_SCALAR), ""

    def line(self) -> tuple[bytes, str]:
        """The rest of the line; a mistake in it does not reach the next."""
        start = self.at
        while (end := self.data.find(b"\n", start)) < 0:
            start = len(self.data) - self.at
            if start > MOST_BYTES:
                raise _Broken(f"a line is longer than {MOST_BYTES >> 20} MB")
            if not self.more():
                end = len(self.data)
                break
        raw, self.at = self.data[self.at : end], end
        why = "it has too many parts" if raw.count(b"[") + raw.count(b"{") > MOST_PARTS else ""
        return raw, why

    def matching(self, form: re.Pattern[bytes]) -> bytes:
        while True:
            found = form.match(self.data, self.at)
            if found and found.end() < len(self.data):
                break
            if len(self.data) - self.at > MOST_BYTES or not self.more():
                if found:
                    break
                raise _Broken("it breaks off, or is not JSON")
        self.at = found.end()
        return found.group()

    def _nested(self) -> tuple[bytes, str]:
        depth = parts = 0
        scanned = self.at
        why = ""
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
                        return (b"", why) if why else (raw, _why(1, parts, len(raw)))
                if depth > MOST_DEPTH:
                    why = why or _why(depth, 0, 0)
            else:
                scanned = len(data)
            why = why or _why(depth, parts, scanned - self.at)
            if why:
                self.at = scanned
            if len(data) - scanned > MOST_BYTES:
                raise _Broken(f"a text in it is longer than {MOST_BYTES >> 20} MB")
            scanned -= self.at
            if not self.more():
                raise _Broken("it breaks off")


def _why(depth: int, parts: int, size: int) -> str:
    """Why an entry is passed over; nothing if it is not."""
    if depth > MOST_DEPTH:
        return "it is nested too deeply"
    if parts > MOST_PARTS:
        return "it has too many parts"
    return f"it is larger than {MOST_BYTES >> 20} MB" if size > MOST_BYTES else ""


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
        yield Entry(number + 1, problem=f"The rest of the file cannot be read: {broken}.")


def _parsed(number: int, raw: bytes) -> Entry:
    try:
        return Entry(number, load(raw))
    except (ValueError, RecursionError, MemoryError):
        return Entry(number, problem="it is not valid JSON")


def load(raw: bytes) -> Any:
    """A JSON value; NaN and infinities, which JSON lacks, are null. Raises ValueError, RecursionError."""
    try:
        return orjson.loads(raw)
    except ValueError:
        return json.loads(raw.decode("utf-8", "replace"), parse_constant=lambda _name: None)


def _values(source: _Input) -> Iterator[tuple[bytes, str]]:
    first = source.next()
    if first == LIST:
        source.at += 1
        yield from _elements(source)
    elif first == OBJECT:
        yield from _objects(source)


def _elements(source: _Input) -> Iterator[tuple[bytes, str]]:
    """Of the list that was entered."""
    while (first := source.next()) != END:
        if first == -1:
            raise _Broken("it breaks off")
        yield source.value()
    source.at += 1


def _objects(source: _Input) -> Iterator[tuple[bytes, str]]:
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
        yield from ((json.dumps(one).encode(), "") for one in expanded)
    else:
        yield first, ""
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


def _inside(source: _Input) -> Iterator[tuple[bytes, str]]:
    """Of a large object: the elements of its lists of conversations."""
    source.at += 1
    while (first := source.next()) != OBJECT_END:
        if first != QUOTE:
            raise _Broken("it breaks off, or is not JSON")
        key = source.matching(_STRING)
        if source.next() != ord(":"):
            raise _Broken("it is not JSON")
        source.at += 1
        if key == b'"conversations"' and source.next() == LIST:
            source.at += 1
            yield from _elements(source)
        else:
            source.value()
    source.at += 1
