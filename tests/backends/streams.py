"""Streams as servers really send them, and the reply each of them is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

WORDS = tuple(f"w{number} " for number in range(4))
TEXT = "".join(WORDS)
ALL_SO_FAR = tuple("".join(WORDS[: number + 1]) for number in range(len(WORDS)))

DONE = "[DONE]"


@dataclass(frozen=True, slots=True)
class Stream:
    """chunks: the data of its events. reason `None`: the reply broke off."""

    name: str
    chunks: tuple[Any, ...]
    text: str = TEXT
    reasoning: str = ""
    reason: str | None = "stop"

    @property
    def body(self) -> bytes:
        said = (chunk if isinstance(chunk, str) else json.dumps(chunk) for chunk in self.chunks)
        return "".join(f"data: {one}\n\n" for one in said).encode()


def chunk(finish: Any = None, *, index: Any = 0, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": delta, "finish_reason": finish}]}


def message(content: str, finish: Any = None, **more: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": content, **more}
    return {"object": "chat.completion", "choices": [{"index": 0, "message": said, "finish_reason": finish}]}


def both(delta: str, whole: str, finish: Any = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": delta}, "message": {"content": whole}, "finish_reason": finish}
    return {"choices": [choice]}


def deltas(pieces: Iterable[str] = WORDS, finish: Any = None) -> list[dict[str, Any]]:
    return [chunk(finish, content=piece) for piece in pieces]


USAGE = {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 4}}
STOP = chunk("stop")


def _with_usage(chunks: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one | {"usage": USAGE["usage"]} for one in chunks]


def _renumbered(index: Callable[[int], Any], chunks: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    changed = []
    for at, one in enumerate(chunks):
        choice = dict(one["choices"][0])
        told = index(at)
        if told is None:
            del choice["index"]
        else:
            choice["index"] = told
        changed.append({"choices": [choice]})
    return changed


def _mixed(first: Iterable[dict[str, Any]], second: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for pair in zip(first, second, strict=True) for one in pair]


A, B = [f"A{n} " for n in range(4)], [f"B{n} " for n in range(4)]
OTHERS = [chunk(content=piece, index=1) for piece in B]

ENDS = [
    Stream("a reason to end comes first", (chunk("stop", role="assistant"), *deltas(), STOP, DONE)),
    Stream(
        "a reason to end comes with the first word", (*deltas(WORDS[:1], "stop"), *deltas(WORDS[1:]), STOP)
    ),
    Stream("a reason in every chunk", (*deltas(finish="stop"), DONE)),
    Stream("a reason in every chunk, and no done", tuple(deltas(finish="stop"))),
    Stream("the text null in every chunk", (*deltas(finish="null"), STOP, DONE)),
    Stream("the text null to the end", (*deltas(finish="null"), chunk("null"), DONE)),
    Stream("NULL and blanks", (*deltas(finish=" NULL "), STOP)),
    Stream("an empty reason", (*deltas(finish=""), chunk("stop"))),
    Stream("None of Python", (*deltas(finish="None"), STOP, DONE)),
    Stream("an unknown word in every chunk", (*deltas(finish="in_progress"), STOP, DONE)),
    Stream("false and numbers for a reason", (*deltas(finish=False), chunk(0), STOP, DONE)),
    Stream("a reason, then words, then done alone", (*deltas(WORDS[:2]), STOP, *deltas(WORDS[2:]), DONE)),
    Stream("two reasons", (*deltas(), STOP, chunk("length"), DONE), reason="length"),
    Stream("usage in every chunk", (*_with_usage(deltas()), STOP, USAGE, DONE)),
    Stream("usage first", (USAGE, *deltas(), STOP, DONE)),
    Stream("usage after the reason, then no done", (*deltas(), STOP, USAGE)),
    Stream("usage for an end", (*deltas(), USAGE)),
    Stream("blanks behind the reason", (*deltas(), STOP, chunk(content="\n")), text=TEXT + "\n"),
    Stream("nothing but done", (*deltas(), DONE)),
    Stream("done as JSON", (*deltas(), '"[DONE]"')),
    Stream("done with blanks", (*deltas(), " [DONE] ")),
    Stream("words behind done", (*deltas(), DONE, *deltas(["no more"]))),
    Stream("cut by length", (*deltas(), chunk("length"), DONE), reason="length"),
    Stream("cut by length, large", (*deltas(), chunk("MAX_TOKENS"), DONE), reason="length"),
    Stream("cut by length, in other words", (*deltas(), chunk("max_length"), DONE), reason="length"),
    Stream("cut by length, told first", (chunk("length"), *deltas(finish="length")), reason="length"),
    Stream("no end at all", tuple(deltas()), reason=None),
    Stream("a reason before the words, and no end", (chunk("stop"), *deltas()), reason=None),
    Stream("the text null and no end", tuple(deltas(finish="null")), reason=None),
    Stream("an unknown word in every chunk and no end", tuple(deltas(finish="in_progress")), reason=None),
    Stream("usage before the words, and no end", (USAGE, *deltas()), reason=None),
    Stream(
        "empty chunks between", (chunk(content=""), *deltas(WORDS[:2]), chunk(), *deltas(WORDS[2:]), STOP)
    ),
]

AGAIN = [
    Stream("deltas that repeat", (*deltas(ALL_SO_FAR), STOP, DONE)),
    Stream("messages that repeat", (*map(message, ALL_SO_FAR), message(TEXT, "stop"), DONE)),
    Stream("deltas that repeat, the last twice", (*deltas(ALL_SO_FAR), chunk("stop", content=TEXT), DONE)),
    Stream(
        "deltas that repeat, an empty one first",
        (chunk(role="assistant", content=""), *deltas(ALL_SO_FAR), STOP),
    ),
    Stream("deltas that repeat, each twice", (*deltas(p for p in ALL_SO_FAR for _ in "ab"), STOP)),
    Stream("two deltas that repeat", (*deltas(["Hello", "Hello, you"]), STOP), text="Hello, you"),
    Stream(
        "one word, and it again",
        (*deltas(["你好，很高兴认识你，今天天气真好。"] * 2), STOP),
        text="你好，很高兴认识你，今天天气真好。",
    ),
    Stream(
        "letter by letter", (*deltas("Hello there"[: n + 1] for n in range(11)), STOP), text="Hello there"
    ),
    Stream("deltas, then the whole message", (*deltas(), message(TEXT, "stop"), DONE)),
    Stream("deltas, then the whole message without blanks", (*deltas(), message(TEXT.strip(), "stop"), DONE)),
    Stream("deltas, then more of a message", (*deltas(WORDS[:3]), message(TEXT, "stop"), DONE)),
    Stream("a message beside each delta", (*map(both, WORDS, ALL_SO_FAR), STOP, DONE)),
    Stream("a message beside deltas that repeat", (*map(both, ALL_SO_FAR, ALL_SO_FAR), STOP, DONE)),
    Stream("a message beside empty deltas", (*(both("", said) for said in ALL_SO_FAR), STOP, DONE)),
    Stream(
        "deltas, then all of it as a delta",
        (
            *deltas(["I am ", "here for ", "you today."]),
            chunk("stop", content="I am here for you today."),
            DONE,
        ),
        text="I am here for you today.",
    ),
    Stream("pieces that are called messages", (*map(message, WORDS), STOP, DONE)),
    Stream(
        "half a character at the end of a piece",
        (*deltas(["a", "ab\ufffd", "ab你", "ab你\ufffd", "ab你好"]), STOP),
        text="ab你好",
    ),
    Stream(
        "half a pair at the end of a piece",
        (*deltas(["a", "ab", "abc\ud83d", "abc\ud83d\ude00", "abc\ud83d\ude00!"]), STOP),
        text="abc😀!",
    ),
    Stream(
        "reasoning that repeats",
        (*(chunk(reasoning_content=said) for said in ALL_SO_FAR), chunk(content="Yes"), STOP),
        text="Yes",
        reasoning=TEXT,
    ),
    Stream(
        "both repeat",
        (*(chunk(reasoning_content=said) for said in ALL_SO_FAR), *deltas(ALL_SO_FAR), STOP),
        reasoning=TEXT,
    ),
    Stream(
        "reasoning, then the whole message with it",
        (
            chunk(reasoning_content="Let me "),
            chunk(reasoning_content="see"),
            chunk(content="Yes."),
            message("Yes.", "stop", reasoning_content="Let me see"),
        ),
        text="Yes.",
        reasoning="Let me see",
    ),
    Stream(
        "repeats that change their mind",
        (*deltas(["Hello", "Hello there", "Hello there me", "Hello there my dear"]), STOP),
        text="Hello there me dear",
    ),
    Stream("a reason in every repeat", (*deltas(ALL_SO_FAR, "stop"), DONE)),
    # What only looks so.
    Stream("ha ha ha", (*deltas(["ha", " ha", " ha"]), STOP), text="ha ha ha"),
    Stream("ha ha ha, the blank behind", (*deltas(["ha ", "ha ", "ha"]), STOP), text="ha ha ha"),
    Stream("hahaha", (*deltas(["ha"] * 3), STOP), text="hahaha"),
    Stream("a long laugh", (*deltas(["哈"] * 30), STOP), text="哈" * 30),
    Stream(
        "a second piece that begins with the first",
        (*deltas(["No", "No, I mean", " it"]), STOP),
        text="NoNo, I mean it",
    ),
    Stream("digits", (*deltas(["1", "1", "10", "0"]), STOP), text="11100"),
    Stream("rules", (*deltas(["-", "--", "\n"]), STOP), text="---\n"),
    Stream("line ends", (*deltas(["\n", "\n\n", "Hi"]), STOP), text="\n\n\nHi"),
    Stream(
        "a line said twice",
        (*deltas(["Row your boat, ", "gently.\n", "Row your boat, gently.\n", "Merrily"]), STOP),
        text="Row your boat, gently.\nRow your boat, gently.\nMerrily",
    ),
    Stream(
        "a verse that begins as the one before",
        (*deltas(["Row, row, ", "row your boat, ", "Row, row, row your boat, gently", " down"]), STOP),
        text="Row, row, row your boat, Row, row, row your boat, gently down",
    ),
    Stream("two words twice", (*deltas(["a b", " a b"]), STOP), text="a b a b"),
]

CHOICES = [
    Stream("two choices in turn", (*_mixed(deltas(A), OTHERS), STOP, DONE), text="".join(A)),
    Stream("the other choice comes first", (*_mixed(OTHERS, deltas(A)), STOP, DONE), text="".join(A)),
    Stream("all of the other choice behind", (*deltas(A), STOP, *OTHERS, DONE), text="".join(A)),
    Stream(
        "two choices in one chunk",
        (
            *({"choices": [*b["choices"], *a["choices"]]} for a, b in zip(deltas(A), OTHERS, strict=True)),
            STOP,
        ),
        text="".join(A),
    ),
    Stream(
        "the other choice ends first",
        (*_mixed(deltas(A), OTHERS), chunk("length", index=1), STOP, DONE),
        text="".join(A),
    ),
    Stream("no index", (*_renumbered(lambda _: None, deltas()), STOP, DONE)),
    Stream("an index as text", (*_renumbered(lambda _: "0", deltas()), STOP, DONE)),
    Stream(
        "an index as text, of two",
        (*_mixed(_renumbered(lambda _: "0", deltas(A)), _renumbered(lambda _: "1", OTHERS)), STOP),
        text="".join(A),
    ),
    Stream("an index with a point", (*_renumbered(lambda _: 0.0, deltas()), STOP, DONE)),
    Stream("an index that is none", (*_renumbered(lambda _: [], deltas()), STOP, DONE)),
    Stream("only choice 1", (*_renumbered(lambda _: 1, deltas()), chunk("stop", index=1), DONE)),
    Stream("one chunk of choice 1", (chunk("stop", content="Hi", index=1), DONE), text="Hi"),
    Stream(
        "plain text in place of a delta",
        (
            *({"choices": [{"text": word, "index": 0}]} for word in WORDS),
            {"choices": [{"text": "", "finish_reason": "length"}]},
        ),
        reason="length",
    ),
]

STREAMS = [*ENDS, *AGAIN, *CHOICES]
