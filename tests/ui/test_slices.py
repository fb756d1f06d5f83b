"""A long text, and many formulas, are drawn a slice at a time: no task adds more than a few frames' worth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.ui.asset_page import asset_page

FORMULAS = "".join(
    f"Step {n}: $x_{{{n}}} = \\frac{{{n}}}{{n+1}}$ and\n\n$$\nS_{{{n}}} = \\sum_{{k=0}}^{{{n}}} a^k\n$$\n\n"
    for n in range(60)
)
LONG = {
    "paragraphs": "a short one\n\n" * 3000,
    "headings": "# a\n" * 1000,
    "notes": "".join(f"a[^{n}]\n\n" for n in range(400)) + "".join(f"[^{n}]: b\n" for n in range(400)),
    "links": "".join(f"[a{n}][l]\n\n" for n in range(600)) + "[l]: https://e.org\n",
    "lists": "- a\n- b\n\npara\n\n" * 500,
    "code": "".join(f"```python\nx = {n}\n```\n\n" for n in range(400)),
    "items": "- item **b** `c`\n" * 3000,
    "items within items": "- a\n" + "  - b\n    - c **d** `e`\n" * 1500,
    "rows": "| a | b |\n|---|---|\n" + "| **1** | 2 |\n" * 2000,
    "quote": "> a short one\n>\n" * 3000,
    "formulas": FORMULAS,
    "formulas again": FORMULAS,  # made before
}

MOST = 4000
"""Elements: a slice, and the longest block at its end."""

ADDED = """async ([text, streamed]) => {
  fresh();
  const tasks = [];
  const known = new WeakSet(); // an element that comes in one that is told of, too, counts once
  const count = (node) => {
    const elements = node.nodeType === Node.ELEMENT_NODE ? [node, ...node.querySelectorAll("*")] : [];
    return elements.filter((element) => !known.has(element) && known.add(element)).length;
  };
  let task = 0;
  const timer = window.setTimeout;
  // What a task adds without a timer belongs to it; a timer is the next task, although it comes before ours.
  window.setTimeout = (run, ...rest) => timer(() => { task = 0; run(); }, ...rest);
  const seen = (changes) => {
    if (!task) {
      tasks.push(0);
      task = timer(() => (task = 0));
    }
    const nodes = changes.flatMap(({ addedNodes }) => [...addedNodes]);
    tasks[tasks.length - 1] += nodes.reduce((sum, node) => sum + count(node), 0);
  };
  const observer = new MutationObserver(seen);
  observer.observe(shown, { subtree: true, childList: true });
  if (streamed) { view.append(text); view.flush(); view.finish(); }
  else view.set(text);
  await settled();
  seen(observer.takeRecords());
  observer.disconnect();
  window.setTimeout = timer;
  return { tasks, words: shown.textContent, html: shown.innerHTML };
}"""


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with asset_page() as (page, _):
        page.evaluate("async () => { whole('```python\\nx = 1\\n```\\n\\n$x$'); await settled(); }")
        yield page


def added(page: Page, text: str, streamed: bool) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate(ADDED, [text, streamed])
    return found


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "in one piece"])
@pytest.mark.parametrize("name", LONG)
def test_no_task_adds_more_than_a_slice(page: Page, name: str, streamed: bool) -> None:
    found = added(page, LONG[name], streamed)
    assert max(found["tasks"]) <= MOST
    assert len(found["tasks"]) > 2


def test_a_long_text_in_slices_is_what_it_is_in_pieces(page: Page) -> None:
    text = "\n\n".join(LONG[name][:6000] for name in ("paragraphs", "notes", "links", "lists", "code"))
    assert len(text) > 20_000
    by_pieces = page.evaluate(
        """async (text) => {
          fresh();
          for (let at = 0; at < text.length; at += 1999) {
            view.append(text.slice(at, at + 1999));
            view.flush();
            await settled();
          }
          view.finish();
          await settled();
          return shown.innerHTML;
        }""",
        text,
    )
    assert added(page, text, streamed=False)["html"] == by_pieces


@pytest.mark.parametrize("name", ["items", "items within items", "rows", "quote"])
def test_a_long_block_in_parts_is_what_it_is_in_one(page: Page, name: str) -> None:
    text = LONG[name] + "\n\nAfter it."
    in_one = page.evaluate(
        """async (text) => {
          fresh({ size: Infinity });
          view.set(text);
          await settled();
          return shown.innerHTML;
        }""",
        text,
    )
    assert added(page, text, streamed=False)["html"] == in_one
    assert added(page, text, streamed=True)["html"] == in_one


def test_a_long_list_that_grows_draws_only_its_end_anew(page: Page) -> None:
    kept = page.evaluate(
        """async (text) => {
          fresh();
          view.append(text);
          view.flush();
          await settled();
          const before = [...shown.querySelectorAll("li")];
          const changed = [];
          const note = (changes) => changed.push(...changes.map(({ target }) => target));
          const observer = new MutationObserver(note);
          observer.observe(shown, { subtree: true, childList: true, characterData: true });
          view.append("- more\\n- and more\\n- and");
          view.flush();
          await settled();
          observer.disconnect();
          const after = [...shown.querySelectorAll("li")];
          const untouched = before.filter((item) => !changed.some((target) => item.contains(target)));
          const kept = before.every((item, at) => item === after[at]);
          return [kept, untouched.length / before.length, after.length];
        }""",
        "- item **b** `c`\n" * 1000,
    )
    assert kept[0]
    assert kept[1] > 0.9
    assert kept[2] == 1003


def test_the_last_of_many_texts_is_drawn_before_those_above(page: Page) -> None:
    order = page.evaluate(
        """async (text) => {
          const { markdownView } = await import("/markdown.js");
          const list = document.querySelector(".wc-transcript");
          list.replaceChildren();
          const drawn = [];
          const places = Array.from({ length: 30 }, (_, index) => {
            const place = document.createElement("div");
            list.append(place);
            const note = () => place.textContent.includes("end") && drawn.push(index);
            new MutationObserver(note).observe(place, { childList: true });
            markdownView(place, { t }).set(text);
            return place;
          });
          const begun = places.filter(({ firstChild }) => firstChild).length;
          await settled();
          return [begun, drawn.indexOf(29), drawn.indexOf(15)];
        }""",
        "a short one\n\n" * 300 + "end",
    )
    assert order[0] < 30
    assert 0 <= order[1] < order[2]


def test_a_text_can_change_while_it_is_drawn(page: Page) -> None:
    assert page.evaluate(
        """async (text) => {
          fresh();
          view.set(text);
          const begun = shown.textContent.length;
          view.set("other\\n\\n" + text);
          view.set("the last");
          await settled();
          return [begun < text.length / 2, shown.textContent.trim()];
        }""",
        LONG["paragraphs"],
    ) == [True, "the last"]


def test_paper_does_not_wait(page: Page) -> None:
    words = page.evaluate(
        """async (text) => {
          const { slices } = await import("/conversation/slices.js");
          fresh();
          view.set(text);
          slices.finish();
          return shown.textContent.match(/short/g).length;
        }""",
        LONG["paragraphs"],
    )
    assert words == 3000


def test_what_is_in_view_comes_first(page: Page) -> None:
    """The last of many formulas, when the reader is there, are not the last to be set."""
    place = page.evaluate(
        """async (text) => {
          const scroller = document.querySelector(".wc-transcript");
          scroller.style.cssText = "height: 300px; overflow: auto";
          fresh();
          view.set(text);
          scroller.scrollTop = scroller.scrollHeight;
          const marks = [...shown.querySelectorAll(".wc-math")];
          const order = marks.filter((one) => one.matches(".wc-done"));
          const observer = new MutationObserver((changes) => {
            for (const { target } of changes)
              if (target.matches(".wc-math.wc-done") && !order.includes(target)) order.push(target);
          });
          observer.observe(shown, { subtree: true, attributeFilter: ["class"] });
          await settled();
          observer.disconnect();
          scroller.style.cssText = "";
          return { of: marks.length, all: order.length, last: order.indexOf(marks.at(-1)) };
        }""",
        # One paragraph: drawn at once, its formulas take many more slices than the first frame.
        "".join(f"$\\def\\a{{\\frac{{{n}}}2}}\\def\\b{{\\a\\a\\a\\a}}\\b\\b\\b\\b$\n" for n in range(150)),
    )
    assert place["of"] == place["all"] == 150
    assert place["last"] < 0.95 * 150, place
