"""text-generation-webui: pairs of words, with the versions of replies in `metadata`."""

from __future__ import annotations

import html

from webchat.imports.archives import Files
from webchat.imports.readers.runs import Part, messages_of, thinking
from webchat.imports.values import Object, digest, mapping, moment, named, number, objects, sequence, text
from webchat.store.import_records import ImportedConversation

PRODUCT = "textgen"
_GREETING = "<|BEGIN-VISIBLE-CHAT|>"


def read(entry: Object, _files: Files) -> ImportedConversation | None:
    internal = entry.get("internal") if "internal" in entry else entry.get("data")
    if not (isinstance(internal, list) and ("visible" in entry or "data_visible" in entry)):
        return None
    pairs = [[text(word) for word in sequence(pair)[:2]] for pair in internal]
    metadata = mapping(entry.get("metadata"))
    parts: list[Part] = []
    shown: str | None = None
    for at, pair in enumerate(pairs):
        said, reply = (*pair, "", "")[:2]
        about = mapping(metadata.get(f"user_{at}"))
        if said and said != _GREETING:
            parts.append(Part(f"u{at}", shown, True, html.unescape(said), at=moment(about.get("timestamp"))))
            shown = f"u{at}"
        if reply:
            versions = _versions(at, shown, reply, mapping(metadata.get(f"assistant_{at}")))
            parts += versions.values()
            shown = f"a{at}"
    first = pairs[0] if pairs else []
    return ImportedConversation(
        product=PRODUCT,
        source=digest(first, mapping(metadata.get("user_0")).get("timestamp")),
        title="",
        messages=messages_of(parts),
        leaf=shown,
    )


def _versions(at: int, parent: str | None, reply: str, about: Object) -> dict[str, Part]:
    """The replies in one place; the one that is shown has the id without a number."""
    model = named(about.get("model_name")) or None
    versions = {f"a{at}": _reply(f"a{at}", parent, reply, about.get("timestamp"), model)}
    current = int(number(about.get("current_version_index")) or 0)
    for number_, version in enumerate(objects(about.get("versions"))):
        if number_ != current and (content := text(version.get("content"))):
            id = f"a{at}.{digest(content)[:16]}"
            versions[id] = _reply(id, parent, content, version.get("timestamp"), model)
    return versions


def _reply(id: str, parent: str | None, content: str, at: object, model: str | None) -> Part:
    thought, said = thinking(html.unescape(content))
    return Part(id, parent, False, said, thought, moment(at), model, alone=True)
