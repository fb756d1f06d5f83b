"""Hugging Face chat-ui: conversations whose messages know their ancestors."""

from __future__ import annotations

from webchat.imports.archives import Files
from webchat.imports.readers.runs import Part, messages_of, rooted, with_ratings
from webchat.imports.values import (
    Object,
    chosen,
    joined,
    mapping,
    moment,
    named,
    number,
    objects,
    sequence,
    text,
)
from webchat.store.import_records import ImportedConversation
from webchat.store.records import ConversationSettings

PRODUCT = "chat-ui"


def read(entry: Object, _files: Files) -> ImportedConversation | None:
    messages = objects(entry.get("messages"))
    if not messages or not all("from" in one and "content" in one for one in messages):
        return None
    model = named(entry.get("model")) or None
    parts: list[Part] = []
    system = text(entry.get("preprompt"))
    for at, message in enumerate(messages):
        if message.get("from") == "system":
            system = system or text(message.get("content"))
            continue
        ancestors = [named(one) for one in sequence(message.get("ancestors"))]
        before = parts[-1].id if parts else None
        parent = (ancestors[-1] if ancestors else None) if "ancestors" in message else before
        parts.append(_part(named(message.get("id")) or f"#{at}", parent, message, model))
    ratings = {named(message.get("id")): number(message.get("score")) for message in messages}
    return ImportedConversation(
        product=PRODUCT,
        source=_id(entry.get("_id")) or _id(entry.get("id")) or (parts[0].id if parts else ""),
        title=text(entry.get("title")),
        messages=with_ratings(messages_of(rooted(parts)), ratings),
        created_at=moment(entry.get("createdAt")),
        updated_at=moment(entry.get("updatedAt")),
        settings=ConversationSettings(system_prompt=system or None),
        details=chosen(entry, "assistantId", "model"),
    )


def _id(value: object) -> str:
    return named(value) or named(mapping(value).get("$oid"))


def _part(id: str, parent: str | None, message: Object, model: str | None) -> Part:
    by_person = message.get("from") == "user"
    names = [named(file) or text(mapping(file).get("name")) for file in sequence(message.get("files"))]
    return Part(
        id=id,
        parent=parent,
        by_person=by_person,
        text=joined(text(message.get("content"))),
        reasoning="" if by_person else text(message.get("reasoning")),
        at=moment(message.get("createdAt")),
        model=None if by_person else model,
        files=tuple(names),
        state="stopped" if message.get("interrupted") is True and not by_person else "complete",
        details=chosen(message, "updates", "webSearch") if not by_person else {},
        alone=True,
    )
