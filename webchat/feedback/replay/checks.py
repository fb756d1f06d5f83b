"""What the replies of a set are checked for, without a model: text they have or lack, a pattern, or that
they are JSON.

Patterns are RE2's, which reads a text once, whatever the pattern: none can hold the process that serves.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal

CheckKind = Literal["contains", "lacks", "matches", "json"]

MOST_CHECKS = 50
VALUE_CHARS = 1000
_PATTERN_BYTES = 1 << 20

_FENCE = "```"


@dataclass(frozen=True, slots=True)
class Check:
    """value: the text that a reply has or lacks, in any case, or the pattern that some of it matches; of
    `json` it is not used."""

    kind: CheckKind
    value: str = ""

    def passes(self, text: str) -> bool:
        """Whether a reply is as it should be."""
        if self.kind == "json":
            return _is_json(text)
        if self.kind == "matches":
            return _compiled(self.value).search(text) is not None
        return (self.value.casefold() in text.casefold()) == (self.kind == "contains")


class BadCheck(ValueError):
    """A check that cannot be made, with the reason."""


def checked(checks: Iterable[Check]) -> tuple[Check, ...]:
    """These checks. Raises BadCheck for a pattern that RE2 does not take, a value over `VALUE_CHARS`, or more
    than `MOST_CHECKS`."""
    found = tuple(checks)
    if len(found) > MOST_CHECKS:
        raise BadCheck(f"at most {MOST_CHECKS} checks")
    for check in found:
        if len(check.value) > VALUE_CHARS:
            raise BadCheck(f"{check.value[:20]}…: at most {VALUE_CHARS} characters")
        if check.kind == "matches":
            _compiled(check.value)
    return found


def dump_checks(checks: Iterable[Check]) -> list[dict[str, Any]]:
    """As JSON values, which the store keeps with a set."""
    return [asdict(check) for check in checks]


def load_checks(stored: Sequence[Mapping[str, Any]]) -> tuple[Check, ...]:
    return tuple(Check(one["kind"], one["value"]) for one in stored)


@lru_cache(maxsize=MOST_CHECKS)
def _compiled(pattern: str) -> Any:
    """Raises BadCheck."""
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _PATTERN_BYTES
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        why = error.args[0] if error.args else "not understood"
        said = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
        raise BadCheck(f"{pattern}: {said}") from None


def unfenced(text: str) -> str:
    """What is in a text that is one block of code; another text as it is."""
    text = text.strip()
    if text.startswith(_FENCE) and text.endswith(_FENCE) and "\n" in text:
        return text.partition("\n")[2].removesuffix(_FENCE)
    return text


def _is_json(text: str) -> bool:
    """Whether a text is JSON, alone or as one block of code."""
    try:
        json.loads(unfenced(text))
    except (ValueError, RecursionError):
        return False
    return True
