"""Text in words, for backends whose models have no tokenizer."""

from __future__ import annotations

import re

# A token is a word with the space before it, or one CJK character: near enough to what models do.
_CJK = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef"
_TOKEN = re.compile(rf"\s*(?:[{_CJK}]|[^\s{_CJK}]+)|\s+")


def tokens(text: str) -> list[str]:
    """The pieces `text` is streamed in; joined they equal the text, with `?` for lone surrogates."""
    return _TOKEN.findall(text.encode("utf-8", "replace").decode())
