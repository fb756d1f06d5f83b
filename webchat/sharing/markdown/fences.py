"""Fenced code, and blocks of Markdown that hold fences themselves. Follows `fences.js`."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock

DEEPEST = 6
_MARKDOWN = re.compile(r"(?:markdown|md|mdx|mdown|mkdn?|rmarkdown|rmd|qmd)\Z", re.IGNORECASE)
_LINE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)\Z")
OPENING = re.compile(r"(`{3,}|~{3,})(.*)\Z")


class Fence:
    """The lines behind an opening fence, one after the other. even: whether the block can still be read with
    the fences it holds."""

    def __init__(self, mark: str, info: str) -> None:
        self._own = mark
        self._open = [mark]
        self._nested = _MARKDOWN.match(re.split(r"[\s{]", info.strip(), maxsplit=1)[0]) is not None
        self.even = True

    def read(self, line: str) -> str:
        """What a line does: "closes" the block; "closed" it if fences within are not counted; or ""."""
        found = _LINE.match(line)
        if found is None:
            return ""
        mark, info = found.groups()
        if info.strip():
            if self._nested and _like(mark, self._own) and not (mark[0] == "`" and "`" in info):
                self._open.append(mark)
            if len(self._open) > DEEPEST:
                self.even = False
            return ""
        if _like(mark, self._open[-1]):
            self._open.pop()
        if not self._open:
            return "closes"
        return "closed" if _like(mark, self._own) else ""


def _like(mark: str, other: str) -> bool:
    return mark[0] == other[0] and len(mark) >= len(other)


def fences(md: MarkdownIt) -> None:
    md.block.ruler.at("fence", _fence, {"alt": ["paragraph", "reference", "blockquote", "list"]})


def _fence(state: StateBlock, startLine: int, endLine: int, silent: bool) -> bool:
    if state.sCount[startLine] - state.blkIndent >= 4:
        return False
    opening = OPENING.match(line_at(state, startLine))
    if opening is None or (opening[1][0] == "`" and "`" in opening[2]):
        return False
    if silent:
        return True
    mark, info = opening.groups()
    end, closed = _closing(state, startLine, endLine, Fence(mark, info))
    state.line = end + closed
    token = state.push("fence", "code", 0)
    token.info = info
    token.content = state.getLines(startLine + 1, end, state.sCount[startLine], True)
    token.markup = mark
    token.map = [startLine, state.line]
    return True


def _closing(state: StateBlock, startLine: int, endLine: int, block: Fence) -> tuple[int, bool]:
    """The line that closes the block, or where its place ends; and whether one closes it."""
    plain = -1
    line = startLine + 1
    while line < endLine:
        blank = state.bMarks[line] + state.tShift[line] >= state.eMarks[line]
        if not blank and state.sCount[line] < state.blkIndent:
            break
        if state.sCount[line] - state.blkIndent < 4:
            does = block.read(line_at(state, line))
            if does == "closes":
                return line, True
            if does == "closed" and plain < 0:
                plain = line
            if not block.even and plain >= 0:
                break
        line += 1
    return (plain, True) if plain >= 0 else (line, False)


def line_at(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]
