"""How far people agree who judged the same thing."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from webchat.feedback.extras import extra
from webchat.feedback.results.records import Interval
from webchat.store.judgement_records import Comparison

_SEED = 20_260
_MOST_DRAWN, _RESAMPLES, _FEWEST = 10_000_000, 2000, 100
"""Values drawn in all by the bootstrap, which bound its time; its resamples, and the fewest of them."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Krippendorff's alpha: 1 is full agreement, 0 is chance. units: things that several people judged;
    ratings: of those. interval: of 95 %, after Hayes and Krippendorff (2007)."""

    alpha: float
    interval: Interval
    units: int
    ratings: int


def agreement(ratings: Iterable[tuple[str, Hashable, Hashable]]) -> Agreement | None:
    """How far people agree. ratings: person, thing judged, and what they said of it; the last one counts.

    `None` if nothing was judged by several people, or if all said the same of everything, which is agreement
    that cannot be told from having only one word. Raises ExtraMissing.
    """
    by_unit: dict[Hashable, dict[str, Hashable]] = {}
    for person, unit, value in ratings:
        by_unit.setdefault(unit, {})[person] = value
    units = [list(said.values()) for said in by_unit.values() if len(said) > 1]
    codes: dict[Hashable, int] = {}
    for said in units:
        for value in said:
            codes.setdefault(value, len(codes))
    if len(codes) < 2:
        return None
    import numpy as np

    evalica, pandas = extra("evalica", "feedback", "Agreement"), extra("pandas", "feedback", "Agreement")
    # Alpha does not ask who said what, so columns need no more rows than a thing has ratings.
    table = np.full((max(map(len, units)), len(units)), np.nan)
    for at, said in enumerate(units):
        table[: len(said), at] = [codes[value] for value in said]
    count = sum(map(len, units))
    found = evalica.alpha_bootstrap(
        pandas.DataFrame(table),
        n_resamples=max(_FEWEST, min(_RESAMPLES, _MOST_DRAWN // count)),
        random_state=_SEED,
    )
    return Agreement(float(found.alpha), Interval(float(found.low), float(found.high)), len(units), count)


def votes_agreement(votes: Iterable[Comparison]) -> Agreement | None:
    """How far those agree who voted on the same two replies, whichever side they saw them on."""

    def said() -> Iterable[tuple[str, Hashable, Hashable]]:
        for vote in votes:
            if vote.preferred is None:
                continue
            sides = sorted((vote.left.message_id, vote.right.message_id))
            better = {"left": vote.left.message_id, "right": vote.right.message_id}.get(vote.preferred, "")
            yield vote.owner_id, tuple(sides), (sides.index(better) if better else -1)

    return agreement(said())
