"""Replies as models write them, in many languages: each language's sentences in each of several shapes."""

from __future__ import annotations

import json
from pathlib import Path

SENTENCES: dict[str, list[str]] = json.loads(
    Path(__file__).with_name("replies.json").read_text(encoding="utf-8")
)
"""Four sentences by language, the last a question."""

SHAPES = (
    "## {0}\n\n{1} **{2}** {3}\n\n1. **{1}** {2}\n2. {0}\n   - {2}\n   - `{1}`\n\n> {3}\n",
    "{0}\n{1}\n{2}\n\n| {0} | {1} |\n|:---|---:|\n| {2} | $x^2$ |\n| `a|b` | {3} |\n\n{3}",
    "{0} 👩‍🌾\n\n```python\n# {1}\nprint('{2}')\n```\n\n{1}[^1] *{2}*\n\n[^1]: {3} https://example.org/{{a}}\n",
    "- [x] {0}\n- [ ] {1}\n\n**“{2}”**{3} https://example.org/x。{0}\n\n***\n\n$5, $10: {1}\n",
    "{0}\r\n\r\n$$\n\\sum_{{i=1}}^n i = \\frac{{n(n+1)}}{{2}}\n$$\r\n\r\n{1} \\(a_i\\) {2}\r\n\r\n~~{3}~~",
    "### 1. {0}\n{1}\n\n***{2}*** {3}\n\n"
    "> **{0}**\n> - {1}\n>   1. {2}\n\n[{3}](https://example.org 'x') [r]\n\n[r]: https://example.org/r\n",
    "{0}\n\n```markdown\n# {1}\n```\n\n<details><summary>{2}</summary>\n\n{3}\n\n</details>\n\n![{0}](https://example.org/a.png)\n",
    "* {0}\n\n  {1}\n\n  ```\n  {2}\n  ```\n* {3}\n\n    {0}\n\n{1}  \n{2}\\\n{3} &amp; &nbsp;__{0}__",
)  # fmt: skip

REPLIES = {
    f"{language} {number}": shape.format(*sentences)
    for language, sentences in SENTENCES.items()
    for number, shape in enumerate(SHAPES)
}
