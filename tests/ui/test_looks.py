"""What can be measured of how the real page looks: contrast, room for fingers, nothing beyond the edge."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import PATIENCE
from tests.ui.site import site

WORDS = """Some **bold** words, `code` and [a link](https://example.org).

| a | b |
|---|--:|
| one | 1 |

```python
def f(x):
    return "text" + str(x)  # a comment
```
"""

CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const read = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
  const ground = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.push(read(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const linear = (v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const faint = [];
  for (const element of document.querySelectorAll("#wc-app *")) {
    const style = getComputedStyle(element);
    const says = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const seen = style.visibility === "visible" && element.getClientRects().length;
    const apart = element.closest("[inert], .wc-visually-hidden, .wc-skip, button:disabled");
    if (!says || !seen || apart) continue;
    let opacity = 1;
    for (let at = element; at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
    if (opacity < 0.05) continue;
    const below = ground(element);
    const [r, g, b, a] = read(style.color);
    const [high, low] = [light(over([r, g, b, a * opacity], below)), light(below)].sort((x, y) => y - x);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) faint.push([element.textContent.trim().slice(0, 30), ratio]);
  }
  return faint;
}"""

SMALL = """() => [...document.querySelectorAll("button, a, input, textarea, summary")]
  .filter((e) => e.offsetParent && !e.closest("[inert], .wc-md p, .wc-versions, .wc-skip"))
  .filter((e) => getComputedStyle(e).visibility === "visible")
  .map((e) => [e.getAttribute("aria-label") || e.innerText, e.getBoundingClientRect()])
  .filter(([, { width, height }]) => width < 43.5 || height < 43.5)
  .map(([name, { width, height }]) => [name, width, height])"""

STILL = """() => document.getAnimations().every(({ effect, playState }) =>
  playState !== "running" || effect.getComputedTiming().iterations === Infinity)"""

BESIDE = """() => document.querySelector("#wc-composer-text").offsetWidth
  < document.querySelector("#wc-composer-box").clientWidth - 20"""

BEYOND = """() => [document.documentElement, document.querySelector(".wc-scroller")]
  .some((e) => e.scrollWidth > e.clientWidth)"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with site(Path(tmp_path_factory.mktemp("looks"))) as url:
        yield url


def spoken(page: Page, address: str) -> None:
    """The page with a conversation on it."""
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.wait_for_selector("html.wc-ready")
    page.fill("#wc-composer-text textarea", WORDS)
    page.click("#wc-send")
    page.wait_for_selector(".wc-reply [data-act=more]")
    page.wait_for_selector(".wc-reply code.wc-done")


def slid(page: Page, toggle: str) -> None:
    """Open what the button opens, and wait until nothing moves."""
    page.click(toggle)
    page.wait_for_selector(f"{toggle}[aria-expanded=true]")
    page.wait_for_function(STILL)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_their_ground(browser: Browser, address: str, scheme: str) -> None:
    page = browser.new_page(color_scheme=scheme)  # type: ignore[arg-type]
    spoken(page, address)
    slid(page, "#wc-drawer-toggle")
    assert page.evaluate(CONTRAST) == []
    page.close()


@pytest.mark.parametrize("width", [320, 390])
@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_a_phone_has_room_for_fingers_and_no_sideways(
    browser: Browser, address: str, width: int, language: str
) -> None:
    page = browser.new_page(
        viewport={"width": width, "height": 740}, is_mobile=True, has_touch=True, locale=language
    )
    spoken(page, address)
    assert page.evaluate(SMALL) == []
    assert not page.evaluate(BEYOND)
    assert page.evaluate(BESIDE), "an empty box is one line with its buttons"
    page.fill("#wc-composer-text textarea", WORDS)
    assert not page.evaluate(BESIDE), "words have the whole width"
    assert page.evaluate(SMALL) == []
    slid(page, "#wc-sidebar-toggle")
    assert page.evaluate(SMALL) == []
    page.locator(".wc-scrim").click(position={"x": width - 8, "y": 300})
    slid(page, "#wc-drawer-toggle")
    assert page.evaluate(SMALL) == []
    page.close()


def test_loading_asks_no_one_else_and_complains_of_nothing(browser: Browser, address: str) -> None:
    page = browser.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(address)
    page.wait_for_selector("html.wc-ready")
    page.wait_for_function("document.activeElement.matches('#wc-composer-text textarea')")
    page.wait_for_timeout(300)  # for what must not come
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    assert said == []
    page.close()


def test_paper_shows_the_whole_conversation_and_nothing_else(browser: Browser, address: str) -> None:
    page = browser.new_page(color_scheme="dark", viewport={"width": 800, "height": 300})
    spoken(page, address)
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    shown, whole, dark = page.evaluate(
        """() => [
          document.documentElement.scrollHeight,
          document.querySelector(".wc-print").getBoundingClientRect().height,
          getComputedStyle(document.body).backgroundColor === "rgb(27, 26, 24)",
        ]"""
    )
    assert shown >= whole > 300
    assert not dark
    assert not page.is_visible("#wc-composer")
    assert not page.is_visible("#wc-sidebar")
    page.close()
