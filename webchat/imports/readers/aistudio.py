"""Google AI Studio: one prompt per file, in chunks; thoughts are chunks of their own."""

from __future__ import annotations

from webchat.imports.archives import Files
from webchat.imports.readers.runs import Part, chained, messages_of
from webchat.imports.values import (
    Object,
    chosen,
    digest,
    fenced,
    joined,
    mapping,
    moment,
    named,
    objects,
    text,
)
from webchat.store.import_records import ImportedConversation
from webchat.store.records import ConversationSettings

PRODUCT = "aistudio"
_FILES = (
    "driveDocument",
    "driveImage",
    "driveVideo",
    "driveAudio",
    "inlineFile",
    "inlineImage",
    "youtubeVideo",
)


def read(entry: Object, _files: Files) -> ImportedConversation | None:
    prompt = mapping(entry.get("chunkedPrompt"))
    if not isinstance(prompt.get("chunks"), list):
        return None
    settings, system = mapping(entry.get("runSettings")), mapping(entry.get("systemInstruction"))
    model = named(settings.get("model")).removeprefix("models/") or None
    chunks = objects(prompt.get("chunks"))
    parts = list(chained(_part(f"#{number}", chunk, model) for number, chunk in enumerate(chunks)))
    said = text(system.get("text")) or joined(
        *(text(part.get("text")) for part in objects(system.get("parts")))
    )
    first = next((chunk for chunk in chunks if chunk.get("role") == "user"), {})
    return ImportedConversation(
        product=PRODUCT,
        source=digest(text(first.get("text")), first.get("createTime"), said),
        title="",
        messages=messages_of(parts),
        created_at=moment(first.get("createTime")),
        settings=ConversationSettings(system_prompt=said or None),
        details={"runSettings": dict(settings)} if settings else {},
    )


def _part(id: str, chunk: Object, model: str | None) -> Part:
    by_person = chunk.get("role") == "user"
    pieces = objects(chunk.get("parts"))
    words = text(chunk.get("text")) or joined(
        *(text(one.get("text")) for one in pieces if not one.get("thought"))
    )
    code = mapping(chunk.get("executableCode"))
    output = text(mapping(chunk.get("codeExecutionResult")).get("output"))
    work = joined(fenced(text(code.get("code")), "python") if code else "", fenced(output) if output else "")
    thinks = chunk.get("isThought") is True
    return Part(
        id=id,
        parent=None,
        by_person=by_person,
        text="" if thinks else words,
        reasoning=joined(words if thinks else "", work),
        at=moment(chunk.get("createTime")),
        model=None if by_person else model,
        files=tuple(_name(chunk, kind) for kind in _FILES if kind in chunk),
        finish_reason="length" if chunk.get("finishReason") == "MAX_TOKENS" else None,
        details=chosen(chunk, "grounding", "errorMessage") if not by_person else {},
    )


def _name(chunk: Object, kind: str) -> str:
    file = mapping(chunk.get(kind))
    return text(file.get("name")) or named(file.get("id")) or named(file.get("mimeType")) or kind
