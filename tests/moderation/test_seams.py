"""Where a text goes on from another or has parts: nothing hides in a seam, a call or a message."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.types import (
    ImagePart,
    Message,
    ReasoningDelta,
    Request,
    Role,
    TextDelta,
    TextPart,
    ToolCallDelta,
)
from webchat.moderation import Blocked, Context, Decision, Moderation, Piece
from webchat.moderation.filters import Moderator
from webchat.moderation.kinds.patterns import Pattern, Patterns
from webchat.moderation.kinds.phrases import Phrases
from webchat.moderation.matching import Rule
from webchat.moderation.verdicts import Action, Stage

EVERY: tuple[Stage, ...] = ("input", "prompt", "output", "stored")
ASKED = Request((Message("user", "x"),))


def words(action: Action, *phrases: str, instead: str = "") -> Phrases:
    rules = {phrase: Rule(phrase, action, instead) for phrase in phrases or ("secret project", "炸弹")}
    return Phrases("words", rules, stages=EVERY)


def numbers() -> Patterns:
    return Patterns("numbers", [Pattern(r"\b\d{11}\b", Rule("phone", "mask", "<phone>"))], stages=EVERY)


async def after(
    so_far: str, pieces: Sequence[Piece], *moderators: Moderator, told: list[Decision] | None = None
) -> tuple[str, str | None]:
    """What is released of a continued reply, and the rule that ended it."""
    record = (lambda _: None) if told is None else told.append
    prepared = await Moderation(moderators, record).prepare(Context("prompt", so_far=so_far), ASKED)
    said: list[Piece] = []
    for piece in pieces:
        said += (await prepared.gate.feed(piece)).pieces
    released = await prepared.gate.finish()
    said += released.pieces
    rule = None if released.verdict is None else released.verdict.rule
    return "".join(piece.text for piece in said if isinstance(piece, TextDelta)), rule


def texts(text: str) -> list[Piece]:
    return [TextDelta(char) for char in text]


async def test_a_phrase_that_begins_before_the_seam_is_found_at_every_place_of_it() -> None:
    whole = "all is well, the secret project begins"
    start, end = whole.index("secret"), whole.index(" begins")
    for seam in range(start + 1, end):
        told: list[Decision] = []
        released, rule = await after(whole[:seam], texts(whole[seam:]), words("block"), told=told)
        assert (released, rule) == ("", "secret project")
        assert [(one.finding.start, one.finding.end) for one in told] == [(start, end)], "in the whole reply"
        released, rule = await after(whole[:seam], texts(whole[seam:]), words("mask"))
        assert (released, rule) == ("*** begins", None)


async def test_what_is_harmless_at_the_seam_is_released_once() -> None:
    for moderators in ([words("block")], [words("mask"), numbers()], []):
        for seam in range(1, 18):
            text = "the secret prose 12"
            released, rule = await after(text[:seam], texts(text[seam:]), *moderators)
            assert (released, rule) == (text[seam:], None)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(["secret", " project", "炸", "弹", "1380013", "8000", " ", "x"]), max_size=8),
    st.lists(st.sampled_from(["secret", " project", "炸", "弹", "1380013", "8000", " ", "x"]), max_size=8),
    st.lists(st.integers(0, 60), max_size=5),
)
async def test_the_seam_keeps_the_law_of_chunks(old: list[str], new: list[str], cuts: list[int]) -> None:
    before, text = "".join(old), "".join(new)
    moderators: list[Moderator] = [numbers(), words("mask", instead="-")]
    expected = await after(before, [TextDelta(text)], *moderators)
    edges = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    pieces: list[Piece] = [TextDelta(text[a:b]) for a, b in pairwise(edges)]
    assert await after(before, pieces, *moderators) == expected
    assert await after(before, texts(text), *moderators) == expected


async def test_a_long_reply_is_not_read_again_from_its_beginning() -> None:
    long = "harmless words. " * 5000
    told: list[Decision] = []
    released, rule = await after(long + "the secret pro", texts("ject"), words("flag"), told=told)
    assert (released, rule) == ("ject", None)
    assert told[0].finding.start == len(long) + 4
    assert "harmless" not in repr(told)


def call(arguments: str, name: str = "look_up", index: int = 0) -> list[Piece]:
    """A call as an endpoint streams it, a few characters at a time."""
    pieces: list[Piece] = [ToolCallDelta(index, f"call-{index}", name)]
    return [
        *pieces,
        *(ToolCallDelta(index, arguments=arguments[at : at + 3]) for at in range(0, len(arguments), 3)),
    ]


async def calls(pieces: Sequence[Piece], *moderators: Moderator) -> list[ToolCallDelta] | None:
    """What is released of calls; `None` where they are refused."""
    gate = (await Moderation(moderators, lambda _: None).prepare(Context("prompt"), ASKED)).gate
    early = [piece for given in pieces for piece in (await gate.feed(given)).pieces]
    assert not [piece for piece in early if isinstance(piece, ToolCallDelta)], "held until it is whole"
    released = await gate.finish()
    found = [piece for piece in released.pieces if isinstance(piece, ToolCallDelta)]
    assert released.verdict is None or not found
    return None if released.verdict is not None else found


async def test_a_call_is_held_until_it_is_whole_and_comes_out_as_it_was() -> None:
    arguments = '{"city":  "Paris", "days": 3, "note": "\\u4f60"}'
    both = [*call(arguments, index=1), *call("{}", "stop", index=0)]
    assert await calls(both, words("block")) == [
        ToolCallDelta(0, "call-0", "stop", "{}"),
        ToolCallDelta(1, "call-1", "look_up", arguments),
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        '{"q": "the secret project"}',
        '{"q": "the secret\\u0020project"}',
        '{"q": ["\\u70b8\\u5f39"]}',
        '{"secret project": 1}',
        '{"q": "secret project", "q": "nothing"}',
        '{"deep": {"deeper": [["secret\\nproject"]]}}',
        "the secret project, and no JSON",
        '"secret project"',
    ],
)
async def test_a_call_with_blocked_words_ends_the_reply(arguments: str) -> None:
    gate = (await Moderation([words("block")], lambda _: None).prepare(Context("prompt"), ASKED)).gate
    given = [TextDelta("fine "), *call(arguments)]
    pieces = [piece for one in given for piece in (await gate.feed(one)).pieces]
    released = await gate.finish()
    assert [*pieces, *released.pieces] == [TextDelta("fine ")]
    assert released.verdict is not None


async def test_a_name_is_read_as_well() -> None:
    assert await calls(call("{}", name="secret project"), words("block")) is None


async def test_what_is_masked_in_a_call_leaves_json() -> None:
    made = await calls(
        call('{"a": "call 13800138000", "b": 13800138000, "c": [true, null, 1.50]}'), numbers()
    )
    assert made is not None
    assert json.loads(made[0].arguments) == {"a": "call <phone>", "b": "<phone>", "c": [True, None, 1.5]}
    assert "1.50" in made[0].arguments


async def test_what_is_in_no_single_text_of_a_call_cannot_be_masked_and_blocks() -> None:
    assert await calls(call('["secret", "project"]'), words("mask")) is None


async def test_a_call_is_found_once() -> None:
    told: list[Decision] = []
    gate = (await Moderation([words("mask")], told.append).prepare(Context("prompt"), ASKED)).gate
    for piece in call('{"a": "secret project"}'):
        await gate.feed(piece)
    await gate.finish()
    assert [one.finding.rule for one in told] == ["secret project"]


async def sent(request: Request, *moderators: Moderator) -> Request:
    return (await Moderation(moderators, lambda _: None).prepare(Context("prompt"), request)).request


async def test_every_message_a_model_is_sent_is_read_as_a_text_of_its_own() -> None:
    request = Request(
        (
            Message("system", "You know 13800138000."),
            Message("user", "the secret"),
            Message("assistant", "project 13800138001"),
            Message("user", "and?"),
        )
    )
    made = await sent(request, words("block"), numbers())
    assert [message.text for message in made.messages] == [
        "You know <phone>.",
        "the secret",
        "project <phone>",
        "and?",
    ]
    roles: tuple[Role, ...] = ("system", "user", "assistant", "tool")
    for role in roles:
        with pytest.raises(Blocked):
            await sent(Request((Message(role, "the secret project"), *request.messages)), words("block"))


async def test_a_message_in_parts_is_one_text() -> None:
    image = ImagePart(b"x", "image/png")
    parts = (TextPart("see 1380"), image, TextPart("0138000 now"))
    made = await sent(Request((Message("user", parts),)), numbers())
    assert made.messages[0].text == "see <phone> now"
    assert image in made.messages[0].content
    with pytest.raises(Blocked):
        await sent(
            Request((Message("user", (TextPart("the secret "), image, TextPart("project"))),)), words("block")
        )


async def test_reasoning_and_answer_are_texts_apart_after_a_seam_too() -> None:
    pieces: list[Piece] = [ReasoningDelta("ject "), TextDelta("ject")]
    assert await after("the secret pro", pieces, words("block")) == ("", "secret project")


async def test_stored_messages_are_looked_at_again_after_rules_changed() -> None:
    told: list[Decision] = []
    moderation = Moderation([words("block"), numbers()], told.append)
    context = Context("stored", "owner", conversation_id="c", message_id="m")
    assert await moderation.review(context, "call 13800138000") == "call <phone>"
    with pytest.raises(Blocked):
        await moderation.review(context, "the secret project")
    assert [(one.context.stage, one.context.message_id, one.finding.action) for one in told] == [
        ("stored", "m", "mask"),
        ("stored", "m", "block"),
    ]


async def test_verdicts_name_places_in_the_text_as_the_moderator_was_given_it() -> None:
    told: list[Decision] = []
    moderation = Moderation([numbers(), words("flag")], told.append)
    text = "call 13800138000 for the secret project"
    masked = await moderation.review(Context("input"), text)
    first, second = (one.finding for one in told)
    assert text[first.start : first.end] == "13800138000"
    assert masked[second.start : second.end] == "secret project"
