"""Finds personal data: telephone numbers, e-mail, cards, identity numbers, addresses.

Everything is found by its form and proved by its checksum where it has one; names and addresses only where a
text says what they are. What is found at a place depends on at most `CONTEXT` characters in front of it and a
bounded stretch behind it, so that it does not matter where a stream is cut, and a text costs its length.

This module is all that the rules of moderation share with this room.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from webchat.privacy.forms import AFTER, IBAN, IPV6, NUMBERS, Form
from webchat.privacy.words import (
    ANNOUNCED,
    CHINESE_PARTIAL,
    CHINESE_START,
    CHINESE_TAIL,
    CHINESE_WINDOW,
    ENGLISH_ADDRESS,
    ENGLISH_TAIL,
    ENGLISH_WINDOW,
    LONGEST_TRIGGER,
    Announced,
    chinese_address,
    is_english_address,
)

KINDS = ("phone", "email", "id_card", "bank_card", "iban", "ssn", "passport", "ip", "name", "address")
CONTEXT = 32
"""Characters in front of a place that what is found there may depend on."""

_Found = tuple[int, int, str]
"""Start, end and kind."""

# Plain characters for those of other widths, one for one: full-width letters, digits, signs; dashes; spaces.
_PLAIN = str.maketrans(
    {
        **{
            chr(0xFEE0 + code): chr(code)
            for code in range(0x21, 0x7F)
            if chr(code).isalnum() or chr(code) in "+-.@"
        },
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
        **dict.fromkeys("\u00a0\u2002\u2003\u2009\u202f\u3000", " "),
    }
)

_RUN = re.compile(r"[0-9+(][0-9 ()+.-]{6,}")
_NUMBER_TAIL = re.compile(r"[0-9+(][0-9 ()+.-]*[Xx]?$")
_BEGINS = re.compile(r"[0-9+(]")
_NUMBER_WINDOW = 32

_LOCAL = re.compile(r"[A-Za-z0-9._%+'-]{1,64}$")
_DOMAIN = re.compile(r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,40}[A-Za-z0-9])?\.){1,4}[A-Za-z]{2,24}")
_EMAIL_TAIL = re.compile(r"[A-Za-z0-9._%+'-]{1,64}(?:@[A-Za-z0-9.-]{0,200})?$")
_EMAIL_WINDOW = 64 + 1 + 4 * 43 + 24

# Looked for at every place, not only behind the last match: it must not matter where one begins to look.
_IBAN_START = re.compile(r"(?=[A-Z]{2}\d\d ?[A-Z0-9]{2})")
_IBAN_TAIL = re.compile(r"[A-Z](?:[A-Z](?:\d(?:\d[A-Z0-9 ]*)?)?)?$")
_IPV6_START = re.compile(r"(?<![0-9A-Fa-f:])(?=[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{0,4}:)")
_STREET_NUMBER = re.compile("(?=[0-9])")
_IPV6_TAIL = re.compile(r"[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f:]*)?$")


class Personal:
    """Finds kinds of personal data in windows of texts. Raises `ValueError` for an unknown kind."""

    def __init__(self, kinds: Iterable[str] = KINDS) -> None:
        self.kinds = frozenset(kinds)
        if unknown := self.kinds - set(KINDS):
            raise ValueError(f"{min(unknown)} is not a kind of personal data; allowed: {', '.join(KINDS)}")
        self._numbers = [form for form in NUMBERS if form.kind in self.kinds]
        self._announced = [one for one in ANNOUNCED if one.kind in self.kinds]
        self._tails = list(self._all_tails())

    def all(self, text: str) -> list[_Found]:
        """Everything found in a whole text: start, end and kind, in order, not overlapping."""
        return self.look(text, 0, last=True)[0]

    def look(self, window: str, begin: int, *, last: bool) -> tuple[list[_Found], int]:
        """What is found from `begin` on, and the offset from which more text could change that. window: a
        text starting `CONTEXT` characters before `begin`; last: nothing follows it."""
        if not window.isascii():
            window = window.translate(_PLAIN)
        opened = len(window) if last else self._open(window, begin)
        found: list[_Found] = []
        ahead = sorted(self._candidates(window, begin, opened, last=last), key=_order)
        at = begin
        for start, end, kind in ahead:
            if start < at:
                continue
            if start >= opened:
                break
            if end < 0:  # cannot be told yet
                opened = start
                break
            found.append((start, end, kind))
            at = end
        return found, opened

    def _candidates(self, window: str, begin: int, opened: int, *, last: bool) -> Iterator[_Found]:
        """Possible findings, each on its own; a negative end marks what cannot be decided yet."""
        for places in (
            self._in_numbers(window, begin, opened),
            self._in_mail(window, begin, opened),
            self._in_words(window, begin, opened),
            self._in_codes(window, begin, opened),
        ):
            for start, reach, end, kind in places:
                if not last and reach + AFTER > len(window):
                    yield start, -1, kind
                elif end > start:
                    yield start, end, kind

    def _in_numbers(self, window: str, begin: int, opened: int) -> Iterator[tuple[int, int, int, str]]:
        if not self._numbers:
            return
        for run in _RUN.finditer(window, begin):
            if run.start() >= opened:
                return
            for place in _BEGINS.finditer(window, run.start(), run.end()):
                at = place.start()
                if at and window[at - 1].isdigit() and window[at].isdigit():
                    continue
                yield from _tried(self._numbers, window, at)

    def _in_codes(self, window: str, begin: int, opened: int) -> Iterator[tuple[int, int, int, str]]:
        for form, start in ((IBAN, _IBAN_START), (IPV6, _IPV6_START)):
            if form.kind in self.kinds:
                for place in start.finditer(window, begin, opened + 8):
                    yield from _tried((form,), window, place.start())

    def _in_mail(self, window: str, begin: int, opened: int) -> Iterator[tuple[int, int, int, str]]:
        if "email" not in self.kinds:
            return
        at = window.find("@", begin)
        while at >= 0:
            local = _LOCAL.search(window, max(0, at - 64), at)
            domain = _DOMAIN.match(window, at, at + _EMAIL_WINDOW - 64)
            if local is not None and domain is not None:
                # One character more would make it too long a name for a letter box.
                too_long = at - local.start() == 64 and _local_char(window[local.start() - 1 : local.start()])
                start = local.start() + len(local[0]) - len(local[0].lstrip("._%+'-"))
                good = not too_long and start < at and _ends(window, domain.end())
                if start >= begin:
                    yield start, domain.end(), domain.end() if good else start, "email"
            at = window.find("@", at + 1)

    def _in_words(self, window: str, begin: int, opened: int) -> Iterator[tuple[int, int, int, str]]:
        for one in self._announced:
            for trigger in one.trigger.finditer(window, max(0, begin - CONTEXT)):
                start = trigger.end()
                if begin <= start < opened:
                    yield from _said(one, window, start)
        if "address" not in self.kinds:
            return
        for place in CHINESE_START.finditer(window, begin):
            start = place.start()
            if start >= opened:
                break
            if match := _chinese().match(window[start : start + CHINESE_WINDOW]):
                yield start, start + match.end(), start + match.end(), "address"
        for number in _STREET_NUMBER.finditer(window, begin):
            if number.start() < opened and (street := ENGLISH_ADDRESS.match(window, number.start())):
                start, end = street.span()
                yield start, end, end if is_english_address(window, start, end) else start, "address"

    def _all_tails(self) -> Iterator[tuple[re.Pattern[str], int]]:
        """How what is looked for may begin at the end of a text, and how far back that can be."""
        if self._numbers:
            yield _NUMBER_TAIL, _NUMBER_WINDOW
        if "email" in self.kinds:
            yield _EMAIL_TAIL, _EMAIL_WINDOW
        if "iban" in self.kinds:
            yield _IBAN_TAIL, IBAN.window
        if "ip" in self.kinds:
            yield _IPV6_TAIL, IPV6.window
        if "address" in self.kinds:
            yield ENGLISH_TAIL, ENGLISH_WINDOW

    def _open(self, window: str, begin: int) -> int:
        opened = len(window)
        for tail, longest in self._tails:
            found = tail.search(window, max(begin, len(window) - longest - AFTER))
            if found is not None:
                opened = min(opened, found.start())
        for one in self._announced:
            first = max(0, len(window) - one.window - AFTER - LONGEST_TRIGGER)
            for trigger in one.trigger.finditer(window, first):
                rest = one.tail.match(window, trigger.end())
                if rest is not None and rest.end() == len(window) and trigger.end() >= begin:
                    opened = min(opened, trigger.end())
        if "address" in self.kinds:
            opened = min(opened, _chinese_open(window, begin))
        return opened


def _order(found: _Found) -> tuple[int, int]:
    """By position; at the same position, undecided ones first, then the longer one."""
    start, end, _ = found
    return start, (-1 << 60) if end < 0 else -end


def _tried(forms: Iterable[Form], window: str, at: int) -> Iterator[tuple[int, int, int, str]]:
    """The first form that is accepted at a place: its start, how far was read for it, its end and kind. What
    was refused is told too, with an end at its start: more text might have it accepted."""
    reach = 0
    for form in forms:
        match = form.pattern.match(window, at, at + form.window)
        if match is None:
            continue
        reach = max(reach, match.end())
        length = form.accepts(window, at, match.end())
        if length:
            yield at, reach, at + length, form.kind
            return
    if reach:
        yield at, reach, at, ""


def _said(one: Announced, window: str, start: int) -> Iterator[tuple[int, int, int, str]]:
    match = one.pattern.match(window, start, start + one.window)
    if match is None:
        return
    shortest = start + 2 if one.shortens else match.end()
    for end in range(match.end(), shortest - 1, -1):
        if one.behind.match(window, end):
            yield start, match.end(), end, one.kind
            return
    yield start, match.end(), start, one.kind


def _ends(window: str, end: int) -> bool:
    """Whether an e-mail address ends there: the following text neither continues a name nor is a path after a
    host."""
    behind = window[end : end + 2]
    if behind[:1] and (behind[0] in "_-@" or (behind[0].isascii() and behind[0].isalnum())):
        return False
    return not (behind[:1] in (":", "/") and behind[1:2].isalnum())


def _local_char(char: str) -> bool:
    return bool(char) and _LOCAL.match(char) is not None


@cache
def _chinese() -> Any:
    return chinese_address()


def _chinese_open(window: str, begin: int) -> int:
    first = max(begin, len(window) - CHINESE_WINDOW - AFTER)
    run = CHINESE_TAIL.search(window, first)
    if run is None:
        return len(window)
    place = CHINESE_START.search(window, run.start()) or CHINESE_PARTIAL.search(window, run.start())
    return len(window) if place is None else place.start()
