"""More streams, seen at gateways and servers of other languages, beside those of `streams`."""

from __future__ import annotations

import json
from typing import Any

from tests.backends import streams
from tests.backends.streams import DONE, STOP, WORDS, Stream, chunk, deltas, message

SAYING = "The quick brown fox jumps over the lazy dog and sleeps all day."
PIECES = [f"{word} " for word in SAYING.split()[:-1]] + ["day."]
GROWING = ["".join(PIECES[: n + 1]) for n in range(len(PIECES))]
BROKE = {"message": "it broke"}


def _choice(**more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, **more}]}


def _wrapped(name: str, **beside: Any) -> list[dict[str, Any]]:
    return [beside | {name: one} for one in deltas()]


ENDS = [
    Stream("done comes first", (DONE, *deltas(), STOP, DONE)),
    Stream("done in small letters", (*deltas(), "[done]")),
    Stream("data twice", tuple(f"data: {json.dumps(one)}" for one in [*deltas(), STOP])),
    Stream("words for a ping", (*deltas(WORDS[:2]), "keep-alive", *deltas(WORDS[2:]), STOP)),
    Stream(
        "an object for a ping", ({"type": "ping"}, *deltas(WORDS[:2]), {"ping": 1}, *deltas(WORDS[2:]), STOP)
    ),
    Stream("words for an end", (*deltas(), "Internal Server Error"), reason=None),
    Stream("words behind the reason", (*deltas(), STOP, "bye")),
    Stream("a reason in the delta", (*deltas(), _choice(delta={"finish_reason": "stop"}))),
    Stream("a reason to stop", (*deltas(), _choice(delta={}, stop_reason="end_turn"))),
    Stream(
        "a stop string beside the reason",
        (*deltas(), _choice(delta={}, finish_reason="length", stop_reason="x")),
        reason="length",
    ),
    Stream("an error in the choice", (*deltas(), _choice(delta={}, error=BROKE)), reason=None),
    Stream("an error beside no choices", (*deltas(), {"choices": [], "error": BROKE}), reason=None),
    Stream(
        "an error that says nothing",
        tuple(one | {"error": {"code": 0, "message": ""}} for one in [*deltas(), STOP]),
    ),
    Stream(
        "a status that is fine", tuple(one | {"base_resp": {"status_code": 0}} for one in [*deltas(), STOP])
    ),
]

SHAPES = [
    Stream("chunks in data", (*_wrapped("data", code=0), STOP)),
    Stream("chunks in output", (*_wrapped("output", request_id="a"), STOP)),
    Stream("choices by number", (*({"choices": {"0": one["choices"][0]}} for one in deltas()), STOP)),
    Stream("a choice that is not listed", (*({"choices": one["choices"][0]} for one in deltas()), STOP)),
    Stream(
        "no choices",
        (
            *({"message": {"content": word}, "done": False} for word in WORDS),
            {"message": {"content": ""}, "done": True, "done_reason": "stop"},
        ),
    ),
    Stream("a delta that is text", (*(_choice(delta=word) for word in WORDS), STOP)),
    Stream(
        "a content that is a part", (*(chunk(content={"type": "text", "text": word}) for word in WORDS), STOP)
    ),
    Stream("a part without a type", (*(chunk(content=[{"text": word}]) for word in WORDS), STOP)),
    Stream("parts that are text", (*(chunk(content=[word]) for word in WORDS), STOP)),
    Stream(
        "a call between words",
        (
            *deltas(WORDS[:2]),
            chunk(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]),
            *deltas(WORDS[2:]),
            chunk("tool_calls"),
        ),
        reason="tool_calls",
    ),
]

AGAIN = [
    Stream("repeats from the third piece on", (*deltas([*PIECES[:2], *GROWING[2:]]), STOP), text=SAYING),
    Stream("repeats from the sixth piece on", (*deltas([*PIECES[:5], *GROWING[5:]]), STOP), text=SAYING),
    Stream(
        "repeats without the first blank",
        (*deltas([f" {GROWING[0]}", *GROWING[1:]]), STOP),
        text=f" {SAYING}",
    ),
    Stream(
        "repeats without the last blank", (*deltas([piece.rstrip() for piece in GROWING]), STOP), text=SAYING
    ),
    Stream(
        "reasoning that repeats from the third piece on",
        (*(chunk(reasoning_content=one) for one in [*PIECES[:2], *GROWING[2:]]), chunk(content="Yes"), STOP),
        text="Yes",
        reasoning=SAYING,
    ),
    Stream(
        "all of it once more, trimmed",
        (*deltas(["  Hello ", "there, my ", "friend.\n", "Hello there, my friend."]), STOP),
        text="  Hello there, my friend.\n",
    ),
    Stream(
        "all of it once more, in single blanks",
        (*deltas(["Hello  ", "there, my \n", "friend.", "Hello there, my friend."]), STOP),
        text="Hello  there, my \nfriend.",
    ),
    Stream(
        "a list that grows", (*deltas(["1", "1.", "1. A", "1. A\n2", "1. A\n2. B"]), STOP), text="1. A\n2. B"
    ),
    Stream(
        "repeats of a fence",
        (*deltas(["```", "```py", "```python\n", "```python\nx"]), STOP),
        text="```python\nx",
    ),
    Stream("a message again, and reasons", (*(message(one, "stop") for one in GROWING), DONE), text=SAYING),
    # What only looks so.
    Stream(
        "a line of code twice",
        (*deltas(["    x = 1\n", "    x = 1\n", "    y = 2\n"]), STOP),
        text="    x = 1\n    x = 1\n    y = 2\n",
    ),
    Stream("a rule of a table", (*deltas(["|---"] * 3 + ["|\n"]), STOP), text="|---|---|---|\n"),
    Stream(
        "a chant",
        (*deltas(["We will, we will rock you. "] * 2 + ["Sing it!"]), STOP),
        text="We will, we will rock you. " * 2 + "Sing it!",
    ),
    Stream(
        "more and more emoji", (*deltas(["🎉", "🎉🎉", "🎉🎉🎉", " done"]), STOP), text="🎉" * 6 + " done"
    ),
    Stream(
        "a word, and it begins the next", (*deltas([" No", "No, no", " way"]), STOP), text=" NoNo, no way"
    ),
    Stream(
        "short pieces that grow by accident", (*deltas(["a", "b", "ab", "abc", " d"]), STOP), text="abababc d"
    ),
]

STREAMS = [*streams.STREAMS, *ENDS, *SHAPES, *AGAIN]
