"""Numbers with checksums: cards, identity cards, accounts, social security numbers.

The checks and the registry of account numbers are those of python-stdnum, imported on first use. Sources of
the rest: ISO/IEC 7812 with the card networks' ranges, and the Social Security Administration's rules for
numbers it never assigns (stdnum also excludes one that is assigned).
"""

from __future__ import annotations

import re
from functools import cache

_CARDS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"
    r"|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|35\d{14}|6011\d{12}|65\d{14}|62\d{14,17}|9558\d{15}"
)
_PARTS = re.compile(r"(\d+)!")
_NEVER_GIVEN = frozenset({"123-45-6789", "078-05-1120", "219-09-9999"})


def is_card(text: str) -> bool:
    """Whether the digits of a text are a card number: a network's range and length, and a valid check
    digit."""
    from stdnum import luhn

    digits = "".join(char for char in text if char.isdigit())
    return _CARDS.fullmatch(digits) is not None and len(set(digits)) > 1 and luhn.is_valid(digits)


def is_identity_card(text: str) -> bool:
    """Whether 18 characters are a Chinese identity card number: a valid date of birth and check digit. The
    place code is not checked, because lists of old ones have gaps."""
    from stdnum.cn import ric
    from stdnum.exceptions import ValidationError

    try:
        ric.get_birth_date(text)
    except ValidationError:
        return False
    return ric.calc_check_digit(text) == text[17].upper()


def iban_in(text: str) -> int:
    """How many characters at the start of a text form an IBAN, including spaces; 0 if none do."""
    from stdnum import iban

    length = _iban_length(text[:2])
    end = taken = 0
    while taken < length:
        if end == len(text):
            return 0
        taken += text[end] != " "
        end += 1
    if not length or text[end - 1] == " ":
        return 0
    return end if iban.is_valid(text[:end], check_country=False) else 0


@cache
def _iban_length(country: str) -> int:
    """Length of a country's account numbers, 0 if it has none."""
    from stdnum import numdb

    properties = numdb.get("iban").info(country)[0][1]
    parts = _PARTS.findall(properties.get("bban", ""))
    return 4 + sum(map(int, parts)) if parts else 0


def is_social_security(text: str) -> bool:
    """Whether `AAA-GG-SSSS` is a number the United States assigns."""
    area, group, serial = text.split("-")
    given = area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"
    return given and text not in _NEVER_GIVEN
