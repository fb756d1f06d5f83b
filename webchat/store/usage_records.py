"""What models were used for, and by whom, as the store counts it for operators."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Used:
    """What one model, link or person took. name: empty for nobody's. kind: of the person."""

    name: str
    replies: int
    prompt_tokens: int
    completion_tokens: int
    id: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """since: of the first reply that counts; later than asked for where there were too many. replies: how
    many count. errors: how often each code came, with the model. first_token: seconds, of the newest replies,
    the smallest first."""

    since: datetime
    replies: int
    whole: bool
    models: tuple[Used, ...]
    links: tuple[Used, ...]
    people: tuple[Used, ...]
    errors: tuple[tuple[str, str, int], ...]
    first_token: tuple[float, ...]
