"""What a reply was made with and how it ended, as it is stored."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from backends.errors import BackendError
from backends.types import Finished, Options, Usage
from webchat.moderation import Blocked, Gate, Prepared
from webchat.prompts import Rendered
from webchat.store import StoreUnavailable
from webchat.store.records import (
    REPEATED,
    ConversationSettings,
    Failure,
    Message,
    PathMessage,
    Provenance,
    TurnState,
)
from webchat.turns.errors import failure_of
from webchat.turns.journal import Channel
from webchat.turns.measured import Measured, PartName, parts_of
from webchat.turns.turn import RunningTurn

log = logging.getLogger(__name__)

UNSTORED = Failure(
    "store_unavailable",
    "The reply could not be stored, so it was stopped. What is shown was kept.",
    "Check that the disk has free space and the database is running, then try again.",
    retryable=True,
)

LINK_ENDED = Failure(
    "link_ended",
    "This link was revoked or has expired.",
    "What was written is saved. Ask for a new link to continue.",
)
"""Not the person stopped the reply."""

LINK_PAUSED = Failure(
    "link_paused",
    "This link is paused.",
    "What was written is saved. Continue when the link is open again.",
)

LINK_TOKENS_REACHED = Failure(
    "link_tokens_reached",
    "This reply ends here: the link's token limit is reached.",
    "What was written is saved.",
)


@dataclass(slots=True)
class Run:
    """What is learned while a reply is made. Times are from `time.monotonic`. marks: when each part of it
    ended; last: its last piece; short: its link leaves it fewer tokens than it may have."""

    channel: Channel
    provenance: Provenance
    began: float = field(default_factory=time.monotonic)
    sent: float | None = None
    first: float | None = None
    last: float = 0.0
    marks: dict[PartName, float] = field(default_factory=dict)
    reasoned: tuple[float, float] | None = None
    gate: Gate | None = None
    path: Sequence[PathMessage] = ()
    rendered: Rendered | None = None
    kept: asyncio.Task[None] | None = None
    ids: Sequence[str | None] = ()
    usage: Usage | None = None
    finished: Finished | None = None
    short: bool = False


def as_sent(provenance: Provenance, prepared: Prepared) -> Provenance:
    """With what was done to the request, and the words in it as the model had them."""
    return replace(
        provenance,
        prompt=tuple(
            {**item, "content": prepared.hide(item["content"])} if "content" in item else item
            for item in provenance.prompt
        ),
        details={**provenance.details, **prepared.details},
        options=_asked_with(prepared.request.options),
    )


def _asked_with(options: Options) -> dict[str, Any] | None:
    """What is set of them, as JSON."""
    return {name: value for name, value in asdict(options).items() if value not in (None, ())} or None


def changes(rendered: Rendered) -> dict[str, Any]:
    """What became of the conversation on its way into the prompt, where anything did."""
    details: dict[str, Any] = {}
    if rendered.left_out:
        details |= {"left_out": rendered.left_out, "first_sent": rendered.first_sent}
    if rendered.system_as is not None:
        details["system_as"] = rendered.system_as
    if rendered.opening_as is not None:
        details["opening_as"] = rendered.opening_as
    if rendered.without:
        details["without"] = list(rendered.without)
    return details


def made_with(settings: ConversationSettings, path: Sequence[PathMessage]) -> dict[str, Any]:
    """The templates the system prompt and the question are from, and the inputs of a function."""
    made = {"persona": settings.persona, "user_template": path[-1].template if path else None}
    inputs = {"inputs": dict(settings.inputs)} if settings.inputs else {}
    return {name: use.named for name, use in made.items() if use is not None} | inputs


def provenance_of(run: Run) -> Provenance:
    now = time.monotonic()
    usage, finished = run.usage, run.finished
    filled = replace(
        run.provenance,
        prompt_tokens=None if usage is None else usage.prompt_tokens,
        completion_tokens=None if usage is None else usage.completion_tokens,
        cached_tokens=None if usage is None else usage.cached_tokens,
        queued_seconds=None if run.sent is None else run.sent - run.began,
        first_token_seconds=None if run.first is None else run.first - run.began,
        total_seconds=now - run.began,
    )
    if finished is None:
        return filled
    return replace(
        filled,
        model_id=finished.model or filled.model_id,
        revision=finished.revision,
        adapter=finished.adapter,
        seed=filled.seed if finished.seed is None else finished.seed,
        details={**run.provenance.details, **finished.details, **_without(run, finished)},
    )


def measured(turn: RunningTurn, run: Run, message: Message, over: float) -> Measured:
    """A reply whose end was just stored, in numbers. over: when its model was done."""
    made, caller = provenance_of(run), turn.party.caller
    return Measured(
        id=turn.id,
        model=turn.model,
        model_id=made.model_id or "",
        backend=made.backend or "",
        state=message.state,
        code="" if message.failure is None else message.failure.code,
        parts=parts_of(run.began, run.marks, over, time.monotonic()),
        ended=time.time(),
        gaps=turn.gaps,
        input_tokens=made.prompt_tokens,
        output_tokens=made.completion_tokens,
        cached_tokens=made.cached_tokens,
        asked_by="" if caller is None else caller.headers.get("traceparent", ""),
    )


def _without(run: Run, finished: Finished) -> dict[str, list[str]]:
    """What was chosen and not used: what the model is known not to take, and what it refused this time."""
    refused = str(finished.details.get("without") or "").split(",")
    names = dict.fromkeys([*run.provenance.details.get("without", ()), *filter(None, refused)])
    return {"without": list(names)} if names else {}


def outcome(turn: RunningTurn, run: Run, work: asyncio.Task[None]) -> tuple[TurnState, Failure | None]:
    """How the turn ended, from how its work did. Refused is refused, whatever else came meanwhile."""
    error = None if not work.done() or work.cancelled() else work.exception()
    verdict = None if run.gate is None else run.gate.verdict
    if isinstance(error, Blocked):
        verdict = error.verdict
    if verdict is not None:
        return "blocked", Failure("blocked", verdict.sentence, verdict.cure, verdict.params)
    if work.done() and not work.cancelled() and error is None:
        cut = run.short and run.finished is not None and run.finished.reason == "length"
        return "complete", LINK_TOKENS_REACHED if cut else None
    if turn.ended_by == "unstored":
        return "failed", UNSTORED
    if turn.ended_by == "link_ended":
        return "stopped", LINK_ENDED
    if turn.ended_by == "link_paused":
        return "stopped", LINK_PAUSED
    if turn.ended_by == "repeating":
        return "complete", None
    # An error while the stream closes after a stop is of no interest to the person who stopped it.
    if turn.ended_by is not None:
        return turn.ended_by, None
    if isinstance(error, BackendError | StoreUnavailable):  # the store's log says it
        return "failed", failure_of(error)
    if error is None:
        return "interrupted", None
    number = secrets.token_hex(4)
    log.error("error %s in reply %s", number, turn.id, exc_info=error)
    return "failed", Failure(
        "internal_error",
        "Something went wrong inside webchat.",
        f"Try again; the log has the details under ID {number}.",
        params={"id": number},
        retryable=True,
    )


def finish_reason(turn: RunningTurn, run: Run, state: TurnState) -> str | None:
    if state == "blocked":
        return "content_filter"
    if state == "complete" and run.finished is None and turn.ended_by == "repeating":
        return REPEATED
    return run.finished.reason if run.finished is not None and state == "complete" else None
