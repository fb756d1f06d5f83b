"""Whatever an endpoint sends, reading it gives events or an error of ours: nothing else ever comes out."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from backends.errors import BackendError
from backends.openai_compat.listing import models_in
from backends.openai_compat.refusals.causes import negotiable
from backends.openai_compat.refusals.errors import from_status
from backends.openai_compat.refusals.refusal import read_refusal
from backends.openai_compat.refusals.variants import FEATURES
from backends.openai_compat.replies.body import BodyReader
from backends.openai_compat.replies.reply import Reply
from backends.types import Event, Finished, ReasoningDelta, TextDelta, ToolCallDelta, Usage

# Field names of the protocol are drawn often, so that values of a wrong type land in them.
NAMES = st.sampled_from(
    [
        "choices",
        "delta",
        "message",
        "content",
        "reasoning",
        "reasoning_content",
        "tool_calls",
        "function",
        "name",
        "arguments",
        "index",
        "id",
        "finish_reason",
        "usage",
        "prompt_tokens",
        "completion_tokens",
        "prompt_tokens_details",
        "error",
        "code",
        "type",
        "param",
        "detail",
        "loc",
        "msg",
        "text",
        "thinking",
        "refusal",
        "model",
        "system_fingerprint",
        "meta",
        "n_ctx",
        "max_model_len",
        "architecture",
        "owned_by",
    ]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-1, 9)
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=8)
    | st.sampled_from(["stop", "error", "text", "thinking", "\ud83d", "\x00", "<think>", "unsupported seed"])
)
JSON: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
CHUNK = (
    JSON | JSON.map(lambda value: {"choices": [{"delta": value}]}) | JSON.map(lambda value: {"error": value})
)


def check(events: list[Event]) -> None:
    for event in events:
        assert isinstance(event, TextDelta | ReasoningDelta | ToolCallDelta | Usage | Finished)
        json.dumps(asdict(event), ensure_ascii=False).encode("utf-8")  # a lone surrogate would raise
        if isinstance(event, TextDelta | ReasoningDelta):
            assert event.text
        if isinstance(event, Usage):
            assert 0 <= event.prompt_tokens < 2**31


@given(st.lists(CHUNK, max_size=5))
def test_any_json_is_read_or_refused(chunks: list[Any]) -> None:
    reply = Reply(None)
    events: list[Event] = []
    try:
        for chunk in chunks:
            reply.chunk(chunk)
            events += reply.take()
        events += reply.rest()
        events += reply.end()
    except BackendError:
        pass
    check(events)
    assert not any(isinstance(event, Finished) for event in events[:-1])


@given(st.lists(st.binary(max_size=40) | CHUNK.map(lambda c: b"data: " + json.dumps(c).encode() + b"\n\n")))
def test_any_bytes_are_read_or_refused(pieces: list[bytes]) -> None:
    reader = BodyReader(Reply(None), "host")
    events: list[Event] = []
    for piece in pieces:
        more, failure = reader.feed(piece)
        events += more
        if failure is not None:
            break
    else:
        events += reader.close()[0]
    check(events)


@given(st.integers(100, 599), st.binary(max_size=40) | CHUNK.map(lambda c: json.dumps(c).encode()))
def test_any_refusal_becomes_an_error_of_ours(status: int, body: bytes) -> None:
    error = from_status(status, {}, body, key="key", place="host")
    assert isinstance(error, BackendError)
    assert "<" not in str(error)
    refusal = read_refusal(status, body)
    assert refusal.same_as(read_refusal(status, body))
    assert set(refusal.names(FEATURES)) <= {*FEATURES}
    negotiable(error, refusal, {"messages": [], "seed": 1, "stop": ["a"]})


@given(st.dictionaries(NAMES, JSON))
def test_any_line_of_a_list_of_models_is_read(row: dict[str, Any]) -> None:
    models = models_in({"data": [{**row, "id": "m"}]})
    assert models is not None
    assert [model.id for model in models] == ["m"]
