"""The operator's routes: what is on, what it would do, what it did."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.api.conftest import MakeSite, Site
from webchat.api import moderation
from webchat.moderation import Context, Moderation
from webchat.moderation.kinds.phrases import Phrases
from webchat.moderation.matching import Rule
from webchat.moderation.rules import BadRules, read_rules
from webchat.moderation.trying_apart import RulesApart
from webchat.store.decision_records import LoggedDecision

RULES = """
[[moderators]]
kind = "secrets"

[[moderators]]
kind = "phrases"
name = "house rules"
phrases = ["secret project", "机密项目"]
sentence = "Not here."

[[moderators]]
kind = "limits"
most_a_minute = 2
"""
KEY = "sk-" + "a1B2" * 10
ONE = LoggedDecision(datetime.now(UTC), "words", "words", "input", "block", "ada", "talk", None, "echo", 3, 9)


def operator(site: Site) -> httpx.AsyncClient:
    return site.client(site.operating())


async def test_it_says_what_is_on_in_order(make_site: MakeSite) -> None:
    async with make_site(moderators=read_rules(RULES)) as site:
        found = (await operator(site).get("/api/moderation")).json()
    assert [one["kind"] for one in found["moderators"]] == ["tidy", "secrets", "phrases", "limits"]
    phrases, limits = found["moderators"][2:]
    assert (phrases["name"], phrases["action"], phrases["count"]) == ("house rules", "block", 2)
    assert phrases["rules"][0]["sentence"] == "Not here."
    assert {rule["id"]: rule["most"] for rule in limits["rules"]}["limits.rate"] == 2
    assert found["keeps_content"] is False


async def test_a_text_is_tried_and_nothing_is_kept(make_site: MakeSite) -> None:
    text = f"my key {KEY} 🎉 and the secret project"
    async with make_site(moderators=read_rules(RULES)) as site:
        client = operator(site)
        for _ in range(3):  # no limit is used up by trying
            answer = await client.post("/api/moderation/try", json={"text": text, "stage": "output"})
            sent = await client.post("/api/moderation/try", json={"text": "hello", "stage": "input"})
            assert sent.json()["items"][0]["blocked"] is None
        (item,) = answer.json()["items"]
        assert (await client.get("/api/moderation/decisions")).json()["items"] == []
    assert item["blocked"] == "house rules"
    assert item["result"] == "my key [secret] 🎉 and the "
    marked = [(one["rule"], text[one["start"] : one["end"]]) for one in item["findings"]]
    assert marked == [("secrets.openai", KEY), ("house rules", "secret project")]


async def test_the_newest_messages_of_everybody_are_tried(make_site: MakeSite) -> None:
    async with make_site(moderators=read_rules(RULES)) as site:
        ada = site.client(site.visitor())
        for words in ("x" * 900 + " the secret project " + "y" * 900, "harmless"):
            begun = await site.send(ada, words)
            await site.ended(ada, begun["reply"]["id"])
        answer = await operator(site).post("/api/moderation/try", json={"last": 10, "stage": "input"})
        found = answer.json()
    assert (found["checked"], found["whole"]) == (2, True)
    (item,) = found["items"]
    (one,) = item["findings"]
    begin = one["start"] - item["from"]
    assert item["text"][begin : begin + 14] == "secret project"
    assert len(item["text"]) < 500


async def test_a_dry_run_ends_in_time(make_site: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moderation, "TRY_SECONDS", 0.0)
    async with make_site(moderators=read_rules(RULES)) as site:
        ada = site.client(site.visitor())
        for _ in range(2):
            await site.send(ada, "hello")
        answer = await operator(site).post("/api/moderation/try", json={"last": 10, "stage": "input"})
    assert (answer.json()["checked"], answer.json()["whole"]) == (1, False)


async def test_rules_are_tried_before_they_are_in_force(site: Site) -> None:
    rules = '''[[moderators]]
kind = "patterns"
name = "phones"
patterns = ['1[3-9]\\d{9}']
action = "replace"'''
    body = {"text": "call 13800138000", "stage": "input", "rules": rules}
    (item,) = (await operator(site).post("/api/moderation/try", json=body)).json()["items"]
    assert (item["result"], item["findings"][0]["rule"]) == ("call ", "phones")


@pytest.mark.parametrize(
    ("rules", "where"),
    [
        ("[[moderators]", "line 1"),
        ('[[moderators]]\nkind = "phrases"\nphrase = ["x"]', "moderators.0.phrases.phrase"),
        ('[[moderators]]\nkind = "patterns"\npatterns = ["("]', "patterns"),
        ('[[moderators]]\nkind = "phrases"\nfile = "/etc/passwd"', "moderators.0.file"),
        ('[[moderators]]\nkind = "endpoint"\nurl = "http://10.0.0.1"', "moderators.0.kind"),
        ("moderators = 3", "moderators"),
        ("other = 3", "other"),
        ("a = " + "[" * 20_000, "too deeply"),
    ],
)
async def test_rules_that_cannot_be_used_say_where(site: Site, rules: str, where: str) -> None:
    body = {"text": "x", "stage": "input", "rules": rules}
    answer = await operator(site).post("/api/moderation/try", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "rules_broken"
    assert where in answer.json()["error"]["message"]
    assert "root:" not in answer.text


async def test_the_log_is_read_in_pages_and_by_filters(site: Site) -> None:
    site.store.add_decisions([replace(ONE, start=number) for number in range(5)])
    site.store.add_decisions([replace(ONE, rule="other", stage="output", action="flag")])
    client = operator(site)
    first = (await client.get("/api/moderation/decisions", params={"limit": 4})).json()
    rest = (await client.get("/api/moderation/decisions", params={"cursor": first["next"]})).json()
    assert [one["start"] for one in first["items"] + rest["items"]] == [3, 4, 3, 2, 1, 0]
    assert rest["next"] is None
    for wanted in ({"rule": "other"}, {"stage": "output"}, {"action": "flag"}):
        found = (await client.get("/api/moderation/decisions", params=wanted)).json()["items"]
        assert [one["rule"] for one in found] == ["other"]
    assert (await client.get("/api/moderation/decisions", params={"stage": "no"})).status_code == 400


async def test_counts_are_of_so_many_days(site: Site) -> None:
    site.store.add_decisions([ONE, replace(ONE, at=ONE.at - timedelta(days=8))])
    client = operator(site)
    for days, count in ((7, 1), (30, 2)):
        (item,) = (await client.get("/api/moderation/counts", params={"days": days})).json()["items"]
        assert item == {"rule": "words", "moderator": "words", "action": "block", "count": count}


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r"])
async def test_no_spreadsheet_runs_what_somebody_wrote(site: Site, begin: str) -> None:
    wrote = f'{begin}HYPERLINK("http://x","机密")'
    site.store.add_decisions([replace(ONE, content=wrote)])
    answer = await operator(site).get("/api/moderation/decisions/export", params={"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert rows[0]["content"] == "'" + wrote
    assert rows[0]["start"] == "3"


async def test_an_export_has_every_line_the_filter_leaves(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moderation, "_EXPORT_PAGE", 3)
    site.store.add_decisions([replace(ONE, start=number) for number in range(7)])
    site.store.add_decisions([replace(ONE, rule="other")])
    params = {"format": "jsonl", "rule": "words"}
    answer = await operator(site).get("/api/moderation/decisions/export", params=params)
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["start"] for line in lines] == [6, 5, 4, 3, 2, 1, 0]
    assert 'filename="webchat-decisions' in answer.headers["content-disposition"]


async def test_a_place_is_found_behind_replacements_of_any_length() -> None:
    from webchat.moderation.trying import try_rules

    def rule(name: str, instead: str) -> Rule:
        return Rule(name, "replace", instead)

    moderators = [
        Phrases("a", {"long phrase": rule("a", "x"), "tiny": rule("a", "something longer")}),
        Phrases("b", {"gone": rule("b", "")}),
        Phrases("c", {"end": rule("c", "!"), "longer": rule("c", "?")}),
    ]
    text = "a long phrase, gone, tiny, gone: the end"
    trial = await try_rules(Moderation(moderators), Context("input"), text)
    places = [(one.moderator, text[one.start : one.end]) for one in trial.found]
    assert ("a", "long phrase") in places
    assert places.count(("b", "gone")) == 2
    assert ("c", "end") in places
    assert ("c", "tiny") in places  # what it found stands only in the replacement


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
    client = site.client(site.operating())
    body = {"text": "call 13800138000", "stage": "input"}
    refused = await client.post("/api/moderation/try", json={**body, "rules": HEAVY["a long number"]})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "rules_broken")
    rules = '[[moderators]]\nkind = "personal"'
    answer = await client.post("/api/moderation/try", json={**body, "rules": rules})
    assert answer.json()["items"][0]["findings"]
