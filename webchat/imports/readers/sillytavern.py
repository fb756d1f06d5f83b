"""SillyTavern: a line that says who talks, then one line per message. A message's swipes are replies in one
place."""

from __future__ import annotations

from collections.abc import Sequence

from webchat.imports.readers.runs import Part, messages_of, thinking
from webchat.imports.values import (
    Object,
    chosen,
    digest,
    mapping,
    moment,
    named,
    number,
    objects,
    sequence,
    text,
)
from webchat.store.import_records import ImportedConversation

PRODUCT = "sillytavern"


def is_header(value: object) -> bool:
    return (
        isinstance(value, dict)
        and "mes" not in value
        and ("chat_metadata" in value or "character_name" in value)
    )


def read(header: Object, lines: Sequence[Object]) -> ImportedConversation:
    """header: the first line; lines: those behind it."""
    metadata = mapping(header.get("chat_metadata"))
    parts: list[Part] = []
    shown: str | None = None
    for at, line in enumerate(lines):
        if line.get("is_system") is True and not text(line.get("mes")):
            continue
        versions = _versions(at, shown, line)
        parts += versions
        shown = versions[0].id
    character = text(header.get("character_name"))
    first = mapping(lines[0]) if lines else {}
    known = named(metadata.get("integrity")) or digest(
        character, header.get("user_name"), header.get("create_date"), first.get("mes")
    )
    return ImportedConversation(
        product=PRODUCT,
        source=known,
        title=character if character != "unused" else "",
        messages=messages_of(parts),
        created_at=moment(header.get("create_date")),
        leaf=shown,
        details=chosen(header, "character_name", "user_name") | chosen(metadata, "note_prompt", "scenario"),
    )


def _versions(at: int, parent: str | None, line: Object) -> list[Part]:
    """The message that is shown, and its other swipes."""
    mine = line.get("is_user") is True
    shown = _part(
        f"m{at}", parent, line, text(line.get("mes")), mine, line.get("send_date"), line.get("extra")
    )
    parts = [shown]
    current = int(number(line.get("swipe_id")) or 0)
    about = objects(line.get("swipe_info"))
    for number_, swipe in enumerate(sequence(line.get("swipes"))):
        if number_ != current and isinstance(swipe, str) and not mine:
            info = about[number_] if number_ < len(about) else {}
            id = f"m{at}.{number_}"
            parts.append(_part(id, parent, line, swipe, False, info.get("send_date"), info.get("extra")))
    return parts


def _part(
    id: str, parent: str | None, line: Object, said: str, mine: bool, at: object, extra: object
) -> Part:
    more = mapping(extra)
    thought, words = ("", said) if mine else thinking(said)
    name = text(line.get("name"))
    return Part(
        id=id,
        parent=parent,
        by_person=mine,
        text=words,
        reasoning=text(more.get("reasoning")) or thought,
        at=moment(at),
        model=None if mine else named(more.get("model")) or name or None,
        files=tuple(name for name in (text(more.get("image")),) if name),
        details={} if mine else chosen(more, "api", "token_count") | ({"name": name} if name else {}),
        alone=True,
    )
