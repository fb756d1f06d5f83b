"""The tab of judgements: what operators are shown of them, and what they decide."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import gradio as gr
import pytest

from tests.api.conftest import MakeSite, Site
from tests.console.test_handlers import caller
from tests.store.talk import Talk
from tests.store.test_comparisons import _ended
from webchat.console.feedback.filters import Choices, filter_of
from webchat.console.feedback.judgement import OneJudgement
from webchat.console.feedback.plot import MOST_BARS, MOST_MODELS, plot
from webchat.console.feedback.results import ModelResults
from webchat.console.feedback.table import MOST_SHOWN, Judgements
from webchat.console.feedback.votes import Votes
from webchat.console.paging import FIRST
from webchat.models import ModelSpec
from webchat.store.errors import NotFound
from webchat.store.judgement_records import (
    JudgementChange,
    JudgementCount,
    JudgementFilter,
    Preferred,
    Review,
    Vote,
)
from webchat.store.link_records import LinkTerms
from webchat.store.records import ConversationSettings, NewSide, NewTurn

GOOD, BAD = JudgementChange(rating=1), JudgementChange(rating=-1)
CONSENT = LinkTerms(consent="We read.", consent_version=1)


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What notices said."""
    said: list[str] = []
    monkeypatch.setattr(gr, "Info", lambda text, **_: said.append(text))
    return said


def of_a_link(site: Site, terms: LinkTerms) -> Talk:
    link = site.store.create_link("Beta", f"hash {terms.title}", None, terms)
    owner = site.store.create_owner("guest", "Tess", link.id).id
    if terms.consent:
        site.store.consent(owner, 1)
    return Talk(site.store, owner, "model a")


def judged(talk: Talk, change: JudgementChange, asked: str = "q", said: str = "a") -> str:
    one = talk.store.judge(talk.owner, talk.say(asked, said).reply.id, change)
    assert one is not None
    return one.id


def words(messages: Any) -> list[str]:
    return [part["text"] for message in messages.value for part in message["content"]]


def ids(shown: list[Any]) -> list[str]:
    return [row[-1] for row in shown[0].value["data"]]


async def test_judgements_are_listed_filtered_and_paged(make_site: MakeSite) -> None:
    async with make_site() as site:
        who = caller(site)
        judgements, choices = Judgements(site.services), Choices(site.services)
        empty = await judgements.show(who, "", "", "", "")
        assert not empty[0].visible
        assert empty[1].value == "Nobody has judged a reply yet."
        talk = of_a_link(site, CONSENT)
        good = [judged(talk, GOOD) for _ in range(MOST_SHOWN)]
        bad = judged(talk, BAD, "why?", "because")
        first = await judgements.show(who, "", "", "", "")
        assert ids(first) == [bad, *reversed(good[1:])]
        assert first[0].value["data"][0][1:7] == [
            "model a",
            "Bad",
            "",
            "New · not for training",
            "why?",
            "because",
        ]
        assert list(first[2]) == ids(first)
        older = await judgements.older(who, first[4], "", "", "", "")
        assert ids(older) == good[:1]
        assert ids(await judgements.newer(who, older[4], "", "", "", "")) == ids(first)
        assert ids(await judgements.show(who, "model a", "", "bad", "new")) == [bad]
        none = await judgements.show(who, "model b", "", "", "")
        assert none[1].value == "No matching judgements."
        models, links, ratings, states, _, _, people = await choices.choices(who)
        assert [value for _, value in models.choices] == ["", "model a"]
        assert [name for name, _ in links.choices] == ["All", "Beta"]
        assert [len(ratings.choices), len(states.choices)] == [4, 5]
        assert people.choices[1:] == [(talk.owner[-4:], talk.owner)]
        assert first[-1].value == "Matching judgements: 51"
        by_day = ("", "", "", "", "", "", talk.owner, "2020-01-01", "2020-01-02")
        assert (await judgements.show(who, *by_day))[1].visible
        by_day = ("", "", "", "", "", "", talk.owner, "2020-01-01", "2099-01-02")
        assert ids(await judgements.show(who, *by_day)) == ids(first)


async def test_one_is_read_and_decided(make_site: MakeSite, told: list[str]) -> None:
    async with make_site() as site:
        who = caller(site)
        judgements, judging = Judgements(site.services), OneJudgement(site.services)
        talk = of_a_link(site, CONSENT)
        evil = "<img src=x onerror=alert(1)>"
        id = judged(talk, JudgementChange(-1, ("unsafe", "too <b>loud</b>"), comment=evil), evil, "a reply")
        assert await judgements.chosen(who, ["now", id]) == id
        card, about, messages, said, better, seen = await judging.read(who, id)
        assert card.visible
        assert "model a" in about
        assert words(messages) == ["&lt;img src=x onerror=alert(1)&gt;", "a reply"]
        assert "Unsafe, too" in said.value
        assert "<img" not in said.value.replace("\\<", "")
        assert better == "a reply"

        def state() -> Review:
            return site.store.judgement(who.owner.id, id).review

        await judging.accept(who, seen)
        assert (state().state, state().by) == ("accepted", who.owner.id)
        await judging.edit(who, seen, "a better reply")
        assert (state().state, state().better) == ("edited", "a better reply")
        assert (await judging.read(who, id))[-2] == "a better reply"
        await judging.renew(who, seen)
        await judging.reject(who, seen)
        assert (state().state, state().better) == ("rejected", "")
        assert told == [
            "Accepted: 1.",
            "Accepted with your answer.",
            "Marked for another review.",
            "Rejected: 1.",
        ]
        for wrong in (None, "", [id], 5, {"unknown": seen[id]}):
            with pytest.raises(NotFound):
                await judging.accept(who, wrong)


async def test_a_page_is_decided_at_once_and_nothing_else_is(make_site: MakeSite, told: list[str]) -> None:
    async with make_site() as site:
        judgements, who = Judgements(site.services), caller(site)
        talk = of_a_link(site, CONSENT)
        mine = [judged(talk, GOOD) for _ in range(3)]
        seen = (await judgements.show(who, "", "", "", ""))[2]
        await judgements.accept_all(who, {id: seen[id] for id in mine[:2]})
        assert ids(await judgements.show(who, "", "", "", "accepted")) == [mine[1], mine[0]]
        reply = site.store.judgement(who.owner.id, mine[1]).message_id
        site.store.judge(talk.owner, reply, BAD)
        await judgements.reject_all(who, {id: seen[id] for id in mine[1:]})
        assert told[-2:] == ["Rejected: 1.", "Changed in the meantime and left as is: 1. Open them again."]
        assert ids(await judgements.show(who, "", "", "", "rejected")) == [mine[2]]
        with pytest.raises(NotFound):
            await judgements.accept_all(who, "all")


async def test_the_last_decision_is_undone_and_nobody_elses(make_site: MakeSite, told: list[str]) -> None:
    async with make_site() as site:
        judgements, judging, who = Judgements(site.services), OneJudgement(site.services), caller(site)
        talk = of_a_link(site, CONSENT)
        mine = [judged(talk, GOOD) for _ in range(4)]
        seen = (await judgements.show(who, "", "", "", ""))[2]
        await judging.edit(who, {mine[0]: seen[mine[0]]}, "Better.")
        was = site.store.judgement(who.owner.id, mine[0]).review
        slip, button = await judgements.reject_all(who, seen)
        assert button.visible
        # Since then one was decided by another operator, and one changed by its person.
        other = site.store.add_person("here", "eve", "Eve", operates=True).owner_id
        site.store.review_judgements(other, {mine[1]: seen[mine[1]]}, "rejected")
        site.store.judge(talk.owner, site.store.judgement(who.owner.id, mine[2]).message_id, BAD)
        hidden, button = await judgements.undo_review(who, slip)
        assert (hidden, button.visible) == (None, False)
        now = {id: site.store.judgement(who.owner.id, id).review for id in mine}
        assert now[mine[0]] == was
        assert now[mine[1]].by == other
        assert now[mine[3]].state == "new"
        assert told[-1] == "Undone: 2."
        await judgements.undo_review(who, slip)
        assert told[-1].startswith("Nothing was undone")
        assert {id: site.store.judgement(who.owner.id, id).review for id in mine} == now


async def test_who_did_not_consent_is_not_read(make_site: MakeSite) -> None:
    async with make_site() as site:
        who = caller(site)
        judgements, judging = Judgements(site.services), OneJudgement(site.services)
        id = judged(of_a_link(site, LinkTerms()), GOOD, "private", "words")
        shown = await judgements.show(who, "", "", "", "")
        assert shown[0].value["data"][0][5:7] == ["", ""]
        _, _, messages, _, better, _ = await judging.read(who, id)
        assert "private" not in str(messages.value)
        assert "consent sentence" in words(messages)[0]
        assert better == ""


async def test_results_say_how_many_people_stand_behind_them(make_site: MakeSite) -> None:
    async with make_site() as site:
        results, who = ModelResults(site.services), caller(site)
        table, compared, notes = await results.results(who)
        assert not table.visible
        assert not compared.visible
        assert notes.value == "Nobody has voted on a comparison yet."
        for at in range(6):
            talk = of_a_link(site, LinkTerms(title=str(at)))
            judged(talk, GOOD if at else BAD)
        table, *_ = await results.results(who)
        (row,) = table.value["data"]
        assert (row[0], row[2:]) == ("model a", [5, 1, 6])
        assert row[1].startswith("83 % (")


def test_what_a_field_cannot_mean_filters_nothing() -> None:
    assert filter_of("a", "id", "bad", "edited") == JudgementFilter(
        model="a", link_id="id", rating=-1, review="edited"
    )
    assert filter_of() == filter_of(7, "x" * 65, "worst", None) == JudgementFilter()
    assert FIRST.cursor is None


async def test_the_chat_that_was_judged_is_one_click_away(make_site: MakeSite) -> None:
    async with make_site() as site:
        judging, who = OneJudgement(site.services), caller(site)
        mine, tester = Talk(site.store, who.owner.id), of_a_link(site, CONSENT)
        unread = of_a_link(site, LinkTerms(title="2"))
        about = [str((await judging.read(who, judged(talk, GOOD)))[1]) for talk in (mine, tester, unread)]
        assert "(../?c=" in about[0]
        assert "(?tab=testers&chat=" in about[1]
        assert "](" not in about[2]


async def test_a_vote_is_read_and_rejected_in_the_tab(make_site: MakeSite, told: list[str]) -> None:
    async with make_site() as site:
        votes, who = Votes(site.services), caller(site)
        talk = of_a_link(site, CONSENT)
        id = _ended(talk, link_id=site.store.owner(talk.owner).link_id)[0]
        site.store.vote_on(talk.owner, id, Vote("tie", False, False, "<b>bad</b>"))
        table, *_ = await votes.show(who, "")
        (row,) = table.value["data"]
        assert row[1:5] == ["Which one?", "tall", "small", "Both bad"]
        _, card, about, messages = await votes.chosen(who, row)
        assert card.visible
        assert "<b>" not in about.value.replace("\\<", "")
        assert [text.partition("\n")[0] for text in words(messages)] == [
            "Which one?",
            "A · tall",
            "B · small",
        ]
        await votes.reject(who, id)
        assert told == ["Rejected: 1."]
        assert site.store.votes() == []
        assert [(await votes.show(who, state))[0].visible for state in ("new", "rejected")] == [False, True]
        await votes.renew(who, id)
        with pytest.raises(NotFound):
            await votes.accept(who, "nothing")


async def test_results_are_by_model_or_by_model_and_settings(make_site: MakeSite) -> None:
    async with make_site() as site:
        results, who = ModelResults(site.services), caller(site)
        sides = [
            NewSide("tall", "tall", ConversationSettings(system_prompt=said)) for said in ("Brief.", None)
        ]
        talk = Talk(site.store, who.owner.id)
        votes: tuple[Preferred, ...] = ("left", "left", "right")
        for at, preferred in enumerate(votes):
            new = NewTurn(None, None, "Which one?", f"key {at}", "")
            begun = site.store.begin_comparison(talk.owner, new, *sides)
            for side in begun.sides or ():
                talk.finish(side.reply.id, "words")
            assert begun.reply.compared is not None
            site.store.vote_on(talk.owner, begun.reply.compared.id, Vote(preferred))
        _, by_model, notes = await results.results(who, "model")
        assert not by_model.visible
        assert "count only by *Model and settings*: tall" in notes.value
        _, by_variant, notes = await results.results(who, "variant")
        rows = {row[0]: (row[3], row[4]) for row in by_variant.value["data"]}
        assert rows == {"tall · system prompt": (2, 1), "tall": (1, 2)}
        assert "Model and settings" not in notes.value


async def test_a_removed_model_keeps_its_votes_and_its_name(make_site: MakeSite) -> None:
    tall, small = (ModelSpec(name=name, kind="echo") for name in ("tall", "small"))
    async with make_site(specs=[tall, small]) as site:
        who = caller(site)
        talk = Talk(site.store, who.owner.id, "tall")
        id = _ended(talk)[0]
        site.store.vote_on(talk.owner, id, Vote("left"))
        accepted = judged(talk, GOOD)
        site.store.judge(talk.owner, talk.begin("still running").reply.id, BAD)
    async with make_site(specs=[small]) as site:
        who = caller(site)
        assert [info.name for info in site.services.models.infos()] == ["small"]
        liked, compared, _ = await ModelResults(site.services).results(who)
        assert [row[:4] for row in liked.value["data"]] == [["tall", "50 %", 1, 1]]
        assert {row[0]: (row[3], row[4]) for row in compared.value["data"]} == {
            "tall": (1, 0), "small": (0, 1),
        }  # fmt: skip
        models, *_ = await Choices(site.services).choices(who)
        assert "tall" in [value for _, value in models.choices]
        shown = await Judgements(site.services).show(who, "tall", "", "good", "")
        assert ids(shown) == [accepted]
        assert shown[0].value["data"][0][1] == "tall"
        (vote,) = site.store.usable_comparisons()
        assert {vote.left.model, vote.right.model} == {"tall", "small"}


async def test_bars_of_a_plot_are_as_high_as_the_counts(make_site: MakeSite) -> None:
    async with make_site() as site:
        who, day = caller(site), date(2026, 1, 1)
        counts = [
            JudgementCount("<m>", day, good=3, bad=1, better=0, total=4),
            JudgementCount("<m>", day + timedelta(days=1), good=0, bad=1, better=1, total=2),
            JudgementCount("n", day + timedelta(days=1), good=1, bad=0, better=0, total=1),
        ]
        drawn = plot(who, counts)
        assert "<m>" not in drawn
        heights = re.findall(r'class="wc-plot-(\w+)"[^>]*height="([\d.]+)"', drawn)
        assert heights == [
            ("good", "54.00"), ("bad", "18.00"), ("bad", "18.00"), ("other", "18.00"), ("good", "18.00"),
        ]  # fmt: skip
        long = [replace(counts[0], day=day + timedelta(days=at)) for at in range(900)]
        assert drawn.count("<figure>") == 2
        assert 50 <= plot(who, long).count("<g>") <= MOST_BARS
        many = [replace(counts[0], model=f"m{at}") for at in range(9)]
        assert plot(who, many).count("<figure>") == MOST_MODELS
        assert plot(who, []) == ""
        assert not (await ModelResults(site.services).plot(who)).visible
