"""What is personal is found, and what only looks like it is not; wherever a text is cut."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.moderation.test_filters import cut, through
from webchat.moderation.kinds.personal import personal
from webchat.moderation.rules import BadRules, load_rules
from webchat.moderation.testing import check_moderator
from webchat.privacy import KINDS, Personal

Marked = tuple[str, list[tuple[int, int, str]]]


def corpus() -> list[Marked]:
    """The lines of `personal_corpus.txt`, without their marks, and where these were."""
    lines = Path(__file__).with_name("personal_corpus.txt").read_text(encoding="utf-8").splitlines()
    return [marked(line.replace("\\n", "\n")) for line in lines if line and not line.startswith("#")]


def marked(line: str) -> Marked:
    """A line without its marks, and where there were some: what is found, rightly or not."""
    text, spans, at = "", list[tuple[int, int, str]](), 0
    for mark in re.finditer(r"⟦([?!]?)(\w+)\|(.*?)⟧", line):
        text += line[at : mark.start()]
        if mark[1] != "?":
            spans.append((len(text), len(text) + len(mark[3]), mark[2]))
        text += mark[3]
        at = mark.end()
    return text + line[at:], spans


CORPUS = corpus()
FOUND = [text for text, spans in CORPUS if spans]


def test_of_what_is_personal_19_of_20_are_found_and_of_what_is_found_as_many_are_personal() -> None:
    whole = Path(__file__).with_name("personal_corpus.txt").read_text(encoding="utf-8")
    marks = Counter(re.findall(r"⟦([?!]?)\w+\|", "".join(re.findall(r"^[^#].*$", whole, re.MULTILINE))))
    found, missed, wrong = marks[""], marks["?"], marks["!"]
    assert found / (found + missed) > 0.95
    assert found / (found + wrong) > 0.95


def test_the_corpus_is_large_enough_to_mean_something() -> None:
    assert len(FOUND) >= 60
    assert len(CORPUS) - len(FOUND) >= 60
    assert {kind for _, spans in CORPUS for *_, kind in spans} == set(KINDS)


@pytest.mark.parametrize("line", CORPUS, ids=range(len(CORPUS)))
def test_what_is_marked_is_found_and_nothing_else(line: Marked) -> None:
    text, spans = line
    assert Personal().all(text) == spans


PIECES = st.sampled_from(
    [
        *FOUND,
        *(text for text, _ in CORPUS),
        *(
            "138",
            "1234",
            "5678",
            "-",
            " ",
            "+",
            "86",
            "(",
            ")",
            ".",
            "@",
            "a",
            "b.co",
            "m",
            "X",
            "=",
            "*",
            "/",
        ),
        *(
            "我叫",
            "李明",
            "王",
            "姓名：",
            "My name is ",
            "John",
            "Name: ",
            "护照",
            "E12345678",
            "北京",
            "市",
            "海淀区",
        ),
        *(
            "路",
            "27号",
            "在杭州",
            "221",
            "Baker",
            "Street",
            "DE89",
            "3704",
            "0044",
            "2001:db8",
            "::",
            ":",
            "\n",
            "，",
        ),
        *(
            "https://a.co/?p=13812345678",
            "phone",
            "[",
            "]",
            "_",
            "x" * 70,
            "１３８１２３４",
            "５６７８",
            "٣",
            "\u00a0",
            "–",
            "1 " * 20,
            "é",
            "👩‍🚀",
        ),
    ]
)
TEXTS = st.lists(PIECES, max_size=8).map("".join) | st.text("0123456789+-() .@ax:，", max_size=40)


@settings(max_examples=200, deadline=None)
@given(text=TEXTS, places=st.lists(st.integers(0, 300), max_size=6))
@example(text="给我打13812345678 * 2", places=[3, 12, 15])
@example(text="+44 20 7946 0958 2024 and more", places=[17])
@example(text="在去北京市海淀区中关村大街27号楼", places=[1, 2, 3])
def test_wherever_it_is_cut_the_same_is_found(text: str, places: list[int]) -> None:
    moderator = personal("mask")
    expected = through([moderator], [text])
    for pieces in (cut(text, places), list(text)):
        seen = through([moderator], pieces)
        assert seen.released == expected.released
        assert Counter(seen.findings) == Counter(expected.findings)


@pytest.mark.parametrize("text", FOUND)
def test_at_every_split_point_nothing_personal_is_released(text: str) -> None:
    moderator = personal("mask")
    whole = through([moderator], [text]).released
    for place in range(len(text) + 1):
        assert through([moderator], [text[:place], text[place:]]).released == whole


async def test_it_keeps_the_laws_of_moderators() -> None:
    assert await check_moderator(personal("mask"), FOUND[::12], chunkings=20)


async def test_what_is_held_back_is_only_what_could_become_personal() -> None:
    from webchat.moderation.verdicts import Context

    one = personal().open(Context("output"), lambda _: None)
    pieces = ["Hello ", "there, ", "call ", "+49 30 90", "1820 ", "now, ", "and so on. "]
    assert [await one.feed(piece) for piece in pieces] == [
        *("Hello ", "there, ", "call ", "", "", "[phone] now, ", "and so on. ")
    ]
    for _ in range(200):
        await one.feed("1 ")
        assert len(one.held) <= 40
    for _ in range(200):
        await one.feed("a.b")
        assert len(one.held) <= 300


def test_a_text_costs_its_length() -> None:
    finder = Personal()
    chosen = random.Random(0)
    hostile = [
        "1 23 456 ",
        "北京路1路1",
        "a.b@c.d ",
        "A1",
        "4155552671 ",
        "在杭州市",
        "+1(",
        "1:",
        "12 Main ",
    ]
    for text in [*hostile, "".join(chosen.choices(hostile, k=8))]:
        began = time.thread_time()
        finder.all(text * (40_000 // len(text)))
        assert time.thread_time() - began < 2, text


def test_the_kinds_and_the_words_of_a_rule_are_the_operators(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(
        '[[moderators]]\nkind = "personal"\naction = "block"\nkinds = ["phone"]\n', encoding="utf-8"
    )
    rules = load_rules(path)
    seen = through(rules, ["mail a@b.io, call 13812345678"])
    assert (seen.released, seen.blocked) == ("mail a@b.io, call ", "personal.phone")
    path.write_text('[[moderators]]\nkind = "personal"\nkinds = ["shoe"]\n', encoding="utf-8")
    with pytest.raises(BadRules, match="shoe is not a kind"):
        load_rules(path)
