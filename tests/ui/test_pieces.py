"""What is drawn depends on the text alone: not on the pieces it came in, and no word of it is missing."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.ui.asset_page import asset_page
from tests.ui.documents import WORD, cuts, document
from tests.ui.replies import REPLIES, SENTENCES

BATCH = 100

DRAWN = """async (cases) => {
  const drawn = [];
  for (const [text, pieces, size] of cases) {
    whole(text);
    await settled();
    const { innerHTML, textContent } = shown;
    streamed(pieces, { size });
    await settled();
    drawn.push([innerHTML, shown.innerHTML, textContent]);
  }
  return drawn;
}"""


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with asset_page() as (page, _):
        # Once, so that highlighting and typesetting are there from the first text on.
        page.evaluate("async () => { whole('```python\\nx = 1\\n```\\n\\n$x$'); await settled(); }")
        yield page


def drawn(
    page: Page, cases: Sequence[tuple[str, list[str]]], size: int | None = None
) -> list[tuple[str, str, str]]:
    """Of each text: its HTML when it comes at once, when it comes in these pieces, and its words.

    `size` is that of the parts in which a long block is drawn; the text that comes at once is not so long.
    """
    found: list[Any] = []
    for at in range(0, len(cases), BATCH):
        found += page.evaluate(DRAWN, [[*case, size] if size else case for case in cases[at : at + BATCH]])
    return [(whole, streamed, words) for whole, streamed, words in found]


def hold(page: Page, seeds: Sequence[int], size: int | None = None) -> None:
    cases = []
    for seed in seeds:
        chance = random.Random(seed)
        text = document(chance)
        cases.append((text, cuts(chance, text)))
    found = drawn(page, cases, size)
    for seed, (text, pieces), (whole, streamed, words) in zip(seeds, cases, found, strict=True):
        assert whole == streamed, (seed, pieces)
        assert WORD.findall(text) == in_order(WORD.findall(text), words), (seed, text)


def in_order(wanted: Sequence[str], words: str) -> list[str]:
    """Those of the wanted that are in the words, each behind the one before."""
    found, at = [], 0
    for word in wanted:
        place = words.find(word, at)
        if place >= 0:
            found.append(word)
            at = place + len(word)
    return found


def test_texts_by_chance_are_the_same_in_pieces_and_whole(page: Page) -> None:
    hold(page, range(120))


@pytest.mark.parametrize("size", [1, 9])
def test_texts_by_chance_are_the_same_in_parts(page: Page, size: int) -> None:
    hold(page, range(300, 380), size)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(9))
def test_many_texts_by_chance_are_the_same_in_pieces_and_whole(page: Page, part: int) -> None:
    hold(page, range(1000 + part * 250, 1250 + part * 250) if part else range(120, 300))


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 2, 5, 20])
@pytest.mark.parametrize("part", range(3))
def test_many_texts_by_chance_are_the_same_in_parts(page: Page, part: int, size: int) -> None:
    hold(page, range(4000 + part * 250, 4250 + part * 250) if part else range(380, 500), size)


@pytest.mark.parametrize("size", [None, 1], ids=["whole blocks", "parts"])
def test_replies_in_many_languages_are_the_same_streamed_and_whole(page: Page, size: int | None) -> None:
    assert len(REPLIES) >= 200
    chance = random.Random(27)
    found = drawn(page, [(text, cuts(chance, text)) for text in REPLIES.values()], size)
    for name, (whole, streamed, words) in zip(REPLIES, found, strict=True):
        assert whole == streamed, name
        assert all(sentence in words for sentence in SENTENCES[name.split()[0]]), name


def test_a_fence_that_only_begins_with_a_space_is_the_same_in_pieces(page: Page) -> None:
    text = "]\n```markdown\n "
    cuts_everywhere = [[text[:at], text[at:]] for at in range(1, len(text))]
    found = drawn(page, [(text, pieces) for pieces in [*cuts_everywhere, list(text)]])
    assert len({html for whole, streamed, _ in found for html in (whole, streamed)}) == 1


LINE_ENDS = [
    "alpha\rbeta\rgamma\n\nFirst  paragraph.\n\nSecond paragraph.\n\nThird paragraph.\n\nFourth.\n",
    "one\r\rtwo\r\n\r\nthree\n\rfour\r",
    "- a\r- b\r\r```python\rx = 1\r\ny = 2\r```\rend",
    "| a | b |\r|---|---|\r| 1 | 2 |\r\r> q\r> r\r\n",
    "\r\r\n\r", "a\r", "\ra", "$$\rx\r$$\rend\r\n", "[^1]: note\r    more\r\r    and\rword[^1]",
]  # fmt: skip


@pytest.mark.parametrize("text", LINE_ENDS)
def test_every_kind_of_line_end_is_one(page: Page, text: str) -> None:
    """Cut everywhere, also between the halves of one."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    sized = [[text[at : at + size] for at in range(0, len(text), size)] for size in (1, 2, 3, 5, 13, 1000)]
    found = drawn(page, [(plain, pieces) for pieces in sized] + [(text, [plain])])
    assert len({html for whole, streamed, _ in found for html in (whole, streamed)}) == 1


def nested(first: str, more: str, levels: int) -> str:
    return "".join(f"{more * level}{first}w{level}z\n" for level in range(levels))


DEEP = {
    "list": nested("- ", "  ", 26),
    "numbers": nested("1. ", "   ", 60),
    "loose list": nested("- ", "  ", 40).replace("\n", "\n\n"),
    "quotes": "".join(f"{'> ' * level}w{level}z\n{'> ' * level}\n" for level in range(1, 60)),
    "quotes in a line": "> " * 60 + "w1z\n",
    "many quotes in a line": ">" * 5000 + " w1z\n\nw2z",
    "lists in a line": "- " * 200 + "w1z",
    "mixed": "".join(f"{'> - ' * level}w{level}z\n\n" for level in range(1, 30)),
    "code at the bottom": f"{'> ' * 50}```\n{'> ' * 50}w1z\n{'> ' * 50}```\n\nw2z",
    "going on without marks": f"{'> ' * 50}w1z\nw2z\n> w3z\n\nw4z",
    "back again": nested("- ", "  ", 30) + "- w30z\n\nw31z",
    "note": "[^1]: w0z\n\n" + nested("    - ", "  ", 30).replace("w", "w1"),
    "emphasis": "".join(f"*w{n}z **w{n}z " for n in range(300)) + "** *" * 300,
    "links": "[" * 120 + "w1z" + "](https://e.org)" * 120,
}


@pytest.mark.parametrize("name", DEEP)
def test_what_is_too_deep_is_there_as_it_was_written(page: Page, name: str) -> None:
    text = DEEP[name]
    chance = random.Random(name)
    found = drawn(page, [(text, cuts(chance, text)) for _ in range(3)])
    for whole, streamed, words in found:
        assert whole == streamed
        assert in_order(WORD.findall(text), words) == WORD.findall(text)
