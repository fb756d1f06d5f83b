"""Numbers that prove themselves: cards, identity cards, accounts.

Sources: ISO/IEC 7812 (Luhn) with the card networks' ranges, GB 11643-1999 with ISO 7064 MOD 11-2 (Chinese
identity cards), ISO 13616 with its registry of lengths (IBAN), the Social Security Administration's rules for
numbers it never gives.
"""

from __future__ import annotations

import re
from datetime import date

_CARDS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"
    r"|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|35\d{14}|6011\d{12}|65\d{14}|62\d{14,17}|9558\d{15}"
)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_NEVER_GIVEN = frozenset({"123-45-6789", "078-05-1120", "219-09-9999", "987-65-4321"})
_COUNTRIES = {
    15: "NO",
    16: "BE",
    18: "DK FI FO GL NL SD",
    19: "MK SI",
    20: "AT BA EE KZ LT LU MN XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ OM SO TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST",
    26: "IS TR",
    27: "BI DJ FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HU LB NI PL SV",
    29: "BR EG PS QA UA",
    30: "JO KW MU YE",
    31: "MT SC",
    32: "LC",
    33: "RU",
}
_IBAN_LENGTHS = {country: length for length, names in _COUNTRIES.items() for country in names.split()}


def is_card(text: str) -> bool:
    """Whether the digits of a text are a card's: a network's range and length, and the right last digit."""
    digits = [int(char) for char in text if char.isdigit()]
    if _CARDS.fullmatch("".join(map(str, digits))) is None or len(set(digits)) < 2:
        return False
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return (sum(digits[::-2]) + sum(doubled)) % 10 == 0


def is_identity_card(text: str) -> bool:
    """Whether 18 characters are a Chinese identity card's number: a day of birth, and the right last one."""
    try:
        date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    total = sum(int(digit) * weight for digit, weight in zip(text[:17], _WEIGHTS, strict=True))
    return "10X98765432"[total % 11] == text[17].upper()


def iban_in(text: str) -> int:
    """How many characters at the beginning of a text are an IBAN, spaces between included; 0 if none are."""
    length = _IBAN_LENGTHS.get(text[:2], 0)
    end = taken = 0
    while taken < length:
        if end == len(text):
            return 0
        taken += text[end] != " "
        end += 1
    code = text[:end].replace(" ", "")
    if not length or text[end - 1] == " ":
        return 0
    return end if int("".join(str(int(char, 36)) for char in code[4:] + code[:4])) % 97 == 1 else 0


def is_social_security(text: str) -> bool:
    """Whether `AAA-GG-SSSS` is a number the United States give."""
    area, group, serial = text.split("-")
    given = area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"
    return given and text not in _NEVER_GIVEN
