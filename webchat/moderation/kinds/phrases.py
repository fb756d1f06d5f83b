"""Lists of words and phrases, Chinese and English, found in one pass however long the list is (Aho-Corasick).

Compared as `folding` writes them. A phrase that begins or ends with a letter matches whole words only, so
`ass` is not in `class`; `ass*` also matches what begins with it. Chinese, which puts no spaces, matches
anywhere, with or without something between its characters. A phrase is also found where its letters are
spelled out with something between them: `b.o.m.b`, `b o m b`. Of matches that overlap the first counts, of
those that begin alike the longest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

from webchat.moderation.folding import Folded, fold, is_ideograph, is_letter
from webchat.moderation.kinds.builtin import BuiltIn, Terms
from webchat.moderation.matching import Match, Matching, Rule, Seen
from webchat.moderation.verdicts import Context, Report

LONGEST = 200
"""Characters of a phrase."""

_BETWEEN = frozenset(" \t\n\r\f\v\u00a0\u3000.,-_*·|/\\")
_MOST_APART = 3
_APART = f"[{re.escape(''.join(sorted(_BETWEEN)))}]{{1,{_MOST_APART}}}"
_LETTER = r"[^\W_]"
# Three letters (of ideographs two, see `_spelled`) that stand alone, with something between each two.
_SPELLED = re.compile(rf"(?<!{_LETTER}){_LETTER}(?:{_APART}{_LETTER}(?!{_LETTER}))++")
_SHORTEST_SPELLED = 3
# Ideographs are words and letters at once: with something between some of them, or between none.
_IDEOGRAPH = r"(?![\W_])[\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
_SPACED = re.compile(
    rf"{_IDEOGRAPH}(?:[{re.escape(''.join(sorted(_BETWEEN)))}]{{0,{_MOST_APART}}}{_IDEOGRAPH})+"
)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A phrase in the form in which it is searched."""

    length: int
    rule: Rule
    first_bound: bool
    last_bound: bool


class Phrases(BuiltIn):
    """A moderator; see the module.

    rules: phrase -> its action; a phrase that ends in `*` also matches longer words. Raises `ValueError` for
    a phrase that is empty once folded, or too long.
    """

    kind = "phrases"

    def __init__(self, name: str, rules: Mapping[str, Rule], **terms: Unpack[Terms]) -> None:
        import ahocorasick

        super().__init__(name, **terms)
        self.rules = tuple(dict.fromkeys(rules.values()))
        self.count = len(rules)
        self._words: Any = ahocorasick.Automaton()
        self._letters: Any = ahocorasick.Automaton()
        self._longest = 0  # letters of a phrase with ideographs
        for phrase, rule in rules.items():
            self._add(phrase, rule)
        for automaton in (self._words, self._letters):
            automaton.make_automaton()

    def open(self, context: Context, report: Report) -> Matching:
        return Matching(self._find, report)

    def _add(self, phrase: str, rule: Rule) -> None:
        begins = phrase.endswith("*")
        folded = fold(phrase.rstrip("*").strip()).text
        if not folded or len(folded) > LONGEST:
            raise ValueError(f"{phrase[:50]!r} is not a phrase of 1 to {LONGEST} characters")
        entry = _Entry(len(folded), rule, is_letter(folded[0]), is_letter(folded[-1]) and not begins)
        self._words.add_word(folded, entry)
        letters = "".join(char for char in folded if char.isalnum())
        if len(letters) >= (2 if any(map(is_ideograph, letters)) else _SHORTEST_SPELLED):
            if any(map(is_ideograph, letters)):
                self._longest = max(self._longest, len(letters))
            self._letters.add_word(letters, _Entry(len(letters), rule, False, False))

    def _find(self, window: str, begin: int, *, last: bool) -> Seen:
        # What comes before `begin` was decided, and is only there to be next to what follows.
        folded = fold(window)
        opened = len(window) if last else min(self._open(folded, begin), self._open_spelled(window, begin))
        found = [*self._whole(folded, window), *self._spelled(window)]
        found.sort(key=lambda match: (match.start, -match.end))
        matches: list[Match] = []
        at = begin
        for match in found:
            if at <= match.start < opened:
                matches.append(match)
                at = match.end
        return Seen(matches, opened)

    def _whole(self, folded: Folded, window: str) -> Iterable[Match]:
        text = folded.text
        if not len(self._words):
            return
        for index, entry in self._words.iter(text):
            start, end = index + 1 - entry.length, index + 1
            bound = entry.first_bound and start > 0 and is_letter(text[start - 1])
            if not bound and not (entry.last_bound and end < len(text) and is_letter(text[end])):
                yield Match(folded.start(start), folded.end(end), entry.rule)

    def _open(self, folded: Folded, begin: int) -> int:
        """Offset from which the end of the text could be the start of a phrase."""
        text = folded.text
        for start in range(max(0, len(text) - LONGEST), len(text)):
            inside = start > 0 and is_letter(text[start]) and is_letter(text[start - 1])
            if not inside and folded.start(start) >= begin and self._words.match(text[start:]):
                return folded.start(start)
        return max(begin, folded.end(len(text))) if text else begin

    def _spelled(self, window: str) -> Iterable[Match]:
        if not len(self._letters):
            return
        for run in (*_SPELLED.finditer(window), *_SPACED.finditer(window)):
            offsets = [at for at in range(run.start(), run.end()) if window[at].isalnum()]
            folded, owners = _fold_letters(window, offsets)
            for index, entry in self._letters.iter(folded):
                first, end = owners[index + 1 - entry.length], owners[index] + 1
                yield Match(first, end, entry.rule)

    def _open_spelled(self, window: str, begin: int) -> int:
        """Offset from which the end of the text could be the start of a spelled-out phrase."""
        opened = len(window)
        for ending in (_letters_at_end(window), _ideographs_at_end(window, self._longest)):
            folded, owners = _fold_letters(window, [at for at in ending if at >= begin])
            starts = (owners[at] for at in range(len(folded)) if self._letters.match(folded[at:]))
            opened = min(opened, next(starts, opened))
        return opened


def _fold_letters(window: str, offsets: Sequence[int]) -> tuple[str, list[int]]:
    """The folded letters at these offsets, and the origin of each."""
    pieces = [fold(window[at]).text for at in offsets]
    return "".join(pieces), [at for at, piece in zip(offsets, pieces, strict=True) for _ in piece]


def _letters_at_end(window: str) -> list[int]:
    """Offsets of single letters with separators between them at the very end of a text."""
    found: list[int] = []
    at = len(window)
    while len(found) < LONGEST:
        apart = 0
        while apart < _MOST_APART and at and window[at - 1] in _BETWEEN:
            at, apart = at - 1, apart + 1
        if not at or not window[at - 1].isalnum() or (found and not apart):
            break
        at -= 1
        if at and window[at - 1].isalnum():
            break  # the end of a word
        found.append(at)
    return found[::-1]


def _ideographs_at_end(window: str, most: int) -> list[int]:
    """Offsets of the last ideographs of a text, with little or nothing between them."""
    found: list[int] = []
    at = len(window)
    while len(found) < most:
        apart = 0
        while apart < _MOST_APART and at and window[at - 1] in _BETWEEN:
            at, apart = at - 1, apart + 1
        if not at or not (window[at - 1].isalnum() and is_ideograph(window[at - 1])):
            break
        at -= 1
        found.append(at)
    return found[::-1]
