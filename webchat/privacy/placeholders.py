"""What stands for personal data on the way to a model: `[PHONE_1]`, and who knows what it means.

One value has one placeholder in a conversation, and one placeholder one value. A number is never given out
that somebody wrote before as if it were one; what looks like a placeholder that was given out is itself
hidden behind one (`TEXT`), so that restoring what was masked gives back every character.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

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
    """Word and number of a placeholder that was found."""
    word, number = (group for group in match.groups() if group is not None)
    return word.upper(), int(number)


@dataclass(slots=True)
class Placeholders:
    """The placeholders of one conversation, by word and number."""

    values: dict[tuple[str, int], str] = field(default_factory=dict)
    _given: dict[tuple[str, bool], tuple[str, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, named: Mapping[str, str]) -> Placeholders:
        """From placeholders as they are kept (`PHONE_1`) and their values."""
        made = cls()
        for name, value in named.items():
            word, _, number = name.partition("_")
            if word in KIND_OF and number.isdecimal():
                made._set((word, int(number)), value)
        return made

    def given(self, value: str, kind: str, reserved: Iterable[tuple[str, int]]) -> tuple[str, int]:
        """The placeholder of a value; a new one if it has none. reserved: those that may not be new."""
        # A whole address is put back in other places than what stands alone.
        known = self._given.get((value, kind == "link"))
        if known is not None:
            return known
        word = WORDS[kind]
        taken = {number for one, number in (*self.values, *reserved) if one == word}
        number = next(number for number in range(1, len(taken) + 2) if number not in taken)
        self._set((word, number), value)
        return word, number

    def known(self, text: str) -> Iterable[Found]:
        """Where values that have a placeholder stand in a text."""
        for (value, _), (word, _number) in self._given.items():
            if word in ("LINK", "TEXT"):
                continue
            at = text.find(value)
            while at >= 0:
                end = at + len(value)
                if not (_joined(text, at) or _joined(text, end)):
                    yield at, end, KIND_OF[word]
                at = text.find(value, end)

    def written(self, text: str) -> Iterable[Found]:
        """Where a person wrote what would be taken for a placeholder that was given out."""
        for match in _WRITTEN.finditer(text):
            if mention(match) in self.values:
                yield match.start(), match.end(), "text"

    def _set(self, key: tuple[str, int], value: str) -> None:
        self.values[key] = value
        self._given[value, key[0] == "LINK"] = key


def name_of(key: tuple[str, int]) -> str:
    """A placeholder as it is kept and told of, without its brackets."""
    return f"{key[0]}_{key[1]}"


@dataclass(frozen=True, slots=True)
class Masked:
    """texts: as a model may have them. used: how often each placeholder stands in them. fresh: those given
    out now, with their values."""

    texts: tuple[str, ...]
    used: Mapping[tuple[str, int], int]
    fresh: Mapping[tuple[str, int], str]


def mask(texts: Sequence[str], placeholders: Placeholders, finder: Finder) -> Masked:
    """Put placeholders for what is personal in the texts of one request. Gives out new ones in the order of
    the texts."""
    before = set(placeholders.values)
    reserved = {mention(match) for text in texts for match in _WRITTEN.finditer(text)} - before
    found = [list(finder.all(text)) for text in texts]
    # Given out before the texts are changed: what is found in one of them is hidden in all.
    for text, places in zip(texts, found, strict=True):
        for start, end, kind in _within_addresses(text, places):
            placeholders.given(text[start:end], kind, reserved)
    used: dict[tuple[str, int], int] = {}
    masked = []
    for text, places in zip(texts, found, strict=True):
        all_places = _within_addresses(
            text, [*places, *placeholders.known(text), *placeholders.written(text)]
        )
        pieces, at = [], 0
        for start, end, kind in all_places:
            key = placeholders.given(text[start:end], kind, reserved)
            used[key] = used.get(key, 0) + 1
            pieces += [text[at:start], f"[{name_of(key)}]"]
            at = end
        masked.append("".join((*pieces, text[at:])))
    fresh = {key: value for key, value in placeholders.values.items() if key not in before}
    return Masked(tuple(masked), used, fresh)


class Finder:
    """Finds personal data in texts, and remembers where it was: the path of a conversation comes again with
    each message. Only places are kept, not texts."""

    def __init__(self, personal: Personal | None = None, remembered: int = 4096) -> None:
        self._personal = personal or Personal()
        self._known: dict[tuple[int, int], tuple[Found, ...]] = {}
        self._remembered = remembered

    def all(self, text: str) -> tuple[Found, ...]:
        """Start, end and kind of everything personal in a text."""
        key = (hash(text), len(text))
        found = self._known.pop(key, None)
        if found is None:
            found = tuple(self._personal.all(text))
            if len(self._known) >= self._remembered:
                del self._known[next(iter(self._known))]
        self._known[key] = found
        return found


def _within_addresses(text: str, places: Sequence[Found]) -> list[Found]:
    """The places in order and apart. Those that overlap become one; one in an address becomes all of it, with
    what could be taken for more of it."""
    if not places:
        return []
    spans = {(span.start, span.end) for span in addresses(text)}
    merged = list(places)
    while True:
        hidden = {span for span in spans if any(s < span[1] and e > span[0] for s, e, _ in merged)}
        wide = [*((start, end, "link") for start, end in hidden), *merged]
        joined = [
            (start, _behind_link(text, end) if kind == "link" and (start, end) not in spans else end, kind)
            for start, end, kind in _joined_up(wide)
        ]
        if joined == merged:
            return joined
        merged = joined


def _joined_up(places: Iterable[Found]) -> Iterable[Found]:
    joined: list[Found] = []
    for start, end, kind in sorted(places, key=lambda one: (one[0], -one[1])):
        # What follows a whole address at once would be taken for more of it.
        if joined and start < joined[-1][1] + (joined[-1][2] == "link"):
            first, last, was = joined[-1]
            joined[-1] = (first, max(last, end), "link" if "link" in (was, kind) else was)
        else:
            joined.append((start, end, kind))
    return joined


def _behind_link(text: str, end: int) -> int:
    match = URL_CHARS.match(text, end)
    return end if match is None else match.end()


def _joined(text: str, at: int) -> bool:
    """Whether a word or number goes on over this place."""
    return 0 < at < len(text) and _word(text[at - 1]) and _word(text[at])


def _word(char: str) -> bool:
    return char == "_" or (char.isascii() and char.isalnum())
