"""Tokenizes words that contain control tokens as plain words, which transformers' tokenizers are not made
for.

They recognize a control token anywhere in a text. So words are tokenized by a copy that has none.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from backends.markers.control_tokens import ControlTokens, Part, is_structure
from backends.markers.marks import Table

_FRONT = "\ufdef"
"""A token of the copy's own: a text behind it is in the middle of a prompt. Some tokenizers put a space at
the beginning of one."""


class Words:
    """For one tokenizer of transformers. also: an additional token that no word may become. control: all such
    tokens."""

    def __init__(self, tokenizer: Any, also: str | None = None) -> None:
        added = {
            id: token
            for id, token in tokenizer.added_tokens_decoder.items()
            if token.special or is_structure(token.content)
        }
        texts = {token.content: (token.lstrip, token.rstrip) for token in added.values()}
        special = [*tokenizer.all_special_tokens, *([also] if also else [])]
        self.control = ControlTokens([*special, *texts], texts)
        # What a tokenizer does not know is no structure.
        self._ids = frozenset({*added, *tokenizer.all_special_ids} - {tokenizer.unk_token_id})
        self._tokenizer = tokenizer
        self._copy: Any = None

    def marks(self, table: Table) -> frozenset[int]:
        """The ids of those that mark reasoning."""
        return frozenset(map(self._tokenizer.convert_tokens_to_ids, table.marks_among(self.control.tokens)))

    def ids(self, parts: Sequence[Part]) -> list[int]:
        """The tokens of a prompt."""
        ids: list[int] = []
        for number, part in enumerate(parts):
            if part.words:
                ids += self._words(part, first=number == 0)
            else:
                ids += self._tokenizer(part.text, add_special_tokens=False)["input_ids"]
        return ids

    def _words(self, part: Part, *, first: bool) -> list[int]:
        ids = self._read(part.text, first=first)
        if self._ids.isdisjoint(ids):
            return ids
        ids = []
        for number, piece in enumerate(part.pieces):
            ids += self._apart(piece, first=first and number == 0)
        return ids

    def _apart(self, text: str, *, first: bool) -> list[int]:
        """A vocabulary that lists its control tokens as words forms them from any text: split these."""
        ids = self._read(text, first=first)
        if self._ids.isdisjoint(ids) or len(text) < 2:
            return ids
        half = len(text) // 2
        return [*self._apart(text[:half], first=first), *self._apart(text[half:], first=False)]

    def _read(self, text: str, *, first: bool) -> list[int]:
        if not self._tokenizer.is_fast:
            read = self._tokenizer(text, add_special_tokens=False, split_special_tokens=True)
            return list(read["input_ids"])
        if self._copy is None:
            self._copy = _without_control(self._tokenizer.backend_tokenizer)
        if first:
            return list(self._copy.encode(text, add_special_tokens=False).ids)
        return list(self._copy.encode(_FRONT + text, add_special_tokens=False).ids)[1:]


def _without_control(tokenizer: Any) -> Any:
    """A copy that recognizes only tokens added like words: runs of spaces, HTML elements."""
    from tokenizers import AddedToken, Tokenizer

    told = json.loads(tokenizer.to_str())
    told["added_tokens"] = [
        token for token in told["added_tokens"] if not (token["special"] or is_structure(token["content"]))
    ]
    told["post_processor"] = told["truncation"] = told["padding"] = None
    copy = Tokenizer.from_str(json.dumps(told))
    copy.add_tokens([AddedToken(_FRONT, normalized=False)])
    return copy
