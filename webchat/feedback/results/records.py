"""What results consist of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

NoteKey = Literal[
    "no_votes", "one_voter", "few_people", "one_model", "same_model", "unbeaten", "winless", "disconnected",
    "unsure", "many_variants",
]  # fmt: skip
"""Why something is not told.

no_votes: nobody has voted. one_voter, few_people: too few people for intervals. one_model: nothing to compare
it with. same_model: models of which two settings were compared, whose votes count nowhere here. unbeaten,
winless: models that never lost or won, not even a tie, so that no score fits them. disconnected: not all
models were compared with each other, not even by way of others. unsure: so few votes that a draw of people
often leaves models without any, so scores have no intervals. many_variants: how many variants with fewer
votes are left out.
"""


@dataclass(frozen=True, slots=True)
class Interval:
    """Both ends of an interval of 95 %."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Note:
    """What results do not tell, and why. models: those it is about; groups of them for `disconnected`, joined
    by commas."""

    key: NoteKey
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelResult:
    """How a model did. ties: `both_bad` among them. rate: wins and half of the ties, as a share of the votes.
    score: Bradley-Terry on the scale of Elo: the mean of all models is 1000, and 400 more are odds of 10 to
    1; `None` where the notes say why."""

    model: str
    people: int
    votes: int
    wins: int
    losses: int
    ties: int
    both_bad: int
    rate: float
    rate_interval: Interval | None = None
    score: float | None = None
    score_interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class PairResult:
    """How two models did against each other; rate is that of the first, as in `ModelResult`."""

    first: str
    second: str
    people: int
    votes: int
    wins: int
    losses: int
    ties: int
    rate: float
    rate_interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class Results:
    """models: the best first. pairs: those with votes, by names."""

    people: int
    votes: int
    models: tuple[ModelResult, ...] = ()
    pairs: tuple[PairResult, ...] = ()
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class ThumbsResult:
    """Thumbs for the replies of a model. share: of good ones."""

    model: str
    people: int
    good: int
    bad: int
    share: float
    share_interval: Interval | None = None
