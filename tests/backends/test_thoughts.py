"""Reasoning of an endpoint is reasoning, in whatever field or part it comes, once."""

from __future__ import annotations

from typing import Any

import pytest

from backends.markers.marks import MARKS, Marks
from backends.openai_compat.replies.reply import Reply
from backends.types import Event, ReasoningDelta, TextDelta, TextWasReasoning, as_reasoning


def read(*deltas: dict[str, Any]) -> tuple[str, str]:
    """Reasoning and text of a reply in these chunks."""
    reply = Reply(None)
    events: list[Event] = []
    for delta in deltas:
        reply.chunk({"choices": [{"index": 0, "delta": delta}]})
        events += reply.take()
    events += reply.rest()
    reasoning = text = ""
    for event in events:
        match event:
            case ReasoningDelta():
                reasoning += event.text
            case TextDelta():
                text += event.text
            case TextWasReasoning():
                reasoning, text = as_reasoning(reasoning, text), ""
    return reasoning, text


ANSWER = {"content": "Oslo."}


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_content": "I think."},
        {"reasoning": "I think."},
        {"reasoning_text": "I think.", "content": ""},
        {"thinking": "I think.", "content": ""},
        {"reasoning": "I think.", "reasoning_content": "I think."},
        {"reasoning": "I think.", "reasoning_details": [{"type": "reasoning.text", "text": "I think."}]},
        {"reasoning_details": [{"type": "reasoning.text", "text": "I think.", "signature": "c2ln"}]},
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "I think.", "id": "rs_1"}]},
        {
            "reasoning_details": [
                {"type": "reasoning.encrypted", "data": "c2VjcmV0"},
                {"type": "reasoning.text", "text": "I think.", "format": "unknown"},
            ]
        },
        {"thinking_blocks": [{"type": "thinking", "thinking": "I think.", "signature": "c2ln"}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "I think."}]}]},
        {"content": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "I think."}]}]},
        {"content": [{"type": "reasoning_text", "text": "I think."}]},
    ],
)
def test_every_field_and_part_of_reasoning_is_read_once(delta: dict[str, Any]) -> None:
    assert read({"role": "assistant", **delta}, ANSWER) == ("I think.", "Oslo.")
    whole = {"content": "Oslo.", **delta} if not delta.get("content") else delta
    assert read(whole)[0] == "I think."


def test_the_fields_of_one_reply_may_differ() -> None:
    pieces: list[dict[str, Any]] = [
        {"reasoning_details": [{"type": "reasoning.text", "text": "I "}], "content": ""},
        {"reasoning_text": "thi"},
        {"thinking": "nk."},
    ]
    assert read(*pieces, ANSWER) == ("I think.", "Oslo.")


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning": {"effort": "high"}},
        {"reasoning": None, "thinking": True, "reasoning_details": []},
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "c2VjcmV0"}]},
        {"reasoning_details": [[[[[["deep"]]]]]]},
    ],
)
def test_what_has_no_words_is_no_reasoning(delta: dict[str, Any]) -> None:
    assert read(delta, ANSWER) == ("", "Oslo.")


@pytest.mark.parametrize("said", ["</think>\n\nOslo.", "\n</thinking>Oslo.", "[/THINK]Oslo."])
def test_a_stray_mark_behind_a_field_is_left_out(said: str) -> None:
    for size in range(1, len(said) + 1):
        pieces = [{"content": said[at : at + size]} for at in range(0, len(said), size)]
        assert read({"reasoning_content": "I think."}, *pieces) == ("I think.", "Oslo.")


def test_a_mark_that_closes_what_the_template_opened_moves_the_text() -> None:
    said = ["The person asks ", "about Norway.", "\n</th", "ink>\n\n", "The capital ", "is Oslo."]
    pieces = [{"content": piece} for piece in said]
    assert read(*pieces) == ("The person asks about Norway.", "The capital is Oslo.")


def told(said: str, reason: str, unseen: Marks | None) -> tuple[str, str, Marks | None]:
    """Reasoning and text of a reply whose model's last one began inside reasoning, and what it shows."""
    reply = Reply(None, unseen=unseen)
    events: list[Event] = []
    for piece in (said[:5], said[5:]):
        reply.chunk({"choices": [{"index": 0, "delta": {"content": piece}}]})
        events += reply.take()
    reply.chunk({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    events += [*reply.take(), *reply.rest()]
    assert not any(isinstance(event, TextWasReasoning) for event in events) or unseen is None
    return (
        "".join(event.text for event in events if isinstance(event, ReasoningDelta)),
        "".join(event.text for event in events if isinstance(event, TextDelta)),
        reply.unseen,
    )


def test_a_model_whose_template_opens_reasoning_unseen_is_read_so_from_then_on() -> None:
    first = told("Norway.\n</think>\n\nOslo.", "stop", None)
    assert first[2] is MARKS[0]
    assert told("Sweden.\n</think>\n\nStockholm.", "stop", MARKS[0]) == ("Sweden.", "Stockholm.", MARKS[0])
    assert told("Sweden is a long", "length", MARKS[0]) == ("Sweden is a long", "", MARKS[0])
    assert told("Oslo. And no thoughts.", "stop", MARKS[0])[1:] == ("Oslo. And no thoughts.", None)
    assert told("<think>Norway.</think>Oslo.", "stop", MARKS[0])[:2] == ("Norway.", "Oslo.")


def test_a_field_of_reasoning_ends_what_was_learned() -> None:
    reply = Reply(None, unseen=MARKS[0])
    reply.chunk({"choices": [{"index": 0, "delta": {"reasoning_content": "I think."}}]})
    reply.chunk({"choices": [{"index": 0, "delta": {"content": "Oslo."}}]})
    assert [*reply.take(), *reply.rest()] == [ReasoningDelta("I think."), TextDelta("Oslo.")]
    assert reply.unseen is None
