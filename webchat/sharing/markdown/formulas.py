"""Formulas: $..$, $$..$$, \\(..\\), \\[..\\] and environments. Follows `mathrules.js`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

from webchat.sharing.markdown.tex import (
    looks_displayed,
    looks_like_tex,
    reads_as_prose,
    stands_alone,
    strong,
)

MAX_LINES = 40
MAX_INLINE = 2000

_ENVIRONMENT = re.compile(
    r"\\begin\{((?:align|aligned|alignat|alignedat|equation|eqnarray|gather|gathered|multline|split|cases|rcases"
    r"|dcases|drcases|array|darray|subarray|smallmatrix|[pbBvV]?matrix|CD)\*?)\}"
)
_FENCE = re.compile(r"`{3,}|~{3,}")
_JOINED = re.compile(r"[A-Za-z0-9_)\]]")
_PRICE = re.compile(r"[0-9${]")
_NAME = re.compile(r"[A-Za-z_]")
_ORDINAL = re.compile(r"[A-Za-z]{2}")


def formulas(md: MarkdownIt) -> None:
    md.inline.ruler.before("escape", "math_paren", _paren)
    md.inline.ruler.before("escape", "math_environment", _environment)
    md.inline.ruler.after("escape", "math_dollar", _dollar)
    md.block.ruler.before(
        "fence", "math_block", _block, {"alt": ["paragraph", "reference", "blockquote", "list"]}
    )


def _next(state: StateInline, close: str, begin: int) -> int:
    """Where `close` is next, or -1: looked for once, not anew from each mark before it."""
    known: dict[str, int] = state.__dict__.setdefault("closes", {})
    if close not in known or 0 <= known[close] < begin:
        known[close] = state.src.find(close, begin)
    return known[close]


def _paren(state: StateInline, silent: bool) -> bool:
    src, pos = state.src, state.pos
    opened = src[pos : pos + 2]
    if opened not in (r"\(", r"\["):
        return False
    display = opened == r"\["
    end = _next(state, r"\]" if display else r"\)", pos + 2)
    if end < 0 or end >= state.posMax or end - pos > MAX_INLINE:
        return False
    tex = src[pos + 2 : end]
    if not (looks_displayed(tex) if display else looks_like_tex(tex)):
        return False
    if pos and _JOINED.match(src[pos - 1]) and not strong(tex):
        return False
    return _push(state, silent, tex, display, end + 2)


def _environment(state: StateInline, silent: bool) -> bool:
    src, pos = state.src, state.pos
    found = _ENVIRONMENT.match(src, pos, pos + 30)
    if found is None:
        return False
    close = f"\\end{{{found[1]}}}"
    end = _next(state, close, pos)
    if end < 0 or end + len(close) > state.posMax or end - pos > MAX_INLINE:
        return False
    return _push(state, silent, src[pos : end + len(close)], True, end + len(close))


def _dollar(state: StateInline, silent: bool) -> bool:
    src, pos = state.src, state.pos
    if src[pos] != "$" or src[pos - 1 : pos] == "$":
        return False
    if src[pos + 1 : pos + 2] == "$":
        return src[pos + 2 : pos + 3] != "$" and _two_dollars(state, silent)
    if not src[pos + 1 : pos + 2].strip():
        return False
    end = _closing_dollar(state)
    if end < 0:
        return False
    tex = src[pos + 1 : end]
    if tex[-1:].isspace() or not looks_like_tex(tex):
        return False
    before = src[pos - 1 : pos]
    if before.isascii() and before.isalnum() and not strong(tex):
        return False
    after = src[end + 1 : end + 3]
    if _PRICE.match(after) or (after[:1] == "(" and tex[0] == "("):
        return False
    ordinal = len(tex) == 1 and tex.isascii() and tex.isalpha() and _ORDINAL.match(after)
    if _NAME.match(after) and not ordinal and not strong(tex):
        return False
    return _push(state, silent, tex, False, end + 1)


def _two_dollars(state: StateInline, silent: bool) -> bool:
    src, pos = state.src, state.pos
    end = _next(state, "$$", pos + 2)
    if end < 0 or end + 2 > state.posMax or end - pos > MAX_INLINE or src[end + 2 : end + 3] == "$":
        return False
    tex = src[pos + 2 : end]
    return looks_like_tex(tex) and _push(state, silent, tex, True, end + 2)


def _closing_dollar(state: StateInline) -> int:
    src = state.src
    last = min(state.posMax, state.pos + MAX_INLINE + 1)
    end = state.pos + 1
    while end < last and src[end] != "$":
        end += 2 if src[end] == "\\" else 1
    return end if end < last else -1


def _push(state: StateInline, silent: bool, tex: str, display: bool, end: int) -> bool:
    if not tex.strip():
        return False
    if not silent:
        token = state.push("math", "span", 0)
        token.content = tex.strip()
        token.info = "display" if display else "inline"
    state.pos = end
    return True


class _Opening(NamedTuple):
    """What a formula on lines of its own begins with. kept: the delimiters are part of the TeX."""

    open: str
    close: str
    kept: bool


def _opening(first: str) -> _Opening | None:
    if first.startswith("$$"):
        return None if first[2:3] == "$" else _Opening("$$", "$$", False)
    if first.startswith(r"\["):
        return _Opening(r"\[", r"\]", False)
    found = _ENVIRONMENT.match(first)
    return _Opening(found[0], f"\\end{{{found[1]}}}", True) if found else None


def _block(state: StateBlock, startLine: int, endLine: int, silent: bool) -> bool:
    if state.sCount[startLine] - state.blkIndent >= 4 or state.sCount[startLine] < 0:
        return False
    first = state.src[state.bMarks[startLine] + state.tShift[startLine] : state.eMarks[startLine]]
    begun = _opening(first)
    if begun is None:
        return False
    lines: list[str] = []
    for line in range(startLine, min(endLine, startLine + MAX_LINES + 1)):
        text = state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]
        if line == startLine:
            text = first[len(begun.open) :]
        elif text and state.sCount[line] < state.blkIndent:
            return False
        if _FENCE.match(text):
            return False
        end = text.find(begun.close)
        if end < 0:
            lines.append(text)
            continue
        if text[end + len(begun.close) :].strip():
            return False
        lines.append(text[: end + (len(begun.close) if begun.kept else 0)])
        if _is_text(begun, lines):
            return False
        tex = ((begun.open if begun.kept else "") + "\n".join(lines)).strip()
        return _emit(state, silent, tex, startLine, line + 1)
    return False


def _is_text(begun: _Opening, lines: Sequence[str]) -> bool:
    if begun.kept:
        return False
    tex = "\n".join(lines)
    if len(lines) > 1:
        return reads_as_prose(tex)
    return not (looks_like_tex(tex) if begun.open == "$$" else stands_alone(tex))


def _emit(state: StateBlock, silent: bool, tex: str, startLine: int, nextLine: int) -> bool:
    if not tex:
        return False
    if not silent:
        state.line = nextLine
        token = state.push("math_block", "div", 0)
        token.content = tex
        token.map = [startLine, nextLine]
    return True
