"""The operator's routes: what is on, what it would do, what it did."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.api.conftest import MakeSite, Site
from webchat.api import moderation
from webchat.moderation import Context, Moderation
from webchat.moderation.kinds.phrases import Phrases
from webchat.moderation.matching import Rule
from webchat.moderation.rules import read_rules
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
