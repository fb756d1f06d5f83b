"""The handlers of the tab of moderation: what is active, what it would do, what it did."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import gradio as gr
import pytest

from tests.api.conftest import MakeSite, Site
from tests.console.test_handlers import caller
from webchat.console.asking import Caller
from webchat.console.moderation.log import Decisions
from webchat.console.moderation.rules import Rules
from webchat.console.moderation.trial import MOST_RULES, MOST_TEXT, Trials
from webchat.moderation.rules import read_rules
from webchat.store.decision_records import LoggedDecision
from webchat.store.errors import NotFound

RULES = """
[[moderators]]
kind = "secrets"

[[moderators]]
kind = "phrases"
name = "house rules"
phrases = ["secret project", "机密项目"]
sentence = "Not *here*."

[[moderators]]
kind = "limits"
most_a_minute = 2
"""
PHONES = """[[moderators]]
kind = "patterns"
name = "phones"
patterns = ['1[3-9]\\d{9}']
action = "replace"
instead = "<phone>"
"""
KEY = "sk-" + "a1B2" * 10
ONE = LoggedDecision(datetime.now(UTC), "words", "words", "input", "block", "ada", "talk", None, "echo", 3, 9)
EVERY = ("", "", "", "")


def data(table: Any) -> list[list[str]]:
    return list(table.value["data"])


async def test_rules_are_shown_in_the_order_they_act(make_site: MakeSite) -> None:
    async with make_site(moderators=read_rules(RULES)) as site:
        lost, table, about, none, _ = await Rules(site.services).show(caller(site))
        chinese = (await Rules(site.services).show(caller(site, "zh-CN")))[1]
    assert not lost.visible
    assert not none.visible
    rows = data(table)
    assert [row[0] for row in rows] == ["Tidying", "Secrets", "house rules (Phrases)", "Limits"]
    assert rows[2][1:5] == ["Blocks", "User input, Model output, Stored text", "2 phrases", "Not *here*."]
    assert rows[3][3] == "up to 2 messages per minute"
    assert [row[0] for row in data(chinese)][-1] == "限制"
    assert "never the text" in about


async def test_the_rules_of_profiles_follow_with_their_name(site: Site) -> None:
    services = replace(site.services, profiles={"study": read_rules(PHONES)})
    _, table, about, none, _ = await Rules(services).show(caller(site))
    assert [row[0] for row in data(table)] == ["Profile “study”\nphones (Patterns)"]
    assert (table.visible, none.visible) == (True, False)
    assert "testers whose link names it" in about


async def test_without_rules_it_says_how_to_set_some_up(site: Site) -> None:
    _, table, _, none, example = await Rules(site.services).show(caller(site))
    assert (table.visible, none.visible) == (False, True)
    read_rules(example.value)


async def test_a_text_is_tried_with_what_is_found_in_it_and_nothing_is_stored(make_site: MakeSite) -> None:
    text = f"my key {KEY} 🎉 and <b>the secret project"
    async with make_site(moderators=read_rules(RULES)) as site:
        for _ in range(3):  # no limit is used up by trying
            said, found, result = await Trials(site.services).text(caller(site), text, "output", "")
        assert site.store.decisions().items == ()
    pieces = [(one["token"], one["class_or_confidence"]) for one in found.value]
    assert "".join(piece for piece, _ in pieces) == text
    marks = {label: piece for piece, label in pieces if label}
    assert marks == {"Masked: OpenAI key → [secret]": KEY, "Blocked: house rules": "secret project"}
    assert "Blocked by “house rules”.** Not \\*here\\*\\." in said
    assert (result.value, result.visible) == ("my key [secret] 🎉 and <b>the ", True)


async def test_of_a_refused_message_nothing_passes(make_site: MakeSite) -> None:
    async with make_site(moderators=read_rules(RULES)) as site:
        who = caller(site, "zh-CN")
        said, _, result = await Trials(site.services).text(who, "机密项目", "input", None)
        clean, found, passed = await Trials(site.services).text(who, "你好", "input", None)
    assert "不会放行任何内容" in said
    assert not result.visible
    assert (clean, found.visible, passed.value) == ("没有规则命中这段文字。", False, "你好")


async def test_other_rules_are_tried_and_mistakes_in_them_told(site: Site) -> None:
    trials, who = Trials(site.services), caller(site)
    _, _, result = await trials.text(who, "call 13800138000", "input", PHONES)
    assert result.value == "call <phone>"
    said, found, result = await trials.text(who, "x", "input", '[[moderators]]\nkind = "phrases"\nphrase = 1')
    assert said.startswith("**These rules cannot be used.** moderators\\.0\\.phrases\\.phrase")
    assert (found.visible, result.visible) == (False, False)


async def test_the_newest_messages_of_everybody_are_tried(make_site: MakeSite) -> None:
    async with make_site() as site:
        ada = site.client(site.visitor())
        await site.send(ada, "call 13800138000")
        await site.send(ada, "hello")
        said, found, result = await Trials(site.services).last(caller(site), 10, "input", PHONES)
    assert said.startswith("The rules would act on 1 of 2 messages.")
    shown = "".join(one["token"] for one in found.value)
    assert shown.startswith("A person · Just now · …")
    assert "call 13800138000" in shown
    assert "hello" not in shown
    assert not result.visible


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("text", ("", "input", "")), ("text", ("a" * (MOST_TEXT + 1), "input", "")),
        ("text", (5, "input", "")), ("text", ("a", "nowhere", "")), ("text", ("a", ["input"], "")),
        ("text", ("a", "input", "a" * (MOST_RULES + 1))), ("text", ("a", "input", 5)),
        ("last", (0, "input", "")), ("last", (501, "input", "")), ("last", (1.5, "input", "")),
        ("last", (None, "input", "")), ("last", (float("nan"), "input", "")), ("last", ("5", "input", "")),
    ],
)  # fmt: skip
async def test_what_cannot_be_tried_is_refused(site: Site, name: str, values: tuple[Any, ...]) -> None:
    with pytest.raises(gr.Error):
        await getattr(Trials(site.services), name)(caller(site), *values)


async def test_the_log_is_read_in_pages_and_by_filters(site: Site) -> None:
    site.store.add_decisions([replace(ONE, start=number) for number in range(60)])
    site.store.add_decisions([replace(ONE, rule="other", stage="output", action="flag")])
    decisions, who = Decisions(site.services), caller(site)
    table, none, cursor, older, _, csv, _ = await decisions.show(who, *EVERY)
    assert (len(data(table)), older.visible, none.visible) == (50, True, False)
    assert data(table)[0][1:5] == ["other", "Flagged", "Model output", "…talk"]
    assert csv.link.endswith("/export?format=csv")
    table, _, cursor, older, _ = await decisions.older(who, cursor, *EVERY)
    assert (len(data(table)), cursor, older.visible) == (11, None, False)
    for filters in (
        ("other", "", "", ""),
        ("", "output", "", ""),
        ("", "", "flag", ""),
        ("", "?", "flag", 5),
    ):
        table, *_, jsonl = await decisions.show(who, *filters)
        assert [row[1] for row in data(table)] == ["other"]
    assert jsonl.link.endswith("/export?format=jsonl&action=flag")
    _, none, *_ = await decisions.show(who, "", "", "", " nobody's ")
    assert none.value == "No matching decisions."
    choice = await decisions.rules(who, "gone")
    assert (choice.value, [value for _, value in choice.choices]) == ("", ["", "other", "words"])


async def test_a_decision_has_its_text_only_where_that_is_kept(site: Site) -> None:
    who = caller(site)
    mine = replace(ONE, owner_id=who.owner.id, message_id="m&x", content="<b>the text</b>")
    site.store.add_decisions([ONE, mine])
    decisions = Decisions(site.services)
    table, *_ = await decisions.show(who, *EVERY)
    assert "the text" not in str(data(table))
    kept, bare = data(table)
    _, about, content = await decisions.about(who, bare)
    assert (content.value, content.visible) == ("", False)
    assert "characters 3–9" in about.replace("\\", "")
    assert "../" not in about
    _, about, content = await decisions.about(who, kept)
    assert content.value == "<b>the text</b>"
    assert "(../?c=talk&m=m%26x)" in about


@pytest.mark.parametrize("row", [[], ["x"], [None], [{}], [True], ["-1"], ["²"], ["9" * 30], ["7"]])
async def test_of_what_is_no_decision_nothing_is_said(site: Site, row: list[Any]) -> None:
    site.store.add_decisions([ONE])
    with pytest.raises(NotFound):
        await Decisions(site.services).about(caller(site), row)


async def test_counts_are_of_so_many_days_and_lead_to_the_log(site: Site) -> None:
    site.store.add_decisions([ONE, replace(ONE, at=ONE.at - timedelta(days=8)), replace(ONE, action="flag")])
    decisions = Decisions(site.services)
    for language, said in (("en", "2 decisions in 7 days"), ("zh-CN", "7 天内共 2 条记录")):
        who: Caller = caller(site, language)  # type: ignore[arg-type]
        lead, table = await decisions.counts(who, 7)
        assert lead == said
        rule, stage, action, conversation, tabs = await decisions.in_log(who, data(table)[0])
        assert (rule.value, stage, action, conversation, tabs.selected) == ("words", "", "block", "", "log")
    assert [row[2] for row in data((await decisions.counts(who, 30))[1])] == ["2", "1"]
    assert "30" in (await decisions.counts(who, {"days": 7}))[0]
    for row in ([], [1, 2, 3, 4, 5], ["x"]):
        with pytest.raises(NotFound):
            await decisions.in_log(who, row)
