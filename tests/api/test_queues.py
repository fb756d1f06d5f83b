"""Queues over HTTP: operators make them, members review, and nobody else learns that they exist."""

from __future__ import annotations

import httpx

from tests.api.conftest import Site
from tests.store.talk import Talk
from webchat.store.records import Owner


def agreeing(site: Site, *texts: str) -> Owner:
    """A tester who agreed to training, and wrote these."""
    owner, _ = site.guest(consent="It trains.", training=True)
    site.store.consent(owner.id, 1)
    talk = Talk(site.store, owner.id)
    for text in texts:
        talk.say(text, f"Reply to {text}")
    return owner


def member(site: Site, name: str = "ada") -> httpx.AsyncClient:
    return site.session(site.person(name, "x"))[1]


async def test_a_member_reviews_what_an_operator_queued(site: Site) -> None:
    agreeing(site, "one", "two")
    operator, ada, bob = site.client(site.operating()), member(site), member(site, "bob")
    assert (await ada.get("/api/me")).json()["reviews"] == 0
    made = (await operator.post("/api/queues", json={"name": "First", "reviews": 2})).json()
    assert (made["items"], made["given"], made["wanted"]["judged"]) == (2, 0, "any")
    assert (await ada.get("/api/me")).json()["reviews"] == 1
    (queue,) = (await ada.get("/api/reviews")).json()["queues"]
    assert queue == {
        "id": made["id"], "name": "First", "kind": "replies", "mine": 0, "given": 0, "total": 4,
    }  # fmt: skip
    path = f"/api/queues/{made['id']}/next"
    task = (await ada.post(path, json={})).json()["task"]
    assert task["prompt"] == [{"role": "user", "text": "two"}]
    assert task["replies"] == ["Reply to two"]
    assert "echo" not in str(task), "the model is not told"
    body = {"verdict": "edit", "better": "Better.", "comment": "Stiff."}
    assert (await ada.put(f"/api/reviews/{task['id']}", json=body)).json() == {"others": []}
    await bob.post(path, json={})
    told = await bob.put(f"/api/reviews/{task['id']}", json={"verdict": "accept"})
    assert told.json() == {"others": ["edit"]}
    assert (await ada.post(path, json={})).json()["queue"]["given"] == 2
    listed = (await operator.get("/api/judgements")).json()["items"]
    assert {(one["person"], one["rating"], one["better"]) for one in listed} == {
        ("Ada", 0, "Better."), ("Bob", 1, ""),
    }  # fmt: skip
    assert (await operator.delete(f"/api/queues/{made['id']}")).status_code == 204
    assert (await ada.post(path, json={})).status_code == 404
    assert (await operator.get("/api/queues")).json()["items"][0]["closed_at"]


async def test_queues_are_nobodys_but_those_who_sign_in(site: Site) -> None:
    agreeing(site, "one")
    made = (await site.client(site.operating()).post("/api/queues", json={"name": "First"})).json()
    for client in (site.client(site.visitor()), site.client(site.guest("other")[0])):
        assert (await client.get("/api/reviews")).status_code == 404
        assert (await client.post(f"/api/queues/{made['id']}/next", json={})).status_code == 404
        assert (await client.put("/api/reviews/x", json={"verdict": "skip"})).status_code == 404
        assert (await client.get("/api/me")).json()["reviews"] == 0
    assert (await member(site).get("/api/queues")).status_code == 404
    assert (await member(site, "bob").post("/api/queues", json={"name": "Mine"})).status_code == 404


async def test_what_is_no_queue_and_no_review_is_refused(site: Site) -> None:
    agreeing(site, "one")
    operator, ada = site.client(site.operating()), member(site)
    for body in (
        {"name": ""},
        {"name": "x", "reviews": 0},
        {"name": "x", "kind": "comparisons", "wanted": {"judged": "good"}},
    ):
        assert (await operator.post("/api/queues", json=body)).status_code == 422, body
    nobody = {"name": "x", "reviewers": ["nobody"]}
    assert (await operator.post("/api/queues", json=nobody)).status_code == 404
    made = (await operator.post("/api/queues", json={"name": "First"})).json()
    task = (await ada.post(f"/api/queues/{made['id']}/next", json={})).json()["task"]
    for body in ({"verdict": "edit"}, {"verdict": "accept", "better": "x"}, {"verdict": "good"}):
        assert (await ada.put(f"/api/reviews/{task['id']}", json=body)).status_code == 422, body
    wrong = await ada.put(f"/api/reviews/{task['id']}", json={"verdict": "left"})
    assert wrong.status_code == 400
    assert (await operator.get("/api/judgements")).json()["items"] == []
