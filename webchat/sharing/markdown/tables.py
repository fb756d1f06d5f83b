"""Pipes within a formula or code of a table's cell, where GFM would end the cell. Follows `tablepipes.js`."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, table

from webchat.sharing.markdown.fences import line_at
from webchat.sharing.markdown.tex import looks_like_tex

_PIPE = re.compile(r"(?<!\\)\|")
_HIDDEN = "\0"
_SPAN = re.compile(
    r"\\[\\|`$]|(`+)(?!`)[^\n]{0,300}?[^`]\1(?!`)"
    r"|(?<![\\$A-Za-z0-9_])\$(?![\s$])((?:\\.|[^\\$\n]){1,300}?)\$(?![A-Za-z0-9_$])"
    r"|\\\(((?:(?!\\\)).){1,300})\\\)"
)
_DELIMITERS = re.compile(r"\|?[\s:|-]*-[\s:|-]*\Z")


def table_pipes(md: MarkdownIt) -> None:
    md.block.ruler.at("table", _table, {"alt": ["paragraph", "reference"]})


def _table(state: StateBlock, startLine: int, endLine: int, silent: bool) -> bool:
    src, first = state.src, len(state.tokens)
    columns = _columns_at(state, startLine, endLine)
    if not columns:
        return table(state, startLine, endLine, silent)
    state.src = _hidden(state, startLine, endLine, columns)
    read = table(state, startLine, endLine, silent)
    state.src = src
    for token in state.tokens[first:]:
        token.content = token.content.replace(_HIDDEN, "|")
    return read


def _columns_at(state: StateBlock, startLine: int, endLine: int) -> int:
    if startLine + 2 > endLine or "|" not in line_at(state, startLine):
        return 0
    delimiters = line_at(state, startLine + 1).strip()
    return _cells(delimiters) if _DELIMITERS.match(delimiters) else 0


def _hidden(state: StateBlock, startLine: int, endLine: int, columns: int) -> str:
    src = state.src
    pieces: list[str] = []
    begin = 0
    for line in range(startLine, endLine):
        if state.isEmpty(line):
            break
        start = state.bMarks[line] + state.tShift[line]
        row = src[start : state.eMarks[line]]
        if _cells(row) == columns:
            continue
        whole = _SPAN.sub(_whole, row)
        pieces += (src[begin:start], _within(whole, columns) if line > startLine + 1 else whole)
        begin = state.eMarks[line]
    return "".join(pieces) + src[begin:] if pieces else src


def _whole(span: re.Match[str]) -> str:
    tex = span[2] or span[3]
    hides = "|" in span[0] and (span[1] or (tex and looks_like_tex(tex)))
    return _PIPE.sub(_HIDDEN, span[0]) if hides else span[0]


def _within(row: str, columns: int) -> str:
    """Cells beyond the last column are text of the last one."""
    if _cells(row) <= columns:
        return row
    first, last = len(row) - len(row.lstrip()), len(row.rstrip()) - 1
    ended = 0

    def kept(pipe: re.Match[str]) -> str:
        nonlocal ended
        if pipe.start() in (first, last):
            return pipe[0]
        ended += 1
        return pipe[0] if ended < columns else _HIDDEN

    return _PIPE.sub(kept, row)


def _cells(row: str) -> int:
    inner = row.strip().removeprefix("|")
    return len(_PIPE.split(re.sub(r"(?<!\\)\|\Z", "", inner)))
