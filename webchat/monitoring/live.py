"""What this process has done since its start, by model: counts and histograms, and nothing that grows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from webchat.histogram import Histogram
from webchat.turns.measured import GAP_BOUNDS, Measured

MOST_NAMES = 100
"""Models, and kinds of errors of each, that are counted by name. Names come from endpoints and plugins."""

OTHER = "other"

SECONDS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.5, 4.0, 6.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0)
"""Bounds for what takes as long as people wait."""


def _seconds() -> Histogram:
    return Histogram(SECONDS)


@dataclass(slots=True)
class Tally:
    """One model. durations: by the code of the failure, empty for none."""

    backend: str
    states: Counter[str] = field(default_factory=Counter)
    durations: dict[str, Histogram] = field(default_factory=dict)
    first_token: Histogram = field(default_factory=_seconds)
    queue: Histogram = field(default_factory=_seconds)
    gaps: Histogram = field(default_factory=lambda: Histogram(GAP_BOUNDS))
    pieces: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0

    def add(self, one: Measured) -> None:
        self.states[one.state] += 1
        code = one.code if one.code in self.durations or len(self.durations) < MOST_NAMES else OTHER
        self.durations.setdefault(code, _seconds()).add(one.seconds)
        if one.first_token is not None:
            self.first_token.add(one.first_token)
            self.pieces += 1 + one.gaps.count
        if (waited := one.part("queue")) is not None:
            self.queue.add(waited)
        self.gaps.merge(one.gaps)
        self.input_tokens += one.input_tokens or 0
        self.output_tokens += one.output_tokens or 0
        self.cached_tokens += one.cached_tokens or 0


class Live:
    """Counts replies as they end. Lives on one event loop; others may read it."""

    def __init__(self) -> None:
        self.models: dict[str, Tally] = {}
        self.lag = 0.0
        """Longest delay of the event loop in the last sample."""

    def ended(self, one: Measured) -> None:
        """Count a reply."""
        known = one.model in self.models or len(self.models) < MOST_NAMES
        self.models.setdefault(one.model if known else OTHER, Tally(one.backend)).add(one)
