"""Placeholders for personal data in requests to a model, such as `[PHONE_1]`, and their values.

One value has one placeholder in a conversation, and one placeholder one value. A number is never given out
that somebody wrote before as if it were one; what looks like a placeholder that was given out is itself
hidden behind one (`TEXT`), so that restoring what was masked gives back every character.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from webchat.privacy.addresses import addresses
from webchat.privacy.finding import Personal

WORDS: Mapping[str, str] = {
    "phone": "PHONE",
    "email": "EMAIL",
    "id_card": "ID",
    "bank_card": "CARD",
    "iban": "IBAN",
    "ssn": "SSN",
    "passport": "PASSPORT",
    "ip": "IP",
    "name": "NAME",
    "address": "ADDRESS",
    "link": "LINK",
    "text": "TEXT",
}
"""The word of each kind. `link`: an address with personal data in it, hidden whole. `text`: see above."""

KIND_OF = {word: kind for kind, word in WORDS.items()}

_ANY = "|".join(WORDS.values())
_NUMBER = "[1-9][0-9]{0,4}"
_WRITTEN = re.compile(
    rf"(?i)[\[【［<] ?({_ANY})(?:\\?_|[ -])({_NUMBER}) ?[\]】］>]"
    rf"|\\\[({_ANY})(?:\\?_|[ -])({_NUMBER})\\\]"
    rf"|({_ANY})\\?_({_NUMBER})(?![0-9])"
)
URL_CHAR = r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%\\]"
URL_CHARS = re.compile(f"{URL_CHAR}*")

Found = tuple[int, int, str]


def mention(match: re.Match[str]) -> tuple[str, int]:
    """Word and number of a matched placeholder."""
    word, number = (group for group in match.groups() if group is not None)
    return word.upper(), int(number)


@dataclass(slots=True)
class Placeholders:
    """The placeholders of one conversation, by word and number."""

    values: dict[tuple[str, int], str] = field(default_factory=dict)
    _given: dict[tuple[str, bool], tuple[str, int]] = field(default_factory=dict)
    _looking: Any = None

    @classmethod
    def of(cls, named: Mapping[str, str]) -> Placeholders:
        """From stored placeholders (`PHONE_1`) and their values."""
        made = cls()
        for name, value in named.items():
            word, _, number = name.partition("_")
            if word in KIND_OF and number.isdecimal():
                made._set((word, int(number)), value)
        return made

    def given(self, value: str, kind: str, free: Free) -> tuple[str, int]:
        """The placeholder of a value, assigned if it has none."""
        # A whole address is put back in other places than what stands alone.
        known = self._given.get((value, kind == "link"))
        if known is not None:
            return known
        key = free.next(WORDS[kind])
        self._set(key, value)
        return key

    def known(self, text: str) -> Iterable[Found]:
        """Where values with a placeholder occur in a text."""
        looking = self._automaton()
        if looking is None:
            return
        behind: dict[str, int] = {}
        for last, (value, kind) in looking.iter(text):
            start, end = last + 1 - len(value), last + 1
            # Places of one value do not overlap.
            if start < behind.get(value, 0):
                continue
            behind[value] = end
            if not (_joined(text, start) or _joined(text, end)):
                yield start, end, kind

    def _automaton(self) -> Any:
        """Searches all values at once (Aho-Corasick); `None` if there are none."""
        if self._looking is None:
            import ahocorasick

            looking = ahocorasick.Automaton()
            for (value, _), (word, _number) in self._given.items():
                if word not in ("LINK", "TEXT") and value:
                    looking.add_word(value, (value, KIND_OF[word]))
            looking.make_automaton()
            self._looking = looking
        return self._looking if len(self._looking) else None

    def written(self, text: str) -> Iterable[Found]:
        """Where a person wrote text that would be taken for an assigned placeholder."""
        for match in _WRITTEN.finditer(text):
            if mention(match) in self.values:
                yield match.start(), match.end(), "text"

    def _set(self, key: tuple[str, int], value: str) -> None:
        self.values[key] = value
        self._given[value, key[0] == "LINK"] = key
        self._looking = None


class Free:
    """Unused numbers. reserved: placeholders that somebody wrote as if they were assigned."""

    def __init__(self, placeholders: Placeholders, reserved: Iterable[tuple[str, int]]) -> None:
        self._values = placeholders.values
        self._reserved = frozenset(reserved)
        self._tried: dict[str, int] = {}

    def next(self, word: str) -> tuple[str, int]:
        """The lowest unused number of a word."""
        number = self._tried.get(word, 0) + 1
        while (word, number) in self._values or (word, number) in self._reserved:
            number += 1
        self._tried[word] = number
        return word, number


def name_of(key: tuple[str, int]) -> str:
    """A placeholder as stored and reported, without its brackets."""
    return f"{key[0]}_{key[1]}"


@dataclass(frozen=True, slots=True)
class Masked:
    """texts: in the form for a model. used: how often each placeholder occurs in them. fresh: newly assigned
    ones, with their values."""

    texts: tuple[str, ...]
    used: Mapping[tuple[str, int], int]
    fresh: Mapping[tuple[str, int], str]


def mask(texts: Sequence[str], placeholders: Placeholders, finder: Finder) -> Masked:
    """Replace personal data in the texts of one request by placeholders. Assigns new ones in the order of the
    texts."""
    before = set(placeholders.values)
    written = {mention(match) for text in texts for match in _WRITTEN.finditer(text)}
    free = Free(placeholders, written - before)
    found = [list(finder.all(text)) for text in texts]
    # Given out before the texts are changed: what is found in one of them is hidden in all.
    for text, places in zip(texts, found, strict=True):
        for start, end, kind in _within_addresses(text, places):
            placeholders.given(text[start:end], kind, free)
    used: dict[tuple[str, int], int] = {}
    masked = []
    for text, places in zip(texts, found, strict=True):
        all_places = _within_addresses(
            text, [*places, *placeholders.known(text), *placeholders.written(text)]
        )
        pieces, at = [], 0
        for start, end, kind in all_places:
            key = placeholders.given(text[start:end], kind, free)
            used[key] = used.get(key, 0) + 1
            pieces += [text[at:start], f"[{name_of(key)}]"]
            at = end
        masked.append("".join((*pieces, text[at:])))
    fresh = {key: value for key, value in placeholders.values.items() if key not in before}
    return Masked(tuple(masked), used, fresh)


class Finder:
    """Finds personal data in texts and caches where it is, because the path of a conversation is sent again
    with each message. Only positions are cached, not texts. May be shared by threads."""

    def __init__(self, remembered: int = 4096) -> None:
        self._personal = Personal()
        self._known: dict[tuple[int, int], tuple[Found, ...]] = {}
        self._remembered = remembered
        self._lock = threading.Lock()

    def all(self, text: str) -> tuple[Found, ...]:
        """Start, end and kind of all personal data in a text."""
        key = (hash(text), len(text))
        with self._lock:
            found = self._known.pop(key, None)
        if found is None:
            found = tuple(self._personal.all(text))
        with self._lock:
            self._known[key] = found
            if len(self._known) > self._remembered:
                del self._known[next(iter(self._known))]
        return found


def _within_addresses(text: str, places: Sequence[Found]) -> list[Found]:
    """The places in order and apart. Those that overlap become one; one in an address becomes all of it, with
    what could be taken for more of it. One pass over places and addresses, both in their order."""
    if not places:
        return []
    apart: list[Found] = []
    spans = [(span.start, span.end) for span in addresses(text)]
    whole = set(spans)
    waiting = sorted(places, key=lambda one: (one[0], -one[1]))
    at = near = 0
    while at < len(waiting):
        start, end, kind = waiting[at]
        at += 1
        while near < len(spans) and spans[near][1] <= start:
            near += 1
        while True:
            # What follows a whole address at once would be taken for more of it.
            if at < len(waiting) and waiting[at][0] < end + (kind == "link"):
                _, last, was = waiting[at]
                end, kind = max(end, last), "link" if "link" in (was, kind) else kind
                at += 1
            elif near < len(spans) and _takes_in(spans[near], end, kind, waiting[at : at + 1]):
                start, end, kind = min(start, spans[near][0]), max(end, spans[near][1]), "link"
                near += 1
            elif kind == "link" and (start, end) not in whole and (more := _behind_link(text, end)) > end:
                end = more
            else:
                break
        apart.append((start, end, kind))
    return apart


def _takes_in(span: tuple[int, int], end: int, kind: str, coming: Sequence[Found]) -> bool:
    """Whether an address becomes one with a place that ends at `end`: it overlaps, or it follows another at
    once and something in it, the next place, is to be hidden as well."""
    if span[0] < end:
        return True
    return kind == "link" and span[0] == end and any(place[0] < span[1] for place in coming)


def _behind_link(text: str, end: int) -> int:
    match = URL_CHARS.match(text, end)
    return end if match is None else match.end()


def _joined(text: str, at: int) -> bool:
    """Whether a word or number continues across this position."""
    return 0 < at < len(text) and _word(text[at - 1]) and _word(text[at])


def _word(char: str) -> bool:
    return char == "_" or (char.isascii() and char.isalnum())
