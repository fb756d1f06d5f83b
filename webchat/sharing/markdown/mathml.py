"""Formulas as MathML, which browsers draw without scripts."""

from __future__ import annotations

import re
from html import escape
from typing import Literal

from latex2mathml.converter import convert

LONGEST = 4000
"""Characters; a longer formula is shown as its source."""

_INNER = re.compile(r"<math\b[^>]*>(.*)</math>\Z", re.S)
_UNKNOWN = re.compile(r"<m(?:i|o|text)>\\")
"""A command the converter does not know stays in its output."""
_FOREIGN = re.compile(r"<(?!/?m[a-z]+[\s/>])")
"""An element that is none of MathML: what a formula quotes is not escaped."""
_DEEPEST = 40
"""Braces within one another: the converter calls itself for each."""


def mathml(tex: str, display: bool) -> str:
    """The formula with its source for copying, or "" if it cannot be converted."""
    if len(tex) > LONGEST or _depth(tex) > _DEEPEST:
        return ""
    kind: Literal["block", "inline"] = "block" if display else "inline"
    try:
        found = _INNER.search(convert(tex, display=kind))
    except Exception:  # the converter raises anything at what it does not understand
        return ""
    if found is None or _UNKNOWN.search(found[1]) or _FOREIGN.search(found[1]):
        return ""
    source = f'<annotation encoding="application/x-tex">{escape(tex)}</annotation>'
    return f'<math display="{kind}"><semantics>{found[1]}{source}</semantics></math>'


def _depth(tex: str) -> int:
    depth = deepest = 0
    for char in tex:
        depth += (char == "{") - (char == "}")
        deepest = max(deepest, depth)
    return deepest
