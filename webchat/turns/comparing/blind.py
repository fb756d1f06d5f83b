"""What may be shown of a side of an open comparison: its words, and nothing that tells which model wrote
them."""

from __future__ import annotations

from dataclasses import replace

from webchat.store.records import Failure, Message

SIDE_FAILED = Failure(
    "side_failed",
    "This reply could not be finished.",
    "You can still vote, or continue with the other one.",
)
"""The one reason given for whatever ended a side early."""


def blinded(message: Message) -> Message:
    """The message as its person may see it; the same message unless it is a side of an open comparison.

    While one of the sides runs, the record has no words at all: followers get those, at one pace.
    """
    if message.compared is None:
        return message
    shown = replace(
        message,
        finished_at=None,
        finish_reason=None,
        failure=None,
        model=None,
        reasoning_seconds=None,
        seq=0,
        prompt_tokens=None,
        completion_tokens=None,
        first_sent=None,
        masked=0,
        cut_calls=0,
    )
    if message.compared.running:
        return replace(shown, text="", reasoning="", state="streaming", tool_calls=())
    if message.state in ("complete", "stopped"):
        return shown
    return replace(shown, state="failed", failure=SIDE_FAILED)
