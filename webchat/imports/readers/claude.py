"""Claude: conversations with `chat_messages`, linear in older exports, a tree by `parent_message_uuid` in
newer ones."""

from __future__ import annotations

import json

from webchat.imports.archives import Files
from webchat.imports.readers.runs import Part, messages_of, rooted
from webchat.imports.values import Object, chosen, fenced, joined, mapping, moment, named, objects, text
from webchat.store.import_records import ImportedConversation

PRODUCT = "claude"
_UNSHOWN = "This block is not supported on your current device yet."


def read(entry: Object, _files: Files) -> ImportedConversation | None:
    if not isinstance(entry.get("chat_messages"), list):
        return None
    parts: list[Part] = []
    for number, message in enumerate(objects(entry.get("chat_messages"))):
        before = parts[-1].id if parts else None
        parent = named(message.get("parent_message_uuid")) if "parent_message_uuid" in message else before
        parts.append(_part(named(message.get("uuid")) or f"#{number}", parent or None, message))
    details = chosen(entry, "summary", "settings", "is_starred")
    if folder := text(mapping(entry.get("project")).get("name")):
        details["folder"] = folder
    return ImportedConversation(
        product=PRODUCT,
        source=named(entry.get("uuid")),
        title=text(entry.get("name")),
        messages=messages_of(rooted(parts)),
        created_at=moment(entry.get("created_at")),
        updated_at=moment(entry.get("updated_at")),
        leaf=named(entry.get("current_leaf_message_uuid")) or None,
        pinned=entry.get("is_starred") is True,
        details=details,
    )


def _part(id: str, parent: str | None, message: Object) -> Part:
    by_person = message.get("sender") in ("human", "user")
    said: list[str] = []
    thought: list[str] = []
    for block in objects(message.get("content")):
        _add(block, said, thought)
    if not joined(*said):
        said = [text(message.get("text")).replace(_UNSHOWN, "").replace("```\n\n```", "")]
    files: list[str] = []
    for file in (*objects(message.get("attachments")), *objects(message.get("files"))):
        name = text(file.get("file_name"))
        content = text(file.get("extracted_content"))
        if content:
            said.append(joined(f"**{name}**" if name else "", fenced(content)))
        elif name:
            files.append(name)
    return Part(
        id=id,
        parent=parent,
        by_person=by_person,
        text=joined(*said),
        reasoning=joined(*thought),
        at=moment(message.get("created_at")),
        model=text(message.get("model")) or None,
        files=tuple(dict.fromkeys(files)),
        alone=True,
    )


def _add(block: Object, said: list[str], thought: list[str]) -> None:
    match block.get("type"):
        case "text":
            said.append(text(block.get("text")))
        case "voice_note":
            said.append(joined(text(block.get("title")), text(block.get("text"))))
        case "thinking":
            thought.append(text(block.get("thinking")))
        case "tool_use":
            asked = mapping(block.get("input"))
            body, title = text(asked.get("content")), text(asked.get("title"))
            if body and title:  # an artifact, which the product shows
                language = text(asked.get("language"))
                code = fenced(body, language) if language.isalnum() else body
                said.append(joined(f"**{title}**", code))
            else:
                thought.append(joined(f"**{named(block.get('name'))}**", fenced(_shown(asked))))
        case "tool_result":
            output = block.get("content")
            words = (
                output if isinstance(output, str) else joined(*(text(o.get("text")) for o in objects(output)))
            )
            if words.strip():
                thought.append(fenced(words))
        case _:
            said.append(text(block.get("text")))


def _shown(asked: Object) -> str:
    lines = (
        f"{key}: {value if isinstance(value, str) else json.dumps(value)}" for key, value in asked.items()
    )
    return "\n".join(line[:2000] for line in lines)
