"""Code and formulas that cost too much never hold the page: a worker makes them, and is ended."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.browser import PATIENCE
from tests.ui.asset_page import asset_page

PYTHON = "def f(x):\n    return x + 1  # done\n\n" * 100
FREEZING = f"```java\n{'a' * 50_000}\n```"
DOUBLING = "$$\\def\\a#1{#1#1}" + "\\a{" * 8 + "x" * 1900 + "}" * 8 + "$$"


@pytest.fixture(scope="module")
def opened() -> Iterator[Page]:
    with asset_page() as (page, _):
        page.evaluate("async () => { whole('```python\\nx = 1\\n```\\n\\n$x$'); await settled(); }")
        page.evaluate("""() => {
          const { terminate } = Worker.prototype;
          Worker.prototype.terminate = function () { ended += 1; terminate.call(this); };
        }""")
        yield page


@pytest.fixture
def page(opened: Page) -> Page:
    opened.evaluate("window.ended = 0")  # workers that were
    return opened


def ticks(page: Page, text: str) -> int:
    """How often a timer of the page runs between the text and the last of its colours."""
    count: int = page.evaluate(
        """async (text) => {
          let count = 0;
          const timer = setInterval(() => (count += 1), 5);
          whole(text);
          await settled();
          clearInterval(timer);
          return count;
        }""",
        text,
    )
    return count


def done(page: Page) -> int:
    return page.locator(".wc-done").count()


@pytest.mark.parametrize("text", [FREEZING, DOUBLING], ids=["code", "formula"])
def test_the_page_goes_on_beside_what_takes_too_long(page: Page, text: str) -> None:
    assert ticks(page, f"{text}\n\n```python\n{PYTHON}\n```") > 10
    assert done(page) == 1, "what follows is coloured"
    assert page.evaluate("shown.textContent").count("a" * 900 if text is FREEZING else "x" * 1900)
    ticks(page, text)
    assert page.evaluate("ended") == 1, "it is not tried again"


def test_a_text_of_nothing_else_is_given_up(page: Page) -> None:
    blocks = [f"```java\n{number}{'a' * 50_000}\n```" for number in range(12)]
    assert ticks(page, "\n\n".join(blocks)) > 10
    assert page.evaluate("ended") == 3


def test_long_code_is_coloured_as_short_code_is(page: Page) -> None:
    colours = "[...shown.querySelectorAll('[class^=hljs]')].map((one) => one.className)"
    page.evaluate("text => whole(text)", f"```python\n{PYTHON[: len(PYTHON) // 100]}\n```")
    few = page.evaluate(colours)
    ticks(page, f"```python\n{PYTHON}\n```")
    assert page.evaluate(colours) == few * 100


def test_colours_stay_when_the_code_ends(page: Page) -> None:
    pieces = [f"```python\nclosing = 1\n{PYTHON}", "y = 2\n```\n\nmore"]
    assert page.evaluate(
        """([first, second]) => {
          fresh();
          view.append(first);
          view.flush();
          const before = shown.querySelectorAll(".hljs-keyword").length;
          view.append(second);
          view.flush();
          return before > 0 && shown.querySelectorAll(".hljs-keyword").length === before;
        }""",
        pieces,
    )
    page.evaluate("async () => { view.finish(); await settled(); }")
    assert done(page) == 1
    assert page.evaluate("shown.querySelector('code').textContent") == f"{pieces[0][10:]}y = 2\n"


@pytest.mark.parametrize("between", [" ", "\n\n", "\n- "])
@pytest.mark.parametrize("piece", [7, 10_000])
def test_the_formulas_of_one_text_are_bounded_and_it_says_so(page: Page, between: str, piece: int) -> None:
    text = between.join(f"$x_{number}$" for number in range(60))
    page.evaluate(
        """async ([text, size]) => {
          fresh({ most: 40 });
          for (let at = 0; at < text.length; at += size) {
            view.append(text.slice(at, at + size));
            view.flush();
          }
          view.finish();
          await settled();
        }""",
        [text, piece],
    )
    assert page.locator(".wc-math").count() == 60
    assert (
        page.evaluate("[...shown.querySelectorAll('.wc-math')].findIndex((one) => !one.matches('.wc-done'))")
        == 40
    )
    assert page.locator(".wc-many").inner_text() == "transcript.many 40"
    assert page.evaluate("shown.lastElementChild.className") == "wc-many"


def test_nothing_is_said_where_all_is_set(page: Page) -> None:
    ticks(page, "$x$\n\n" * 30)
    assert done(page) == 30
    assert page.locator(".wc-many").count() == 0


def test_without_a_worker_what_is_short_is_set_all_the_same(page: Page) -> None:
    browser = page.context.browser
    assert browser
    other = browser.new_page()
    other.set_default_timeout(PATIENCE)
    other.add_init_script("window.Worker = class { constructor() { throw new Error('none'); } };")
    other.goto(page.url)
    other.wait_for_function("window.ready")
    ticks(other, f"$x+1$\n\n```python\nx = 2\n```\n\n```python\nnone = 1\n{PYTHON}\n```")
    assert done(other) == 2
    other.close()


UNITS = ["a", "$", "0", "[", '"', "a(", "<a ", "aA", "a<a>", "(a", "/*", "\n", "a: ", "//"]


def test_what_the_page_makes_itself_is_short_in_every_language(page: Page) -> None:
    """Beside ordinary code of that length, as often as to take as long: a machine that is slow, or busy
    with something else, slows both. What seems long is timed again."""
    worst = page.evaluate(
        """async ([units, ordinary, bound]) => {
          const { default: hljs } = await import("/vendor/highlight/highlight.js");
          const cost = (language, text, repeats, enough) => {
            let best = Infinity;
            for (let time = 0; time < 3 || (time < 30 && best > enough); time += 1) {
              const begun = performance.now();
              for (let n = 0; n < repeats; n += 1) hljs.highlight(text, { language, ignoreIllegals: true });
              best = Math.min(best, performance.now() - begun);
            }
            return best;
          };
          cost("python", ordinary, 30, 0);
          const most = cost("python", ordinary, bound, Infinity);
          let worst = ["", "", 0];
          for (const language of hljs.listLanguages())
            for (const unit of units) {
              const ratio = bound * cost(language, unit.repeat(1500 / unit.length), 1, most) / most;
              if (ratio > worst[2]) worst = [language, unit, ratio];
            }
          return worst;
        }""",
        [UNITS, PYTHON[:1500], 100],
    )
    assert worst[2] < 100, worst
