"""What a check finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Area = Literal["machine", "storage", "database", "network", "models", "endpoints", "public", "fitting"]
Level = Literal["ok", "note", "warning", "error"]
"""`note`: nothing is wrong. `warning`: it works, but not as well as it could. `error`: something doesn't."""

Value = str | int | float
Params = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Finding:
    """code: the key of its sentence, `doctor.<code>`, and of its cure, `doctor.<code>.cure`, if it has one.
    text, cure: sentences in place of those, where another part of webchat, or a driver, words them."""

    area: Area
    level: Level
    code: str
    params: Params = field(default_factory=dict)
    text: str = ""
    cure: str = ""


def gigabytes(size: float) -> float:
    """Bytes in GB, to three significant digits at most."""
    return round(size / 1e9, 2 if size < 1e10 else 1)
