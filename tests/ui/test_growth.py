"""What is shown costs its length in the page too, whatever a person or a model writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import CDPSession, Page

from tests.growth import MOST, doubling
from tests.test_growth import repeated
from tests.ui.asset_page import asset_page

SIZE = 12_000
"""Characters of the shortest text: more than is read of one paragraph."""

WORK = """async ([work, text, times]) => {
  const { body } = document;
  for (let time = 0; time < times; time += 1) {
    window[work](text);
    await settled();
    body.offsetHeight; // layout belongs to it, and would come with the next frame
    document.querySelector(".wc-transcript").replaceChildren();
  }
}"""
"""Nothing is left to be drawn when it ends."""

MARKS = (
    *(
        "word ",
        "\\(",
        "\\[",
        "$",
        "$a",
        "\\(a",
        "[",
        "](",
        "[a](",
        "![",
        "<",
        "<a ",
        "*",
        "**a",
        "**中",
        "_a ",
    ),
    *("`", "``a", "> ", "| a |", "http://a.b ", "http://", "http://a。", "&", "\\", "(", "[^1]", "<br>"),
)
CODE = {"java": "int a;\n", "python": "a = 1\n", "": "a。"}


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with asset_page() as (page, _):
        page.set_default_timeout(100_000)
        page.evaluate("whole('```python\\nx = 1\\n```\\n\\n$x$')")
        page.wait_for_selector("code.wc-done")
        page.wait_for_selector(".wc-math.wc-done")
        page.evaluate(
            """async () => {
              const { mend } = await import("/conversation/mend.js");
              const { lineDiff } = await import("/templates/diff.js");
              const { visible } = await import("/inspect/text.js");
              const { MessageView } = await import("/message.js");
              const bubble = (text) => {
                const record = { id: "1", role: "user", text, state: "complete", siblings: ["1"] };
                const { element } = new MessageView(record, t);
                document.querySelector(".wc-transcript").replaceChildren(element);
              };
              const reversed = (text) => text.split("\\n").reverse().join("\\n");
              const diff = (text) => lineDiff(text, reversed(text));
              Object.assign(window, { mend, visible, diff, bubble });
            }"""
        )
        yield page


def growth(page: Page, work: str, make: Callable[[int], str], size: int) -> float:
    """By the renderer's own CPU time, so that what else the machine does is not counted."""
    metrics = page.context.new_cdp_session(page)
    metrics.send("Performance.enable", {"timeDomain": "threadTicks"})

    def cost(length: int, times: int) -> float:
        text = make(size * length)
        before = _busy(metrics)
        page.evaluate(WORK, [work, text, times])
        return _busy(metrics) - before

    cost(1, 1)
    try:
        return doubling(cost)
    finally:
        metrics.detach()


def _busy(metrics: CDPSession) -> float:
    found = {one["name"]: one["value"] for one in metrics.send("Performance.getMetrics")["metrics"]}
    return float(found["TaskDuration"])


def holds(page: Page, work: str, make: Callable[[int], str], size: int = SIZE) -> None:
    assert growth(page, work, make, size) <= MOST


@pytest.mark.parametrize("unit", MARKS)
def test_markdown(page: Page, unit: str) -> None:
    holds(page, "whole", lambda size: repeated(unit, size))


@pytest.mark.parametrize(("language", "unit"), CODE.items())
def test_code(page: Page, language: str, unit: str) -> None:
    holds(page, "whole", lambda length: f"```{language}\n{repeated(unit, length)}\n```", 4000)


@pytest.mark.parametrize(
    "unit",
    [
        "a\n\n",
        "- a\n",
        "- [ ] a\n",
        "1. a\n   - b\n",
        "> a\n\n",
        "# a\n",
        "```python\nx = 1\n```\n",
        "$x$\n\n",
        "[a]: http://b\n",
    ],
)
def test_blocks(page: Page, unit: str) -> None:
    holds(page, "whole", lambda size: repeated(unit, size), 800)


@pytest.mark.parametrize("form", ["a[^{0}]\n\n[^{0}]: b\n\n", "[a][{0}]\n\n[{0}]: http://b\n\n"])
def test_notes(page: Page, form: str) -> None:
    holds(page, "whole", lambda size: "".join(form.format(number) for number in range(size)), 30)


def test_tables(page: Page) -> None:
    row = "| a " * 10
    holds(page, "whole", lambda size: f"{row}\n{'|-' * 10}\n" + f"{row}\n" * size, 12)


@pytest.mark.parametrize("work", ["mend", "prose", "visible"])
@pytest.mark.parametrize("unit", ["word ", "*", "`", "$", "[", "\\(", "\n", " ", "| a\n", "```\n"])
def test_other_readers(page: Page, work: str, unit: str) -> None:
    holds(page, work, lambda size: repeated(unit, size))


@pytest.mark.parametrize("unit", ["word ", "a。", "\n"])
def test_words_of_a_person(page: Page, unit: str) -> None:
    holds(page, "bubble", lambda size: repeated(unit, size))


def test_differences(page: Page) -> None:
    holds(page, "diff", lambda size: "\n".join(map(str, range(size))), 3000)


def test_what_grows_with_the_square_is_seen(page: Page) -> None:
    page.evaluate(
        """() => {
          window.square = (text) => {
            let found = 0;
            for (let at = 0; at < text.length; at += 8) found += text.slice(at).replaceAll("a", "").length;
            return found;
          };
        }"""
    )
    assert growth(page, "square", lambda size: repeated("ab", size), 250) > 3


def test_a_long_paragraph_is_shown_as_it_is(page: Page) -> None:
    text = f"**bold** {'word ' * 2500}end"
    found = page.evaluate(
        """(text) => {
          whole(text);
          shown.querySelector(".wc-plain").remove(); // the note that says so
          return shown.textContent.trim();
        }""",
        text,
    )
    assert found == text
