"""How a reply went, in numbers: reported once, at its end. Neither words nor people are in it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal, get_args

from webchat.histogram import Histogram
from webchat.store.records import TurnState

log = logging.getLogger(__name__)

PartName = Literal["load", "prompt", "moderation", "queue", "first_token", "stream", "store"]
"""In their order: until the model was loaded, the prompt rendered, it was reviewed, there was a slot, the
model's first token, its end, and that the end was stored. What is moderated while a reply streams counts for
the stream."""

PARTS: tuple[PartName, ...] = get_args(PartName)

GAP_BOUNDS = (0.005, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds between two pieces of a reply."""

current_turn: ContextVar[str] = ContextVar("current_turn", default="")
"""Id of the reply that this task produces, for the log."""


@dataclass(frozen=True, slots=True)
class Part:
    """Times are from `time.monotonic`."""

    name: PartName
    began: float
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.began


@dataclass(frozen=True, slots=True)
class Measured:
    """A reply that has ended. ended: from `time.time`, when its end was stored; parts: as far as it came.
    gaps: between its pieces, as they came from the model. code: of its failure. asked_by: `traceparent` of
    the request for it, if it had one."""

    id: str
    model: str
    model_id: str
    backend: str
    state: TurnState
    code: str
    parts: tuple[Part, ...]
    ended: float
    gaps: Histogram
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    asked_by: str = ""

    @property
    def seconds(self) -> float:
        return self.parts[-1].ended - self.parts[0].began

    @property
    def first_token(self) -> float | None:
        """Seconds from the request to the first token, the queue included; `None` if there was none."""
        first = next((part.ended for part in self.parts if part.name == "first_token"), None)
        streamed = any(part.name == "stream" for part in self.parts)
        return first - self.parts[0].began if first is not None and streamed else None

    def part(self, name: PartName) -> float | None:
        """Seconds that a part took; `None` if it did not come so far."""
        return next((part.seconds for part in self.parts if part.name == name), None)


@dataclass(slots=True)
class Activity:
    """Replies of a model that wait, be it for its loading or in line, and those that it writes, with the
    pieces that all of them have so far."""

    queued: int = 0
    running: int = 0
    pieces: int = 0


Report = Callable[[Measured], None]


def parts_of(began: float, marks: Mapping[PartName, float], over: float, stored: float) -> tuple[Part, ...]:
    """marks: when each part ended. over: when the reply did, in whichever part it was; stored: its end."""
    parts: list[Part] = []
    at = began
    for name in PARTS[:-1]:
        ended = marks.get(name)
        parts.append(Part(name, at, over if ended is None else ended))
        if ended is None:
            break
        at = ended
    return (*parts, Part("store", parts[-1].ended, stored))


def tell(report: Report | None, one: Measured) -> None:
    """Report it; whoever measures cannot hurt a reply."""
    if report is None:
        return
    try:
        report(one)
    except Exception:
        log.exception("reply %s could not be measured", one.id)
