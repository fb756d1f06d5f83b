"""<details> and <summary> with Markdown inside, and blocks nested deeper than a page has room for. Follows
`details.js` and `deep.js`."""

from __future__ import annotations

import re
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.parser_block import ParserBlock
from markdown_it.rules_block import StateBlock

from webchat.sharing.markdown.fences import OPENING as FENCE
from webchat.sharing.markdown.fences import Fence

DEEPEST = 20
_OPENING = re.compile(r"""<details(?:\s+open(?:=(?:""|"open"|"true"))?)?\s*>""", re.IGNORECASE)
_TAG = re.compile(r"<(/?)details\b[^<>]{0,40}>", re.IGNORECASE | re.ASCII)
_SUMMARY = re.compile(r"\s*<summary>", re.IGNORECASE)
_SUMMARY_END = re.compile(r"</summary>", re.IGNORECASE)
_SUMMARY_LINES = 6


class Blocks(ParserBlock):
    """The block parser; what is nested too deep is one token, as it was written."""

    def tokenize(self, state: StateBlock, startLine: int, endLine: int) -> None:
        depth = state.__dict__.get("depth", -1) + 1
        state.__dict__["depth"] = depth
        if depth < DEEPEST:
            super().tokenize(state, startLine, endLine)
        else:
            _as_written(state, startLine, endLine)
        state.__dict__["depth"] = depth - 1


def _as_written(state: StateBlock, startLine: int, endLine: int) -> None:
    line = startLine
    while line < endLine and (
        state.isEmpty(line) or state.sCount[line] >= state.blkIndent or state.sCount[line] < 0
    ):
        line += 1
    state.line = line
    content = state.getLines(startLine, line, state.blkIndent, False).rstrip()
    if content:
        token = state.push("deep", "div", 0)
        token.content = content
        token.map = [startLine, line]


def details(md: MarkdownIt) -> None:
    md.block.ruler.before("html_block", "details", _block, {"alt": ["paragraph", "reference", "blockquote"]})


class _Place(NamedTuple):
    line: int
    at: int


class _End(NamedTuple):
    """Content ends before offset `at` in `line`; what comes behind begins in line `next`."""

    line: int
    at: int
    next: int
    found: bool


def _block(state: StateBlock, startLine: int, endLine: int, silent: bool) -> bool:
    if state.sCount[startLine] - state.blkIndent >= 4 or state.sCount[startLine] < 0:
        return False
    start = state.bMarks[startLine] + state.tShift[startLine]
    opening = _OPENING.match(state.src, start, min(start + 60, state.eMarks[startLine]))
    if opening is None:
        return False
    if silent:
        return True
    end = _closing(state, startLine, endLine, opening.end())
    token = state.push("details_open", "details", 1)
    token.map = [startLine, end.next]
    if "open" in opening[0].lower() or not end.found:
        token.attrSet("open", "")
    _between(state, _summary(state, startLine, end, opening.end()), end)
    state.push("details_close", "details", -1)
    state.line = end.next
    return True


def _closing(state: StateBlock, startLine: int, endLine: int, begin: int) -> _End:
    depth = 1
    fence: Fence | None = None
    line = startLine
    while line < endLine:
        start = begin if line == startLine else state.bMarks[line] + state.tShift[line]
        text = state.src[start : state.eMarks[line]]
        if line > startLine and text and state.sCount[line] < state.blkIndent:
            break
        mark = FENCE.match(text)
        if fence is not None:
            if mark and fence.read(text):
                fence = None
            line += 1
            continue
        if mark:
            fence = Fence(mark[1], mark[2])
        for tag in _TAG.finditer(text):
            depth += -1 if tag[1] else 1
            if not depth and not text[tag.end() :].strip():
                return _End(line, start + tag.start(), line + 1, True)
        line += 1
    return _End(line - 1, state.eMarks[line - 1], line, False)


def _summary(state: StateBlock, startLine: int, end: _End, begin: int) -> _Place:
    """The summary, if one comes first. Gives where the rest begins."""
    words: list[str] = []
    begun = False
    for line in range(startLine, min(end.line, startLine + _SUMMARY_LINES) + 1):
        at = begin if line == startLine else state.bMarks[line] + state.tShift[line]
        last = end.at if line == end.line else state.eMarks[line]
        if not begun:
            opening = _SUMMARY.match(state.src, at, max(at, last))
            if opening is None and state.src[at:last].strip():
                break
            if opening is None:
                continue
            begun = True
            at = opening.end()
        close = _SUMMARY_END.search(state.src, at, max(at, last))
        words.append(state.src[at : close.start() if close else last])
        if close is None:
            continue
        state.push("summary_open", "summary", 1)
        token = state.push("inline", "", 0)
        token.content = "\n".join(words).strip()
        token.map = [startLine, line + 1]
        token.children = []
        state.push("summary_close", "summary", -1)
        return _Place(line, close.end())
    return _Place(startLine, begin)


def _between(state: StateBlock, first: _Place, to: _End) -> None:
    """The blocks from one place to another, both of which may be within lines."""
    line, last = first.line, to.line
    kept = (state.bMarks[line], state.tShift[line], state.sCount[line], state.eMarks[last], state.lineMax)
    text = first.at
    while text < state.eMarks[line] and state.src[text] in " \t":
        text += 1
    state.bMarks[line] = first.at
    state.tShift[line] = text - first.at
    state.sCount[line] = state.blkIndent
    state.eMarks[last] = max(to.at, state.bMarks[last])
    state.lineMax = last + 1
    state.md.block.tokenize(state, line, last + 1)
    state.bMarks[line], state.tShift[line], state.sCount[line], state.eMarks[last], state.lineMax = kept
