"""LibreChat: one conversation per file, its messages flat with parents, or `recursive` with children."""

from __future__ import annotations

from collections.abc import Iterator

from webchat.imports.archives import Files
from webchat.imports.readers.runs import Part, messages_of, rooted, with_ratings
from webchat.imports.values import Object, chosen, fenced, joined, mapping, moment, named, objects, text
from webchat.store.import_records import ImportedConversation
from webchat.store.records import ConversationSettings

PRODUCT = "librechat"
_RATINGS = {"thumbsUp": 1.0, "thumbsDown": -1.0}


def read(entry: Object, _files: Files) -> ImportedConversation | None:
    tree = entry.get("messagesTree") if isinstance(entry.get("messagesTree"), list) else entry.get("messages")
    if not (entry.get("conversationId") and isinstance(tree, list)):
        return None
    flat = list(_flat(objects(tree)))
    default = named(mapping(entry.get("options")).get("model")) or named(entry.get("model")) or None
    parts: list[Part] = []
    for number, (message, above) in enumerate(flat):
        before = parts[-1].id if parts else None
        parent = named(message.get("parentMessageId")) if "parentMessageId" in message else above or before
        parts.append(_part(named(message.get("messageId")) or f"#{number}", parent or None, message, default))
    ratings = {
        named(message.get("messageId")): _RATINGS.get(text(mapping(message.get("feedback")).get("rating")))
        for message, _ in flat
    }
    options = mapping(entry.get("options"))
    system = (
        text(options.get("promptPrefix")) or text(options.get("system")) or text(entry.get("promptPrefix"))
    )
    return ImportedConversation(
        product=PRODUCT,
        source=named(entry.get("conversationId")),
        title=text(entry.get("title")),
        messages=with_ratings(messages_of(rooted(parts)), ratings),
        created_at=moment(entry.get("createdAt")),
        updated_at=moment(entry.get("updatedAt")),
        archived=entry.get("isArchived") is True,
        settings=ConversationSettings(system_prompt=system or None),
        details=chosen(entry, "endpoint", "options", "tags"),
    )


def _flat(tree: list[Object]) -> Iterator[tuple[Object, str]]:
    """Each message, parents first, with the id of the one it is a child of."""
    waiting = [(message, "") for message in reversed(tree)]
    while waiting:
        message, above = waiting.pop()
        yield message, above
        id = named(message.get("messageId"))
        waiting.extend((child, id) for child in reversed(objects(message.get("children"))))


def _part(id: str, parent: str | None, message: Object, default: str | None) -> Part:
    by_person = message.get("isCreatedByUser") is True or text(message.get("sender")).lower() == "user"
    said: list[str] = []
    thought: list[str] = []
    for block in objects(message.get("content")):
        _add(block, said, thought)
    if not joined(*said):
        said = [text(message.get("text"))]
    failed = message.get("error") is True
    return Part(
        id=id,
        parent=parent,
        by_person=by_person,
        text=joined(*said),
        reasoning=joined(*thought),
        at=moment(message.get("createdAt")),
        model=None
        if by_person
        else named(message.get("model")) or default or text(message.get("sender")) or None,
        files=tuple(text(file.get("filename")) for file in objects(message.get("files"))),
        state="stopped" if (failed or message.get("unfinished") is True) and not by_person else "complete",
        details=chosen(message, "endpoint", "iconURL", "tokenCount"),
        alone=True,
    )


def _add(block: Object, said: list[str], thought: list[str]) -> None:
    match block.get("type"):
        case "text":
            held = block.get("text")
            said.append(held if isinstance(held, str) else text(mapping(held).get("value")))
        case "think":
            thought.append(text(block.get("think")))
        case "tool_call":
            call = mapping(block.get("tool_call"))
            thought.append(joined(f"**{named(call.get('name'))}**", fenced(text(call.get("args")), "json")))
            if output := text(call.get("output")):
                thought.append(fenced(output))
        case "error":
            said.append(text(block.get("error")))
