"""A word goes with its number."""

from __future__ import annotations

import pytest

from backends._plurals import counted, filled


def test_a_noun_goes_with_its_number() -> None:
    assert [counted(count, "chat") for count in (0, 1, 2)] == ["0 chats", "1 chat", "2 chats"]
    assert [counted(count, "reply", "replies") for count in (1.0, 1.5, 300.0)] == [
        "1 reply",
        "1.5 replies",
        "300 replies",
    ]


@pytest.mark.parametrize(("count", "said"), [(0, "0 chats are"), (1, "1 chat is"), ("2", "2 chats are")])
def test_a_word_of_a_text_goes_with_its_number(count: object, said: str) -> None:
    text = "{count} {count:chat is|chats are} in {place}"
    assert filled(text, {"count": count, "place": "{count}"}) == f"{said} in {{count}}"


def test_a_placeholder_without_a_value_stays() -> None:
    assert filled("{after} {after:second|seconds}", {}) == "{after} {after:second|seconds}"
