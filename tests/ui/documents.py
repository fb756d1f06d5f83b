"""Markdown by chance: every construct, whole and broken, with words that must be seen.

A word to be seen is `w7z`, numbered as they come. None of them is in an address, a title, a label or behind a fence,
which are marks and no words.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

WORD = re.compile(r"w\d+z")

WHOLE = (
    "# {}", "{}\n===", "{}\n---", "###### {} #", "- {}\n- {}", "- {}\n\n- {}", "* {}\n  * {}\n    * {}", "7. {}\n8. {}",
    "1) {}\n   > {}", "- [ ] {}\n- [x] {}", "> {}\n> {}", "> {}\n{}", "> > {}\n> {}", "> - {}\n>   {}",
    "| {} | {} |\n|---|:-:|\n| {} | {} |", "{} | {}\n--|--\n{} | {}", "| {} |\n|-|", "| {} | {} |\n|---|---|\n| {} |\n| {} | {} |",
    "```python\n{} = 1\n```", "~~~\n{}\n```\n{}\n~~~", "````\n```\n{}\n```\n````", "```\n{}", "   ```js\n   {}\n   ```",
    "```markdown\n{}\n```sh\n{}\n```\n{}\n```", "    {}\n\n    {}", "\t{}", "- ```\n  {}\n  ```", "***", "- - -",
    "$$\n{}\n$$", "$$ {} $$", "\\[\n{}\n\\]", "\\begin{align}\n{} &= x\n\\end{align}", "$$\n{}", "\\[\n{}\n\n{}",
    "- $$\n  {}\n  $$", "> $$\n> {}",
    "{}[^1]\n\n[^1]: {}", "[^n]: {}\n    {}\n\n    {}", "[^1]: {}", "{}[^2] {}[^n]", "[{}][r1]", "[r1]: https://e.org/a",
    "[r2]:\nhttps://e.org/b\n'title'", "[r3]: https://e.org/c\n\"begun {}", "[{}][r2] [r3] [r9]", "[r1]: https://e.org/d",
    "<div>{}</div>", "<!-- {} -->", "<details>\n<summary>{}</summary>\n\n{}\n\n</details>", "<b>{}</b> {}<br>{}",
    "{}\n{}", "{}  \n{}", "{}\\\n{}", "**{}** *{}* ~~{}~~ `{}` __{}__ _{}_", "[{}](https://e.org/x) <https://e.org/y> {}",
    "![{}](https://e.org/i.png)", "[![{}](https://e.org/i.png)](https://e.org)", "see https://e.org/z. {}", "**{}", "`{}", "[{}](",
    "$x_{} + 1$ and {}", "\\( {} \\)", "it costs $5, {} costs $10", "a {} &amp; &#35; &copy; {}", "\\*{}\\* \\_ \\[1\\]",
    "中文**{}**文字。“**{}**”", "مرحبا {} `{}`", "שלום **{}**", "ก็ {} ไม่", "👩‍👩‍👧 {} 🇳🇴 é {}", "{}\x00{}", "{}\u2028{}\u00a0{}",
    "1. {}\n\n   {}\n2. {}\n   - {}\n\n     {}", "+ {}\n\n\n  {}", "-\n  {}", "- \n\n{}", "* * * {}", "{}\n    {}", "- {}\n{}",
)  # fmt: skip
"""Blocks and lines, complete and not; `{}` is a word to be seen."""

SCRAPS = (
    "\n", "\n\n", "\n\n\n", "  ", "    ", "\t", "- ", "* ", "+ ", "1. ", "12) ", "> ", ">", "# ", "| ", "|", "|-|", "|---|---|\n",
    "```\n", "~~~\n", "````markdown\n", "*", "**", "_", "__", "~~", "`", "[", "]", "](", ")", "![", "[^1]", "[^n]: ", "[^", "$", "$$", "\n$$\n", "\\[", "\\]", "\\(", "\\)",
    "\n\\begin{align}\n", "\n\\end{align}\n", "===", "---", "\n---\n", "\n===\n", "<div>", "</", "<!--", "<details>", "<summary>", "</details>", "<br>", "&amp;", "&", "\\", "\\\n", "[ ] ", "[x] ",
    "https://e.org/q ", "[r1]: https://e.org/a\n", "[r1]", "\r", "\r\n", "\x00", "：", "。", "中", "ש", "👩‍👧", "e\u0301", "\u2028", "a", "5", ":", "!",
)  # fmt: skip


def document(chance: random.Random, deep: int = 3) -> str:
    """One text. The same state of `chance` gives the same text."""
    count = 0

    def word() -> str:
        nonlocal count
        count += 1
        return f"w{count}z"

    pieces = []
    for _ in range(chance.randint(1, 7)):
        make = chance.choices((_block, _nested, _scraps), (6, 2, 3))[0]
        pieces.append(make(chance, word, deep))
        pieces.append(chance.choices(("\n\n", "\n", "", "\r\n\r\n", "\r", "\n\n\n", " \n\t\n"), (10, 6, 1, 2, 1, 1, 1))[0])
    if chance.random() < 0.5:
        pieces.pop()
    return _infoless("".join(pieces))


def _block(chance: random.Random, word: Callable[[], str], _deep: int) -> str:
    return re.sub(r"\{\}", lambda _: word(), chance.choice(WHOLE))


def _nested(chance: random.Random, word: Callable[[], str], deep: int) -> str:
    """A block within an item or a quote, as deep as is left."""
    make = _nested if deep and chance.random() < 0.6 else _block
    lines = make(chance, word, deep - 1).split("\n")
    first, rest = chance.choice((("- ", "  "), ("1. ", "   "), ("> ", "> "), ("* ", " "), ("> ", ""), ("[^1]: ", "    ")))
    return "\n".join((first if at == 0 else rest) + line for at, line in enumerate(lines))


def _scraps(chance: random.Random, word: Callable[[], str], _deep: int) -> str:
    return "".join(
        f" {word()} " if chance.random() < 0.3 else chance.choice(SCRAPS) for _ in range(chance.randint(1, 16))
    )


def _infoless(text: str) -> str:
    """Without words behind a fence: they would be its language."""
    return re.sub(r"((?:`{3,}|~{3,})[^\n\r]*)", lambda found: WORD.sub("x", found[0]), text)


def cuts(chance: random.Random, text: str) -> list[str]:
    """The text in pieces: of one size, by chance, or at each place that is easily cut in two."""
    if not text:
        return []
    kind = chance.randrange(3)
    if kind == 0:
        size = chance.choice((1, 1, 2, 3, 7, 50))
        return [text[at : at + size] for at in range(0, len(text), size)]
    if kind == 1:
        places = sorted(chance.sample(range(len(text)), min(len(text), chance.randint(1, 12))))
    else:
        places = [found.start() for found in re.finditer(r"[\r\n\\\]\[*_`$&|:\u200d]", text) if chance.random() < 0.8]
    edges = [0, *places, len(text)]
    return [text[a:b] for a, b in zip(edges, edges[1:], strict=False) if a < b]
