"""Finds the conversations in a file, whatever product wrote it: each entry is shown to the readers until one
knows it by its content. Names of files mean nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from webchat.imports.archives import Document, Files, Opened, opened
from webchat.imports.entries import Entry, entries
from webchat.imports.readers import chatgpt, own
from webchat.imports.trees import BadEntry, put_right
from webchat.imports.values import Object
from webchat.store.import_records import ImportedConversation

Read = Callable[[Object, Files], ImportedConversation | None]

READERS: tuple[Read, ...] = (own.read, chatgpt.read)
"""In the order they are asked: those that want more of an entry first."""

PRODUCTS = {
    "chatgpt": "ChatGPT",
    "webchat": "webchat",
}
"""Names of the products whose files are known."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that was not imported, or not as it was. place: the file and the entry; message: a sentence.
    lost: the entry is not imported."""

    place: str
    message: str
    lost: bool = True


@dataclass(frozen=True, slots=True)
class Located:
    """A conversation, and where in the file it is."""

    place: str
    conversation: ImportedConversation


def conversations_of(path: Path) -> Iterator[Located | Problem]:
    """Everything in a file that is a conversation, and what is wrong with the rest. Raises Unreadable,
    OSError."""
    with opened(path) as source:
        yield from found_in(source)


def found_in(source: Opened) -> Iterator[Located | Problem]:
    """Of an opened file."""
    for document in source.documents:
        known = False
        for entry in entries(document.stream):
            found = _read(entry, document, source.files)
            # In a zip much is beside the conversations: a file that begins as something else is not looked
            # at.
            if isinstance(found, Problem) and document.name and not known and not entry.problem:
                break
            known = True
            yield found


def _read(entry: Entry, document: Document, files: Files) -> Located | Problem:
    place = f"{document.name}, entry {entry.number}" if document.name else f"entry {entry.number}"
    if entry.problem:
        return Problem(place, _sentence(entry.problem))
    try:
        found = _recognised(entry.value, files)
        if found is None:
            return Problem(place, "It is not a conversation of a known product.")
        return Located(place, put_right(found, datetime.now(UTC)))
    except BadEntry as bad:
        return Problem(place, _sentence(str(bad)))


def _recognised(value: object, files: Files) -> ImportedConversation | None:
    if not isinstance(value, dict):
        return None
    return next((found for read in READERS if (found := read(value, files)) is not None), None)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + ("" if words.endswith(".") else ".")
