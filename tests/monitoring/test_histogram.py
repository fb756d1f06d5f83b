"""Percentiles from counts."""

from __future__ import annotations

import random

import pytest

from webchat.histogram import Histogram, percentile

BOUNDS = [bound / 20 for bound in range(1, 41)]


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_a_percentile_is_within_one_bucket_of_the_true_one(share: float) -> None:
    chance = random.Random(7)
    values = sorted(chance.expovariate(2.0) for _ in range(5000))
    values = [value for value in values if value < 2]
    counted = Histogram(BOUNDS)
    for value in values:
        counted.add(value)
    found = percentile(BOUNDS, counted.counts, share)
    assert found == pytest.approx(values[int(share * len(values))], abs=0.05)
    assert counted.total == pytest.approx(sum(values))


def test_beyond_the_last_bound_it_is_the_last_bound_and_of_nothing_nothing() -> None:
    one = Histogram([1.0])
    assert percentile([1.0], one.counts, 0.5) is None
    one.add(100)
    assert percentile([1.0], one.counts, 0.5) == 1.0
