"""Text as searchable words, in one way for every database.

Words are NFKC-normalised and lower-cased. Scripts that put no spaces between words become pairs of
characters, and the last character of a run alone: 你好吗 is 你好, 好吗, 吗. So two characters are a word of
the index, and one character is the beginning of one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

WORD_CHARS = 64
"""Words are cut here, in the index and in a query alike."""

PART_WORDS = 2_500
PART_BYTES = 200_000
"""A part of a long text's words ends here: PostgreSQL takes less than 1 MiB of words per row."""

QUERY_WORDS = 16

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"  # kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of text in which all characters are of one kind, normalised; `start` and `end` of it in the
    original. `unspaced`: of a script without spaces between words."""

    text: str
    start: int
    end: int
    unspaced: bool


@dataclass(frozen=True, slots=True)
class Term:
    """One run of a query. `prefix`: it may go on."""

    text: str
    unspaced: bool
    prefix: bool

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the index that must all be there."""
        if not self.unspaced:
            return (self.text[:WORD_CHARS],)
        return tuple(a + b for a, b in zip(self.text, self.text[1:], strict=False)) or (self.text,)


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Stretches of word characters, and runs of one kind inside a normalised stretch."""
    # Marks belong to their letters (Hindi, Thai, decomposed accents), which \w does not say.
    marks = "".join(
        chr(code)
        for start, end in ((0x300, 0x1B00), (0x1DC0, 0x1E00), (0x3099, 0x309B), (0xA800, 0xAC00))
        for code in range(start, end)
        if unicodedata.category(chr(code)).startswith("M")
    )
    word = rf"\w{marks}"
    return re.compile(f"[{word}]+"), re.compile(f"([{_UNSPACED}]+)|((?:(?![{_UNSPACED}])[{word}])+)")


def runs(text: str) -> Iterator[Run]:
    """The runs of a text in reading order."""
    stretches, kinds = _patterns()
    for stretch in stretches.finditer(text):
        original = stretch.group()
        normal = unicodedata.normalize("NFKC", original).lower()
        # Where normalising moved characters, a run is as long as its stretch.
        exact = len(normal) == len(original)
        for run in kinds.finditer(normal):
            start, end = run.span() if exact else (0, len(original))
            yield Run(run.group(), stretch.start() + start, stretch.start() + end, run.lastindex == 1)


def index_words(text: str) -> list[str]:
    """The different words of a text, in order of appearance."""
    return list(_different(text))


def index_parts(text: str) -> Iterator[list[str]]:
    """The same in parts of at most `PART_WORDS` words and about `PART_BYTES` bytes, each made when it is
    asked for. No word is in two of them."""
    part: list[str] = []
    size = 0
    for word in _different(text):
        part.append(word)
        size += len(word.encode()) + 1
        if len(part) == PART_WORDS or size > PART_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _different(text: str) -> Iterator[str]:
    seen: set[str] = set()
    for run in runs(text):
        for word in _words(run):
            if word not in seen:
                seen.add(word)
                yield word


def _words(run: Run) -> list[str]:
    if run.unspaced:
        return [run.text[at : at + 2] for at in range(len(run.text))]
    return [run.text[:WORD_CHARS]]


def query_terms(query: str) -> list[Term]:
    """What a query asks for; everything that is not a word (quotes, operators, stars) is a space.

    The last term may go on, and so may a lone character of a script without spaces.
    """
    found = list(runs(query[:1000]))[:QUERY_WORDS]
    return [
        Term(run.text, run.unspaced, len(run.text) == 1 if run.unspaced else run is found[-1])
        for run in found
    ]


def matches(terms: list[Term], text: str, near: int) -> list[tuple[int, int]] | None:
    """Where the terms stand in a text, as (start, end) in characters, from the first place to `near`
    characters behind it; `None` unless every term is somewhere."""
    places: list[tuple[int, int]] = []
    missing = set(terms)
    candidates = _Candidates(terms)
    last = len(text)
    for run in runs(text):
        looked_for = candidates.of(run)
        if run.start > last:
            if not missing:
                break
            looked_for = [term for term in looked_for if term in missing]
        exact = len(run.text) == run.end - run.start
        for term in looked_for:
            for start in _places(term, run.text, near):
                missing.discard(term)
                end = min(start + len(term.text), len(run.text))
                places.append((run.start + start, run.start + end) if exact else (run.start, run.end))
        if places and last == len(text):
            last = min(places)[0] + near
    return None if missing else _merged([place for place in places if place[0] <= last])


class _Candidates:
    """Which terms may be in a run, found without asking each of them."""

    def __init__(self, terms: Sequence[Term]) -> None:
        self._parts = [term for term in terms if term.unspaced]
        self._beginnings = [term for term in terms if term.prefix and not term.unspaced]
        self._words: dict[str, list[Term]] = {}
        for term in terms:
            if not (term.unspaced or term.prefix):
                self._words.setdefault(term.text[:WORD_CHARS], []).append(term)

    def of(self, run: Run) -> Sequence[Term]:
        if run.unspaced:
            return self._parts
        found = self._words.get(run.text[:WORD_CHARS], ())
        begun = [term for term in self._beginnings if run.text.startswith(term.text[:WORD_CHARS])]
        return [*found, *begun] if begun else found


def _places(term: Term, text: str, near: int) -> Iterator[int]:
    """Where a term that is in a run begins in it, as far as `near` behind the first."""
    if not term.unspaced:
        yield 0
        return
    first = at = text.find(term.text)
    while 0 <= at <= first + near:
        yield at
        at = text.find(term.text, at + 1)


def _merged(places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(places):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
