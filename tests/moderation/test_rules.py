"""A file of rules: what it says is what is done, and what is wrong in it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from webchat.moderation import Blocked, Context, Moderation
from webchat.moderation.rules import BadRules, load_rules

RULES = """
[[moderators]]
kind = "limits"
most_a_minute = 1000

[[moderators]]
kind = "phrases"
name = "house rules"
phrases = ["secret project"]
file = "words.txt"
sentence = "We do not talk about this here."
cure = "Ask about something else."

[[moderators]]
kind = "patterns"
action = "replace"
patterns = ['\\b\\d{11}\\b']
instead = "<phone>"

[[moderators]]
kind = "secrets"
"""


def rules(folder: Path, text: str) -> Path:
    path = folder / "rules.toml"
    path.write_text(text, encoding="utf-8")
    return path


async def test_a_file_of_rules_is_followed(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("# names\n\n机密项目\n", encoding="utf-8")
    moderation = Moderation(load_rules(rules(tmp_path, RULES)))
    assert await moderation.review(Context("input", "me"), "call 13800138000") == "call <phone>"
    assert await moderation.review(Context("input", "me"), f"key {'sk-' + 'a' * 30}") == "key [secret]"
    for text in ("the Secret Project", "这是机密项目"):
        with pytest.raises(Blocked) as blocked:
            await moderation.review(Context("input", "me"), text)
        assert blocked.value.rule == "house rules"
        assert blocked.value.sentence == "We do not talk about this here."
        assert blocked.value.cure == "Ask about something else."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[moderators]", "rules.toml"),
        ('[[moderators]]\nkind = "telepathy"', "telepathy"),
        ('[[moderators]]\nkind = "phrases"', "nothing to look for"),
        ('[[moderators]]\nkind = "phrases"\nphrases = ["a"]\naction = "shout"', "action"),
        ('[[moderators]]\nkind = "phrases"\nphrase = ["a"]', "phrase"),
        ('[[moderators]]\nkind = "phrases"\nphrases = ["*"]', "no phrase"),
        ('[[moderators]]\nkind = "phrases"\nfile = "none.txt"', "none.txt"),
        ('[[moderators]]\nkind = "patterns"\npatterns = ["(a"]', "patterns"),
        ('[[moderators]]\nkind = "secrets"\nstages = []', "stages"),
        ('[[moderators]]\nkind = "limits"\nmost_a_minute = 0', "most_a_minute"),
        ('[[moderators]]\nkind = "secrets"\n[[moderators]]\nkind = "secrets"', "two moderators"),
        ("moderator = 1", "moderator"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadRules) as refused:
        load_rules(rules(tmp_path, text))
    assert said in str(refused.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadRules, match="No such file"):
        load_rules(tmp_path / "rules.toml")
