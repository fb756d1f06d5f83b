"""Converts stored values to records, and text to a form that every database accepts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row
from uuid6 import uuid7

from backends.types import Sampling, ToolCall
from webchat.store.link_records import Link, LinkTerms, Question
from webchat.store.records import (
    Conversation,
    ConversationSettings,
    Failure,
    Owner,
    Provenance,
    TemplateUse,
)

TITLE_CHARS = 60
_ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*+)\\u0000")
_TERMS_FIELDS = frozenset(field.name for field in fields(LinkTerms))
_SAMPLING_FIELDS = frozenset(field.name for field in fields(Sampling))


def new_id() -> str:
    """A new id; ids made by one process sort in the order they were made."""
    return str(uuid7())


def now() -> datetime:
    return datetime.now(UTC)


def clean(text: str) -> str:
    """The text with characters that databases reject (NUL, lone surrogates) replaced by U+FFFD."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    try:
        text.encode()
    except UnicodeEncodeError:
        # Two halves that belong together become their character; halves alone are replaced.
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def dump_json(value: object) -> str:
    """JSON that every database accepts. Raises TypeError for values that JSON cannot represent."""
    return clean(_ESCAPED_NUL.sub(r"\1\\ufffd", json.dumps(value, ensure_ascii=False)))


def title_of(text: str) -> str:
    """The first line or so of a text, cut at a word where there are words."""
    line = " ".join(text[: 8 * TITLE_CHARS].split())
    if len(line) <= TITLE_CHARS:
        return line
    cut = line[:TITLE_CHARS]
    space = cut.rfind(" ")
    return (cut[:space] if space > TITLE_CHARS // 2 else cut[: TITLE_CHARS - 1]) + "…"


def dump_sampling(sampling: Sampling) -> dict[str, Any]:
    stored = {name: value for name, value in asdict(sampling).items() if value is not None}
    stored["stop"] = list(sampling.stop)
    return stored


def load_sampling(stored: Mapping[str, Any] | None) -> Sampling:
    known = {name: value for name, value in (stored or {}).items() if name in _SAMPLING_FIELDS}
    return Sampling(**{**known, "stop": tuple(known.get("stop") or ())})


def dump_use(use: TemplateUse | None) -> dict[str, Any] | None:
    if use is None:
        return None
    return {**use.named, "values": dict(use.values)} if use.values else use.named


def load_use(stored: Mapping[str, Any] | None) -> TemplateUse | None:
    if stored is None:
        return None
    return TemplateUse(stored["id"], stored["version"], stored["name"], dict(stored.get("values") or {}))


def dump_settings(settings: ConversationSettings) -> dict[str, Any]:
    inputs = {"inputs": dict(settings.inputs)} if settings.inputs else {}
    return {
        **inputs,
        "model": settings.model,
        "system_prompt": settings.system_prompt,
        "sampling": dump_sampling(settings.sampling),
        "persona": dump_use(settings.persona),
    }


def load_settings(stored: Mapping[str, Any]) -> ConversationSettings:
    return ConversationSettings(
        stored.get("model"),
        stored.get("system_prompt"),
        load_sampling(stored.get("sampling")),
        load_use(stored.get("persona")),
        {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in (stored.get("inputs") or {}).items()
        },
    )


def dump_failure(failure: Failure | None) -> dict[str, Any] | None:
    return None if failure is None else {**asdict(failure), "params": dict(failure.params)}


def load_failure(stored: Mapping[str, Any] | None) -> Failure | None:
    return None if stored is None else Failure(**stored)


def dump_provenance(provenance: Provenance) -> dict[str, Any]:
    """The provenance columns of a turn."""
    return {
        **{field.name: getattr(provenance, field.name) for field in fields(Provenance)},
        "sampling": dump_sampling(provenance.sampling),
        "prompt": [dict(message) for message in provenance.prompt],
        "details": dict(provenance.details),
        "options": None if provenance.options is None else dict(provenance.options),
    }


def known_provenance(provenance: Provenance) -> dict[str, Any]:
    """Columns to write for a turn that has begun: its model is known from then on."""
    columns = dump_provenance(provenance)
    if columns["model"] is None:
        del columns["model"]
    return columns


def load_provenance(row: Row[Any] | None) -> Provenance:
    """The provenance in a turn's row; empty for a message not written by a model."""
    if row is None:
        return Provenance()
    values = {field.name: getattr(row, field.name) for field in fields(Provenance)}
    return Provenance(
        **{
            **values,
            "sampling": load_sampling(row.sampling),
            "prompt": tuple(row.prompt or ()),
            "details": dict(row.details or {}),
        }
    )


def dump_calls(calls: Iterable[ToolCall]) -> list[dict[str, str]] | None:
    """The column of a message with tool calls; `None` for none."""
    return [asdict(call) for call in calls] or None


def load_calls(stored: Iterable[Mapping[str, str]] | None) -> tuple[ToolCall, ...]:
    return tuple(ToolCall(**call) for call in stored or ())


def load_owner(row: Row[Any]) -> Owner:
    return Owner(row.id, row.kind, row.name, row.link_id, row.created_at)


def load_link(row: Row[Any]) -> Link:
    return Link(
        row.id,
        row.name,
        row.created_at,
        row.expires_at,
        row.revoked_at,
        row.last_used_at,
        row.uses,
        row.paused_at,
        load_terms(row.terms),
        row.conversations,
        row.messages,
        row.tokens,
    )


def dump_terms(terms: LinkTerms) -> dict[str, Any]:
    return asdict(terms)


def load_terms(stored: Mapping[str, Any] | None) -> LinkTerms:
    """Links made before there were terms have none."""
    known = {name: value for name, value in (stored or {}).items() if name in _TERMS_FIELDS}
    for name in ("models", "asks", "reasons"):
        if name in known:
            known[name] = tuple(known[name])
    if "questions" in known:
        known["questions"] = tuple(load_question(one) for one in known["questions"])
    return LinkTerms(**known)


def load_question(stored: Mapping[str, Any]) -> Question:
    choices = tuple(stored.get("choices") or ())
    return Question(stored["id"], stored["text"], stored["kind"], choices, stored.get("per_reply", False))


def load_conversation(row: Row[Any]) -> Conversation:
    return Conversation(
        id=row.id,
        owner_id=row.owner_id,
        title=row.title,
        title_by=row.title_by,
        pinned=row.pinned,
        archived=row.archived,
        created_at=row.created_at,
        updated_at=row.updated_at,
        deleted_at=row.deleted_at,
        active_leaf_id=row.active_leaf_id,
        settings=load_settings(row.settings),
        running=bool(row.running),
        kind=row.kind,
    )
