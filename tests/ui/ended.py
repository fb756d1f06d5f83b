"""Replies in every state they can end in, put into the store as their turns would."""

from __future__ import annotations

import itertools

from webchat.store import Store
from webchat.store.records import Failure, FinishedTurn, JournalEntry, NewTurn, TurnState

HOST = "gpu-box.internal:9333"
SAID = "You exceeded your current quota, acme-co"

_keys = itertools.count()


def refused(code: str, **params: str | float) -> Failure:
    """A failure as an endpoint's refusal is stored."""
    return Failure(code, f"{HOST} refused: {SAID}.", "Check the endpoint.", params)


def reply(
    store: Store,
    owner: str,
    state: TurnState,
    text: str = "",
    *,
    question: str = "What is a rainbow?",
    failure: Failure | None = None,
    reason: str | None = None,
) -> tuple[str, str]:
    """A conversation of one question and its reply; the ids of both."""
    begun = store.begin_turn(owner, NewTurn(None, None, question, f"ended-{next(_keys)}", "Echo One"))
    entries = [JournalEntry(begun.reply.id, 1, "text", text)] if text else []
    store.write_batch(entries, [FinishedTurn(begun.reply.id, state, reason, failure)])
    return begun.conversation.id, begun.reply.id
