"""First messages of a given length in tokens, with no common beginning."""

from __future__ import annotations

import random
from itertools import count

_WORDS = (
    *("river", "lamp", "stone", "garden", "letter", "winter", "bridge", "silver", "market", "violin"),
    *("cloud", "window", "forest", "copper", "paper", "island", "candle", "mirror", "valley", "thunder"),
    *("orchard", "ribbon", "meadow", "lantern", "castle", "feather", "anchor", "saddle", "pepper", "marble"),
)
_TOKENS_A_WORD = 2.0
"""A word and its comma, until the model's tokenizer has said."""


class Prompts:
    """nonce: differs between runs of the command, so that an endpoint with a prefix cache knows none of
    them."""

    def __init__(self, tokens: int, nonce: str) -> None:
        self._tokens = tokens
        self._nonce = nonce
        self._numbers = count()
        self._words = self._bounded(tokens / _TOKENS_A_WORD)

    def next(self) -> str:
        number = next(self._numbers)
        words = random.Random(f"{self._nonce} {number}").choices(_WORDS, k=self._words)
        # What differs comes first: the beginning is what engines keep.
        return f"{self._nonce}{number}: write a very long story about {', '.join(words)}."

    def fit(self, seen: int) -> None:
        """Adjust to the actual length of the last message, in tokens and with its chat template."""
        if seen > 0:
            self._words = self._bounded(self._words * self._tokens / seen)

    @staticmethod
    def _bounded(words: float) -> int:
        return max(1, round(words))
