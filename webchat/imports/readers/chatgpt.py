"""ChatGPT: `conversations.json`, or `conversations-000.json` and so on since 2026. A conversation is a
`mapping` of nodes; hidden ones hold what the product told the model."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from webchat.imports.archives import Files, printable
from webchat.imports.readers.runs import Part, messages_of, start_of
from webchat.imports.values import (
    Object,
    chosen,
    fenced,
    joined,
    mapping,
    moment,
    named,
    number,
    objects,
    sequence,
    text,
)
from webchat.store.import_records import ImportedConversation, Note

PRODUCT = "chatgpt"

_CITED = re.compile("\ue200[^\ue200\ue201]{0,2000}\ue201")
_WRITING = re.compile(r"^:::writing(?:\{[^}\n]{0,500}\})?[ \t]*\n", re.MULTILINE)
_WRITING_END = re.compile(r"^:::[ \t]*$", re.MULTILINE)
_HIDDEN = ("user_editable_context", "model_editable_context")
_CANVAS = "canmore."
_OUTPUTS = ("execution_output", "system_error", "tether_browsing_display", "tether_quote", "sonic_webpage")
_ROLES = ("user", "assistant", "tool")
_FINISHED = {"stop": "stop", "max_tokens": "length"}
_DETAILS = (
    "gizmo_id",
    "conversation_template_id",
    "conversation_origin",
    "voice",
    "async_status",
    "memory_scope",
    "safe_urls",
)


def read(entry: Object, files: Files) -> ImportedConversation | None:
    if not isinstance(entry.get("mapping"), dict):
        return None
    nodes = {key: mapping(node) for key, node in entry["mapping"].items()}
    parents = _parents(nodes)
    default = text(entry.get("default_model_slug")) or None
    details: dict[str, Any] = chosen(entry, *_DETAILS)
    if project := named(entry.get("gizmo_id")):
        details["folder"] = project
    problems: list[Note] = []
    kept: dict[str, Part] = {}
    for id, node in nodes.items():
        message = mapping(node.get("message"))
        if _hides(message, details):
            continue
        part = _part(id, parents.get(id), message, default, files, problems)
        if part is not None:
            kept[id] = part
    nearest = _Nearest(kept, parents)
    parts = [replace(part, parent=nearest.of(part.parent)) for part in kept.values()]
    messages = messages_of(parts)
    shown = named(entry.get("current_node"))
    leaf = start_of(parts, messages, nearest.of(shown) or "") if shown else None
    return ImportedConversation(
        product=PRODUCT,
        source=named(entry.get("conversation_id")) or named(entry.get("id")) or _oldest(nodes),
        title=text(entry.get("title")),
        messages=messages,
        created_at=moment(entry.get("create_time")),
        updated_at=moment(entry.get("update_time")),
        leaf=leaf,
        pinned=entry.get("is_starred") is True,
        archived=entry.get("is_archived") is True,
        details=details,
        problems=tuple(problems),
    )


def _parents(nodes: dict[str, Object]) -> dict[str, str | None]:
    """Each node's parent; where it names none, the node that names it as a child."""
    named_by: dict[str, str] = {}
    for id, node in nodes.items():
        for child in sequence(node.get("children")):
            named_by.setdefault(named(child), id)
    return {id: named(node.get("parent")) or named_by.get(id) for id, node in nodes.items()}


def _oldest(nodes: dict[str, Object]) -> str:
    return min(nodes, default="")


class _Nearest:
    """Finds the nearest kept node above another; passes each hidden node once, however many are below it."""

    def __init__(self, kept: Mapping[str, Part], parents: Mapping[str, str | None]) -> None:
        self._parents = parents
        self._found: dict[str, str | None] = {id: id for id in kept}

    def of(self, id: str | None) -> str | None:
        """From this node on; `None` if there is none, also in a circle."""
        passed: list[str] = []
        while id is not None and id not in self._found:
            self._found[id] = None
            passed.append(id)
            id = self._parents.get(id)
        found = None if id is None else self._found[id]
        self._found |= dict.fromkeys(passed, found)
        return found


def _hides(message: Object, details: dict[str, Any]) -> bool:
    """Whether the product shows nothing of a node. What it told the model of the person becomes details."""
    content = mapping(message.get("content"))
    if content.get("content_type") in _HIDDEN:
        details |= chosen(content, "user_profile", "user_instructions", "model_set_context")
        return True
    if mapping(message.get("metadata")).get("is_visually_hidden_from_conversation") is True:
        return True
    return mapping(message.get("author")).get("role") not in _ROLES


def _part(
    id: str, parent: str | None, message: Object, default: str | None, files: Files, problems: list[Note]
) -> Part | None:
    metadata, author = mapping(message.get("metadata")), mapping(message.get("author"))
    by_person = author.get("role") == "user"
    attached: list[str] = []
    said, thought = _said(message, files, attached, problems)
    for file in objects(metadata.get("attachments")):
        attached.append(text(file.get("name")) or files.name(named(file.get("id"))))
    seconds = number(metadata.get("finished_duration_sec"))
    if not (said.strip() or thought.strip() or attached or seconds):
        return None
    how = text(mapping(metadata.get("finish_details")).get("type"))
    interrupted = how == "interrupted" or message.get("status") == "in_progress"
    return Part(
        id=id,
        parent=parent,
        by_person=by_person,
        text=said,
        reasoning=thought,
        at=moment(message.get("create_time")),
        model=None if by_person else text(metadata.get("model_slug")) or default,
        files=tuple(dict.fromkeys(attached)),
        state="stopped" if interrupted and not by_person else "complete",
        finish_reason=_FINISHED.get(how),
        seconds=seconds,
        details=chosen(metadata, "search_result_groups", "content_references", "aggregate_result"),
    )


def _said(message: Object, files: Files, attached: list[str], problems: list[Note]) -> tuple[str, str]:
    """What is shown of a node, and what only folded. attached: takes the names of pictures."""
    content, author = mapping(message.get("content")), mapping(message.get("author"))
    kind, recipient = text(content.get("content_type")), text(message.get("recipient"))
    tool = named(author.get("name")) if author.get("role") == "tool" else ""
    if author.get("role") == "assistant" and recipient not in ("", "all"):
        return _asked_of_tool(recipient, content)
    match kind:
        case "text" | "multimodal_text" | "":
            said = _plain("\n".join(_parts(content, files, attached)))
            return ("", joined(f"**{tool}**", said)) if tool and said and not attached else (said, "")
        case "code":
            return "", fenced(text(content.get("text")), _language(content))
        case "thoughts":
            thoughts = objects(content.get("thoughts"))
            return "", joined(*(_thought(one) for one in thoughts))
        case "reasoning_recap":
            return "", ""  # how long it thought, which the thoughts say too
        case _ if kind in _OUTPUTS:
            output = text(content.get("text")) or text(content.get("result"))
            return "", joined(text(content.get("title")), fenced(output)) if output.strip() else ""
    found = joined(text(content.get("text")), "\n".join(_parts(content, files, attached)))
    problems.append(Note("content_kind", {"kind": printable(kind)[:40]}))
    return found, ""


def _thought(one: Object) -> str:
    summary = text(one.get("summary")).strip()
    return joined(f"**{summary}**" if summary else "", text(one.get("content")))


def _parts(content: Object, files: Files, attached: list[str]) -> Iterator[str]:
    for part in sequence(content.get("parts")):
        if isinstance(part, str):
            yield part
            continue
        value = mapping(part)
        if pointer := named(value.get("asset_pointer")):
            attached.append(files.name(pointer))
        elif said := text(value.get("text")):
            yield said  # what was spoken
        else:
            nested = named(mapping(value.get("audio_asset_pointer")).get("asset_pointer"))
            if nested:
                attached.append(files.name(nested))


def _plain(said: str) -> str:
    """Without the marks that only the product's page understands."""
    said = _CITED.sub("", said)
    kept: list[str] = []
    at = 0
    while (begin := _WRITING.search(said, at)) and (end := _WRITING_END.search(said, begin.end())):
        kept += (said[at : begin.start()], said[begin.end() : end.start()].rstrip("\n"))
        at = end.end()
    whole = "".join((*kept, said[at:]))
    return whole.strip("\n") if kept else whole


def _language(content: Object) -> str:
    language = text(content.get("language"))
    return language if re.fullmatch(r"[a-z0-9+#-]{1,20}", language) and language != "unknown" else ""


def _asked_of_tool(recipient: str, content: Object) -> tuple[str, str]:
    """A document in the canvas is shown; every other call is work."""
    asked = text(content.get("text")) or "\n".join(one for one in sequence(content.get("parts")) if text(one))
    if recipient.startswith(_CANVAS):
        document = _document(asked)
        if document is not None:
            return document, ""
    return "", joined(f"**{recipient}**", fenced(asked, _language(content))) if asked.strip() else ""


def _document(asked: str) -> str | None:
    try:
        made = mapping(json.loads(asked))
    except (ValueError, RecursionError):
        return None
    body, name = text(made.get("content")), text(made.get("name"))
    if not body:
        return None
    kind = text(made.get("type"))
    if kind.startswith("code/"):
        body = fenced(body, kind.removeprefix("code/") if kind.isprintable() else "")
    return joined(f"**{name}**" if name else "", body)
