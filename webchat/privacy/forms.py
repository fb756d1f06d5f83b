"""What personal data looks like, kind by kind, and what only looks like it.

A form is an expression tried at a place, and a look at what stands around the match: at most `BEFORE`
characters in front and `AFTER` behind it. Numbers are tried with `re`: their expressions never go back over
more than they hold, and are given at most their form's window. Addresses go through RE2.

Sources: ITU-T E.164 and phonenumbers (numbers of all countries), the MIIT numbering plan (China), NANPA
(North America), RFC 5321 (e-mail), RFC 1918 and 6598 (addresses that name nobody).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass

from webchat.privacy.numbers import iban_in, is_card, is_identity_card, is_social_security

BEFORE = 24
AFTER = 4

Accepts = Callable[[str, int, int], int]
"""Receives a text and a match in it; returns how many characters of the match are of the kind, 0 for none."""


@dataclass(frozen=True, slots=True)
class Form:
    """pattern: tried at each position. window: maximum characters of a match. accepts: see `Accepts`."""

    kind: str
    pattern: re.Pattern[str]
    window: int
    accepts: Accepts


_ASKED = re.compile(
    r"(?i)(?:phone|mobile|\btel\b|\bcell|\bcall|\btext|\bsms|\bfax|whatsapp|contact|dial"
    r"|手机|电话|号码|联系|微信|短信|传真|致电|拨打|热线)"
)
_UNITS = re.compile(r" ?(?:元|块|美元|人|次|个|条|万|亿|%|％|字节|bytes?\b|ms\b|ns\b|kg\b|km\b)")
_CALCULATED = re.compile(r" ?(?:\*(?!\*(?!\d))|[%^<>=]|//|[+-] )")
_CALCULATING = re.compile(r"(?:[=+%^<>-]|(?:^|[^*])\*|/ |//) *$")
_IN_ADDRESS = re.compile(r"[?&;][A-Za-z_.-]+=$|[^\d ]/$|^[^ ]*[?&][^ ]*$")
_VERSIONED = re.compile(
    r"(?i)(?:\bversion|\bver\.?|\bv|\brelease|\bbuild|\bdriver|\bkernel|\bfirmware|版本|固件|[/=<>~@-]) ?$"
)


def _before(text: str, start: int) -> str:
    return text[max(0, start - BEFORE) : start]


def _alone(text: str, start: int, end: int) -> bool:
    """Whether a number is not part of a longer word, number or name."""
    front, behind = text[max(0, start - 2) : start], text[end : end + 2]
    if _joins(front[-1:]) or front[-1:] in ("#", "$", "¥", "€", "£", "@"):
        return False
    # After `:` and `/` a number may begin where what stands before is a word.
    if front[-1:] in (".", "-") and _joins(front[:-1]):
        return False
    if front[-1:] in (":", "/") and front[:-1].isdigit():
        return False
    goes_on = behind[:1] in (".", ":") and behind[1:2].isdigit()
    return not (_joins(behind[:1]) or goes_on or (behind[:1] == "-" and _joins(behind[1:])))


def _joins(char: str) -> bool:
    return char == "_" or (char.isascii() and char.isalnum())


def _reckoned(text: str, start: int, end: int) -> bool:
    """Whether a bare number is an amount, or part of a calculation or code; never if the text asks for it as
    a telephone number."""
    front = _before(text, start)
    if _ASKED.search(front):
        return False
    if front[-1:] == "第" or (_CALCULATING.search(front) and not _IN_ADDRESS.search(front)):
        return True
    if front[-1:] in ("(", "[") and _joins(front[-2:-1]):
        return True
    behind = text[end : end + AFTER]
    return _CALCULATED.match(behind) is not None or _UNITS.match(behind) is not None


def _mobile(text: str, start: int, end: int) -> int:
    if not _alone(text, start, end):
        return 0
    bare = text[start:end].isdigit()
    return 0 if bare and _reckoned(text, start, end) else end - start


def _spelled(text: str, start: int, end: int) -> int:
    return end - start if _alone(text, start, end) else 0


def _asked_for(text: str, start: int, end: int) -> int:
    asked = _ASKED.search(_before(text, start)) is not None
    return end - start if asked and _alone(text, start, end) else 0


def _abroad(text: str, start: int, end: int) -> int:
    """A number with its country code, without trailing text that is not part of it."""
    import phonenumbers

    while end - start >= 8:
        if _alone(text, start, end):
            try:
                number = phonenumbers.parse(text[start:end], None)
            except phonenumbers.NumberParseException:
                return 0
            if phonenumbers.is_valid_number(number):
                return end - start
        shorter = re.search(r"[ .()-]+\d+$", text[start:end])
        if shorter is None:
            return 0
        end = start + shorter.start()
    return 0


def _card(text: str, start: int, end: int) -> int:
    return end - start if _alone(text, start, end) and is_card(text[start:end]) else 0


def _identity(text: str, start: int, end: int) -> int:
    return end - start if _alone(text, start, end) and is_identity_card(text[start:end]) else 0


def _social(text: str, start: int, end: int) -> int:
    return end - start if _alone(text, start, end) and is_social_security(text[start:end]) else 0


def _iban(text: str, start: int, end: int) -> int:
    if _joins(text[max(0, start - 1) : start]):
        return 0
    length = iban_in(text[start:end])
    return 0 if not length or _joins(text[start + length : start + length + 1]) else length


_NOBODY = [
    ipaddress.ip_network(net)
    for net in ("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12")
] + [ipaddress.ip_network("192.168.0.0/16"), ipaddress.ip_network("224.0.0.0/3")]
_ANYBODY6 = ipaddress.ip_network("2000::/3")


def _machine(text: str, start: int, end: int) -> int:
    """A public internet address; private ones are used everywhere and identify nobody."""
    found = text[start:end]
    behind = text[end : end + 2]
    if _joins(text[max(0, start - 1) : start]) or text[max(0, start - 1) : start] in (".", ":"):
        return 0
    if _joins(behind[:1]) or (behind[:1] == "." and behind[1:].isdigit()):
        return 0
    if behind[:1] == "-" and _joins(behind[1:]):
        return 0
    try:
        address = ipaddress.ip_address(found)
    except ValueError:
        return 0
    if address.version == 6:
        return end - start if address in _ANYBODY6 else 0
    if _VERSIONED.search(_before(text, start)) and text[max(0, start - 3) : start] != "://":
        return 0
    return 0 if any(address in net for net in _NOBODY) else end - start


_PHONE = "phone"
NUMBERS: tuple[Form, ...] = (
    Form("id_card", re.compile(r"(?a)[1-9]\d{5}(?:18|19|20)\d{9}[\dXx]"), 18, _identity),
    Form("bank_card", re.compile(r"(?a)3[47]\d\d([ -]?)\d{6}\1\d{5}"), 17, _card),
    Form("bank_card", re.compile(r"(?a)\d{4}([ -]?)\d{4}\1\d{4}\1\d{1,4}(?:\1\d{1,3})?"), 23, _card),
    Form(_PHONE, re.compile(r"(?a)(?:(?:\+ ?)?86[ -]?)?1[3-9]\d([ -]?)\d{4}\1\d{4}"), 20, _mobile),
    Form(_PHONE, re.compile(r"(?a)\+\d{1,3}(?:[ .-]?\(?\d{1,4}\)?){2,6}"), 32, _abroad),
    Form(_PHONE, re.compile(r"(?a)\+\d{8,15}"), 16, _abroad),
    Form(
        _PHONE,
        re.compile(
            r"(?a)(?:\((?:010|02\d|0[3-9]\d\d)\) ?|(?:010|02\d|0[3-9]\d\d)[ -])[2-8]\d{2,3}[ -]?\d{4}"
        ),
        16,
        _spelled,
    ),
    Form(_PHONE, re.compile(r"(?a)[48]00[ -]\d{3}[ -]?\d{4}|[48]00[ -]\d{4}[ -]?\d{3}"), 13, _spelled),
    Form("ssn", re.compile(r"(?a)\d{3}-\d\d-\d{4}"), 11, _social),
    Form(
        _PHONE,
        re.compile(r"(?a)(?:1[ .-])?(?:\([2-9]\d\d\) ?[2-9]\d\d[ .-]\d{4}|[2-9]\d\d([ .-])[2-9]\d\d\1\d{4})"),
        18,
        _spelled,
    ),
    Form(_PHONE, re.compile(r"(?a)1?[2-9]\d\d[2-9]\d{6}"), 11, _asked_for),
    Form("ip", re.compile(r"(?a)\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}"), 15, _machine),
)
"""Tried in this order where a number begins; the first that is accepted counts."""

IBAN = Form("iban", re.compile(r"(?a)[A-Z]{2}\d\d(?: ?[A-Z0-9]){11,29}"), 42, _iban)
IPV6 = Form("ip", re.compile(r"(?ai)[0-9a-f]{1,4}(?::[0-9a-f]{0,4}){2,7}"), 39, _machine)
