"""The tab of replays: sets, runs, both sides of a pair, and votes that do not tell which is which."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pytest

from tests.api.conftest import MakeSite, Site
from tests.console.test_handlers import caller
from tests.store.talk import Talk
from webchat.console.asking import Caller
from webchat.console.replay.sets import Sets
from webchat.console.replay.side_by_side import SideBySide
from webchat.console.replay.votes import Pair, ReplayVotes
from webchat.feedback.replay import Replayer
from webchat.store.errors import NotFound, NothingToReplay
from webchat.store.records import Failure
from webchat.store.replay_records import STORED, ReplayVariant

EVIL = "<script>alert(1)</script>\n\n<img src=x onerror=alert(2)> **bold**"


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What notices said."""
    said: list[str] = []
    monkeypatch.setattr(gr, "Info", lambda text, **_: said.append(text))
    return said


async def a_set(site: Site, tab: Sets, who: Caller, count: int = 2) -> str:
    talk = Talk(site.store, who.owner.id, "old")
    for number in range(count):
        talk.say(f"<b>question {number}</b>", EVIL)
    made = await tab.create(who, " mine ", False)
    return str(made.value)


async def a_run(site: Site, tab: Sets, who: Caller, set_id: str, **values: str) -> str:
    model = site.services.models.infos()[0].name
    given = {"template": "", "temperature": "", "seed": "", "name": "", **values}
    await tab.start(who, set_id, model, *given.values())
    await Replayer(site.store, site.services.turns).do_open()
    return str(site.store.replay_runs(who.owner.id, set_id)[-1].id)


async def test_a_set_is_made_run_and_shown_side_by_side(make_site: MakeSite, told: list[str]) -> None:
    async with make_site() as site:
        tab, who = Sets(site.services), caller(site)
        assert not (await tab.show(who, None))[0].visible
        set_id = await a_set(site, tab, who)
        run = await a_run(site, tab, who, set_id, seed="7", name="seeded")
        assert told == ["Set created. Replies: 2.", "Started. It continues if you leave this page."]
        table, note, runs, left, right, timer, results, as_file, *_ = await tab.show(who, set_id)
        assert as_file.link == f"../api/replays/{set_id}/report"
        assert [row[0] for row in table.value["data"]] == ["As stored", "seeded"]
        assert (table.value["data"][1][1], table.value["data"][1][-1]) == ("2/2", "done")
        assert (note.value, timer.active, results.visible) == ("Replies: 2", False, True)
        assert ([value for _, value in runs.choices], left.value, right.value) == ([run], STORED, run)
        file = await site.client(who.owner).get(f"/api/replays/{set_id}/report")
        assert (file.status_code, file.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert file.headers["content-disposition"].startswith("attachment")
        assert "<script" not in file.text
        assert "seeded" in file.text
        compared, *_ = await SideBySide(site.services).compare(who, set_id, STORED, run)
        assert "<script" not in compared.value
        assert "<img" not in compared.value
        assert "\n" not in compared.value
        assert "&lt;b&gt;question 0&lt;/b&gt;" in compared.value
        assert "<del>" in compared.value
        assert "<ins>" in compared.value
        about, question, warning = await tab.ask_delete(who, set_id)
        assert (question.visible, about) == (True, set_id)
        assert (
            "**mine** with its runs (1), their replies, the judges' verdicts and the votes" in warning.value
        )
        await tab.delete(who, about)
        assert site.store.replay_sets(who.owner.id) == []


async def test_a_judge_is_chosen_with_its_prompt_and_its_verdicts_are_shown(
    make_site: MakeSite, told: list[str]
) -> None:
    async with make_site() as site:
        tab, who = Sets(site.services), caller(site)
        set_id = await a_set(site, tab, who, 1)
        *_, judged, _, which, called, model, prompt, remove, _ = await tab.show(who, set_id)
        assert (which.value, called.value, model.value, remove.visible) == ("", "", None, False)
        assert not judged.visible
        assert "{reply}" in prompt.value
        name = site.services.models.infos()[0].name
        with pytest.raises(gr.Error, match=r"no \{reply\}"):
            await tab.judge_replies(who, set_id, "", name, "Is it good?")
        await tab.judge_replies(who, set_id, "", name, "Kind? {reply}")
        await tab.judge_replies(who, set_id, " second ", name, "<i>Good</i>? {reply}")
        run = await a_run(site, tab, who, set_id)
        _, note, *_, judged, _, which, called, model, prompt, remove, _ = await tab.show(who, set_id)
        assert [value for _, value in which.choices] == ["", name, "second"]
        assert (which.value, called.value, model.value, remove.visible) == ("second", "second", name, True)
        assert prompt.value == "<i>Good</i>? {reply}"
        shown = await tab.judge_of(who, set_id, name)
        assert [one.value for one in shown[:3]] == [name, name, "Kind? {reply}"]
        shown = await tab.judge_of(who, set_id, "")
        assert [one.value for one in shown[:2]] == ["", None]
        assert f"Judges: {name}, second. 4 of 4 answers, 0 failed." in note.value
        assert f"{name} gave no verdict on 2 of 2 replies" in note.value
        assert judged.value["headers"][:4] == ["Check or judge", "Variant", "Pass", "No verdict"]
        assert [row[0] for row in judged.value["data"]] == [name] * 2 + ["second"] * 2
        assert {row[3] for row in judged.value["data"]} == {"1"}, "an echo decides nothing"
        assert {row[4] for row in judged.value["data"]} == {""}, "nor can it agree with anybody"
        compared, *_ = await SideBySide(site.services).compare(who, set_id, STORED, run)
        assert compared.value.count("no verdict") == 4
        assert "&lt;i&gt;Good&lt;/i&gt;?" in compared.value
        assert "<script" not in compared.value
        await tab.stop_judging(who, set_id, "second")
        assert told[-1] == "The judge and its verdicts were removed."
        assert [one.name for one in site.store.replay_set(who.owner.id, set_id).judges] == [name]


async def test_a_set_is_chosen_by_its_fields_and_checked_line_by_line(make_site: MakeSite) -> None:
    async with make_site() as site:
        tab, who = Sets(site.services), caller(site)
        talk = Talk(site.store, who.owner.id, "old")
        talk.say("a", "Order 12 is sent.")
        talk.say("b", "No order.")
        Talk(site.store, who.owner.id, "other").say("c", "Order 34 is sent.")
        fields = ("", "", "old", "", "", "", False, "ORDER\n\n  is \n", "refund", r"\b\d{2}\b", False)
        made = await tab.create(who, "checked", False, *fields)
        of = site.store.replay_set(who.owner.id, str(made.value))
        assert of.items == 2
        assert [tuple(one.values()) for one in of.assertions] == [
            ("contains", "ORDER"), ("contains", "is"), ("lacks", "refund"), ("matches", r"\b\d{2}\b"),
        ]  # fmt: skip
        table, *_, judged, _, _, _, _, _, _, _ = await tab.show(who, of.id)
        assert table.value["data"][0][-2].startswith("1 (")
        assert [(row[0], row[2][:3], *row[3:]) for row in judged.value["data"]] == [
            ("Contains: ORDER", "2/2", "", "", ""),
            ("Contains: is", "1/2", "", "", ""),
            ("Does not contain: refund", "2/2", "", "", ""),
            (r"Matches the pattern: \b\d{2}\b", "1/2", "", "", ""),
        ]
        with pytest.raises(gr.Error, match="missing"):
            await tab.create(who, "bad", False, *fields[:9], "(x", False)
        with pytest.raises(NothingToReplay):
            await tab.create(who, "none", False, "", "", "", "", "", "2001-01-01 00:00:00", False)


async def test_replies_are_not_read_again_while_a_run_goes_on(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with make_site() as site:
        tab, who = Sets(site.services), caller(site)
        set_id = await a_set(site, tab, who)
        run = site.store.start_replay(who.owner.id, set_id, "new", ReplayVariant("echo"))
        *_, computed = await tab.show(who, set_id)
        read: list[str] = []
        read_items = site.store.replay_items

        def noted(*args: Any, **more: Any) -> Any:
            read.append("page")
            return read_items(*args, **more)

        monkeypatch.setattr(site.store, "replay_items", noted)
        site.store.open_replay(run.id, 1)
        site.store.failed_replay(run.id, 1, Failure("x", "did not begin"))
        table, _, timer, computed = await tab.tick(who, set_id, computed)
        assert (read, timer.active) == ([], True)
        assert table.value["data"][1][:3] == ["new", "0/2", "1"]
        site.store.cancel_replay(who.owner.id, run.id)
        table, _, timer, _ = await tab.tick(who, set_id, computed)
        assert (read != [], timer.active) == (True, False)
        assert table.value["data"][1][-1] == "cancelled"


async def test_a_vote_is_blind_and_asked_for_once(make_site: MakeSite, told: list[str]) -> None:
    async with make_site() as site:
        tab, votes, who = Sets(site.services), ReplayVotes(site.services), caller(site)
        set_id = await a_set(site, tab, who)
        run = await a_run(site, tab, who, set_id, name="secret name")
        sides = set()
        for number in (1, 2):
            pair, shown, row = await votes.next(who, set_id, STORED, run)
            assert (pair.number, row.visible) == (number, True)
            assert "secret name" not in shown.value
            assert "<script" not in shown.value
            sides |= {pair.left, pair.right}
            await votes.vote(who, "both_bad", pair)
            assert "secret name" in told[-1]
        assert sides == {STORED, run}
        pair, shown, row = await votes.next(who, set_id, run, STORED)
        assert (pair, row.visible) == (None, False)
        assert {vote.preferred for vote in site.store.votes()} == {"tie"}
        assert {one.good for vote in site.store.votes() for one in (vote.left, vote.right)} == {False}


async def test_what_is_no_choice_is_refused(make_site: MakeSite) -> None:
    async with make_site() as site:
        tab, votes, who = Sets(site.services), ReplayVotes(site.services), caller(site)
        set_id = await a_set(site, tab, who)
        model = site.services.models.infos()[0].name
        for values in (
            (set_id, "", "", "", "", ""),
            (set_id, model, "", "warm", "", ""),
            (set_id, model, "", "9", "", ""),
            (set_id, model, "", "", "-1", ""),
        ):
            with pytest.raises(gr.Error):
                await tab.start(who, *values)
        with pytest.raises(gr.Error):
            await tab.create(who, " ", False)
        missing: list[Any] = [
            tab.start(who, set_id, "unknown", "", "", "", ""),
            tab.start(who, "none", model, "", "", "", ""),
            tab.start(who, None, model, "", "", "", ""),
            tab.cancel(who, ["x"]),
            tab.retry(who, "none"),
            tab.delete(who, 7),
            tab.show(who, "none"),
            votes.next(who, set_id, STORED, STORED),
            votes.vote(who, "equal", None),
            votes.vote(who, "equal", Pair(set_id, 1, STORED, "none")),
        ]
        for asked in missing:
            with pytest.raises(NotFound):
                await asked
