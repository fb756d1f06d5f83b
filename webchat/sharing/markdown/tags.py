"""The few HTML elements that models write within a line. Follows `tags.js` and `tasks.js`."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

_PAIRED = re.compile(r"<(sub|sup|kbd|mark|ins|u|small|b|strong|i|em)>(?=\S)", re.IGNORECASE)
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_BOX = re.compile(r"\[([ xX])\][ \t\u00a0]+(?=\S|\Z)")


def tags(md: MarkdownIt) -> None:
    md.inline.ruler.before("html_inline", "line_break", _line_break)
    md.inline.ruler.before("html_inline", "paired_tag", _paired_tag)
    md.core.ruler.push("task_lists", _task_lists)


def _line_break(state: StateInline, silent: bool) -> bool:
    found = _BREAK.match(state.src, state.pos, state.pos + 8)
    if found is None:
        return False
    if not silent:
        state.push("hardbreak", "br", 0)
    state.pos = found.end()
    return True


def _paired_tag(state: StateInline, silent: bool) -> bool:
    src, pos, last = state.src, state.pos, state.posMax
    opening = _PAIRED.match(src, pos, pos + 10)
    if opening is None:
        return False
    name = opening[1].lower()
    end = _next(state, name, pos)
    if end < 0 or end + len(name) + 3 > last or end == opening.end() or src[end - 1].isspace():
        return False
    if not silent:
        state.push(f"{name}_open", name, 1)
        state.pos, state.posMax = opening.end(), end
        state.md.inline.tokenize(state)
        state.posMax = last
        state.push(f"{name}_close", name, -1)
    state.pos = end + len(name) + 3
    return True


def _next(state: StateInline, name: str, begin: int) -> int:
    """Where the tag that closes `name` is next, or -1: looked for once, not anew from each opening one."""
    known: dict[str, int] = state.__dict__.setdefault("partners", {})
    if name not in known or 0 <= known[name] < begin:
        found = re.compile(f"</{name}>", re.IGNORECASE).search(state.src, begin)
        known[name] = found.start() if found else -1
    return known[name]


def _task_lists(state: StateCore) -> None:
    tokens = state.tokens
    for index in range(2, len(tokens)):
        kinds = [token.type for token in tokens[index - 2 : index + 1]]
        if kinds != ["list_item_open", "paragraph_open", "inline"]:
            continue
        children = tokens[index].children or []
        box = _BOX.match(children[0].content) if children and children[0].type == "text" else None
        if box is None or (len(children) == 1 and box.end() == len(children[0].content)):
            continue
        children[0].content = children[0].content[box.end() :]
        token = Token("task", "input", 0)
        token.meta = {"done": box[1] != " "}
        tokens[index].children = [token, *children]
        tokens[index - 2].attrJoin("class", "wc-task")
