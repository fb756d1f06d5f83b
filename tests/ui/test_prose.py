"""What is a mark, a formula or an address, and what is neither, in many languages; in a real browser.

`prose/*.json`: rows of a text and what is to be found in its picture. `formulas`: the TeX that is typeset;
`addresses`: where its links lead; `marks`: markup that is there, and that is not; `ordinary`: markup of what
CommonMark and GFM say and people rely on; `fences`: the code of each block; `lines`: the lines one reads;
`directions`: of the elements that a selector finds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page

from tests.ui.asset_page import asset_page

TABLES = Path(__file__).parent / "prose"

LOOK = """async (texts) => {
  const looks = [];
  for (const text of texts) {
    whole(text);
    await settled();
    const all = (selector, of) => [...shown.querySelectorAll(selector)].map(of);
    looks.push({
      html: shown.innerHTML.replace(/ (?:dir|tabindex)="\\w+"/g, "").replace(/<button.*?<\\/button>/g, ""),
      words: shown.textContent,
      formulas: all(".wc-math", (at) => at.querySelector("annotation")?.textContent ?? at.outerHTML),
      links: all("a", (link) => link.getAttribute("href")),
      fences: all("pre", (code) => code.textContent),
      lines: shown.innerText.split("\\n").filter(Boolean),
    });
  }
  return looks;
}"""


def table(name: str) -> list[Any]:
    rows: list[Any] = json.loads((TABLES / f"{name}.json").read_text("utf-8"))
    return rows


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with asset_page() as (page, _):
        page.evaluate("async () => { whole('```python\\nx = 1\\n```\\n\\n$x$'); await settled(); }")
        yield page


def look(page: Page, *texts: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.evaluate(LOOK, list(texts))
    return found


def drawn(page: Page, name: str) -> Iterator[tuple[Any, dict[str, Any]]]:
    rows = table(name)
    return zip(rows, look(page, *(row[0] for row in rows)), strict=True)


def test_formulas_are_typeset_and_prices_shell_and_brackets_are_text(page: Page) -> None:
    wrong = [
        (text, seen["formulas"]) for (text, tex), seen in drawn(page, "formulas") if seen["formulas"] != tex
    ]
    assert wrong == []


def test_no_dollar_sign_is_lost_from_what_is_text(page: Page) -> None:
    for (text, tex), seen in drawn(page, "formulas"):
        if not tex:
            assert seen["words"].count("$") == text.count("$"), text


def test_bare_addresses_end_where_people_expect(page: Page) -> None:
    wrong = [
        (text, seen["links"]) for (text, links), seen in drawn(page, "addresses") if seen["links"] != links
    ]
    assert wrong == []


def test_no_character_beside_an_address_is_lost(page: Page) -> None:
    for (text, _), seen in drawn(page, "addresses"):
        if not any(mark in text for mark in ["xn--", "- ", "1. ", *"*_~<|[`%>#"]):
            assert seen["words"].strip() == text, text


def test_marks_are_drawn_where_people_expect(page: Page) -> None:
    wrong = []
    for (text, there, absent), seen in drawn(page, "marks"):
        wrong += [(text, part, seen["html"]) for part in there if part not in seen["html"]]
        wrong += [(text, f"not {part}", seen["html"]) for part in absent if part in seen["html"]]
    assert wrong == []


def test_what_commonmark_says_holds_beside_it(page: Page) -> None:
    wrong = [
        (text, part, seen["html"])
        for (text, part), seen in drawn(page, "ordinary")
        if part not in seen["html"]
    ]
    assert wrong == []


def test_fences_within_markdown_end_nothing_and_a_missing_end_swallows_nothing(page: Page) -> None:
    rows = table("fences")
    for (name, _, code), seen in zip(rows, look(page, *(row[1] for row in rows)), strict=True):
        assert seen["fences"] == code, name
        assert seen["lines"][-1] == "That is all.", name


def test_single_line_breaks_are_lines(page: Page) -> None:
    wrong = [(text, seen["lines"]) for (text, lines), seen in drawn(page, "lines") if seen["lines"] != lines]
    assert wrong == []


def test_words_run_by_themselves_and_code_formulas_and_addresses_are_none(page: Page) -> None:
    wrong = page.evaluate(
        """async (rows) => {
          const wrong = [];
          for (const [text, selector, wanted] of rows) {
            whole(text);
            await settled();
            const runs = [...shown.querySelectorAll(selector)].map((at) => getComputedStyle(at).direction);
            if (runs.join() !== wanted.join()) wrong.push([text, selector, runs]);
          }
          return wrong;
        }""",
        table("directions"),
    )
    assert wrong == []


def test_the_line_beside_a_quote_and_the_marks_of_a_list_are_where_its_words_begin(page: Page) -> None:
    sides = page.evaluate(
        """() => {
          whole("> قال\\n\\n- واحد\\n\\n> said\\n\\n- one");
          const sides = (tag, property) =>
            [...shown.querySelectorAll(tag)].map((at) =>
              ["Left", "Right"].filter((it) => parseFloat(getComputedStyle(at)[property.replace("*", it)])));
          return [sides("blockquote", "border*Width"), sides("ul", "padding*")];
        }"""
    )
    assert sides == [[["Right"], ["Left"]], [["Right"], ["Left"]]]


def test_what_a_reader_unfolds_stays_unfolded_while_the_reply_grows(page: Page) -> None:
    states = page.evaluate(
        """() => {
          fresh();
          view.append("<details>\\n<summary>More</summary>\\n\\nfirst");
          view.flush();
          const states = [shown.querySelector("details").open];
          shown.querySelector("summary").click();
          for (const piece of [" goes on\\n\\n- item", "\\n\\n</details>\\n", "\\nAfter it.\\n\\nEnd."]) {
            view.append(piece);
            view.flush();
            states.push(shown.querySelector("details").open);
          }
          view.finish();
          return [...states, shown.querySelector("details").open];
        }"""
    )
    assert states == [False, True, True, True, True]


def test_a_paragraph_too_long_to_format_says_so(page: Page) -> None:
    long = "a **b** " * 1500
    found = page.evaluate(
        """async ([long, short]) => {
          const said = [];
          for (const text of [long, `- ${long}`, short]) {
            whole(text);
            await settled();
            const notes = shown.querySelectorAll(".wc-plain").length;
            said.push([notes, shown.textContent.includes(text.slice(4, 900))]);
          }
          return said;
        }""",
        [long, "a b " * 1500],
    )
    assert found == [[1, True], [1, True], [0, True]]


def test_what_never_ends_hides_nothing(page: Page) -> None:
    shown = page.evaluate(
        "() => { whole('<details>\\n<summary>A</summary>\\n\\nwords'); return shown.innerText; }"
    )
    assert "words" in shown


@pytest.mark.parametrize(
    ("text", "unwanted"),
    [
        ("H<sub>2</sub>O and <kbd>Ctrl</kbd>.", ["<", "&lt;", "kbd"]),
        ("<details>\n<summary>More of it</summary>\n\nwords\n</details>\n", ["<", "summary"]),
        ("So $x^2$ and \\(a+b\\).", ["$", "\\"]),
    ],
)
def test_no_half_written_element_is_seen(page: Page, text: str, unwanted: list[str]) -> None:
    for draft in page.evaluate("pieces => drafts(pieces)", list(text)):
        assert not [mark for mark in unwanted if mark in draft], draft


def test_prose_behind_a_dollar_sign_is_not_held_back(page: Page) -> None:
    text = "Set $PATH to what you need, then go on."
    assert page.evaluate("pieces => drafts(pieces)", list(text[:-5]))[-1] == text[:-5]


@pytest.mark.parametrize(("size", "parts"), [(1, None), (3, None), (2, 1)], ids=["1", "3", "in parts"])
@pytest.mark.parametrize(
    "name", ["formulas", "addresses", "marks", "ordinary", "fences", "lines", "directions"]
)
def test_none_of_it_depends_on_the_pieces(page: Page, name: str, size: int, parts: int | None) -> None:
    wrong = page.evaluate(
        """async ([texts, size, parts]) => {
          const wrong = [];
          for (const text of texts) {
            whole(text);
            await settled();
            const { innerHTML } = shown;
            streamed(text.match(new RegExp(`[^]{1,${size}}`, "g")), parts ? { size: parts } : {});
            await settled();
            if (shown.innerHTML !== innerHTML) wrong.push([text, innerHTML, shown.innerHTML]);
          }
          return wrong;
        }""",
        [[row[name == "fences"] for row in table(name)], size, parts],
    )
    assert wrong == []


PARTS = st.sampled_from(
    ["<details>", "</details>", "<summary>", "</summary>", "<sub>", "</sub>", "```md", "```js", "```", "~~~",
     "\n", "\n\n", "> ", "- ", "  ", "word ", "$", "$$", "x^2", "5 ", "\\[", "\\]", "\\(", "\\)",
     "\\begin{align}", "\\end{align}", "|", "|-|-|", "**", "__", "https://e.org/a", "查看", "/", "שלום", "`"]
)  # fmt: skip


def pieces_change(page: Page, text: str, size: int) -> list[str] | None:
    """What is drawn of the whole text, and in pieces, where that differs."""
    found: list[str] | None = page.evaluate(
        """async ([text, pieces]) => {
          whole(text);
          await settled();
          const { innerHTML } = shown;
          streamed(pieces);
          await settled();
          return shown.innerHTML === innerHTML ? null : [innerHTML, shown.innerHTML];
        }""",
        [text, [text[at : at + size] for at in range(0, len(text), size)]],
    )
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(PARTS, max_size=24), size=st.integers(1, 9))
def test_whatever_opens_and_closes_where_it_ends_the_same(page: Page, parts: list[str], size: int) -> None:
    assert pieces_change(page, "".join(parts), size) is None


@pytest.mark.slow
@settings(max_examples=4000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(PARTS, max_size=40), size=st.integers(1, 9))
def test_whatever_opens_and_closes_where_it_ends_the_same_in_many_texts(
    page: Page, parts: list[str], size: int
) -> None:
    assert pieces_change(page, "".join(parts), size) is None
