"""A file of rules: what it says is what is done, and what is wrong in it is told."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.clean_environment import ROOT
from webchat.moderation import Blocked, Context, Moderation
from webchat.moderation.describing import described
from webchat.moderation.kinds.endpoint import Endpoint
from webchat.moderation.kinds.guard import AskEndpoint, Guard
from webchat.moderation.kinds.tables import KINDS
from webchat.moderation.rules import BadRules, Tools, load_profiles, load_rules, profile_names

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
        assert blocked.value.verdict.sentence == "We do not talk about this here."
        assert blocked.value.verdict.cure == "Ask about something else."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[moderators]", "rules.toml"),
        ('[[moderators]]\nkind = "telepathy"', "telepathy"),
        ('[[moderators]]\nkind = "phrases"', "phrases or file is missing"),
        ('[[moderators]]\nkind = "phrases"\nphrases = ["a"]\naction = "shout"', "action"),
        ('[[moderators]]\nkind = "phrases"\nphrase = ["a"]', "phrase"),
        ('[[moderators]]\nkind = "phrases"\nphrases = ["*"]', "is not a phrase"),
        ('[[moderators]]\nkind = "phrases"\nfile = "none.txt"', "none.txt"),
        ('[[moderators]]\nkind = "patterns"\npatterns = ["(a"]', "patterns"),
        ('[[moderators]]\nkind = "secrets"\nstages = []', "stages"),
        ('[[moderators]]\nkind = "limits"\nmost_a_minute = 0', "most_a_minute"),
        ('[[moderators]]\nkind = "secrets"\n[[moderators]]\nkind = "secrets"', "two moderators"),
        ("moderator = 1", "moderator"),
        ('[[moderators]]\nkind = "secrets"\nstages = ["afterwards"]', "moderators.0.secrets.stages"),
        (
            '[[moderators]]\nkind = "secrets"\n[[moderators]]\nkind = "limits"\nmost = 1',
            "moderators.1.limits.most",
        ),
        ('[[moderators]]\nphrases = ["a"]', "moderators.0.kind: missing"),
        ('[[moderators]]\nkind = "endpoint"', "moderators.0.endpoint.url"),
        ('[[moderators]]\nkind = "endpoint"\nurl = "nowhere"', "moderators.0: url"),
        ('[[moderators]]\nkind = "endpoint"\nurl = "http://a/v1"\nthreshold = 2', "threshold"),
        (
            '[[moderators]]\nkind = "endpoint"\nurl = "http://a"\n[moderators.categories]\nx = "shout"',
            "categories.x",
        ),
        ('[[moderators]]\nkind = "endpoint"\nurl = "http://a"\napi_key_env = "NOT_SET"', "NOT_SET"),
        ('[[moderators]]\nkind = "endpoint"\nurl = "http://a"\napi_key = "k"', "api_key"),
        ('[[moderators]]\nkind = "guard"', "moderators.0.guard.model"),
        ('[[moderators]]\nkind = "guard"\nmodel = "m"', "no models are available"),
        ('[[moderators]]\nkind = "guard"\nmodel = "m"\nstyle = "guess"', "style"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadRules) as refused:
        load_rules(rules(tmp_path, text))
    assert said in str(refused.value)


PROFILES = (
    RULES
    + """
[[profiles.study]]
kind = "phrases"
name = "study words"
phrases = ["rival"]

[[profiles.other]]
kind = "secrets"
name = "other secrets"
"""
)


async def test_the_rules_of_a_profile_act_after_everybodys(tmp_path: Path) -> None:
    path = rules(tmp_path, PROFILES)
    (tmp_path / "words.txt").write_text("", encoding="utf-8")
    assert profile_names(path) == ("study", "other")
    moderation = Moderation(load_rules(path), profiles=load_profiles(path))
    study = Context("input", "me", profile="study")
    assert await moderation.review(study, "call 13800138000") == "call <phone>"
    assert await moderation.review(Context("input", "me", profile="other"), "a rival") == "a rival"
    for context, text in (
        (study, "a rival"),
        (study, "the secret project"),
        (replace(study, profile="x"), "Hi"),
    ):
        with pytest.raises(Blocked):
            await moderation.review(context, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[profiles.study]]\nkind = "telepathy"', "profiles.study.0.kind"),
        ('[[profiles.study]]\nkind = "limits"\nmost = 1', "profiles.study.0.limits.most"),
        ('[[profiles."a b"]]\nkind = "secrets"', "profiles"),
        ("[profiles]\nstudy = []", "profiles.study: it has no rules"),
        ('[[moderators]]\nkind = "secrets"\n[[profiles.study]]\nkind = "secrets"', "two moderators"),
    ],
)
def test_what_is_wrong_with_a_profile_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadRules) as refused:
        load_profiles(rules(tmp_path, text))
    assert said in str(refused.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadRules, match="No such file"):
        load_rules(tmp_path / "rules.toml")


ASKED = """
[[moderators]]
kind = "endpoint"
url = "http://service.test/v1"
api_key_env = "SERVICE_KEY"
stages = ["input", "prompt", "output", "stored"]
fail = "open"
seconds = 2
sentence = "Not here."

[moderators.categories]
violence = "flag"
hate = { action = "mask", threshold = 0.4 }

[[moderators]]
kind = "guard"
name = "reader"
model = "guard-8b"
url = "http://guard.test/v1"
style = "llama-guard"
controversial = "block"
categories = { S1 = "flag" }
"""


def test_services_and_guards_are_made_as_the_file_says(tmp_path: Path) -> None:
    keys = {"SERVICE_KEY": "the-key"}
    _, service, guard = load_rules(rules(tmp_path, ASKED), Tools(key=keys.get))
    assert isinstance(service, Endpoint)
    assert isinstance(guard, Guard)
    assert service.stages == {"input", "prompt", "output", "stored"}
    assert (service.name, service.fail, service.seconds) == ("endpoint", "open", 2)
    assert (guard.name, guard.model, guard.fail) == ("reader", "guard-8b", "closed")
    assert "the-key" not in repr(described([service, guard]))


def test_the_examples_for_operators_are_rules(tmp_path: Path) -> None:
    page = (ROOT / "deploy/moderation.md").read_text(encoding="utf-8")
    examples = re.findall(r"```toml\n(\[\[moderators.*?)```", page, re.DOTALL)
    assert len(examples) == 2
    (tmp_path / "words.txt").write_text("leaks\n", encoding="utf-8")
    tools = Tools(key=lambda name: "k", ask=AskEndpoint("http://127.0.0.1:1/v1"))
    read = [load_rules(rules(tmp_path, example), tools) for example in examples]
    kinds = {one.kind for one in described([one for made in read for one in made])}
    assert kinds >= set(KINDS)
