"""Open WebUI: chats with a `history` of messages by id. Newer replies have `output`, items like those of
OpenAI's Responses; older ones have their reasoning as HTML in the text."""

from __future__ import annotations

import html
import re

from webchat.imports.archives import Files
from webchat.imports.readers.runs import Part, messages_of, rooted, with_ratings
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
    text,
)
from webchat.store.import_records import ImportedConversation
from webchat.store.records import ConversationSettings

PRODUCT = "open-webui"

_DETAILS = re.compile(r'<details type="(\w+)"([^<>]{0,20000})>\s*(?:<summary>[^<]{0,500}</summary>)?')
_DETAILS_END = re.compile(r"</details>\s*")
_DURATION = re.compile(r'duration="(\d{1,6})"')
_RESULT = re.compile(r'result="([^"]*)"')


def read(entry: Object, files: Files) -> ImportedConversation | None:
    chat = mapping(entry.get("chat"))
    history = mapping(chat.get("history"))
    if not isinstance(history.get("messages"), dict):
        return None
    found = {id: mapping(message) for id, message in history["messages"].items()}
    parts = [
        _part(id, message) for id, message in found.items() if message.get("role") in ("user", "assistant")
    ]
    ratings = {id: number(mapping(message.get("annotation")).get("rating")) for id, message in found.items()}
    details = chosen(entry, "folder_id", "meta") | chosen(chat, "models", "tags", "params")
    if folder := named(entry.get("folder_id")):
        details["folder"] = folder
    system = text(chat.get("system")) or text(mapping(chat.get("params")).get("system"))
    return ImportedConversation(
        product=PRODUCT,
        source=named(entry.get("id")) or named(chat.get("id")) or named(history.get("currentId")),
        title=text(entry.get("title")) or text(chat.get("title")),
        messages=with_ratings(messages_of(rooted(parts)), ratings),
        created_at=moment(entry.get("created_at")) or moment(chat.get("timestamp")),
        updated_at=moment(entry.get("updated_at")),
        leaf=named(history.get("currentId")) or None,
        pinned=entry.get("pinned") is True,
        archived=entry.get("archived") is True,
        settings=ConversationSettings(system_prompt=system or None),
        details=details,
    )


def _part(id: str, message: Object) -> Part:
    by_person = message.get("role") == "user"
    said, thought, seconds = text(message.get("content")), "", None
    if not by_person:
        if output := objects(message.get("output")):
            said, thought = _output(output)
        else:
            said, thought, seconds = _without_details(said)
    return Part(
        id=id,
        parent=named(message.get("parentId")) or None,
        by_person=by_person,
        text=said,
        reasoning=thought,
        at=moment(message.get("timestamp")),
        model=None if by_person else named(message.get("model")) or named(message.get("modelName")) or None,
        files=tuple(_name(file) for file in objects(message.get("files"))),
        state="stopped" if not by_person and message.get("done") is False else "complete",
        seconds=seconds,
        details=chosen(message, "usage", "info", "sources", "error"),
        alone=True,
    )


def _output(items: list[Object]) -> tuple[str, str]:
    said: list[str] = []
    thought: list[str] = []
    for item in items:
        words = joined(*(text(one.get("text")) for one in objects(item.get("content"))))
        match item.get("type"):
            case "message":
                said.append(words)
            case "reasoning":
                summary = joined(*(text(one.get("text")) for one in objects(item.get("summary"))))
                thought.append(words or summary)
            case "function_call":
                thought.append(
                    joined(f"**{named(item.get('name'))}**", fenced(text(item.get("arguments")), "json"))
                )
            case "function_call_output":
                output = item.get("output")
                given = (
                    output
                    if isinstance(output, str)
                    else joined(*(text(o.get("text")) for o in objects(output)))
                )
                thought.append(fenced(given) if given.strip() else "")
            case _:
                said.append(words)
    return joined(*said), joined(*thought)


def _without_details(content: str) -> tuple[str, str, float | None]:
    """What was said, the reasoning, and for how many seconds."""
    said: list[str] = []
    thought: list[str] = []
    seconds: list[float] = []
    at = 0
    while (begin := _DETAILS.search(content, at)) and (end := _DETAILS_END.search(content, begin.end())):
        said.append(content[at : begin.start()])
        at = end.end()
        kind, attributes = begin.groups()
        if kind not in ("reasoning", "tool_calls", "code_interpreter"):
            said.append(content[begin.start() : at])
            continue
        lines = html.unescape(content[begin.end() : end.start()]).strip().splitlines()
        thought.append("\n".join(line.removeprefix(">").removeprefix(" ") for line in lines))
        if result := _RESULT.search(attributes):
            thought.append(fenced(html.unescape(result.group(1))))
        if duration := _DURATION.search(attributes):
            seconds.append(float(duration.group(1)))
    return "".join((*said, content[at:])), joined(*thought), sum(seconds) if seconds else None


def _name(file: Object) -> str:
    url = text(file.get("url"))
    name = text(file.get("name")) or text(mapping(file.get("file")).get("filename"))
    return name or (named(file.get("type")) if url.startswith("data:") else url.rpartition("/")[2])
