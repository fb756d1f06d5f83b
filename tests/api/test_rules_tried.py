"""Rules that are not in force are tried in a process of their own."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.api.conftest import Site
from tests.api.test_moderation import operator
from webchat.moderation import Context
from webchat.moderation.rules import BadRules
from webchat.moderation.trying_apart import RulesApart


async def test_rules_are_tried_before_they_are_in_force(site: Site) -> None:
    rules = '''[[moderators]]
kind = "patterns"
name = "phones"
patterns = ['1[3-9]\\d{9}']
action = "replace"'''
    body = {"text": "call 13800138000", "stage": "input", "rules": rules}
    (item,) = (await operator(site).post("/api/moderation/try", json=body)).json()["items"]
    assert (item["result"], item["findings"][0]["rule"]) == ("call ", "phones")


BROKEN = {
    "[[moderators]": "line 1",
    '[[moderators]]\nkind = "phrases"\nphrase = ["x"]': "moderators.0.phrases.phrase",
    '[[moderators]]\nkind = "patterns"\npatterns = ["("]': "patterns",
    '[[moderators]]\nkind = "phrases"\nfile = "/etc/passwd"': "moderators.0.file",
    '[[moderators]]\nkind = "endpoint"\nurl = "http://10.0.0.1"': "moderators.0.kind",
    "moderators = 3": "moderators",
    "other = 3": "other",
    "a = " + "[" * 20_000: "too deeply",
}


async def test_rules_that_cannot_be_used_say_where(site: Site) -> None:
    client = operator(site)
    for rules, where in BROKEN.items():
        body = {"text": "x", "stage": "input", "rules": rules}
        answer = await client.post("/api/moderation/try", json=body)
        assert answer.status_code == 422, rules
        assert answer.json()["error"]["code"] == "rules_broken"
        assert where in answer.json()["error"]["message"]
        assert "root:" not in answer.text


async def test_very_many_findings_are_placed_in_time(site: Site) -> None:
    """In a time that grows with the text, not with its square: a slip here held every reply for minutes."""
    rules = """
[[moderators]]
kind = "patterns"
action = "replace"
patterns = ['\\d']
instead = "<n>"

[[moderators]]
kind = "phrases"
action = "flag"
phrases = ["n"]
"""
    body = {"text": "1 " * 10_000, "stage": "input", "rules": rules}
    async with asyncio.timeout(60):
        answer = await operator(site).post("/api/moderation/try", json=body)
    (item,) = answer.json()["items"]
    assert (item["found"], len(item["findings"])) == (20_000, 500)
    assert {(one["start"] % 2, one["end"] - one["start"]) for one in item["findings"]} == {(0, 1)}


HEAVY = {
    "a key of many parts": "a" + ".a" * 24_000 + " = 1",
    "a long number": "a = " + "9" * 40_000,
    "deep lists": "a = " + "[" * 40_000,
    "a large pattern": "[[moderators]]\nkind = 'patterns'\npatterns = ['"
    + "(" * 3
    + "a{900}"
    + "){900}" * 3
    + "']",
}


@pytest.mark.parametrize("name", HEAVY)
async def test_rules_that_take_much_are_tried_apart_and_refused(name: str) -> None:
    """Whatever becomes of them, this process only waits."""
    apart = RulesApart(seconds=1)
    before = time.process_time()
    with pytest.raises(BadRules) as caught:
        await apart.tried(HEAVY[name], Context("input"), "x")
    assert len(str(caught.value)) <= 1000
    assert time.process_time() - before < 1


async def test_after_a_heavy_one_the_next_is_tried(site: Site) -> None:
    client = operator(site)
    body = {"text": "call 13800138000", "stage": "input"}
    refused = await client.post("/api/moderation/try", json={**body, "rules": HEAVY["a long number"]})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "rules_broken")
    rules = '[[moderators]]\nkind = "personal"'
    answer = await client.post("/api/moderation/try", json={**body, "rules": rules})
    assert answer.json()["items"][0]["findings"]
