"""One reply in the engine: its tokens, its state, and its listener."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Protocol

from backends.local.regions import Region
from backends.local.sampling import Choice, Sampler

GROWTH = 256
"""Tokens of a reply for which a row gets room at a time."""


class Speaker(Protocol):
    """Receives a row's tokens. Called in the engine's thread."""

    @property
    def cancelled(self) -> bool:
        """Whether nobody listens any more."""
        ...

    def token(self, choice: Choice) -> bool:
        """Receive a token. Returns whether it ended the reply."""
        ...

    def cut(self) -> None:
        """The reply ends here, as at its limit."""
        ...

    def finish(self, row: Row, error: BaseException | None) -> None:
        """Called once, at the end. `error` is `None` if the reply ended or nobody listened any more."""
        ...


@dataclass(slots=True, eq=False)
class Row:
    """One reply in the engine.

    ids: the prompt, then the generated tokens. limit: maximum tokens to generate. adapter: name of a LoRA
    adapter. computed: how many ids have their keys and values in `region`. cached: how many of them were
    there before. Times are from `time.monotonic`.
    """

    ids: list[int]
    limit: int
    sampler: Sampler
    speaker: Speaker
    adapter: str | None = None
    prompt: int = 0
    region: Region | None = None
    computed: int = 0
    cached: int = 0
    submitted: float = field(default_factory=time.monotonic)
    admitted: float | None = None
    first: float | None = None

    def __post_init__(self) -> None:
        self.prompt = len(self.ids)

    @property
    def pending(self) -> int:
        return len(self.ids) - self.computed

    @property
    def needs(self) -> int:
        """Positions for all ids and the next token of the reply."""
        return min(len(self.ids) + GROWTH, self.prompt + self.limit)

    def timings(self) -> dict[str, float]:
        """Seconds spent queueing, reading the prompt and generating the reply, as far as it got."""
        now, admitted = time.monotonic(), self.admitted or self.submitted
        first = self.first or now
        told = {
            "queued_seconds": admitted - self.submitted,
            "prefill_seconds": first - admitted,
            "decode_seconds": now - first,
        }
        return {name: round(seconds, 4) for name, seconds in told.items()}
