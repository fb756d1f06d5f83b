"""Regular expressions that cannot be made slow: RE2 reads a text once, whatever the pattern.

A match is never longer than the rule's `window`, which is how much text is held back for it; where all that
it matches begins with one of a few texts (`starts`), only from there. Of patterns that match alike the first
counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Unpack

from webchat.moderation.kinds.builtin import BuiltIn, Terms
from webchat.moderation.matching import Match, Matching, Rule, Seen
from webchat.moderation.verdicts import Context, Report

WINDOW = 64
LONGEST_WINDOW = 8192
_STRETCH = 1024
_NEIGHBOURS = 4


@dataclass(frozen=True, slots=True)
class Pattern:
    """pattern: in RE2's syntax. window: maximum characters of a match. starts: texts, one of which every
    match starts with. accepts: an additional check of a match that a pattern cannot express (a checksum)."""

    pattern: str
    rule: Rule
    window: int = WINDOW
    starts: tuple[str, ...] = ()
    accepts: Callable[[str], bool] | None = None


class BadPattern(ValueError):
    """A rejected pattern, with the reason."""


class Patterns(BuiltIn):
    """A moderator; see the module. Raises `BadPattern`."""

    def __init__(
        self, name: str, patterns: Sequence[Pattern], *, kind: str = "patterns", **terms: Unpack[Terms]
    ) -> None:
        super().__init__(name, **terms)
        self.kind = kind
        self.rules = tuple(dict.fromkeys(pattern.rule for pattern in patterns))
        self.count = len(patterns)
        self._patterns = [(pattern, _compiled(pattern)) for pattern in patterns]

    def open(self, context: Context, report: Report) -> Matching:
        return Matching(self._find, report)

    def _find(self, window: str, begin: int, *, last: bool) -> Seen:
        opened = len(window)
        if not last:
            opened = min((_open(pattern, window, begin) for pattern, _ in self._patterns), default=opened)
        matches: list[Match] = []
        at, coming = begin, dict[int, Match | None]()
        while at < opened:
            for order, (pattern, compiled) in enumerate(self._patterns):
                known = coming.get(order, _UNKNOWN)
                if known is _UNKNOWN or (known is not None and known.start < at):
                    coming[order] = _next(pattern, compiled, window, at, opened)
            ahead = [match for match in coming.values() if match is not None]
            if not ahead:
                break
            best = min(ahead, key=lambda match: match.start)  # of equals the first pattern's
            matches.append(best)
            at = best.end
        return Seen(matches, opened)


_UNKNOWN = Match(-1, -1, Rule("", "allow"))


def _compiled(pattern: Pattern) -> Any:
    import re2

    if not 1 <= pattern.window <= LONGEST_WINDOW:
        raise BadPattern(f"{pattern.rule.id}: window must be 1 to {LONGEST_WINDOW} characters")
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(pattern.pattern, options)
    except re2.error as error:
        why = error.args[0] if error.args else "it is not understood"
        said = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
        raise BadPattern(f"{pattern.rule.id}: {said}") from None
    if compiled.fullmatch(""):
        raise BadPattern(f"{pattern.rule.id}: it matches the empty string, and so everywhere")
    return compiled


def _next(pattern: Pattern, compiled: object, window: str, at: int, opened: int) -> Match | None:
    """The first match from `at` on that starts before `opened`."""
    if pattern.starts:
        # All are looked for at once: one that is not there would be looked for again and again.
        start = _beginning(pattern.starts).search(window, at)
        if start is None or start.start() >= opened:
            return None
        at = start.start()
        if (match := _match(pattern, compiled, window, at)) is not None:
            return match
        at += 1
    while (place := _candidate(pattern, compiled, window, at, opened)) is not None:
        if (match := _match(pattern, compiled, window, place)) is not None:
            return match
        at = place + 1
    return None


def _match(pattern: Pattern, compiled: Any, window: str, start: int) -> Match | None:
    """A match within its own window, so that it does not depend on how much of the text has arrived."""
    found, _ = _within(compiled.match, window, start, start + pattern.window)
    text = found.group() if found is not None else ""
    if not text or (pattern.accepts is not None and not pattern.accepts(text)):
        return None
    return Match(start, start + len(text), pattern.rule)


@cache
def _beginning(starts: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, starts)))


def _candidate(pattern: Pattern, compiled: Any, window: str, at: int, opened: int) -> int | None:
    """Where a match may begin, from `at` on and before `opened`.

    It is searched for in stretches, so that a long text costs its length times the window at most: a match
    that begins in the first half of a stretch ends within it. Where a stretch holds none of any length, none
    of its places is tried.
    """
    half = max(pattern.window, _STRETCH)
    while at < opened:
        found, shift = _within(compiled.search, window, at, at + 2 * half)
        if found is not None and found.start() + shift < min(opened, at + half):
            return int(found.start()) + shift
        at += half
    return None


def _within(look: Callable[..., Any], window: str, start: int, end: int) -> tuple[Any, int]:
    """What a look from `start` to `end` finds, and how far its offsets are shifted. Only that part is handed
    over, with its neighbours for the edges of words: each look encodes all it is given."""
    shift = max(0, start - _NEIGHBOURS)
    end = min(len(window), end)
    return look(window[shift : end + _NEIGHBOURS], start - shift, end - shift), shift


def _open(pattern: Pattern, window: str, begin: int) -> int:
    """Offset from which a match could start whose end has not arrived yet."""
    first = max(begin, len(window) - pattern.window)
    if not pattern.starts:
        return first
    return min((_begins(start, window, first) for start in pattern.starts), default=first)


def _begins(start: str, window: str, first: int) -> int:
    at = window.find(start, first)
    if at >= 0:
        return at
    for length in range(min(len(start) - 1, len(window) - first), 0, -1):
        if window.endswith(start[:length]):
            return len(window) - length
    return len(window)
