"""A secret is found however it is spelled: in JSON, Python, HTML, an address, base64, or a mixture."""

from __future__ import annotations

import html
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from functools import partial
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.redaction import HIDDEN, redacted
from tests.growth import MOST, growth

KEY = 'k"e/y &<b>\\ ü+=😀$1'

SPELLINGS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "json": lambda key: json.dumps(key)[1:-1],
    "json in json": lambda key: json.dumps(json.dumps(key)),
    "json without ascii": lambda key: json.dumps(key, ensure_ascii=False)[1:-1],
    "json with slashes": lambda key: json.dumps(key)[1:-1].replace("/", "\\/"),
    "python": repr,
    "python ascii": ascii,
    "bytes": lambda key: repr(key.encode()),
    "headers": lambda key: repr([(b"authorization", key.encode())]),
    "html": html.escape,
    "html without quotes": lambda key: html.escape(key, quote=False),
    "html twice": lambda key: html.escape(html.escape(key)),
    "html numbers": lambda key: "".join(f"&#{ord(char)};" for char in key),
    "html hexadecimal": lambda key: "".join(f"&#x{ord(char):X};" for char in key),
    "address": quote,
    "address whole": lambda key: quote(key, safe=""),
    "form": quote_plus,
    "address twice": lambda key: quote(quote(key, safe=""), safe=""),
    "address in small letters": lambda key: "".join(f"%{byte:02x}" for byte in key.encode()),
    "escaped whole": lambda key: "".join(
        f"\\u{key.encode('utf-16-be')[at : at + 2].hex()}" for at in range(0, len(key.encode("utf-16-be")), 2)
    ),
    "mixture": lambda key: quote(key[:5], safe="") + html.escape(key[5:9]) + json.dumps(key[9:])[1:-1],
}


@pytest.mark.parametrize("spelled", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("key", [KEY, "sk-plain-canary-123", "secret"])
def test_every_spelling_is_found(spelled: Callable[[str], str], key: str) -> None:
    shown = redacted(f"before {spelled(key)} behind", [key, "another"])
    assert HIDDEN in shown
    assert shown.startswith("before ")
    assert shown.endswith(" behind")
    assert not any(part in shown for part in ("canary", "secret", "u00fc", "e/y"))


@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
@pytest.mark.parametrize("before", ["", "u", "us", "user:", "x" * 7])
@pytest.mark.parametrize("behind", ["", "z", "zz", ":and more"])
def test_base64_is_found_wherever_it_begins(
    encode: Callable[[bytes], bytes], before: str, behind: str
) -> None:
    key = "canary-key-0123456789??>>"
    text = encode(f"{before}{key}{behind}".encode()).decode()
    shown = redacted(f"token={text}", [key])
    left = shown.removeprefix("token=").replace(HIDDEN, "")
    assert HIDDEN in shown
    assert len(left) <= len(encode(before.encode())) + len(encode(behind.encode())) + 4


@given(st.text(min_size=4, max_size=12), st.sampled_from(sorted(SPELLINGS)))
def test_any_secret_in_any_spelling(key: str, how: str) -> None:
    if any("\ud800" <= char <= "\udfff" for char in key) or how == "mixture":
        return
    spelled = SPELLINGS[how](key)
    assert HIDDEN in redacted(spelled, [key])


def test_common_words_and_other_texts_are_left() -> None:
    text = "The endpoint said: 100% of <b>it</b> is \\u00fc & more."
    assert redacted(text, ["", "a", "it"]) == text
    assert redacted("Bearer abc.def, sk-0123456789 and hf_abcdefghij") == "***, *** and ***"
    assert redacted("[(b'authorization', b'Bearer abcdef')]").startswith("[(b'authorization', b'***'")


@pytest.mark.parametrize("part", ["a", "\\", "%25", "&amp;", "\\u0061", "aaaaaaaaaaa%25%25", "Bearer "])
def test_it_takes_no_longer_than_the_text_is(part: str) -> None:
    key = "aaaaaaaaaaaaaaaaaaaaaaab"
    assert growth(lambda size: partial(redacted, part * (size // len(part)), [key]), 4_000) < MOST
