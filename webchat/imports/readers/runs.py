"""Replies that a product stores in several nodes: what a model said, what it asked of tools, and what came
back.

All of one run of such nodes becomes one reply: what it said is its text, and its work its reasoning, which is
shown folded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from backends.types import ToolCall
from webchat.imports.values import attached, joined
from webchat.store.import_records import ImportedMessage, ImportedTurn
from webchat.store.records import Provenance, TurnState

_THINKING = re.compile(r"\s*<(think|thinking)>(.*?)</\1>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Part:
    """What one node says. by_person: the person wrote it, else it belongs to a reply. files: names of
    attachments. calls: of tools; answers: the id of the call it is the result of."""

    id: str
    parent: str | None
    by_person: bool
    text: str = ""
    reasoning: str = ""
    at: datetime | None = None
    model: str | None = None
    files: tuple[str, ...] = ()
    state: TurnState = "complete"
    finish_reason: str | None = None
    seconds: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    alone: bool = False
    calls: tuple[ToolCall, ...] = ()
    answers: str = ""


def messages_of(parts: Sequence[Part]) -> tuple[ImportedMessage, ...]:
    """The messages of a tree of parts, in the order of the parts."""
    known = {part.id: part for part in parts}
    below: dict[str, list[str]] = {}
    for part in parts:
        if part.parent in known and part.parent is not None:
            below.setdefault(part.parent, []).append(part.id)
    follows = {
        part.id: part.parent
        for part in parts
        if not (part.by_person or part.alone)
        and part.parent in known
        and part.parent is not None
        and not (known[part.parent].by_person or known[part.parent].alone)
        and len(below[part.parent]) == 1
        and part.parent != part.id
    }
    runs: dict[str, list[Part]] = {part.id: [part] for part in parts if part.id not in follows}
    starts = _starts(parts, follows)
    for part in parts:
        if part.id in follows:
            runs.setdefault(starts[part.id], []).append(part)
    return tuple(
        _message(run, None if run[0].parent is None else starts.get(run[0].parent, run[0].parent))
        for run in runs.values()
    )


def start_of(parts: Iterable[Part], messages: Sequence[ImportedMessage], id: str) -> str | None:
    """The message that a node became part of: itself, or the nearest one above it that is a message."""
    parents = {part.id: part.parent for part in parts}
    made = {message.id for message in messages}
    seen: set[str] = set()
    at: str | None = id
    while at is not None and at not in made and at not in seen:
        seen.add(at)
        at = parents.get(at)
    return at if at in made else None


def _starts(parts: Iterable[Part], follows: Mapping[str, str]) -> dict[str, str]:
    """Of each part, the first of its run; of a circle, any one. Each part is passed once."""
    starts: dict[str, str] = {}
    for part in parts:
        passed: list[str] = []
        at = part.id
        while at not in starts and at in follows:
            starts[at] = at
            passed.append(at)
            at = follows[at]
        start = starts.setdefault(at, at)
        starts |= dict.fromkeys(passed, start)
    return starts


def _message(run: Sequence[Part], parent: str | None) -> ImportedMessage:
    first, last = run[0], run[-1]
    files = attached([name for part in run for name in part.files])
    message = ImportedMessage(
        id=first.id,
        parent=parent,
        role="user" if first.by_person else "tool" if first.answers else "assistant",
        text=joined(*(part.text for part in run), files),
        at=first.at,
        reasoning=joined(*(part.reasoning for part in run)),
        by_person=first.by_person,
    )
    if first.by_person:
        return message
    if first.answers:
        return replace(message, tool_call_id=first.answers)
    return replace(message, model=_model(run), turn=_turn(run, last), tool_calls=first.calls)


def _model(run: Sequence[Part]) -> str | None:
    return next((part.model for part in reversed(run) if part.model), None)


def _turn(run: Sequence[Part], last: Part) -> ImportedTurn:
    details: dict[str, Any] = {}
    for part in run:
        details |= part.details
    seconds = [part.seconds for part in run if part.seconds is not None]
    model = _model(run)
    return ImportedTurn(
        state=last.state,
        finished_at=last.at,
        finish_reason=last.finish_reason,
        reasoning_seconds=sum(seconds) if seconds else None,
        provenance=Provenance(model=model, model_id=model, details=details),
    )


def chained(parts: Iterable[Part]) -> Iterator[Part]:
    """Parts of a product without branches, each under the one before."""
    before: str | None = None
    for part in parts:
        yield replace(part, parent=before)
        before = part.id


def rooted(parts: Sequence[Part]) -> list[Part]:
    """With roots that have no parent: many products name one that is nowhere."""
    known = {part.id for part in parts}
    return [part if part.parent in known else replace(part, parent=None) for part in parts]


def with_ratings(
    messages: Sequence[ImportedMessage], ratings: Mapping[str, float | None]
) -> tuple[ImportedMessage, ...]:
    """Replies with thumbs, from numbers whose sign tells. ratings: by the messages' ids."""
    return tuple(
        replace(message, rating=1 if value > 0 else -1)
        if message.role == "assistant" and (value := ratings.get(message.id))
        else message
        for message in messages
    )


def thinking(said: str) -> tuple[str, str]:
    """Reasoning that a text begins with, between tags, and the rest."""
    found = _THINKING.match(said)
    return (found.group(2).strip("\n"), said[found.end() :].lstrip()) if found else ("", said)
