"""Emphasis where CommonMark leaves the asterisks standing. Follows `emphasis.js`."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.common.utils import isMdAsciiPunct, isPunctChar, isWhiteSpace
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Scanned
from markdown_it.token import Token
from markdown_it.utils import EnvType

_UNSPACED = re.compile(
    "[\u1100-\u11ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\u0e00-\u0eff"
    "\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\U00020000-\U00033fff]"
)
_ENDING = frozenset(
    ".,:;!?%)]}\"'\u201d\u2019\u201c\u203a\u00bb\u2026\u0589\u06d4\u060c\u061b\u061f\u0964\u0965"
)
_NAME = re.compile(r"__([A-Za-z0-9]+(?:_[A-Za-z0-9]+)*)__(?!_)")
_FIELD = re.compile(r"[A-Za-z0-9_)\]]\.\Z")
_NAMES = frozenset(
    re.findall(
        r"\S+",
        "abs add aenter aexit aiter all and anext annotations asm attribute await bases bool builtins bytes"
        " call class closure code complex contains copy debug deepcopy defaults del delattr delete delitem"
        " dict dir dirname doc enter eq exit file filename float floordiv format func ge get getattr"
        " getattribute getitem getstate globals gt hash iadd import imul index init instancecheck int invert"
        " isub iter le len loader lt main matmul missing mod module mro mul name ne neg new next or package"
        " path pos post pow prepare proto qualname radd reduce repr reversed rmul round rsub set setattr"
        " setitem setstate sizeof slots spec str sub subclasses traceback truediv version weakref wrapped"
        " xor FILE LINE DATE TIME FUNCTION CLASS METHOD NAMESPACE DIR COUNTER STDC",
    )
)


class Words(ParserInline):
    """The inline parser, whose state judges marks of emphasis by `_Reader`."""

    def parse(self, src: str, md: MarkdownIt, env: EnvType, tokens: list[Token]) -> list[Token]:
        state = _Reader(src, md, env, tokens)
        self.tokenize(state)
        for rule in self.ruler2.getRules(""):
            rule(state)
        return state.tokens


class _Reader(StateInline):
    def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:
        scanned = super().scanDelims(start, canSplitWord)
        mark, end = self.src[start], start + scanned.length
        if mark == "_" and scanned.length != 2:
            return scanned
        before = self.src[start - 1] if start else " "
        after = self.src[end] if end < self.posMax else " "
        opens, closes = scanned.can_open, scanned.can_close
        beside = _is_unspaced(before) or _is_unspaced(after)
        if mark == "_":
            if beside:
                opens = not _is_space(after) and _edge(before)
                closes = not _is_space(before) and _edge(after)
            closes = closes or before in _ENDING or (_is_unspaced(before) and _is_punct(before))
            return Scanned(opens, closes, scanned.length)
        if beside:
            opens = not _is_space(after) and (not _foreign_punct(after) or _edge(before))
            closes = not _is_space(before) and (not _foreign_punct(before) or _edge(after))
        elif scanned.length >= 2 and before in _ENDING:
            closes = True
        opens = opens and after != "/" and not (before == "/" and scanned.length == 1)
        return Scanned(opens, closes and before != "/", scanned.length)


def name(state: StateInline, silent: bool) -> bool:
    """`__init__`: a name in a program keeps its underscores."""
    src, pos = state.src, state.pos
    if not src.startswith("__", pos):
        return False
    found = _NAME.match(src, pos, pos + 80)
    if found is None or found.end() > state.posMax:
        return False
    field = _FIELD.search(src[max(0, pos - 2) : pos]) is not None
    calls = src[found.end() : found.end() + 1] in ("(", "[")
    if not (found[1] in _NAMES or "_" in found[1] or field or calls):
        return False
    if not silent:
        state.pending += found[0]
    state.pos = found.end()
    return True


def _is_unspaced(char: str) -> bool:
    return _UNSPACED.match(char) is not None


def _is_space(char: str) -> bool:
    return isWhiteSpace(ord(char))


def _is_punct(char: str) -> bool:
    return isMdAsciiPunct(ord(char)) or isPunctChar(char)


def _edge(char: str) -> bool:
    return _is_space(char) or _is_punct(char) or _is_unspaced(char)


def _foreign_punct(char: str) -> bool:
    return _is_punct(char) and not _is_unspaced(char)
