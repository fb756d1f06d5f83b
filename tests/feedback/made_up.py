"""Judgements and comparisons that nobody made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from backends.types import ToolCall
from webchat.store.judgement_records import (
    Comparison,
    Consent,
    Judged,
    JudgedMessage,
    Judgement,
    Preferred,
    Rating,
    Review,
    Side,
)

START = datetime(2026, 11, 1, tzinfo=UTC)
CONSENT = Consent(1, "What you write may train models.", True)
ACCEPTED = Review("accepted", "operator", START)

_ids = count()


def said(*texts: str, system: str = "") -> tuple[JudgedMessage, ...]:
    """A prompt: what a person and the model said in turn, the person first."""
    head = (JudgedMessage("system", system),) if system else ()
    talk = (JudgedMessage("assistant" if at % 2 else "user", text) for at, text in enumerate(texts))
    return (*head, *talk)


TOOLS = {"tools": [{"name": "weather", "description": "", "parameters": {"type": "object"}, "strict": None}]}


def asked_tools(question: str, result: str, city: str = "Ulm") -> tuple[JudgedMessage, ...]:
    """A prompt that ends with the result of a tool."""
    call = ToolCall("call_1", "weather", json.dumps({"city": city}))
    calling = JudgedMessage("assistant", "I look.", tool_calls=(call,))
    return (*said(question), calling, JudgedMessage("tool", result, tool_call_id="call_1"))


def judged(prompt: Sequence[JudgedMessage] | str, reply: str, *, model: str = "m", **more: Any) -> Judged:
    path = said(prompt) if isinstance(prompt, str) else tuple(prompt)
    return Judged(more.pop("message_id", f"message-{next(_ids)}"), path, reply, model, **more)


def judgement(
    of: Judged | None, rating: Rating = 1, *, person: str = "ada", conversation: str = "", **more: Any
) -> Judgement:
    number = next(_ids)
    at = START + timedelta(minutes=number)
    values: dict[str, Any] = {"consent": CONSENT, "review": ACCEPTED, "link_id": "link", "link": "Testers"}
    return Judgement(
        id=more.pop("id", f"judgement-{number}"),
        owner_id=person,
        author_id=more.pop("author", person),
        conversation_id=conversation or f"chat-{person}-{number}",
        message_id=of.message_id if of else "running",
        at=at,
        changed_at=at,
        rating=rating,
        judged=of,
        **{**values, **more},
    )


def comparison(
    left: Judged | str, right: Judged | str, preferred: Preferred | None, *, person: str = "ada", **more: Any
) -> Comparison:
    """left, right: replies, or names of models."""
    number = next(_ids)
    at = START + timedelta(minutes=number)
    sides = []
    for side, good in ((left, more.pop("left_good", None)), (right, more.pop("right_good", None))):
        one = judged(f"question {number}", "reply", model=side) if isinstance(side, str) else side
        sides.append(Side(one.message_id, one.model, good, one))
    values: dict[str, Any] = {"consent": CONSENT, "review": ACCEPTED, "link_id": "link", "link": "Testers"}
    return Comparison(
        id=more.pop("id", f"comparison-{number}"),
        owner_id=person,
        author_id=more.pop("author", person),
        conversation_id=more.pop("conversation", f"chat-{person}-{number}"),
        asked_id=more.pop("asked", f"asked-{number}"),
        at=at,
        left=sides[0],
        right=sides[1],
        preferred=preferred,
        voted_at=at if preferred else None,
        **{**values, **more},
    )
