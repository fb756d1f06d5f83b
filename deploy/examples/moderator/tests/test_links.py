"""The laws, by webchat's own helper, and what is this moderator's own."""

from __future__ import annotations

import asyncio

import pytest
from webchat_links import LONGEST, make

from webchat.moderation.testing import check_moderator, outcome

TEXTS = [
    "",
    "no links, http and h",
    "see https://example.com/a and http://elsewhere.test/b?c=1, please",
    "https://elsewhere.test",
    "HTTPS://Elsewhere.Test/x HTTP",
    "看 https://elsewhere.test/路径 吧 https://",
    "https://example.com@elsewhere.test/",
    "https://elsewhere.test/" + "a" * (LONGEST + 20) + " end",
]


@pytest.mark.parametrize("action", ["flag", "mask", "replace", "block"])
def test_it_keeps_the_laws(action: str) -> None:
    links = make({"allow": ["example.com"], "action": action})
    assert asyncio.run(check_moderator(links, TEXTS, chunkings=20)) > 100


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("see https://example.com/a.", "see https://example.com/a."),
        ("see https://docs.example.com", "see https://docs.example.com"),
        ("see https://notexample.com", "see [link]"),
        ("see https://example.com.elsewhere.test/", "see [link]"),
        ("see https://example.com@elsewhere.test/", "see [link]"),
        ("(https://elsewhere.test)", "([link])"),
    ],
)
def test_only_the_hosts_on_the_list_are_let_through(text: str, left: str) -> None:
    links = make({"allow": ["example.com"]})
    assert asyncio.run(outcome([links], [text])).released == left


@pytest.mark.parametrize("options", [{"allows": []}, {"allow": "example.com"}, {"action": "shout"}])
def test_options_that_cannot_be_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        make(options)
