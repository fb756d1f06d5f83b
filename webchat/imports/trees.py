"""Puts right what a reader found: whatever ids and parents a file has, the result is a tree, parents first.

Nothing is thrown away for being in the wrong place: a message whose parent is missing or below itself becomes
a root or hangs under the message before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from backends.types import ToolCall
from webchat.imports.notes import BadEntry
from webchat.store.import_records import ImportedConversation, ImportedMessage, Note

MOST_CHARS = 1_000_000
"""Of a text; what is longer is cut."""

MOST_MESSAGES = 50_000
TITLE_CHARS = 300
DETAILS_CHARS = 20_000
MOST_PROBLEMS = 20


def put_right(found: ImportedConversation, now: datetime) -> ImportedConversation:
    """The conversation as it can be stored. now: the latest time anything can be of. Raises BadEntry for one
    without messages."""
    problems = list(found.problems)
    messages = _unique(found.messages[:MOST_MESSAGES], problems)
    if len(found.messages) > MOST_MESSAGES:
        problems.append(Note("first_messages", {"count": MOST_MESSAGES}))
    if not messages:
        raise BadEntry("no_messages")
    ordered = _in_order(messages, problems)
    created = _not_after(found.created_at, now)
    timed = _timed(ordered, created, now)
    first = timed[0].at or now
    updated = _not_after(found.updated_at, now) or max(message.at or first for message in timed)
    cut = [_cut(message, problems) for message in timed]
    known = {message.id for message in cut}
    return replace(
        found,
        title=" ".join(found.title.split())[:TITLE_CHARS],
        messages=tuple(cut),
        created_at=created or first,
        updated_at=updated,
        leaf=found.leaf if found.leaf in known else None,
        details=_small(found.details),
        problems=tuple(islice(_differing(problems), MOST_PROBLEMS)),
    )


def _differing(problems: Sequence[Note]) -> Iterator[Note]:
    seen: set[object] = set()
    for note in problems:
        key = (note.code, *sorted(note.params.items()))
        if key not in seen:
            seen.add(key)
            yield note


def _unique(messages: Sequence[ImportedMessage], problems: list[Note]) -> list[ImportedMessage]:
    """With ids that differ: of several messages with one id, the later ones get others."""
    seen: set[str] = set()
    unique: list[ImportedMessage] = []
    for number, message in enumerate(messages):
        id = message.id or f"#{number}"
        if id in seen:
            problems.append(Note("same_ids"))
            id = f"{id}#{number}"
        while id in seen:
            id += "'"
        seen.add(id)
        unique.append(message if id == message.id else replace(message, id=id))
    return unique


def _in_order(messages: Sequence[ImportedMessage], problems: list[Note]) -> list[ImportedMessage]:
    """Parents before children, otherwise in the order of the file. A message whose parent is missing is a
    root; of a circle, one is."""
    by_id = {message.id: message for message in messages}
    below: dict[str | None, list[str]] = {}
    for message in messages:
        parent = message.parent if message.parent in by_id and message.parent != message.id else None
        if message.parent is not None and parent is None:
            problems.append(Note("lost_parents"))
        below.setdefault(parent, []).append(message.id)
    ordered: list[ImportedMessage] = []
    placed: set[str] = set()

    def place(start: str, parent: str | None) -> None:
        waiting = [(start, parent)]
        while waiting:
            id, under = waiting.pop()
            if id in placed:
                continue
            placed.add(id)
            message = by_id[id]
            ordered.append(message if message.parent == under else replace(message, parent=under))
            waiting.extend((child, id) for child in reversed(below.get(id, ())))

    for root in below.get(None, ()):
        place(root, None)
    for message in messages:
        if message.id not in placed:
            problems.append(Note("circles"))
            place(message.id, None)
    return ordered


def _timed(
    messages: Sequence[ImportedMessage], created: datetime | None, now: datetime
) -> list[ImportedMessage]:
    """With times: none before its parent's, since a tree is read in the order of times."""
    times: dict[str | None, datetime] = {}
    timed: list[ImportedMessage] = []
    for message in messages:
        before = times.get(message.parent)
        at = _not_after(message.at, now) or before or created or now
        times[message.id] = at if before is None else max(at, before)
        timed.append(message if message.at == times[message.id] else replace(message, at=times[message.id]))
    return timed


def _not_after(at: datetime | None, now: datetime) -> datetime | None:
    return None if at is None else min(at, now).astimezone(UTC)


def _cut(message: ImportedMessage, problems: list[Note]) -> ImportedMessage:
    def cut(text: str) -> str:
        if len(text) > MOST_CHARS:
            problems.append(Note("text_cut", {"count": MOST_CHARS}))
        return text[:MOST_CHARS]

    return replace(
        message,
        text=cut(message.text),
        reasoning=cut(message.reasoning),
        tool_calls=tuple(
            ToolCall(cut(call.id), cut(call.name), cut(call.arguments)) for call in message.tool_calls
        ),
        tool_call_id=message.tool_call_id and cut(message.tool_call_id),
    )


def _small(details: Mapping[str, object]) -> dict[str, Any]:
    """Of what has no place of its own, what is not too long to be shown."""
    kept: dict[str, Any] = {}
    room = DETAILS_CHARS
    for key, value in details.items():
        try:
            size = len(json.dumps(value, allow_nan=False))
        except (TypeError, ValueError, RecursionError):
            continue
        if size <= room:
            kept[str(key)[:100]] = value
            room -= size
    return kept
