"""Turns the tokens of one reply into events, whole characters only, until an end token or stop string."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from backends.markers.holdback import StopCutter
from backends.markers.marks import TABLE, Table
from backends.markers.thinking import AllText, ThinkingSplitter
from backends.types import Event, FinishReason

_LONGEST_CHARACTER = 4
"""Tokens: one for each byte."""


class Reply:
    """The output of one reply.

    before: the ids that precede a continued text. opens: the prompt, which may open the reasoning itself.
    shown: control tokens that mark reasoning. table: the reasoning marks; `None`: all of it is text. limit:
    maximum tokens.
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
        table: Table | None = TABLE,
    ) -> None:
        self.count = 0
        self.ended = False
        self.reason: FinishReason = "length"
        self._emit = emit
        self._decoder = Detokenizer(tokenizer, before, shown)
        self._cutter = StopCutter(stop)
        self._thinking: AllText | ThinkingSplitter = (
            AllText() if table is None else ThinkingSplitter(opens, table)
        )
        self._end_ids = end_ids
        self._limit = limit

    def feed(self, token: int) -> bool:
        """Process the next token. Returns whether it ended the reply."""
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
        """Emit what was held back, however the reply ended."""
        self._say(self._cutter.feed(self._decoder.flush()) + self._cutter.flush())
        for event in self._thinking.flush():
            self._emit(event)

    def _say(self, text: str) -> None:
        for event in self._thinking.feed(text) if text else ():
            self._emit(event)


class Detokenizer:
    """Decodes tokens one by one into text, whole characters only.

    Tokens are decoded together with the ones before them: some tokenizers put a word's space into its own
    token but drop it at the start of a text. `before` are the ids that precede a continued text. Bytes that
    do not form a character, which a model may produce, are dropped, and so are control tokens except those in
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
        """The rest at the end: whole characters; a trailing incomplete one is dropped."""
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
