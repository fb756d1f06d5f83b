"""ShareGPT, and the variants that trainers read: turns of `from` and `value`."""

from __future__ import annotations

from webchat.imports.archives import Files
from webchat.imports.readers.runs import Part, chained, messages_of, thinking
from webchat.imports.values import Object, chosen, digest, fenced, joined, named, objects, sequence, text
from webchat.store.import_records import ImportedConversation
from webchat.store.records import ConversationSettings

PRODUCT = "sharegpt"
_PERSON = ("human", "user", "prompter")
_TOOLS = ("function_call", "tool_call", "observation", "tool", "function_response", "tool_response")


def read(entry: Object, _files: Files) -> ImportedConversation | None:
    turns = objects(entry.get("conversations") or entry.get("conversation"))
    if not turns or not all("value" in turn or "content" in turn for turn in turns):
        return None
    if not all("from" in turn or "role" in turn for turn in turns):
        return None
    said = [(named(turn.get("from") or turn.get("role")).lower(), _words(turn)) for turn in turns]
    system = joined(text(entry.get("system")), *(words for who, words in said if who == "system"))
    model = named(entry.get("model")) or None
    parts = chained(
        _part(f"#{at}", who, words, model) for at, (who, words) in enumerate(said) if who != "system"
    )
    files = [named(one) for key in ("images", "image", "videos", "audios") for one in _many(entry.get(key))]
    return ImportedConversation(
        product=PRODUCT,
        source=digest(named(entry.get("id")), said),
        title=text(entry.get("title")),
        messages=messages_of(list(parts)),
        settings=ConversationSettings(system_prompt=system or None),
        details=chosen(entry, "id", "tools", "chosen", "rejected", "kto_tag")
        | ({"files": files} if files else {}),
    )


def _many(value: object) -> list[object]:
    return list(sequence(value)) or ([value] if isinstance(value, str) else [])


def _words(turn: Object) -> str:
    return text(turn.get("value")) or text(turn.get("content"))


def _part(id: str, who: str, words: str, model: str | None) -> Part:
    if who in _PERSON:
        return Part(id, None, True, words)
    if who in _TOOLS:
        return Part(id, None, False, reasoning=joined(f"**{who}**", fenced(words)), model=model)
    thought, said = thinking(words)
    return Part(id, None, False, said, thought, model=model)
