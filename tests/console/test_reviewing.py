"""Queues in the console: made of what is asked for, with how far reviewers agree."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pytest

from tests.api.conftest import MakeSite
from tests.api.test_queues import agreeing
from tests.console.test_feedback import told  # noqa: F401  used by all
from tests.console.test_handlers import caller
from webchat.console.feedback.reviewing import Queues, queue_of
from webchat.store.queue_records import NewReview


async def test_a_queue_is_made_watched_and_closed(make_site: MakeSite, told: list[str]) -> None:  # noqa: F811
    async with make_site() as site:
        queues, who, store = Queues(site.services), caller(site), site.store
        agreeing(site, "one", "two")
        people = [site.person(name, "x").id for name in ("ada", "bob")]
        kinds, _models, links, _judged, named = await queues.choices(who)
        assert [name for name, _ in kinds.choices] == ["Replies", "Comparisons"]
        assert [name for name, _ in links.choices] == ["All", "testers"]
        assert {value for _, value in named.choices} == set(people)
        await queues.make(who, "First", "replies", "", "", "any", "2020-01-01", "2099-01-01", 2, people)
        assert told == ["Queue created. Items: 2."]
        table, *_ = await queues.show(who)
        (row,) = table.value["data"]
        assert row[1:6] == ["First", "Replies", "2", "0 / 4", "Open"]
        for person, verdicts in zip(people, (["accept", "reject"], ["accept", "accept"]), strict=True):
            for verdict in verdicts:
                task = store.next_review(person, row[-1])
                assert task is not None
                store.give_review(person, task.item_id, NewReview(verdict))  # type: ignore[arg-type]
        id, card, about = await queues.chosen(who, row)
        assert card.visible
        assert "4 reviews by 2 people" in about.value
        assert "alpha" in about.value
        assert (await queues.show(who))[0].value["data"][0][4:6] == ["4 / 4", "Done"]
        await queues.close(who, id)
        assert (await queues.show(who))[0].value["data"][0][5] == "Closed"


@pytest.mark.parametrize("fields", [("",), (None,), ("x", "comparisons", "", "", "good")])
async def test_what_makes_no_queue_is_refused(make_site: MakeSite, fields: tuple[Any, ...]) -> None:
    async with make_site() as site:
        with pytest.raises(gr.Error):
            await Queues(site.services).make(caller(site), *fields)
        assert site.store.queues(caller(site).owner.id).items == ()


def test_fields_that_mean_nothing_are_left_out() -> None:
    strange = queue_of("x", 1, [], {}, "best", "never", "9999-12-31", "many", "all")
    assert strange == queue_of("x")
    assert queue_of("x", reviews=99).reviews == 10
    before = queue_of("x", until="2026-01-31").wanted.before
    assert before is not None
    assert before.isoformat() == "2026-02-01T00:00:00+00:00"
