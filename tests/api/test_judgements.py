"""Judging over HTTP: what one's link asks, also while a reply is written, for operators to review."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.conftest import MakeSite, Site
from tests.turns.held import Held


async def replied(site: Site, client: httpx.AsyncClient) -> str:
    """The id of a reply that has ended."""
    reply: str = (await site.send(client))["reply"]["id"]
    await site.ended(client, reply)
    return f"/api/messages/{reply}"


async def test_a_judgement_is_kept_changed_and_withdrawn(site: Site) -> None:
    client = site.client(site.visitor())
    message = await replied(site, client)
    path = f"{message}/judgement"
    nothing = (await client.get(path)).json()
    assert (nothing["rating"], nothing["at"]) == (0, None)
    body = {"rating": -1, "reasons": ["style_bad"], "comment": "Stiff.", "better": "Hi!"}
    assert (await client.put(path, json=body)).json().items() >= body.items()
    changed = (await client.put(path, json={"comment": ""})).json()
    assert (changed["rating"], changed["comment"], changed["better"]) == (-1, "", "Hi!")
    shown = (await client.get(message)).json()["message"]
    assert (shown["rating"], shown["judged"]) == (-1, True)
    assert (await client.delete(path)).status_code == 204
    assert not (await client.get(message)).json()["message"]["judged"]
    assert (await client.get(path)).json() == nothing


async def test_a_reply_is_judged_while_it_is_written(make_site: MakeSite) -> None:
    backend = Held()
    async with make_site(backend) as site:
        client = site.client(site.visitor())
        reply = (await site.send(client, "slow"))["reply"]["id"]
        while (await client.get(f"/api/messages/{reply}")).json()["message"]["seq"] < 1:
            pass
        path = f"/api/messages/{reply}/judgement"
        assert (await client.put(path, json={"rating": 1, "seq": 7})).json()["seq"] == 1
        backend.go["slow"].set()
        await site.ended(client, reply)
        assert (await client.get(path)).json()["seq"] == 1


@pytest.mark.parametrize(
    ("asks", "taken"),
    [
        (["thumbs"], {"rating", "comment"}),
        (["tags"], {"reasons", "comment"}),
        (["better_answer"], {"better"}),
        (["compare"], set()),
    ],
)
async def test_a_tester_says_what_the_link_asks_and_nothing_else(
    site: Site, asks: list[str], taken: set[str]
) -> None:
    owner, _ = site.guest(asks=asks, reasons=["too long"])
    client = site.client(owner)
    path = f"{await replied(site, client)}/judgement"
    said = {"rating": 1, "reasons": ["too long"], "comment": "So", "better": "Better"}
    answers = {name: await client.put(path, json={name: value}) for name, value in said.items()}
    assert {name for name, answer in answers.items() if answer.status_code == 200} == taken
    for name in said.keys() - taken:
        assert answers[name].json()["error"]["code"] == "not_asked"
        assert answers[name].json()["error"]["params"] == {"field": name}


async def test_questions_about_each_reply_are_answered_there_alone(site: Site) -> None:
    questions: list[dict[str, Any]] = [
        {"id": "once", "text": "How was it?"},
        {"id": "how", "text": "How good?", "kind": "scale", "per_reply": True},
        {"id": "why", "text": "Why?", "per_reply": True},
    ]
    owner, _ = site.guest(questions=questions, asks=[])
    client = site.client(owner)
    path = f"{await replied(site, client)}/judgement"
    for wrong in ({"once": "Fine"}, {"how": 6}, {"why": 1}, {"no": "x"}):
        assert (await client.put(path, json={"answers": wrong})).status_code == 422, wrong
    assert (await client.post("/api/answers", json={"answers": {"how": 3}})).status_code == 422
    assert (await client.put(path, json={"answers": {"how": 4, "why": "So."}})).status_code == 200
    assert (await client.put(path, json={"answers": {"why": None}})).json()["answers"] == {"how": 4}
    link = (await client.get("/api/link")).json()
    assert [one["per_reply"] for one in link["questions"]] == [False, True, True]
    assert link["answers"] == {}
    other = site.client(site.visitor())
    told = await other.put(f"{await replied(site, other)}/judgement", json={"answers": {"how": 4}})
    assert told.json()["error"]["code"] == "bad_answer"


@pytest.mark.parametrize(
    "body",
    [
        {"rating": 2},
        {"rating": True},
        {"reasons": ["no such reason"]},
        {"reasons": [""]},
        {"reasons": ["other"] * 21},
        {"comment": "x" * 4001},
        {"seq": -1},
        {"other": 1},
    ],
)
async def test_what_is_no_judgement_is_refused(site: Site, body: dict[str, Any]) -> None:
    client = site.client(site.visitor())
    path = f"{await replied(site, client)}/judgement"
    assert (await client.put(path, json=body)).status_code == 422
    assert (await client.get(path)).json()["at"] is None


async def test_operators_review_what_testers_said(site: Site) -> None:
    owner, link = site.guest(consent="It trains.", training=True, asks=["thumbs", "tags"])
    tester, operator = site.client(owner), site.client(site.operating())
    await tester.post("/api/consent", json={"version": 1})
    path = f"{await replied(site, tester)}/judgement"
    assert (await tester.put(path, json={"rating": -1, "reasons": ["inaccurate"]})).json()["trains"]

    async def listed(query: str = "") -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (await operator.get(f"/api/judgements?{query}")).json()["items"]
        return items

    (found,) = await listed(f"link={link.id}&rating=-1&reason=inaccurate&review=new&person={owner.id}")
    assert (found["link"], found["asked"], found["trains"]) == ("testers", "Hello there", True)
    assert await listed("rating=1") == await listed("since=2100-01-01T00:00:00Z") == []
    for query in ("since=yesterday", "before=2026-01-01", "rating=5", "review=maybe"):
        assert (await operator.get(f"/api/judgements?{query}")).status_code == 400
    shown = [{"id": id, "changed_at": found["changed_at"]} for id in (found["id"], "gone")]
    body = {"shown": shown, "state": "accepted"}
    review = "/api/judgements/review"
    assert (await operator.post(review, json=body)).json() == {"reviewed": 1, "changed": 0, "unread": 0}
    assert [one["review"] for one in await listed("review=accepted")] == ["accepted"]
    assert [one.id for one in site.store.usable()] == [found["id"]]
    answer = await operator.post("/api/judgements/review", json={**body, "state": "edited"})
    assert answer.status_code == 400
    await tester.put(path, json={"rating": -1, "comment": "Changed"})
    assert (await operator.post(review, json=body)).json() == {"reviewed": 0, "changed": 1, "unread": 0}
    assert [one["review"] for one in await listed()] == ["new"]
    assert [look.action for look in site.store.looks().items] == ["judged"]


async def test_a_member_says_whether_their_judgements_train(site: Site) -> None:
    _, client = site.session(site.person("mia", ""))
    assert (await client.get("/api/me")).json()["person"]["trains"] is False
    assert (await client.put("/api/me/training", json={"trains": True})).status_code == 204
    assert (await client.get("/api/me")).json()["person"]["trains"] is True
