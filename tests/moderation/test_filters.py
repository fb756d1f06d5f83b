"""The law of the gate: wherever a text is cut, what is released is what a check of the whole leaves."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backends.types import (
    Message,
    ReasoningDelta,
    Request,
    TextDelta,
    TextWasReasoning,
    as_reasoning,
)
from webchat.moderation import Context, Decision, Finding, Moderation, Piece, Released
from webchat.moderation.filters import Chain, Filter, Moderator, whole
from webchat.moderation.folding import fold
from webchat.moderation.guarded import Guarded
from webchat.moderation.kinds.limits import Limits
from webchat.moderation.kinds.patterns import BadPattern, Pattern, Patterns
from webchat.moderation.kinds.phrases import Phrases
from webchat.moderation.kinds.secrets import secrets
from webchat.moderation.kinds.tidying import MOST_UNSEEN, Tidy
from webchat.moderation.matching import Rule
from webchat.moderation.verdicts import Action, Fail, Report, Stage

OUTPUT = Context("output")
ASKED = Request((Message("user", "x"),))


def rule(action: Action, name: str = "r", instead: str = "") -> Rule:
    return Rule(name, action, instead)


def words(action: Action = "mask") -> Phrases:
    phrases = ("bomb", "bomb the house", "kill all", "ass", "炸弹", "坏 蛋", "naïve", "e")
    return Phrases("words", {phrase: rule(action, phrase) for phrase in phrases})


def numbers(action: Action = "replace") -> Patterns:
    return Patterns(
        "numbers",
        [
            Pattern(r"\b[0-9]{4,8}\b", rule(action, "number", "<n>"), window=12),
            Pattern(r"[a-z.]+@[a-z.]+", rule(action, "mail", "<m>"), window=20),
            Pattern(r"sk-[a-z]+", rule(action, "key", "<k>"), window=9, starts=("sk-",)),
        ],
    )


CHAINS: dict[str, Callable[[], list[Moderator]]] = {
    "phrases": lambda: [words()],
    "phrases that block": lambda: [words("block")],
    "phrases that flag": lambda: [words("flag")],
    "patterns": lambda: [numbers()],
    "patterns that block": lambda: [numbers("block")],
    "secrets": lambda: [secrets()],
    "tidy": lambda: [Tidy()],
    "all, the last blocks": lambda: [Tidy(), numbers(), words("block")],
    "all, the first blocks": lambda: [Tidy(), words("block"), numbers(), secrets()],
}

PIECES = st.sampled_from(
    [
        *("bomb", "b o m b", "b.o.m.b", "Bo\u200bmb", "kill all", "kill  \n all", "the house"),
        *("ｂｏｍｂ", "炸弹", "炸 弹", "坏蛋", "naïve", "nai\u0308ve", "ass", "class", "sk-abc", "sk-"),
        *("12345", "1234567890", "a.b@c.d", "@", " ", "  ", ".", "-", "\n", "b", "o", "m", "s", "k"),
        *("1", "é", "е", "👩\u200d🚀", "𝐛𝐨𝐦𝐛", "\u0301", "\u200b" * 20, "hf_" + "a" * 32),
        *("-----BEGIN PRIVATE KEY-----", "AKIAABCDEFGHIJKLMNOP"),
    ]
)
TEXTS = st.lists(PIECES, max_size=10).map("".join) | st.text(max_size=30)


@dataclass
class Outcome:
    """What became of a text: what was released, the rule that ended it, and what was found."""

    released: str
    blocked: str | None
    findings: list[Finding]


def through(moderators: Sequence[Moderator], pieces: Sequence[str]) -> Outcome:
    findings: list[Finding] = []

    async def go() -> Outcome:
        chain = Chain([Guarded(one, OUTPUT, findings.append) for one in moderators])
        passed = [await chain.feed(piece) for piece in pieces]
        passed.append(await chain.finish())
        rule = None if chain.verdict is None else chain.verdict.rule
        return Outcome("".join(one.text for one in passed), rule, findings)

    return asyncio.run(go())


def cut(text: str, places: Sequence[int]) -> list[str]:
    edges = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[start:end] for start, end in pairwise(edges)]


@pytest.mark.parametrize("name", CHAINS)
@settings(max_examples=150, deadline=None)
@given(text=TEXTS, places=st.lists(st.integers(0, 200), max_size=6))
@example(text="a b.o.m.b and a bomb the house", places=[3, 9, 20])
@example(text="no bomb", places=[5])
def test_wherever_it_is_cut_the_outcome_is_that_of_the_whole(name: str, text: str, places: list[int]) -> None:
    moderators = CHAINS[name]()
    expected = through(moderators, [text])
    for pieces in (cut(text, places), list(text)):
        seen = through(moderators, pieces)
        assert (seen.released, seen.blocked) == (expected.released, expected.blocked)
        if expected.blocked is None:
            # Each moderator tells its own in order; who tells first depends on the pieces.
            assert Counter(seen.findings) == Counter(expected.findings)


@pytest.mark.parametrize(
    "text",
    ["a bomb here", "👩‍🚀 bomb 👩‍🚀", "这里有炸弹！", "b\u0301o\u0308mb now", "x bomb the house y"],
)
def test_every_split_point_of_a_blocked_text_releases_nothing_of_it(text: str) -> None:
    moderators = [words("block")]
    start = min(finding.start for finding in through(moderators, [text]).findings)
    for place in range(len(text) + 1):
        seen = through(moderators, [text[:place], text[place:]])
        assert seen.released == text[:start]
        assert seen.blocked


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a BOMB", "a ***"),
        ("bombard class assess", "bombard class assess"),
        ("ｂｏｍｂ, bоmb, b\u200bo\u200bm\u200bb", "***, ***, ***"),
        ("b o m b, b.o.m.b and B-O-M-B", "***, *** and ***"),
        ("kill   all of them", "*** of them"),
        ("bomb the housé!", "***!"),
        ("有炸弹吗？炸 弹！", "有***吗？***！"),
        ("他有炸 弹药，和坏  蛋们", "他有***药，和***们"),
        ("b 炸 弹药 炸。弹", "b ***药 炸。弹"),
        ("a naive plan", "a *** plan"),
    ],
)
def test_phrases_are_found_as_people_write_them(text: str, left: str) -> None:
    assert through([words()], [text]).released == left


def test_words_that_begin_with_a_phrase_match_where_that_is_wanted() -> None:
    found = Phrases("w", {"bomb*": rule("mask")})
    assert through([found], ["bombing and abombing"]).released == "***ing and abombing"


def test_what_is_held_back_is_only_what_could_become_a_match() -> None:
    async def go() -> list[str]:
        chain = Chain([Guarded(one, OUTPUT, lambda _: None) for one in (words(), secrets())])
        return [
            (await chain.feed(piece)).text for piece in ("Hello", " there, ", "a bo", "y and ", "bomb", " y")
        ]

    assert asyncio.run(go()) == ["Hello", " there, ", "a ", "boy and ", "", "*** y"]


def test_spans_are_of_the_text_as_it_came() -> None:
    text = "x\u200b b\u200bo\u0301mb 12345"
    findings = through([words("flag")], list(text)).findings
    assert [text[one.start : one.end] for one in findings] == ["b\u200bo\u0301mb"]


def test_the_earlier_of_two_blocks_in_the_text_counts() -> None:
    first = Phrases("late", {"zzz": rule("block", "late")})
    second = Phrases("early", {"aaa bbb": rule("block", "early")})
    for pieces in (["x aaa bbb zzz"], list("x aaa bbb zzz")):
        assert through([first, second], pieces).blocked == "early"
        assert through([first, second], pieces).released == "x "


@pytest.mark.parametrize(
    "secret", ["sk-" + "a" * 40, "ghp_" + "A1" * 18, "AKIAABCDEFGHIJKLMNOP", "hf_" + "x" * 34]
)
def test_secrets_are_masked_and_ordinary_words_are_not(secret: str) -> None:
    assert through([secrets()], list(f"key: {secret}.")).released == "key: [secret]."
    ordinary = "He asked about sk-ateboards, AKIA and the task-force."
    assert through([secrets()], [ordinary]).released == ordinary


def test_a_private_key_is_masked_to_its_end() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIE" * 200 + "\n-----END RSA PRIVATE KEY-----"
    assert through([secrets()], list(f"a {key} b")).released == "a [secret] b"


@pytest.mark.parametrize("pattern", ["(a", "a(?=b)", r"(a)\1", "x*", ""])
def test_a_pattern_that_cannot_be_is_refused_with_the_reason(pattern: str) -> None:
    with pytest.raises(BadPattern, match="mail"):
        Patterns("p", [Pattern(pattern, rule("mask", "mail"))])


def test_a_pattern_cannot_be_made_slow() -> None:
    greedy = Patterns("p", [Pattern("(a+)+b", rule("mask"), window=64)])
    assert through([greedy], ["a" * 20_000]).released == "a" * 20_000


def test_invisible_characters_cannot_pile_up() -> None:
    text = "a" + "\u0301" * 500 + "b"
    assert through([Tidy()], list(text)).released == "a" + "\u0301" * MOST_UNSEEN + "b"


class Faulty:
    """A moderator that breaks, or never answers, at the third character."""

    name = "faulty"
    stages: frozenset[Stage] = frozenset({"output"})
    seconds = 0.05

    def __init__(self, fail: Fail, *, hangs: bool) -> None:
        self.fail: Fail = fail
        self._hangs = hangs

    def open(self, context: Context, report: Report) -> Filter:
        return _Faulty(hangs=self._hangs)


class _Faulty:
    def __init__(self, *, hangs: bool) -> None:
        self.held = ""
        self._hangs = hangs

    async def feed(self, text: str) -> str:
        self.held += text
        if len(self.held) < 3:
            return ""
        if self._hangs:
            await asyncio.sleep(60)
        raise ValueError("broken")

    async def finish(self) -> str:
        return self.held


@pytest.mark.parametrize("hangs", [True, False])
def test_a_moderator_that_breaks_or_hangs_is_closed_or_open_as_it_says(hangs: bool) -> None:
    closed = through([Faulty("closed", hangs=hangs)], list("abcdef"))
    assert (closed.released, closed.blocked) == ("", "faulty.failed")
    opened = through([Faulty("open", hangs=hangs)], list("abcdef"))
    assert (opened.released, opened.blocked) == ("abcdef", None)
    assert [finding.rule for finding in opened.findings] == ["faulty.failed"], "and the log says so"


def test_limits_are_of_one_person_and_a_minute() -> None:
    now = 0.0
    limits = Limits(
        most_chars=10, most_repeats=5, most_a_minute=2, most_a_minute_by_link=4, clock=lambda: now
    )

    def ask(owner: str, text: str, link: str | None = None) -> str | None:
        async def go() -> str | None:
            context = Context("input", owner, link=link)
            passed = await whole([Guarded(limits, context, lambda _: None)], text)
            if passed.verdict is not None:
                context.give_back()
            return None if passed.verdict is None else passed.verdict.rule

        return asyncio.run(go())

    assert ask("a", "x" * 11) == "limits.length"
    assert ask("a", "aaaaaa") == "limits.repeats"
    assert [ask("a", "hi") for _ in range(3)] == [None, None, "limits.rate"]
    assert ask("b", "hi") is None
    many = [ask(f"self {n}", "hi", "link") for n in range(6)]
    assert many == [None] * 4 + ["limits.link_rate"] * 2, "many selves of one link are one"
    assert ask("self 9", "hi", "another") is None
    now = 61.0
    assert ask("self 0", "hi", "link") is None
    assert ask("a", "hi") is None


def test_folding_a_text_is_folding_its_parts() -> None:
    text = "Straße ＡＢＣ naïve 炸弹 \u200bx"
    assert fold(text).text == "strasse abc naive 炸弹 x"
    assert [fold(text).start(index) for index in range(4)] == [0, 1, 2, 3]


async def _said(moderation: Moderation, deltas: Sequence[Piece]) -> dict[str, str]:
    gate = (await moderation.prepare(OUTPUT, ASKED)).gate
    said = {"text": "", "reasoning": ""}
    pieces = [piece for delta in deltas for piece in (await gate.feed(delta)).pieces]
    for piece in [*pieces, *(await gate.finish()).pieces]:
        match piece:
            case TextDelta():
                said["text"] += piece.text
            case ReasoningDelta():
                said["reasoning"] += piece.text
            case TextWasReasoning():
                said = {"text": "", "reasoning": as_reasoning(said["reasoning"], said["text"])}
            case _:
                raise AssertionError(piece)
    return said


async def test_text_that_was_reasoning_has_passed_the_gate_whole_before_it_moves() -> None:
    moderation = Moderation([words()])
    moved: list[Piece] = [
        TextDelta("a bo"),
        TextDelta("mb. bo"),
        TextWasReasoning(),
        TextDelta("mb and a bo"),
        TextDelta("mb"),
    ]
    assert await _said(moderation, moved) == {"reasoning": "a ***. bo", "text": "mb and a ***"}
    later: list[Piece] = [ReasoningDelta("one"), *moved, ReasoningDelta("two")]
    assert (await _said(moderation, later))["reasoning"] == "one\n\na ***. bo\n\ntwo"


async def test_text_that_is_refused_does_not_move() -> None:
    gate = (await Moderation([words("block")]).prepare(OUTPUT, ASKED)).gate
    pieces: list[Piece] = [TextDelta("fine, a bo"), TextDelta("mb"), TextWasReasoning()]
    released = [await gate.feed(piece) for piece in pieces]
    assert [piece for one in released for piece in one.pieces] == [TextDelta("fine, a ")]
    assert gate.verdict is not None
    assert await gate.finish(TextDelta("and more")) == Released([], gate.verdict)


async def test_reasoning_goes_through_the_same_gate_and_ends_before_the_answer() -> None:
    moderation = Moderation([words()])
    deltas: list[Piece]
    deltas = [ReasoningDelta("a bo"), ReasoningDelta("mb"), TextDelta("no bo"), TextDelta("mb")]
    assert await _said(moderation, deltas) == {"reasoning": "a ***", "text": "no ***"}
    torn: list[Piece] = [ReasoningDelta("bo"), TextDelta("x"), ReasoningDelta("mb")]
    assert "bomb" not in (await _said(moderation, torn))["reasoning"]


async def test_a_blocked_reply_says_what_may_still_be_shown() -> None:
    gate = (await Moderation([words("block")]).prepare(OUTPUT, ASKED)).gate
    released = await gate.feed(TextDelta("fine so far, then a bomb the street"))
    assert list(released.pieces) == [TextDelta("fine so far, then a ")]
    assert released.verdict is gate.verdict is not None
    assert await gate.feed(TextDelta(" and on")) == Released([], gate.verdict), "and nothing behind it"
    assert await gate.finish() == Released([], gate.verdict)


async def test_decisions_are_told_without_the_text() -> None:
    told: list[Decision] = []
    moderation = Moderation([words("flag")], told.append)
    await moderation.review(Context("input", "owner"), "a bomb")
    assert [(one.context.owner, one.context.stage, one.finding.rule) for one in told] == [
        ("owner", "input", "bomb")
    ]
    assert "a bomb" not in repr(told)


async def test_a_trial_says_what_would_be_done_and_keeps_nothing() -> None:
    told: list[Decision] = []
    limits = Limits(most_a_minute=1)
    moderation = Moderation([words("block"), limits], told.append)
    tried = await moderation.trial(Context("input", "owner"), "fine, then a bomb")
    assert (tried.result, tried.verdict and tried.verdict.rule) == ("fine, then a ", "bomb")
    assert [(one.moderator, one.finding.start, one.finding.end) for one in tried.decisions] == [
        ("words", 13, 17)
    ]
    assert told == []
    for _ in range(3):
        assert (await moderation.trial(Context("input", "owner"), "fine")).result == "fine"
    assert await moderation.review(Context("input", "owner"), "fine") == "fine", "trials do not count"
    assert told == []
