"""Thumbs by model."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from webchat.feedback.results.drawing import RESAMPLES, drawn, interval, shares, too_few
from webchat.feedback.results.records import ThumbsResult
from webchat.store.judgement_records import Thumb


def thumbs(given: Iterable[Thumb], *, resamples: int = RESAMPLES) -> tuple[ThumbsResult, ...]:
    """How often the replies of each model were found good, the best first."""
    counts: dict[str, dict[str, list[int]]] = {}
    for one in given:
        counts.setdefault(one.model, {}).setdefault(one.owner_id, [0, 0])[one.rating < 0] += 1
    found = []
    for model, people in counts.items():
        table = np.asarray(list(people.values()))
        good, bad = (int(number) for number in table.sum(axis=0))
        spread = None
        if not too_few(len(people)):
            again = drawn(table, resamples)
            spread = interval(shares(again[:, 0], again.sum(axis=1)))
        found.append(ThumbsResult(model, len(people), good, bad, good / (good + bad), spread))
    return tuple(sorted(found, key=lambda one: (-one.share, one.model)))
