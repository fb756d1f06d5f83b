"""What a face makes of the end of a turn."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from webchat.api.v1.replies import Reply


def ended(state: str, **of: Any) -> Reply:
    message: Any = SimpleNamespace(state=state, text="Half of", failure=None, finish_reason=None, **of)
    return Reply("id", "echo", 0, message=message)


def test_a_reply_that_its_owner_stopped_ends_with_its_text() -> None:
    reply = ended("stopped")
    assert reply.failure is None
    assert (reply.text, reply.finish) == ("Half of", "stop")


def test_a_tool_call_that_was_cut_off_is_no_call() -> None:
    reply = ended("stopped")
    reply.add_calls('{"index": 0, "id": "call_1", "name": "weather", "arguments": "{\\"city\\": \\"Li"}')
    assert reply.failure is not None
    assert reply.failure.status == 503
