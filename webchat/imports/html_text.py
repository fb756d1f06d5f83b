"""HTML of a chat as Markdown: paragraphs, emphasis, code, lists, headings, links and tables' cells."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_BLOCKS = {"p", "div", "ul", "ol", "table", "tr", "blockquote", "section"}
_MARKS = {"strong": "**", "b": "**", "em": "*", "i": "*"}
_SILENT = {"script", "style", "head", "title"}
_MOST = 2_000_000
"""Characters read and written."""

_DEEPEST = 10
"""Levels of lists that are indented: else a small text becomes a huge one."""

_COMMENT = re.compile(r"<!(?:--[^<]*?--|[^<>]*)>")
_NO_TAG = re.compile(r"""<(?!/?[a-zA-Z](?:[^<>"']|"[^"<]*"|'[^'<]*')*+>)""")


def markdown_of(html: str) -> str:
    reader = _Reader()
    # At a "<" whose tag does not end, the parser searches the whole rest: it sees none of those.
    reader.feed(_NO_TAG.sub("&lt;", _COMMENT.sub("", html[:_MOST])))
    reader.close()
    return re.sub(r"\n{3,}", "\n\n", "".join(reader.said)[:_MOST]).strip()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.said: list[str] = []
        self._lists: list[int] = []
        self._links: list[str] = []
        self._pre = 0
        self._silent = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent += 1
        elif tag == "pre":
            self._pre += 1
            self.said.append("\n\n```\n")
        elif tag in _BLOCKS:
            self.said.append("\n\n" if not self._lists else "\n")
            if tag in ("ul", "ol"):
                self._lists.append(1 if tag == "ol" else 0)
        elif tag == "br":
            self.said.append("\n")
        elif tag == "li":
            number = self._lists[-1] if self._lists else 0
            depth = min(len(self._lists) - 1, _DEEPEST)
            self.said.append("\n" + "  " * depth + (f"{number}. " if number else "- "))
            if number:
                self._lists[-1] += 1
        elif re.fullmatch("h[1-6]", tag):
            self.said.append("\n\n" + "#" * int(tag[1]) + " ")
        elif tag == "a":
            self._links.append(dict(attributes).get("href") or "")
            self.said.append("[")
        elif tag in ("td", "th"):
            self.said.append(" | ")
        elif not self._pre:
            self.said.append("`" if tag == "code" else _MARKS.get(tag, ""))

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag == "pre":
            self._pre = max(0, self._pre - 1)
            self.said.append("\n```\n\n")
        elif tag in _BLOCKS:
            if tag in ("ul", "ol") and self._lists:
                self._lists.pop()
            self.said.append("\n\n" if not self._lists else "")
        elif re.fullmatch("h[1-6]", tag):
            self.said.append("\n\n")
        elif tag == "a" and self._links:
            self.said.append(f"]({self._links.pop()})")
        elif not self._pre:
            self.said.append("`" if tag == "code" else _MARKS.get(tag, ""))

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.said.append(data if self._pre else re.sub(r"\s+", " ", data))
