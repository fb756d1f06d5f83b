"""Win rates and Bradley-Terry scores of models from votes on pairs of replies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webchat.feedback.extras import extra
from webchat.feedback.results.connected import connected, why_not
from webchat.feedback.results.drawing import RESAMPLES, drawn, interval, shares, too_few
from webchat.feedback.results.records import ModelResult, Note, PairResult, Results
from webchat.store.judgement_records import VoteCount

_FIRST, _SECOND, _TIE, _BOTH_BAD = range(4)
_OUTCOMES = 4
_MOST_STEPS = 10_000

Pair = tuple[str, str]


@dataclass(slots=True)
class _Votes:
    """How often each person voted how on each pair; a pair's names are in order. same: models whose settings
    were compared."""

    people: dict[str, int] = field(default_factory=dict)
    counts: dict[tuple[int, Pair, int], int] = field(default_factory=dict)
    same: set[str] = field(default_factory=set)

    def add(self, vote: VoteCount) -> None:
        left, right = vote.left, vote.right
        if left == right:
            self.same.add(left)
            return
        first, second = sorted((left, right))
        if vote.preferred == "tie":
            outcome = _BOTH_BAD if vote.both_bad else _TIE
        else:
            better = left if vote.preferred == "left" else right
            outcome = _FIRST if better == first else _SECOND
        person = self.people.setdefault(vote.owner_id, len(self.people))
        key = (person, (first, second), outcome)
        self.counts[key] = self.counts.get(key, 0) + vote.votes


def results(votes: Iterable[VoteCount], *, resamples: int = RESAMPLES) -> Results:
    """What people prefer. Pairs nobody has voted on yet do not count, nor do pairs of one model, which a note
    names.

    Takes seconds for many models: call it in a thread. Raises ExtraMissing.
    """
    told = _Votes()
    for vote in votes:
        told.add(vote)
    same = (Note("same_model", tuple(sorted(told.same))),) if told.same else ()
    if not told.counts:
        return Results(0, 0, notes=same or (Note("no_votes"),))
    pairs = sorted({pair for _, pair, _ in told.counts})
    models = sorted({model for pair in pairs for model in pair})
    counts = np.zeros((len(told.people), len(pairs), _OUTCOMES), dtype=np.int64)
    places = {pair: at for at, pair in enumerate(pairs)}
    for (person, pair, outcome), count in told.counts.items():
        counts[person, places[pair], outcome] = count
    notes = too_few(len(told.people))
    drawings = None if notes else drawn(counts.reshape(len(counts), -1), resamples).reshape(-1, len(pairs), 4)
    found, more = _models(counts, drawings, pairs, models)
    return Results(
        people=len(told.people),
        votes=int(counts.sum()),
        models=found,
        pairs=tuple(_pair(counts, drawings, at, pair) for at, pair in enumerate(pairs)),
        notes=(*notes, *more, *same),
    )


def _models(
    counts: NDArray[Any], drawings: NDArray[Any] | None, pairs: list[Pair], models: list[str]
) -> tuple[tuple[ModelResult, ...], tuple[Note, ...]]:
    scores, spread, notes = _scores(counts.sum(axis=0), drawings, pairs, models)
    found = []
    for at, model in enumerate(models):
        mine = _turned(counts, pairs, model)
        wins, losses, ties, bad = (int(number) for number in mine.sum(axis=0))
        rate_interval = None
        if drawings is not None:
            again = _turned(drawings, pairs, model)
            rate_interval = interval(shares(_points(again), again.sum(axis=-1)))
        found.append(
            ModelResult(
                model=model,
                people=int((mine.sum(axis=-1) > 0).sum()),
                votes=wins + losses + ties + bad,
                wins=wins,
                losses=losses,
                ties=ties + bad,
                both_bad=bad,
                rate=(wins + (ties + bad) / 2) / (wins + losses + ties + bad),
                rate_interval=rate_interval,
                score=None if scores is None else float(scores[at]),
                score_interval=None if spread is None else interval(spread[:, at]),
            )
        )
    found.sort(key=lambda one: (-(one.rate if one.score is None else one.score), one.model))
    if spread is not None and any(one.score_interval is None for one in found):
        notes = (*notes, Note("unsure"))
    return tuple(found), notes


def _pair(counts: NDArray[Any], drawings: NDArray[Any] | None, at: int, pair: Pair) -> PairResult:
    mine = counts[:, at]
    wins, losses, ties, bad = (int(number) for number in mine.sum(axis=0))
    votes = wins + losses + ties + bad
    rate_interval = None
    if drawings is not None:
        rate_interval = interval(shares(_points(drawings[:, at]), drawings[:, at].sum(axis=-1)))
    return PairResult(
        first=pair[0],
        second=pair[1],
        people=int((mine.sum(axis=-1) > 0).sum()),
        votes=votes,
        wins=wins,
        losses=losses,
        ties=ties + bad,
        rate=(wins + (ties + bad) / 2) / votes,
        rate_interval=rate_interval,
    )


def _turned(counts: NDArray[Any], pairs: list[Pair], model: str) -> NDArray[Any]:
    """Wins, losses, ties and pairs that are both bad, of one model against all: people or drawings × 4."""
    first = counts[:, [at for at, pair in enumerate(pairs) if pair[0] == model]].sum(axis=1)
    second = counts[:, [at for at, pair in enumerate(pairs) if pair[1] == model]].sum(axis=1)
    turned: NDArray[Any] = first + second[:, [_SECOND, _FIRST, _TIE, _BOTH_BAD]]
    return turned


def _points(counts: NDArray[Any]) -> NDArray[Any]:
    points: NDArray[Any] = counts[:, _FIRST] + (counts[:, _TIE] + counts[:, _BOTH_BAD]) / 2
    return points


def _scores(
    counts: NDArray[Any], drawings: NDArray[Any] | None, pairs: list[Pair], models: list[str]
) -> tuple[NDArray[Any] | None, NDArray[Any] | None, tuple[Note, ...]]:
    """Scores, those of each drawing, and why there are none. Drawings for which none exist hold no numbers.

    evalica gives every model the same tiny score where none exist, without an error: hence the checks.
    """
    notes = why_not(_won(counts[None], pairs, models)[0], models)
    if notes:
        return None, None, notes
    fit = _Fit(pairs, models)
    if drawings is None:
        return fit(counts), None, ()
    exist = connected(_won(drawings, pairs, models))
    spread = np.full((len(drawings), len(models)), np.nan)
    for at in np.flatnonzero(exist):
        spread[at] = fit(drawings[at])
    return fit(counts), spread, ()


def _won(counts: NDArray[Any], pairs: list[Pair], models: list[str]) -> NDArray[np.bool_]:
    """Whether one model won or tied against another, for each of a stack of counts."""
    places = {model: at for at, model in enumerate(models)}
    won = np.zeros((len(counts), len(models), len(models)), dtype=bool)
    for at, (first, second) in enumerate(pairs):
        tied = counts[:, at, _TIE] + counts[:, at, _BOTH_BAD] > 0
        won[:, places[first], places[second]] = (counts[:, at, _FIRST] > 0) | tied
        won[:, places[second], places[first]] = (counts[:, at, _SECOND] > 0) | tied
    return won


class _Fit:
    """Bradley-Terry by evalica."""

    def __init__(self, pairs: list[Pair], models: list[str]) -> None:
        self._evalica = extra("evalica", "feedback", "Comparing models")
        winner = self._evalica.Winner
        self._xs = [pair[0] for pair in pairs for _ in range(3)]
        self._ys = [pair[1] for pair in pairs for _ in range(3)]
        self._winners = [winner.X, winner.Y, winner.Draw] * len(pairs)
        self._models = models

    def __call__(self, counts: NDArray[Any]) -> NDArray[np.float64]:
        """Scores on the scale of Elo, in the order of the models. counts: pairs × outcomes."""
        ties = counts[:, _TIE] + counts[:, _BOTH_BAD]
        weights = np.stack([counts[:, _FIRST], counts[:, _SECOND], ties], axis=1).reshape(-1)
        fitted = self._evalica.bradley_terry(
            self._xs, self._ys, self._winners, weights=weights.astype(float).tolist(), limit=_MOST_STEPS
        )
        strengths = np.log10(fitted.scores.reindex(self._models).to_numpy(dtype=np.float64))
        scores: NDArray[np.float64] = 1000 + 400 * (strengths - strengths.mean())
        return scores
