"""Tokens of one reply into events, whole characters only, until an end is said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from backends._holdback import StopCutter
from backends._thinking import ThinkingSplitter
from backends.marks import TABLE, Table
from backends.types import Event, FinishReason

_LONGEST_CHARACTER = 4
"""Tokens: one for each byte."""


class Reply:
    """What is said of one reply.

    before: the ids a continued text stands behind. opens: the prompt, some of which open the reasoning
    themselves. shown: control tokens that mark reasoning. table: its marks. limit: most tokens.
    """

    def __init__(
        self,
        emit: Callable[[Event], None],
        tokenizer: Any,
        *,
        end_ids: frozenset[int],
        limit: int,
        stop: Sequence[str] = (),
        before: Sequence[int] = (),
        opens: str = "",
        shown: frozenset[int] = frozenset(),
        table: Table = TABLE,
    ) -> None:
        self.count = 0
        self.ended = False
        self.reason: FinishReason = "length"
        self._emit = emit
        self._decoder = Detokenizer(tokenizer, before, shown)
        self._cutter = StopCutter(stop)
        self._thinking = ThinkingSplitter(opens, table)
        self._end_ids = end_ids
        self._limit = limit

    def feed(self, token: int) -> bool:
        """Take the next token. Returns whether the reply has ended with it."""
        self.count += 1
        if token in self._end_ids:
            self.reason, self.ended = "stop", True
            return True
        self._say(self._cutter.feed(self._decoder.feed(token)))
        if self._cutter.stopped:
            self.reason = "stop"
        self.ended = self._cutter.stopped or self.count >= self._limit
        return self.ended

    def flush(self) -> None:
        """Say what was held back: it has been said, whatever happened then."""
        self._say(self._cutter.feed(self._decoder.flush()) + self._cutter.flush())
        for event in self._thinking.flush():
            self._emit(event)

    def _say(self, text: str) -> None:
        for event in self._thinking.feed(text) if text else ():
            self._emit(event)


class Detokenizer:
    """Token by token into text, whole characters only.

    Tokens are decoded together with those right before them: some tokenizers write a word's space into its
    own token but drop it at the beginning of a text. `before` are the ids a continued text stands behind.
    Bytes that are no character, which a model may say, are left out, and so are control tokens but those
    `shown`.
    """

    def __init__(
        self, tokenizer: Any, before: Sequence[int] = (), shown: frozenset[int] = frozenset()
    ) -> None:
        self._tokenizer = tokenizer
        special = (id for id, token in tokenizer.added_tokens_decoder.items() if token.special)
        self._left_out = frozenset(special) - shown if shown else frozenset()
        self._ids = list(before)[-8:]
        self._shown = len(self._ids)

    def feed(self, token: int) -> str:
        self._ids.append(token)
        known = self._decode(self._ids[: self._shown])
        text = self._decode(self._ids)
        half = text.endswith("\ufffd") and len(self._ids) - self._shown < _LONGEST_CHARACTER
        if half or len(text) <= len(known):
            return ""
        # What was shown is the context of what comes; what was context before is needed no more.
        self._ids, self._shown = self._ids[self._shown :], len(self._ids) - self._shown
        return text[len(known) :].replace("\ufffd", "")

    def flush(self) -> str:
        """What is left at the end: whole characters in front of half a one, which is dropped."""
        rest = self._decode(self._ids)[len(self._decode(self._ids[: self._shown])) :]
        self._shown = len(self._ids)
        return rest.replace("\ufffd", "")

    def _decode(self, ids: list[int]) -> str:
        text: str = self._tokenizer.decode(
            [id for id in ids if id not in self._left_out],
            skip_special_tokens=not self._left_out,
            clean_up_tokenization_spaces=False,
        )
        return text
