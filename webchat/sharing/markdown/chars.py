"""Kinds of characters, for patterns of `re`, which knows no Unicode properties."""

from __future__ import annotations

import re
import unicodedata

LETTER = r"[^\W\d_]"
LETTER_OR_DIGIT = r"[^\W_]"
MARKS = "".join(chr(code) for code in range(0x300, 0x10000) if unicodedata.category(chr(code))[0] == "M")
WORD_CHAR = f"(?:{LETTER}|[{MARKS}])"
"""A letter or a mark on one."""

UNSPACED = re.compile(
    "[\u02ea\u02eb\u0e01-\u0e3a\u0e40-\u0e5b\u0e81-\u0edf\u0f00-\u0fda\u1000-\u109f\u1100-\u11ff\u1780-\u17f9"
    "\u19e0-\u19ff\u2e80-\u2fd5\u3005\u3007\u3021-\u3029\u302e\u302f\u3038-\u303b\u3041-\u3096\u309d-\u309f"
    "\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u3131-\u318e\u31a0-\u31bf\u31f0-\u321e\u3260-\u327e\u32d0-\u32fe"
    "\u3300-\u3357\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97c\ua9e0-\ua9fe\uaa60-\uaa7f\uac00-\ud7a3\ud7b0-\ud7fb"
    "\uf900-\ufaff\uff66-\uff6f\uff71-\uff9d\uffa0-\uffdc\U00020000-\U000323af]"
)
"""Letters of scripts that are written without spaces."""


def is_word(char: str) -> bool:
    """A letter, a mark or a figure."""
    return bool(char) and unicodedata.category(char)[0] in "LMN"
