"""Notes, "text[^1]" with "[^1]: note", and named links, "[text][1]" with "[1]: address". What no place of the
text names would vanish; it is shown as it was written. Follows `definitions.js`, for texts that are whole."""

from __future__ import annotations

import re
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.common.utils import normalizeReference
from markdown_it.rules_block import StateBlock, reference
from markdown_it.rules_inline import StateInline

from webchat.sharing.markdown.links import Following

_NOTE = re.compile(r"\[\^([^\s\[\]]{1,100})\]:")
_MARK = re.compile(r"\[\^([^\s\[\]]{1,100})\]")


class Reference(dict[str, Any]):
    """A named address, which tells when a link takes it."""

    def __init__(self, values: dict[str, Any], label: str, used: set[str]) -> None:
        super().__init__(values)
        self._label = label
        self._used = used

    def __getitem__(self, key: str) -> Any:
        if key == "href":
            self._used.add(self._label)
        return super().__getitem__(key)


def new_env() -> dict[str, Any]:
    """The environment of one text. notes: their numbers by label; used: labels that something names."""
    return {"references": {}, "notes": {}, "used": set()}


def definitions(md: MarkdownIt, following: Following) -> None:
    md.block.ruler.before("reference", "note", _note, {"alt": ["paragraph", "reference"]})

    def named_link(state: StateBlock, startLine: int, endLine: int, silent: bool) -> bool:
        if state.src.startswith("[^", state.bMarks[startLine] + state.tShift[startLine]):
            return False  # where it can be no note, it is text
        with following.during("definition"):
            return _named_link(state, startLine, endLine, silent)

    md.block.ruler.at("reference", named_link)
    md.inline.ruler.before("link", "note_mark", _mark)


def _named_link(state: StateBlock, startLine: int, endLine: int, silent: bool) -> bool:
    if not reference(state, startLine, endLine, silent):
        return False
    if silent:
        return True
    token = state.tokens[-1]
    label = token.meta["id"]
    token.type = "named_link"
    found = state.env["references"]
    first = not isinstance(found[label], Reference)
    source = state.getLines(startLine, state.line, state.blkIndent, False).strip()
    token.meta = {"label": label, "source": source, "first": first}
    if first:
        found[label] = Reference(found[label], label, state.env["used"])
    return True


def _note(state: StateBlock, startLine: int, endLine: int, silent: bool) -> bool:
    start = state.bMarks[startLine] + state.tShift[startLine]
    if not state.src.startswith("[^", start) or state.sCount[startLine] - state.blkIndent >= 4:
        return False
    if silent:
        above = state.level == 0 or state.sCount[startLine] < state.blkIndent
        return above and _NOTE.match(state.src, start, start + 110) is not None
    opening = _NOTE.match(state.src, start, state.eMarks[startLine]) if state.level == 0 else None
    if opening is None:
        return False
    label = normalizeReference(f"^{opening[1]}")
    notes: dict[str, int] = state.env["notes"]
    first = label not in notes
    number = notes.setdefault(label, len(notes) + 1)
    meta = {"label": label if first else None, "number": number, "source": opening[0]}
    token = state.push("note_open", "div", 1)
    token.meta = meta
    _within(state, startLine, endLine, opening.end())
    token.map = [startLine, state.line]
    state.push("note_close", "div", -1).meta = meta
    return True


def _within(state: StateBlock, line: int, endLine: int, at: int) -> None:
    """Read blocks with the first line beginning at `at`, and what follows four columns in."""
    kept = (state.bMarks[line], state.tShift[line], state.sCount[line], state.parentType)
    text = at
    while text < state.eMarks[line] and state.src[text] in " \t":
        text += 1
    state.bMarks[line] = at
    state.tShift[line] = text - at
    state.blkIndent += 4
    state.sCount[line] = state.blkIndent
    state.parentType = "footnote"
    state.md.block.tokenize(state, line, endLine)
    state.blkIndent -= 4
    state.bMarks[line], state.tShift[line], state.sCount[line], state.parentType = kept


def _mark(state: StateInline, silent: bool) -> bool:
    found = _MARK.match(state.src, state.pos, state.pos + 104)
    if found is None or found.end() > state.posMax:
        return False
    label = normalizeReference(f"^{found[1]}")
    number = state.env["notes"].get(label)
    if number is None:
        return False
    if not silent:
        state.env["used"].add(label)
        state.push("note_mark", "sup", 0).meta = {"number": number}
    state.pos = found.end()
    return True
