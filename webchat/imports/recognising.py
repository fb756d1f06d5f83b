"""Finds the conversations in a file, whatever product wrote it: each entry is shown to the readers until one
knows it by its content. Names of files mean nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from webchat.imports.archives import Document, Files, Opened, opened
from webchat.imports.entries import Entry, entries
from webchat.imports.notes import BadEntry, sentence
from webchat.imports.readers import (
    aistudio,
    chatgpt,
    chatui,
    claude,
    gemini,
    grok,
    librechat,
    openai_messages,
    openwebui,
    own,
    sharegpt,
    sillytavern,
    textgen,
)
from webchat.imports.trees import put_right
from webchat.imports.values import Object, mapping, text
from webchat.store.import_records import OURS, ImportedConversation, Note

Read = Callable[[Object, Files], ImportedConversation | None]

READERS: tuple[Read, ...] = (
    own.read,
    chatgpt.read,
    claude.read,
    openwebui.read,
    librechat.read,
    grok.read,
    aistudio.read,
    textgen.read,
    chatui.read,
    sharegpt.read,
    openai_messages.read,
)
"""In the order they are asked: those that want more of an entry first."""

PRODUCTS = {
    chatgpt.PRODUCT: "ChatGPT",
    claude.PRODUCT: "Claude",
    gemini.PRODUCT: "Gemini",
    grok.PRODUCT: "Grok",
    aistudio.PRODUCT: "AI Studio",
    openwebui.PRODUCT: "Open WebUI",
    librechat.PRODUCT: "LibreChat",
    chatui.PRODUCT: "chat-ui",
    textgen.PRODUCT: "text-generation-webui",
    sillytavern.PRODUCT: "SillyTavern",
    sharegpt.PRODUCT: "ShareGPT",
    openai_messages.PRODUCT: "OpenAI or TRL",
    OURS: "webchat",
}
"""Names of the products whose files are known."""

MOST_GROUPED = 500_000
"""Lines or rows of a file that are read together."""

MOST_GROUPED_MEMORY = 256 << 20
"""Bytes that they may need together, as `Entry.weight` has it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that was not imported, or not as it was. place: the file and the entry. lost: the entry is
    not imported."""

    place: str
    note: Note
    lost: bool = True

    @property
    def message(self) -> str:
        return sentence(self.note)


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
        found = entries(document.stream)
        first = next(found, None)
        if first is None:
            continue
        every = chain((first,), found)
        if sillytavern.is_header(first.value):
            yield from _told(document, every)
        elif gemini.is_row(first.value):
            yield from _activity(document, every)
        else:
            yield from _each(document, every, source.files)


def _each(document: Document, every: Iterable[Entry], files: Files) -> Iterator[Located | Problem]:
    """A conversation per entry."""
    known = False
    for entry in every:
        place = _place(document, entry.number)
        found = _read(entry, place, files)
        # In a zip much is beside the conversations: a file that begins as something else is not looked at.
        if found is None and document.name and not known:
            return
        known = True
        yield found or Problem(place, _explained(entry.value))


def _read(entry: Entry, place: str, files: Files) -> Located | Problem | None:
    """`None` for an entry that no reader knows."""
    if entry.problem:
        return Problem(place, entry.problem)
    try:
        found = _recognised(entry.value, files)
    except BadEntry as bad:
        return Problem(place, bad.note)
    return None if found is None else _put_right(place, found)


def _recognised(value: object, files: Files) -> ImportedConversation | None:
    if not isinstance(value, dict):
        return None
    return next((found for read in READERS if (found := read(value, files)) is not None), None)


def _put_right(place: str, found: ImportedConversation) -> Located | Problem:
    try:
        return Located(place, put_right(found, datetime.now(UTC)))
    except BadEntry as bad:
        return Problem(place, bad.note)


def _told(document: Document, every: Iterator[Entry]) -> Iterator[Located | Problem]:
    """One conversation, a message per line."""
    header = mapping(next(every).value)
    lines: list[Object] = []
    yield from _gather(document, every, lambda value: isinstance(value, dict), lines)
    yield _put_right(_place(document, 1), sillytavern.read(header, lines))


def _activity(document: Document, every: Iterator[Entry]) -> Iterator[Located | Problem]:
    """Conversations from rows that are prompts."""
    rows: list[Object] = []
    yield from _gather(document, every, gemini.is_row, rows)
    for number, found in enumerate(gemini.read(rows), 1):
        yield _put_right(_place(document, number), found)


def _gather(
    document: Document, every: Iterable[Entry], fits: Callable[[object], bool], into: list[Object]
) -> Iterator[Problem]:
    """Put the entries that fit into a list, as far as there is room for them; the others are problems."""
    weight = 0
    for entry in every:
        place = _place(document, entry.number)
        weight += entry.weight
        if len(into) == MOST_GROUPED or weight > MOST_GROUPED_MEMORY:
            yield Problem(place, Note("rest_too_large", {"count": len(into)}))
            return
        if fits(entry.value):
            into.append(mapping(entry.value))
        else:
            yield Problem(place, entry.problem or Note("unknown"))


def _place(document: Document, number: int) -> str:
    return f"{document.name}, entry {number}" if document.name else f"entry {number}"


def _explained(value: object) -> Note:
    """What an unknown entry is, if that can be told."""
    return Note("links" if _links(value) else "unknown")


def _links(value: object) -> bool:
    """Whether a product delivers its export as links."""
    held = [value, *mapping(value).values()]
    held += [one for some in held if isinstance(some, list) for one in some[:5]]
    return any(
        text(one).startswith("https://") and any(word in key.lower() for word in ("url", "link", "download"))
        for some in held
        for key, one in mapping(some).items()
    )
