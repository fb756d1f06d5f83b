"""What a face makes of the end of a turn."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

from webchat.api.v1.chat import ChatWriter
from webchat.api.v1.replies import Reply
from webchat.api.v1.runner import Running
from webchat.api.v1.streaming import _pieces
from webchat.turns import Delta, TurnEvent
from webchat.turns.errors import SlowReader


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


async def test_a_stream_that_was_not_read_ends_with_an_error() -> None:
    async def events() -> AsyncGenerator[TurnEvent]:
        yield Delta("id", 1, "text", "Half of")
        raise SlowReader

    @asynccontextmanager
    async def run() -> AsyncIterator[Running]:
        yield Running(Reply("id", "echo", 0), events(), ())

    call: Any = SimpleNamespace(usage=False, include_usage=False, options=SimpleNamespace(), logprobs=None)
    pieces = [piece async for piece in _pieces(run(), lambda reply: ChatWriter(reply, call), [])]
    assert b"Half of" in pieces[0]
    assert b'"code":"slow_reader"' in pieces[-1]
    assert pieces[-1].endswith(b"data: [DONE]\n\n")
