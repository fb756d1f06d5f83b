"""What the replies of a set are checked for, without a model: text they have or lack, or that they are JSON.

No patterns: one that backtracks would hold the process that serves.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

CheckKind = Literal["contains", "lacks", "json"]

_FENCE = "```"


@dataclass(frozen=True, slots=True)
class Check:
    """value: the text that a reply has or lacks, in any case; of `json` it is not used."""

    kind: CheckKind
    value: str = ""

    def passes(self, text: str) -> bool:
        """Whether a reply is as it should be."""
        if self.kind == "json":
            return _is_json(text)
        return (self.value.casefold() in text.casefold()) == (self.kind == "contains")


def dump_checks(checks: Iterable[Check]) -> list[dict[str, Any]]:
    """As JSON values, which the store keeps with a set."""
    return [asdict(check) for check in checks]


def load_checks(stored: Sequence[Mapping[str, Any]]) -> tuple[Check, ...]:
    return tuple(Check(one["kind"], one["value"]) for one in stored)


def _is_json(text: str) -> bool:
    """Whether a text is JSON, alone or as one block of code."""
    text = text.strip()
    if text.startswith(_FENCE) and text.endswith(_FENCE) and "\n" in text:
        text = text.partition("\n")[2].removesuffix(_FENCE)
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
