"""Downloads are called after their titles, in every script, and no file system minds."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webchat.api.filenames import disposition, file_name


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("नमस्ते दुनिया", "webchat-नमस्ते-दुनिया"),
        ("สวัสดีชาวโลก", "webchat-สวัสดีชาวโลก"),
        ("אָלֶף־בֵּית", "webchat-אָלֶף-בֵּית"),
        ("مُحَمَّد علي", "webchat-مُحَمَّد-علي"),
        ("می‌خواهم", "webchat-می‌خواهم"),
        ("क्‍ष", "webchat-क्‍ष"),
        ("Tiếng Việt", "webchat-Tiếng-Việt"),
        ("Cafe\u0301 cre\u0300me", "webchat-Café-crème"),
        ("བོད་ཡིག", "webchat-བོད-ཡིག"),
        ("မြန်မာ", "webchat-မြန်မာ"),
        ("தமிழ் மொழி", "webchat-தமிழ்-மொழி"),
        ("한국어 日本語 中文", "webchat-한국어-日本語-中文"),
        ("½ of ² things", "webchat-½-of-²-things"),
        ('a/b\\c:d*e?f"g<h>i|j', "webchat-a-b-c-d-e-f-g-h-i-j"),
        ("..\\..\\secrets...", "webchat-secrets"),
        ("CON", "webchat-CON"),
        ("nul.txt", "webchat-nul-txt"),
        ("photo\u202egpj.exe", "webchat-photogpj-exe"),
        ("\u2066a\u2069\u200fb\ufeffc\u00add", "webchat-abcd"),
        ("a\x00b\x7fc\nd\te", "webchat-a-b-c-d-e"),
        ("\u0301\u200d\u200c", "webchat"),
        ("👩\u200d👩\u200d👧 family ❤\ufe0f", "webchat-family"),
        ("a\u200d b\u200c", "webchat-a-b"),
        ("\ud800 half", "webchat-half"),
        ("", "webchat"),
    ],
)
def test_a_name_keeps_letters_with_their_marks_and_nothing_that_is_forbidden(title: str, name: str) -> None:
    assert file_name(title) == name


@pytest.mark.parametrize("repeated", ["कि", "क्षि", "กำ", "e\u0323\u0302", "가", "एक्‍ष"])
def test_a_long_name_is_cut_between_what_is_seen_as_characters(repeated: str) -> None:
    repeated = unicodedata.normalize("NFC", repeated)
    for before in range(30):
        name = file_name("x" * before + repeated * 60).removeprefix("webchat-" + "x" * before)
        whole, rest = divmod(len(name), len(repeated))
        assert name == repeated * whole + repeated[:rest]
        assert rest == 0 or (repeated, rest) == ("एक्‍ष", 1)


@given(st.text(max_size=300), st.sampled_from([".md", ".json", ".yaml", ".csv"]))
def test_every_title_gives_a_header_that_both_kinds_of_program_read(title: str, suffix: str) -> None:
    header = disposition(title, suffix)
    form = r"attachment; filename=\"(webchat[\w-]*\.\w+)\"; filename\*=UTF-8''([\w.~%-]+)"
    found = re.fullmatch(form, header)
    assert found, header
    assert header.isascii()
    plain, full = found[1], unquote(found[2], errors="strict")
    assert plain.endswith(suffix)
    assert full.endswith(suffix)
    assert len(full.encode()) <= 190
    assert not re.search(r"[\x00-\x1f\x7f/\\:*?\"<>|\u202a-\u202e\u2066-\u2069\u200e\u200f]", full)
    assert full.count(".") == 1


def test_the_plain_name_keeps_what_ascii_has() -> None:
    assert 'filename="webchat-Creme-brulee.md"' in disposition("Crème brûlée 🍮", ".md")
    assert 'filename="webchat.md"' in disposition("你好", ".md")
