"""Nothing that a model or a person writes runs, loads or styles anything, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.ui.asset_page import asset_page

PAYLOADS = [
    "<script>window.pwned = 1</script>",
    "<img src=x onerror=window.pwned=1>",
    "<svg onload=window.pwned=1>",
    "<svg><script>window.pwned=1</script></svg>",
    "<iframe srcdoc='<script>parent.pwned=1</script>'></iframe>",
    "<object data='data:text/html,<script>parent.pwned=1</script>'></object>",
    "<embed src='javascript:window.pwned=1'>",
    "<math><mtext><table><mglyph><style><img src=x onerror=window.pwned=1>",
    "<form><button formaction=javascript:window.pwned=1>x</button></form>",
    "<details open ontoggle=window.pwned=1>",
    "<video><source onerror=window.pwned=1></video>",
    "<input autofocus onfocus=window.pwned=1>",
    "<style>@import 'https://example.org/x.css'; *{background:url(https://example.org/y)}</style>",
    "<link rel=stylesheet href=https://example.org/x.css>",
    "<meta http-equiv=refresh content='0;url=https://example.org'>",
    "<base href=https://example.org/>",
    "[click](javascript:window.pwned=1)",
    "[click](JaVaScRiPt:window.pwned=1)",
    "[click](java\nscript:window.pwned=1)",
    "[click](&#106;avascript:window.pwned=1)",
    "[click](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[click](vbscript:msgbox(1))",
    "[click](file:///etc/passwd)",
    "<javascript:window.pwned=1>",
    "[x]: javascript:window.pwned=1\n\n[click][x]",
    '[click](https://example.org "\\"onmouseover=window.pwned=1 x=\\"")',
    "![x](https://example.org/beacon.png?secret)",
    '![x](x"onerror="window.pwned=1)',
    "![x](data:image/svg+xml,<svg onload=window.pwned=1>)",
    '```"><img src=x onerror=window.pwned=1>\ncode\n```',
    "```html\n<script>window.pwned = 1</script>\n```",
    "```python\n</code></pre><script>window.pwned=1</script>\n```",
    "`<img src=x onerror=window.pwned=1>`",
    "$\\href{javascript:window.pwned=1}{x}$",
    "$\\url{javascript:window.pwned=1}$",
    "$\\includegraphics{https://example.org/x.png}$",
    "$\\htmlStyle{position:fixed;inset:0}{x}$",
    "$\\htmlData{act=regenerate}{x}$",
    "$\\htmlClass{wc-action}{x}$",
    "$\\text{<img src=x onerror=window.pwned=1>}$",
    "$</span><img src=x onerror=window.pwned=1>$",
    "| <img src=x onerror=window.pwned=1> |\n|---|\n| <svg onload=window.pwned=1> |",
    "> <script>window.pwned=1</script>",
    "- <a href='javascript:window.pwned=1'>x</a>",
    "<a href='https://example.org' target=_self ping=https://example.org/p>x</a>",
    "<div style='position:fixed;inset:0;background:red'>cover</div>",
    "<button data-act='regenerate'>x</button>",
    "&lt;script&gt;window.pwned=1&lt;/script&gt;",
    "<noscript><p title='</noscript><img src=x onerror=window.pwned=1>'>",
    "<template><script>window.pwned=1</script></template>",
    "<!--><img src=x onerror=window.pwned=1>-->",
    "<![CDATA[<img src=x onerror=window.pwned=1>]]>",
    "\x00<script\x00>window.pwned=1</script>",
]

AUDIT = """() => {
  const tags = "script style iframe object embed link meta base form input img video audio source".split(" ");
  const keys = ["srcdoc", "ping", "formaction", "action", "background"];
  const bad = [];
  for (const element of shown.querySelectorAll("*")) {
    const tag = element.localName;
    const wrong = (what) => bad.push(`${tag} ${what}`);
    if (tags.includes(tag)) wrong("");
    for (const { name, value } of element.attributes) {
      if (name.startsWith("on") || keys.includes(name)) wrong(name);
      if (["href", "src", "xlink:href"].includes(name) && !/^(https?:|mailto:)/i.test(value)) wrong(value);
      if (name === "style" && !element.closest(".katex")) wrong(name);
    }
    if (tag === "a" && (element.target !== "_blank" || !/noopener/.test(element.rel))) wrong("target");
    if (element.dataset.act && !["wrap", "copy-code"].includes(element.dataset.act)) wrong("act");
    if (getComputedStyle(element).position === "fixed") wrong("fixed");
  }
  return bad;
}"""

PROVOKE = "shown.querySelectorAll('details, a, button').forEach((e) => e.dispatchEvent(new Event('toggle')))"

CLEAN_MATH = """html => {
  const box = document.createElement("div");
  box.append(math(html));
  return box.innerHTML;
}"""


@pytest.fixture(scope="module")
def opened() -> Iterator[tuple[Page, list[str]]]:
    with asset_page() as (page, foreign):
        page.evaluate("whole('```python\\nx = 1\\n```\\n\\n$x$')")
        page.wait_for_selector("code.wc-done")
        page.wait_for_selector(".wc-math.wc-done")
        yield page, foreign


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("frame", ["{}", "Text before {} and after.\n\nMore."])
def test_nothing_foreign_comes_alive(opened: tuple[Page, list[str]], payload: str, frame: str) -> None:
    page, foreign = opened
    text = frame.format(payload)
    for show in ("text => whole(text)", "text => streamed([...text])"):
        page.evaluate(show, text)
        assert page.evaluate(AUDIT) == []
        page.evaluate(PROVOKE)
    page.wait_for_timeout(20)
    assert page.evaluate("window.pwned") is None
    assert foreign == []


@pytest.mark.parametrize(
    "html",
    [
        "<span style='position:fixed;inset:0'>x</span>",
        "<span style='background:url(https://example.org/x)'>x</span>",
        "<a href='javascript:1'>x</a>",
        "<img src=x onerror=1>",
        "<span onclick=1>x</span>",
    ],
)
def test_what_typesetting_makes_is_cleaned_too(opened: tuple[Page, list[str]], html: str) -> None:
    page, _ = opened
    cleaned = page.evaluate(CLEAN_MATH, html)
    for word in ("style", "onclick", "onerror", "<a", "<img"):
        assert word not in cleaned
