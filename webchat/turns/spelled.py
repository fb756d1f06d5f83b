"""Shows how likely the tokens of a reply were, only together with the text they spell.

A token is text, too: of words that are held back, changed or blocked, no token may leave. So tokens wait here
until exactly their text was shown. From the first one on that spells something else, no more are shown.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from backends.types import TokenLogprob
from webchat.turns.events import Delta


class Spelled:
    """The tokens of one reply, and the text that was shown of it."""

    def __init__(self) -> None:
        self._tokens: deque[TokenLogprob] = deque()
        self._shown = ""
        self._lost = False

    def add(self, tokens: Sequence[TokenLogprob]) -> None:
        """Tokens as the model told of them."""
        if not self._lost:
            self._tokens += tokens

    def with_logprobs(self, delta: Delta) -> Delta:
        """A piece that is about to be shown, with the tokens that are spelled out by its end."""
        if delta.kind != "text" or self._lost:
            return delta
        self._shown += delta.text
        told: list[TokenLogprob] = []
        while self._tokens and self._shown.startswith(self._tokens[0].token):
            token = self._tokens.popleft()
            self._shown = self._shown[len(token.token) :]
            told.append(token)
        if self._tokens and not self._tokens[0].token.startswith(self._shown):
            self._lost = True
            self._tokens.clear()
        return replace(delta, logprobs=tuple(told)) if told else delta
