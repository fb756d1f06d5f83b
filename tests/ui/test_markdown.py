"""Markdown as the page draws it, in a real browser: the same however it was cut, no half mark seen."""

from __future__ import annotations

import wave
from base64 import b64encode
from collections.abc import Iterator
from io import BytesIO

import pytest
from playwright.sync_api import Page

from tests import conversations
from tests.ui.asset_page import asset_page

GUIDE = """# Title

A paragraph with **bold**, *italic*, ~~struck~~, `code` and a [link](https://example.org "its title").

1. one
2. two
   - nested **item**

> quoted text

| a | b |
|:--|--:|
| 1 | $x^2$ |

```python
def f(x):
    return x + 1  # done
```

$$
\\int_0^1 x\\,dx = \\tfrac12
$$

Then [a reference][ref] and the end.

[ref]: https://example.org/ref
"""


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with asset_page() as (page, _):
        # Once, so that highlighting and typesetting are there from the first test on.
        page.evaluate("whole('```python\\nx = 1\\n```\\n\\n$x$')")
        page.wait_for_selector("code.wc-done")
        page.wait_for_selector(".wc-math.wc-done")
        yield page


def whole(page: Page, text: str) -> str:
    html: str = page.evaluate("text => whole(text)", text)
    return html


def same(page: Page, text: str, size: int) -> bool:
    """Whether the text in pieces is drawn as the whole one is."""
    equal: bool = page.evaluate(
        """async ([text, pieces]) => {
          whole(text);
          const wanted = shown;
          await settled();
          streamed(pieces);
          await settled();
          return shown.isEqualNode(wanted);
        }""",
        [text, [text[at : at + size] for at in range(0, len(text), size)]],
    )
    return equal


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
@pytest.mark.parametrize(
    "text", [GUIDE, conversations.ANSWER, conversations.ANSWER_CHINESE], ids=["guide", "english", "chinese"]
)
def test_the_result_does_not_depend_on_the_pieces(page: Page, text: str, size: int) -> None:
    assert same(page, text, size)


def test_every_kind_of_block_is_drawn(page: Page) -> None:
    html = whole(page, GUIDE)
    for part in (
        "<h1",
        "<strong>",
        "<em>",
        "<s>",
        "<ol>",
        "<ul",
        "<blockquote",
        "<table>",
        "hljs-keyword",
    ):
        assert part in html, part
    assert html.count('class="katex"') + html.count('class="katex-display"') >= 2
    assert 'href="https://example.org/ref"' in html


@pytest.mark.parametrize("size", [1, 3, 200])
def test_what_came_with_a_reply_is_named(page: Page, size: int) -> None:
    text = "Here:\n\n![picture](data:image/png;size=15360,)\n\nand ![audio](data:audio/wav;size=9,) too"
    assert same(page, text, size)
    assert page.evaluate(
        "[...shown.querySelectorAll('.wc-image')].map((one) => one.tagName + one.innerText)"
    ) == [
        "SPANtranscript.picture png 15",
        "SPANtranscript.sound wav 1",
    ]
    assert page.evaluate("shown.innerText").split()[0] == "Here:"
    # No address of data is loaded or followed, and none is poured out.
    for data in ("data:image/png;base64,AAAA", "data:text/html,x", "data:image/svg+xml;size=1,<svg>"):
        whole(page, f"![x]({data}) [y]({data})")
        assert page.evaluate("shown.querySelectorAll('img, a[href]').length") == 0
        assert "data:" not in page.evaluate("shown.innerText")


TINY = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNg+M/AAAADAQEAGN2NsAAAAABJRU5ErkJggg=="


def wav() -> str:
    """The address of a moment of silence."""
    file = BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 1, 8000, 0, "NONE", ""))
        sound.writeframes(b"\x80" * 800)
    return "data:audio/wav;base64," + b64encode(file.getvalue()).decode()


def with_media(page: Page, text: str, size: int, *found: str) -> str:
    """The reply drawn in pieces. found: the addresses of the picture and of the sound."""
    cut = [text[at : at + size] for at in range(0, len(text), size)]
    page.evaluate(
        "([cut, found]) => { fresh({ media: (name) => found.at(name < 'b' ? 0 : 1) });"
        " for (const piece of cut) { view.append(piece); view.flush(); } view.finish(); }",
        [cut, list(found)],
    )
    return str(page.evaluate("shown.innerHTML"))


@pytest.mark.parametrize("size", [1, 7, 500])
def test_what_came_with_a_reply_is_shown_in_its_place(page: Page, size: int) -> None:
    name, found, sound = "abcdefghijklmnop", f"data:image/png;base64,{TINY}", wav()
    text = (
        f"Here:\n\n![picture](data:image/png;size=99;id={name},)\n\n"
        f"![a cat](data:image/gif;size=9;id={name},) and data:image/webp;size=9;id={name}, bare\n\n"
        f"![audio](data:audio/wav;size=9;id={name[::-1]},)\n\n"
        f"![x](data:image/svg+xml;size=9;id={name},) ![x](data:audio/pcm16;size=9;id={name},)\n\n"
        f"`data:image/png;size=9;id={name},` data:image/png;size=9;id=1, The end."
    )
    drawn = with_media(page, text, size, found, sound)
    assert drawn == with_media(page, text, len(text), found, sound)
    pictures = "[...shown.querySelectorAll('a > img')].map((one) => [one.alt, one.loading, one.src])"
    assert page.evaluate(pictures) == [
        ["transcript.picture_kept png 1", "lazy", found],
        ["a cat (transcript.picture_kept gif 1)", "lazy", found],
        ["transcript.picture_kept webp 1", "lazy", found],
    ]
    sounds = "[...shown.querySelectorAll('audio')].map((one) => [one.controls, one.ariaLabel, one.src])"
    assert page.evaluate(sounds) == [[True, "transcript.sound_kept wav 1", sound]]
    # What a browser might run is a download.
    downloads = "[...shown.querySelectorAll('a[download]')].map((one) => one.innerText)"
    assert page.evaluate(downloads) == ["transcript.picture_kept svg+xml 1", "transcript.sound_kept pcm16 1"]
    assert f"data:image/png;size=9;id={name}," in page.evaluate("shown.querySelector('code').innerText")
    assert page.evaluate("shown.innerText").endswith("data:image/png;size=9;id=1, The end.")


def test_a_picture_that_is_gone_is_its_name_again(page: Page) -> None:
    with_media(page, "![a cat](data:image/png;size=99;id=abcdefghijklmnop,)", 500, "data:image/png;base64,xx")
    page.wait_for_function("!shown.querySelector('img')")
    assert page.evaluate("shown.innerText").strip() == "a cat (transcript.picture_kept png 1)"
    assert page.evaluate("shown.querySelectorAll('a, .wc-media').length") == 0


def test_headings_are_under_the_pages_own(page: Page) -> None:
    whole(page, "# First\n\n## Second\n\n###### Sixth")
    devtools = page.context.new_cdp_session(page)  # the browser's own tree; Playwright's goes by the tags
    nodes = devtools.send("Accessibility.getFullAXTree")["nodes"]
    headings = {
        node["name"]["value"]: next(
            one["value"]["value"] for one in node["properties"] if one["name"] == "level"
        )
        for node in nodes
        if node.get("role", {}).get("value") == "heading"
    }
    devtools.detach()
    assert headings == {"First": 2, "Second": 3, "Sixth": 7}


def test_finished_blocks_are_left_alone_while_others_grow(page: Page) -> None:
    kept = page.evaluate(
        """() => {
          fresh();
          view.append("first paragraph\\n\\nsecond paragraph\\n\\nthird");
          view.flush();
          const [first, second] = shown.querySelectorAll("p");
          view.append(" grows\\n\\nand a fourth");
          view.flush();
          const now = shown.querySelectorAll("p");
          return [now[0] === first, now[1] === second, now.length];
        }"""
    )
    assert kept == [True, True, 4]


@pytest.mark.parametrize(
    ("text", "unwanted"),
    [
        ("Some **bold text** here", ["*"]),
        ("Some `code` here", ["`"]),
        ("See [the page](https://example.org/a/long/path) now", ["[", "](", "https"]),
        ("![a picture](https://example.org/cat.png)", ["![", "]("]),
        ("| a | b |\n|---|---|\n| 1 | 2 |\n", ["|", "---"]),
        ("```python\nx = 1\n```\n", ["`"]),
        ("# Heading\n\ntext", ["#"]),
        ("The value $x^2$ is", ["$"]),
        ("~~gone~~ now", ["~"]),
        ("- item one\n- item two\n", ["- "]),
    ],
)
def test_no_half_written_marker_is_ever_seen(page: Page, text: str, unwanted: list[str]) -> None:
    for draft in page.evaluate("pieces => drafts(pieces)", list(text)):
        for mark in unwanted:
            assert mark not in draft, draft


@pytest.mark.parametrize(
    ("text", "bold"),
    [
        ("**“重点”**说明", "“重点”"),
        ("这是**「重点」**的意思", "「重点」"),
        ("他说**你好。**然后走了", "你好。"),
        ("**注意：**请先备份", "注意："),
        ("使用**C++**语言", "C++"),
        ("**中文**English", "中文"),
        ("價格是**100元**，很便宜", "100元"),
        ("これは**「重要」**です", "「重要」"),
        ("이것은 **“중요”**합니다", "“중요”"),
    ],
)
def test_emphasis_works_beside_characters_without_spaces(page: Page, text: str, bold: str) -> None:
    assert f"<strong>{bold}</strong>" in whole(page, text)


@pytest.mark.parametrize("text", ["2 * 3 * 4", "snake_case_name", "a * b*c"])
def test_what_is_no_emphasis_stays_plain(page: Page, text: str) -> None:
    html = whole(page, text)
    assert "<em>" not in html
    assert "<strong>" not in html


@pytest.mark.parametrize(
    "text",
    [
        "$x$",
        "\\(x\\)",
        "$$x$$",
        "\\[x\\]",
        "$$\nx\n$$",
        "\\[\nx\n\\]",
        "- item $x$",
        "| a |\n|-|\n| $x$ |",
    ],
)
def test_formulas_are_typeset_in_every_notation(page: Page, text: str) -> None:
    html = whole(page, text)
    assert 'class="katex' in html
    assert "wc-math-error" not in html


@pytest.mark.parametrize(
    "text", ["It costs $5 and $10.", "US$5 (US$)", "`$x$`", "a $ b $ c", "价格$5，共$10元", "\\$x\\$"]
)
def test_money_is_no_formula(page: Page, text: str) -> None:
    assert "katex" not in whole(page, text)


def test_a_broken_formula_shows_its_source(page: Page) -> None:
    html = whole(page, "$\\frac{1$ and more")
    assert "wc-math-error" in html
    assert "\\frac{1" in html


def test_line_breaks_in_tables_are_drawn(page: Page) -> None:
    assert "one<br>\ntwo" in whole(page, "| a |\n|-|\n| one<br>two |")


CODE = "\n\n".join(
    f'def function_{n}(a, b={n}):\n    """Doc {n}."""\n    return a + b  # sum' for n in range(60)
)


@pytest.mark.parametrize("size", [5, 64, 1000])
@pytest.mark.parametrize(
    "text",
    [
        f"Before\n\n```python\n{CODE}\n```\n\nafter",
        f"```python\n{CODE}\n```",
        f"~~~python\n{CODE}\n``\n```\n~~~\nafter",
        f"```\n{CODE}\n```\nafter",
        f"```nolanguage\n{CODE}",
        f"- item\n\n  ```python\n  {CODE[:200]}\n  ```",
    ],
    ids=["between", "alone", "tildes", "no language", "unknown and open", "in a list"],
)
def test_long_code_is_the_same_when_it_has_grown(page: Page, text: str, size: int) -> None:
    assert same(page, text, size)


def test_what_is_far_back_in_growing_code_is_left_alone(page: Page) -> None:
    kept = page.evaluate(
        """([begun, more]) => {
          fresh();
          view.append("```python\\n" + begun);
          view.flush();
          const first = shown.querySelector(".hljs-keyword");
          view.append(more);
          view.flush();
          return [first === shown.querySelector(".hljs-keyword"), shown.querySelector("code").textContent];
        }""",
        [CODE[:3000], CODE[3000:]],
    )
    assert kept == [True, CODE]
