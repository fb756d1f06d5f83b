"""What was asked, what was measured, and the arithmetic from one to the other. Seconds and bytes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field

REMOTE = "openai"
"""The kind of backend that runs elsewhere: this machine's memory and load are not its own."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked. users: how many people at once, one run for each number. tokens: most of each reply.
    prompt_tokens: about how many the first message has. turns: messages of one person, one after another.
    rounds: how often each run is made."""

    users: tuple[int, ...] = (1, 2, 4, 8)
    tokens: int = 128
    prompt_tokens: int = 256
    turns: int = 2
    rounds: int = 1


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply. turn: from 0. first: seconds to its first text, `None` if it had none. gaps: seconds between
    two pieces of text. tokens, prompt, cached: of the reply, of its prompt, and of those not read again, as
    told by who counts them. pieces: of text; where nobody counts they stand for the tokens."""

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
    """The most taken during a round: by this process, and by torch on GPUs; `None` where not known."""

    process: int | None = None
    gpu: int | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """All replies of some people at once. seconds: from the first request to the last word. others: cores
    that other programs kept busy meanwhile, on average; `None` where not known."""

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
    """A number of people at once, measured in some rounds."""

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
        """Seconds in which this share of the replies had their first text. later: of the turns after the
        first, whose beginning the engine may have kept."""
        firsts = (reply.first for reply in self.done if (reply.turn > 0) == later)
        return percentile((first for first in firsts if first is not None), share)

    def itl(self, share: float) -> float | None:
        """Seconds that this share of the gaps between two pieces of text are not longer than."""
        return percentile((gap for reply in self.done for gap in reply.gaps), share)

    @property
    def tokens_per_piece(self) -> float | None:
        pieces = sum(reply.pieces for reply in self.done)
        return sum(reply.tokens for reply in self.done) / pieces if pieces else None

    @property
    def prompt_tokens(self) -> float | None:
        """Of a first message, on average, with what the chat template adds."""
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
    """Everything that was measured so far. details: what the backend tells of itself. settings: how it was
    set up, without secrets. baseline: the same requests one after another; baseline_is: how it was made, or
    why there is none. slots: replies the engine writes at once. complete: nothing was cut off."""

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
        """How many times the tokens a second of the baseline."""
        plain = self.baseline.tokens_per_second if self.baseline is not None else 0.0
        return run.tokens_per_second / plain if plain else None


def percentile(values: Iterable[float], share: float) -> float | None:
    """The smallest of the values that at least this share of them are not above; `None` of none."""
    known = sorted(values)
    if not known:
        return None
    return known[max(0, math.ceil(len(known) * share) - 1)]
