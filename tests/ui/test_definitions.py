"""Tasks, notes, named links and the way words run, as the page draws them; no word vanishes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page

from tests.ui.asset_page import asset_page

TASKS = "- [ ] buy milk\n- [x] write code\n* [X] ship **it**\n\n1. [x] counted\n\n- [ ]\n- [x](https://example.org)\n"
NOTES = (
    "Known[^1] and also[^note], again[^1].\n\n[^1]: See the handbook, page 3.\n[^note]: Own measurement.\n"
)
LATER = "[^1]: The note comes first.\n\nA mark[^1], one without a note[^2]. `[^1]` is code.\n\nThe end.\n"
LONG = "Known[^a].\n\n[^a]: First paragraph\n    goes on.\n\n    Second, with `code`.\n\nAfter it.\n"
TWICE = "A mark[^1] and a [link][x].\n\n[^1]: one\n[^1]: two\n\n[x]: https://example.org/1\n[x]: https://example.org/2\n"
UNUSED = (
    "Sources.\n\n[1]: https://example.com/one\n[2]: https://example.com/two '2'\n\n[^9]: an **odd** one\n"
)
QUOTED = "> said[^1]\n> [^2]: no note in a quote\n\n- item[^1]\n  [^3]: nor in an item\n\n[^1]: the note\n"
MIXED = (
    "# שלום\n\nمرحبا **hello**\n\n- first\n- ثانيا\n\n| a | ب |\n|---|---|\n| ג | d |\n\n"
    "`npm install` ثم شغّل الأمر.\n"
)

EVERY = {
    "tasks": TASKS, "notes": NOTES, "later": LATER, "long": LONG, "twice": TWICE, "unused": UNUSED,
    "quoted": QUOTED, "mixed": MIXED,
    "many": "".join(f"[^{n}] " for n in range(40)) + "\n\n" + "".join(f"[^{n}]: n{n}\n" for n in range(40)),
}  # fmt: skip


SAME = """async ([text, pieces]) => {
  whole(text);
  const wanted = shown;
  await settled();
  streamed(pieces);
  await settled();
  return shown.isEqualNode(wanted) || [wanted.innerHTML, shown.innerHTML];
}"""


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with asset_page() as (page, _):
        yield page


def drawn(page: Page, text: str) -> dict[str, Any]:
    """What is on the page for a text: its words, and some of its elements."""
    found: dict[str, Any] = page.evaluate(
        """(text) => {
          whole(text);
          const all = (selector, of) => [...shown.querySelectorAll(selector)].map(of);
          return {
            words: shown.innerText,
            boxes: all("li > input", (box) => [box.checked, box.disabled, box.ariaLabel]),
            items: all("li", (item) => item.innerText.trim()),
            marks: all("sup button[data-note]", (mark) => mark.dataset.note),
            notes: all(".wc-footnote", (note) => note.innerText.replace(/\\s+/g, " ").trim()),
            links: all("a", (link) => link.href),
            runs: all("p, li, h1, th, td", (at) => [at.textContent.trim(), getComputedStyle(at).direction]),
          };
        }""",
        text,
    )
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
@pytest.mark.parametrize("name", EVERY)
def test_the_pieces_make_no_difference(page: Page, name: str, size: int) -> None:
    text = EVERY[name]
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert page.evaluate(SAME, [text, pieces]) is True


PARTS = st.sampled_from(
    ["[^1]", "[^2]: b", "[^1]: a", "\n", "\n\n", "    ", "[1]: https://e.org", "[x][1]", "[1]", "`", "> ",
     "- [x] ", "- ", "word ", "**", "[^", "]", "|"]
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(PARTS, max_size=24), size=st.integers(1, 9))
def test_whatever_is_defined_and_named_where_it_ends_the_same(
    page: Page, parts: list[str], size: int
) -> None:
    text = "".join(parts)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert page.evaluate(SAME, [text, pieces]) is True


def test_tasks_are_boxes_that_nobody_presses(page: Page) -> None:
    found = drawn(page, TASKS)
    assert found["boxes"] == [
        [False, True, "transcript.task_open"],
        [True, True, "transcript.task_done"],
        [True, True, "transcript.task_done"],
        [True, True, "transcript.task_done"],
    ]
    assert found["items"] == ["buy milk", "write code", "ship it", "counted", "[ ]", "x"]


def test_marks_and_notes_belong_together(page: Page) -> None:
    found = drawn(page, NOTES)
    assert found["marks"] == ["1", "2", "1"]
    assert found["notes"] == ["1. See the handbook, page 3. ↩", "2. Own measurement. ↩"]
    assert "[^" not in found["words"]


def test_one_goes_from_a_mark_to_its_note_and_back_within_the_message(page: Page) -> None:
    page.evaluate(
        """(text) => {
          whole(text);
          const other = shown.cloneNode(true);
          document.querySelector(".wc-transcript").prepend(other); // another message with the same notes
        }""",
        NOTES,
    )
    note = page.evaluate(
        """() => {
          shown.querySelectorAll("button[data-note]")[2].click();
          return [document.activeElement.innerText, shown.contains(document.activeElement)];
        }"""
    )
    assert "See the handbook" in note[0]
    assert note[1] is True
    back = page.evaluate(
        """() => {
          document.activeElement.querySelector("button").click();
          return document.activeElement === shown.querySelector("button[data-note='1']");
        }"""
    )
    assert back is True


def test_a_note_is_found_whether_it_comes_before_or_behind(page: Page) -> None:
    found = drawn(page, LATER)
    assert found["notes"] == ["1. The note comes first. ↩"]
    assert found["marks"] == ["1"]
    assert "without a note[^2]" in found["words"]
    assert "[^1] is code" in found["words"]


def test_a_note_of_several_paragraphs_is_whole(page: Page) -> None:
    (note,) = drawn(page, LONG)["notes"]
    assert note == "1. First paragraph goes on. Second, with code. ↩"


def test_what_nobody_names_is_shown_as_it_was_written(page: Page) -> None:
    found = drawn(page, UNUSED)
    assert "[1]: https://example.com/one" in found["words"]
    assert "[2]: https://example.com/two '2'" in found["words"]
    assert "[^9]: an odd one" in found["words"]
    assert found["links"] == ["https://example.com/one", "https://example.com/two"]
    assert found["notes"] == []


def test_the_second_definition_of_a_name_is_text(page: Page) -> None:
    found = drawn(page, TWICE)
    assert found["notes"] == ["1. one ↩"]
    assert "[^1]: two" in found["words"]
    assert "[x]: https://example.org/2" in found["words"]
    assert found["links"] == ["https://example.org/1", "https://example.org/2"]


def test_an_address_in_a_note_can_be_read(page: Page) -> None:
    found = drawn(page, "This is known[^1].\n\n[^1]: https://example.com/source\n")
    assert found["links"] == ["https://example.com/source"]
    assert found["notes"] == ["1. https://example.com/source ↩"]


WORDS = st.text(alphabet="ab 中é", min_size=1, max_size=8).map(str.strip).filter(bool)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    notes=st.lists(st.tuples(st.sampled_from("123ab"), WORDS), max_size=5),
    named=st.lists(st.sampled_from("123ab"), max_size=5),
)
def test_no_word_of_a_note_vanishes(page: Page, notes: list[tuple[str, str]], named: list[str]) -> None:
    text = "".join(f"see[^{label}] " for label in named) + "\n\n"
    text += "".join(f"[^{label}]: {words}\n\n" for label, words in notes)
    shown = re.sub(r"\s+", " ", drawn(page, text)["words"])
    for _, words in notes:
        assert re.sub(r"\s+", " ", words) in shown


def test_no_half_written_mark_is_seen(page: Page) -> None:
    for draft in page.evaluate(
        "pieces => drafts(pieces)", list("- [ ] milk\n- [x] code\n\nKnown[^1] now.\n")
    ):
        assert not re.search(r"\[[ x^]?\]?", draft), draft


def test_words_run_by_their_own_first_letter_and_code_is_none(page: Page) -> None:
    runs = dict(drawn(page, MIXED)["runs"])
    assert runs == {
        "שלום": "rtl", "مرحبا hello": "rtl", "first": "ltr", "ثانيا": "rtl", "a": "ltr", "ب": "rtl",
        "ג": "rtl", "d": "ltr", "npm install ثم شغّل الأمر.": "rtl",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "runs"), [("- واحد\n- two\n", "rtl"), ("- one\n- اثنان\n", "ltr"), ("- `x` واحد\n", "rtl")]
)
def test_a_list_has_its_marks_where_its_first_item_begins(page: Page, text: str, runs: str) -> None:
    look = "(text) => (whole(text), getComputedStyle(shown.querySelector('ul')).direction)"
    assert page.evaluate(look, text) == runs
