"""What was requested and measured, and the arithmetic in between. Seconds and bytes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field

REMOTE = "openai"
"""The kind of backend that runs elsewhere: this machine's memory and load are not its own."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The requested measurement. users: concurrent people, one run for each number. tokens: maximum per
    reply. prompt_tokens: approximate length of the first message. turns: messages per person, one after
    another. rounds: repetitions of each run."""

    users: tuple[int, ...] = (1, 2, 4, 8)
    tokens: int = 128
    prompt_tokens: int = 256
    turns: int = 2
    rounds: int = 1


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply. turn: from 0. first: seconds to its first text, `None` if it had none. gaps: seconds between
    two pieces of text. tokens, prompt, cached: of the reply, of its prompt, and of the part not computed
    again, as reported by whoever counts them. pieces: of text; without token counts they stand for the
    tokens."""

    turn: int
    first: float | None
    gaps: tuple[float, ...]
    pieces: int
    tokens: int
    prompt: int | None = None
    cached: int | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Memory:
    """Peak memory during a round: of this process, and of torch on GPUs; `None` if unknown."""

    process: int | None = None
    gpu: int | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """All replies of a number of people at once. seconds: from the first request to the last word. others:
    average number of cores other programs kept busy meanwhile; `None` if unknown."""

    seconds: float
    replies: tuple[Reply, ...]
    memory: Memory = Memory()
    others: float | None = None

    @property
    def tokens_per_second(self) -> float:
        """Of all people together; failed replies do not count."""
        tokens = sum(reply.tokens for reply in self.replies if not reply.error)
        return tokens / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """A number of people at once, measured in several rounds."""

    users: int
    rounds: tuple[Round, ...]

    @property
    def done(self) -> list[Reply]:
        return [reply for one in self.rounds for reply in one.replies if not reply.error]

    @property
    def failures(self) -> list[str]:
        return [reply.error for one in self.rounds for reply in one.replies if reply.error]

    @property
    def tokens_per_second(self) -> float:
        """Of all people together, in the median round."""
        return statistics.median(one.tokens_per_second for one in self.rounds)

    def ttft(self, share: float, *, later: bool = False) -> float | None:
        """Time to first text in seconds, at this quantile of replies. later: of the turns after the first,
        whose prefix the engine may have cached."""
        firsts = (reply.first for reply in self.done if (reply.turn > 0) == later)
        return percentile((first for first in firsts if first is not None), share)

    def itl(self, share: float) -> float | None:
        """Seconds between two pieces of text, at this quantile."""
        return percentile((gap for reply in self.done for gap in reply.gaps), share)

    @property
    def tokens_per_piece(self) -> float | None:
        pieces = sum(reply.pieces for reply in self.done)
        return sum(reply.tokens for reply in self.done) / pieces if pieces else None

    @property
    def prompt_tokens(self) -> float | None:
        """Average length of a first message, including the chat template."""
        known = [reply.prompt for reply in self.done if reply.turn == 0 and reply.prompt is not None]
        return statistics.mean(known) if known else None

    @property
    def memory(self) -> Memory:
        return Memory(
            max((one.memory.process for one in self.rounds if one.memory.process is not None), default=None),
            max((one.memory.gpu for one in self.rounds if one.memory.gpu is not None), default=None),
        )


@dataclass(slots=True)
class Result:
    """Everything measured so far. details: reported by the backend. settings: its configuration, without
    secrets. baseline: the same requests sequentially; baseline_is: how it was measured, or why there is none.
    slots: concurrent replies of the engine. complete: nothing was cut off."""

    plan: Plan
    model: str
    kind: str
    settings: dict[str, object] = field(default_factory=dict)
    details: dict[str, object] = field(default_factory=dict)
    slots: int | None = None
    baseline: Run | None = None
    baseline_is: str = ""
    runs: list[Run] = field(default_factory=list)
    complete: bool = False

    def ratio(self, run: Run) -> float | None:
        """Tokens per second relative to the baseline."""
        plain = self.baseline.tokens_per_second if self.baseline is not None else 0.0
        return run.tokens_per_second / plain if plain else None


def percentile(values: Iterable[float], share: float) -> float | None:
    """The smallest value that at least this share of the values do not exceed; `None` if there are none."""
    known = sorted(values)
    if not known:
        return None
    return known[max(0, math.ceil(len(known) * share) - 1)]
