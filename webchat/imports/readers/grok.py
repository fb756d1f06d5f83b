"""Grok: `conversations`, each with its `responses`."""

from __future__ import annotations

from webchat.imports.archives import Files
from webchat.imports.readers.runs import Part, messages_of, rooted
from webchat.imports.values import Object, chosen, joined, mapping, moment, named, objects, sequence, text
from webchat.store.import_records import ImportedConversation

PRODUCT = "grok"


def read(entry: Object, _files: Files) -> ImportedConversation | None:
    if not (isinstance(entry.get("conversation"), dict) and isinstance(entry.get("responses"), list)):
        return None
    conversation = mapping(entry.get("conversation"))
    parts: list[Part] = []
    for number, held in enumerate(objects(entry.get("responses"))):
        response = mapping(held.get("response")) or held
        before = parts[-1].id if parts else None
        parent = named(response.get("parent_response_id")) if "parent_response_id" in response else before
        parts.append(_part(named(response.get("_id")) or f"#{number}", parent or None, response))
    return ImportedConversation(
        product=PRODUCT,
        source=named(conversation.get("id")) or named(conversation.get("conversation_id")),
        title=text(conversation.get("title")),
        messages=messages_of(rooted(parts)),
        created_at=moment(conversation.get("create_time")),
        updated_at=moment(conversation.get("modify_time")),
        leaf=named(conversation.get("leaf_response_id")) or None,
        pinned=conversation.get("starred") is True,
        details=chosen(conversation, "system_prompt_name", "summary", "media_types", "task_result_id"),
    )


def _part(id: str, parent: str | None, response: Object) -> Part:
    by_person = text(response.get("sender")).lower() in ("human", "user")
    steps = (
        text(one.get("text")) or joined(*_texts(one.get("text"))) for one in objects(response.get("steps"))
    )
    files = [
        named(one) or text(mapping(one).get("file_name"))
        for one in sequence(response.get("file_attachments"))
    ]
    return Part(
        id=id,
        parent=parent,
        by_person=by_person,
        text=text(response.get("message")),
        reasoning="" if by_person else joined(text(response.get("thinking_trace")), *steps),
        at=moment(response.get("create_time")),
        model=None if by_person else named(response.get("model")) or None,
        files=tuple(files),
        state="stopped" if response.get("partial") is True and not by_person else "complete",
        details=chosen(response, "web_search_results", "xpost_ids", "error") if not by_person else {},
        alone=True,
    )


def _texts(value: object) -> list[str]:
    return [text(one) for one in sequence(value)]
