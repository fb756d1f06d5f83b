"""webchat's own export, whole: `Archive` of the API. Ids become others; everything else is as it was."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from pydantic import TypeAdapter, ValidationError

from backends.media import KEPT_BYTES, KEPT_IN_REPLY, checked_type, name_of
from backends.types import Tool, ToolCall
from webchat.imports.archives import Files, printable
from webchat.imports.notes import BadEntry
from webchat.imports.values import Object, mapping, moment, named, number, objects, sequence, text
from webchat.store.import_records import (
    MEDIA_FOLDER,
    OURS,
    ImportedConversation,
    ImportedMedia,
    ImportedMessage,
    ImportedTurn,
    Note,
)
from webchat.store.records import (
    ConversationSettings,
    Failure,
    JournalEntry,
    Provenance,
    TemplateUse,
    TurnState,
    fold_calls,
)

_SETTINGS = TypeAdapter(ConversationSettings)
_FAILURE = TypeAdapter(Failure)
_PROVENANCE = TypeAdapter(Provenance)
_USE = TypeAdapter(TemplateUse)
_CALL = TypeAdapter(ToolCall)
_TOOLS = TypeAdapter(list[Tool])
_STATES: dict[str, TurnState] = {
    "complete": "complete",
    "stopped": "stopped",
    "blocked": "blocked",
    "failed": "failed",
}
"""Any other becomes `interrupted`: nothing runs in a file."""

_KIND = re.compile(r"[\w.+-]{1,40}/[\w.+-]{1,60}")
_ROLES = ("system", "user", "assistant", "tool")


def read(entry: Object, files: Files) -> ImportedConversation | None:
    if not {"messages", "title_by", "active_leaf_id", "provenance"} <= set(entry):
        return None
    origins = mapping(entry.get("provenance"))
    messages = objects(entry.get("messages"))
    named_media = objects(entry.get("media"))
    media = tuple(_media(named_media, files))
    problems = []
    if missing := len(named_media) - len(media):
        problems.append(Note("media_missing", {"count": missing}))
    by = text(entry.get("title_by"))
    return ImportedConversation(
        product=OURS,
        source=named(entry.get("id")),
        title=text(entry.get("title")),
        title_by="auto" if by == "auto" else "model" if by == "model" else "user",
        messages=tuple(_message(one, origins) for one in messages),
        created_at=moment(entry.get("created_at")),
        updated_at=moment(entry.get("updated_at")),
        leaf=named(entry.get("active_leaf_id")) or None,
        pinned=entry.get("pinned") is True,
        archived=entry.get("archived") is True,
        settings=_checked(_SETTINGS, _settings(mapping(entry.get("settings"))), "settings"),
        problems=tuple(problems),
        media=media,
    )


def _media(named_media: Sequence[Object], files: Files) -> Iterator[ImportedMedia]:
    """Those of which the file has the data, as many as a reply may have."""
    counts = Counter[str]()
    for one in named_media:
        message, name = named(one.get("message_id")), text(one.get("name"))
        data = partial(_data, files, name)
        if counts[message] == KEPT_IN_REPLY or (found := data()) is None:
            continue
        counts[message] += 1
        yield ImportedMedia(message, name, checked_type(_kind(one), found), len(found), data)


def _data(files: Files, name: str) -> bytes | None:
    """The name says what the data is."""
    data = files.data(MEDIA_FOLDER + name, KEPT_BYTES)
    return data if data is not None and name_of(data) == name else None


def _kind(found: Object) -> str:
    told = text(found.get("media_type"))
    return told if _KIND.fullmatch(told) else "application/octet-stream"


def _message(found: Object, origins: Object) -> ImportedMessage:
    role, id = text(found.get("role")), named(found.get("id"))
    origin, pieces = _origin(origins.get(id))
    if role not in _ROLES:
        raise BadEntry("bad_role", role=printable(role)[:20])
    rating = found.get("rating")
    use = found.get("template")
    return ImportedMessage(
        id=id,
        parent=named(found.get("parent_id")) or None,
        role=role,  # type: ignore[arg-type]
        text=text(found.get("text")),
        at=moment(found.get("created_at")),
        reasoning=text(found.get("reasoning")),
        model=text(found.get("model")) or None,
        by_person=found.get("author_id") is not None,
        continues=named(found.get("continues")) or None,
        seq=int(number(found.get("seq")) or 0) if (number(found.get("seq")) or 0) < 2**31 else 0,
        template=None if use is None else _checked(_USE, use, "template"),
        rating=rating if rating in (-1, 1) and role == "assistant" else 0,
        turn=_turn(found, origin) if role == "assistant" else None,
        tool_calls=_calls(found, pieces) if role == "assistant" else (),
        tool_call_id=named(found.get("tool_call_id")) or None if role == "tool" else None,
    )


def _origin(found: Any) -> tuple[Any, str]:
    """The origin of a reply, and its tool calls where it has them: `webchat/1` has the pieces there in which
    they came."""
    details = mapping(mapping(found).get("details"))
    if "tool_text" not in details:
        return found, ""
    return {**found, "details": _without(details, "tool_text")}, text(details["tool_text"])


def _calls(found: Object, pieces: str) -> tuple[ToolCall, ...]:
    if "tool_calls" in found:
        return tuple(_checked(_CALL, one, "tool_calls") for one in sequence(found["tool_calls"]))
    try:
        calls, _ = fold_calls(named(found.get("id")), [JournalEntry("", 1, "tool", pieces)], ended=True)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadEntry("unreadable", part="tool_text") from None
    return tuple(_checked(_CALL, asdict(call), "tool_text") for call in calls)


def _turn(found: Object, origin: Any) -> ImportedTurn | None:
    """`None` for what no model wrote: a correction."""
    state = text(found.get("state"))
    if origin is None and state == "complete" and found.get("finish_reason") is None:
        return None
    failure = found.get("failure")
    provenance = Provenance() if origin is None else _checked(_PROVENANCE, origin, "provenance")
    if provenance.options is not None and "tools" in provenance.options:
        _checked(_TOOLS, provenance.options["tools"], "tools")
    return ImportedTurn(
        state=_STATES.get(state, "interrupted"),
        finished_at=moment(found.get("finished_at")),
        finish_reason=text(found.get("finish_reason"))[:32] or None,
        failure=None if failure is None else _checked(_FAILURE, _without(failure, "audience"), "failure"),
        reasoning_seconds=number(found.get("reasoning_seconds")),
        provenance=provenance,
    )


def _settings(found: Object) -> dict[str, Any]:
    sampling = mapping(found.get("sampling"))
    return {**found, "sampling": {**sampling, "stop": tuple(sequence(sampling.get("stop")))}}


def _without(found: object, key: str) -> object:
    return {name: one for name, one in found.items() if name != key} if isinstance(found, dict) else found


def _checked(kind: TypeAdapter[Any], found: object, what: str) -> Any:
    try:
        return kind.validate_python(found)
    except ValidationError:
        raise BadEntry("unreadable", part=what) from None
