"""The words of the search index, in one way for every database: pieces of folded text.

At each character a word begins: three characters, or two from a script of many signs on; fewer where a space
or the end of the text comes first. So whatever part of a word somebody looks for, the words of that part are
among those of the text, and what is too short for a word is the beginning of one. A text that has all these
words need not hold the part: `matches` says whether it does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, takewhile

from webchat.store.database.codec import clean
from webchat.store.search.likeness import Span, fold, unfold

PART_WORDS = 2_500
PART_BYTES = 200_000
"""A part of a long text's words ends here: PostgreSQL takes less than 1 MiB of words per row."""

QUERY_CHARS = 1000
QUERY_WORDS = 32
"""Words looked up in the index for one query; the text is then checked for the whole query."""

_MANY_SIGNS = "\u2e80"
"""Han, kana, Hangul and emoji begin here."""

_SIGNS = {code: chr(code + 0xFEE0) for code in range(128) if not (chr(code).isalnum() or chr(code).isspace())}
"""Databases cut words at the signs of ASCII, so these stand there full-width, as in no folded text."""

# Words between quotes are one term, also before the second quote is typed.
_ASKED = re.compile(r'"([^"]*[^"\s][^"]*)(?:"(?!\S)|$)|(\S+)')


@dataclass(frozen=True)
class Term:
    """What must be somewhere in a text: folded words in a row, mostly one."""

    words: tuple[str, ...]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(r"\s+".join(map(re.escape, self.words)))


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
    for stretch in fold(text).translate(_SIGNS).split():
        for at in range(len(stretch)):
            word = stretch[at : at + _length(stretch[at])]
            if word not in seen:
                seen.add(word)
                yield word


def _length(char: str) -> int:
    return 2 if char >= _MANY_SIGNS else 3


def query_terms(query: str) -> list[Term]:
    """What a query asks for: words as they are written, and what is between quotes as one."""
    asked = _ASKED.finditer(fold(clean(query[:QUERY_CHARS])))
    return list(dict.fromkeys(Term(tuple((found[1] or found[2]).split())) for found in asked))


def query_words(terms: Sequence[Term]) -> list[tuple[str, bool]]:
    """Words of the index that a text with all terms has, and whether each is only the beginning of one;
    those of the longest words asked for first. None for single letters of ASCII, which are nearly everywhere.
    """
    asked = sorted({word.translate(_SIGNS) for term in terms for word in term.words}, key=len, reverse=True)
    found = dict.fromkeys(word for of_one in asked for word in _words_of(of_one))
    return list(islice(found, QUERY_WORDS))


def _words_of(asked: str) -> Iterator[tuple[str, bool]]:
    end = 0
    for at, char in enumerate(asked):
        if at + _length(char) <= len(asked):
            end = at + _length(char)
            yield asked[at:end], False
    # What is left is too short for a word.
    if end < len(asked) and not (len(asked) == 1 and asked.isascii()):
        yield asked[max(end - 1, 0) :], True


def matches(terms: Sequence[Term], text: str, near: int) -> list[Span] | None:
    """Where the terms are in a text, from the first place to about `near` characters behind it; `None` unless
    every term is somewhere."""
    folded = fold(text)
    firsts = [found.start() for term in terms if (found := term.pattern.search(folded))]
    if len(firsts) < len(terms) or not firsts:
        return None
    start = min(firsts)
    spans = [
        found.span()
        for term in terms
        for found in takewhile(
            lambda found: found.start() <= start + near, term.pattern.finditer(folded, start)
        )
    ]
    return _merged(unfold(text, _merged(spans)))


def _merged(spans: Sequence[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
