"""Which two models meet next: those about which the votes so far say least."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from math import sqrt

from webchat.store.judgement_records import PairVotes

Pair = tuple[str, str]

MOST_MODELS = 50
"""Of more, all pairs would hold up the event loop."""


def candidates(models: Sequence[str], sample: Callable[[Sequence[str], int], list[str]]) -> list[str]:
    """The models among which a pair is looked for: all, or `MOST_MODELS` that `sample` draws."""
    return sample(models, min(len(models), MOST_MODELS))


def next_pair(
    models: Sequence[str], votes: Iterable[PairVotes], choose: Callable[[list[Pair]], Pair]
) -> Pair:
    """The pair of models whose win rate is the least certain; `choose` picks one of several.

    Raises ValueError for fewer than two models.
    """
    known = {frozenset(pair.models): pair for pair in votes}
    pairs = list(combinations(dict.fromkeys(models), 2))
    if not pairs:
        raise ValueError("a comparison needs two models")
    unknown = doubt(PairVotes(pairs[0]))
    doubts = {pair: doubt(known[key]) if (key := frozenset(pair)) in known else unknown for pair in pairs}
    most = max(doubts.values())
    return choose([pair for pair in pairs if doubts[pair] == most])


def doubt(votes: PairVotes) -> float:
    """How uncertain the win rate of a pair is: the standard deviation of what is likely (a Beta distribution,
    uniform before the first vote). A tie counts half for each, and so does a comparison that is still open:
    people who come at once get different pairs."""
    half = (votes.ties + votes.open) / 2
    first, second = (1 + half + wins for wins in sorted(votes.wins))
    all = first + second
    return sqrt(first * second / (all * all * (all + 1)))
