"""Comparisons over HTTP: until the vote nothing that the page receives tells which model wrote which side."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import httpx
import pytest

from backends.echo import EchoBackend, Step
from backends.errors import AuthFailed, RateLimited
from tests.api.conftest import MakeSite, Site
from webchat.api.events import many_replies
from webchat.models import ModelSpec
from webchat.store.records import Owner

TEXT = "Herons stand still in shallow water. 白鹭站在浅水里。 They wait for fish, and then they strike."
TALL, SMALL = "tall-model-70b", "small"
PLAN: dict[str, Sequence[Step]] = {TALL: (TEXT,), SMALL: (TEXT,)}
FAILS: dict[str, Sequence[Step]] = {
    TALL: ("Herons stand", RateLimited("The quota of acme is used up.")),
    SMALL: ("Herons stand", AuthFailed("The key of the small one is wrong.")),
}

Models = Callable[..., AbstractAsyncContextManager[Site]]


@pytest.fixture
def two(make_site: MakeSite) -> Models:
    """A site with two models of different names and speeds that say the same. plan: what each says."""

    def make(plan: dict[str, Sequence[Step]] = PLAN, rate: float | None = 400.0) -> Any:
        def create(spec: ModelSpec) -> EchoBackend:
            return EchoBackend(spec.name, script=plan[spec.name], rate=rate if spec.name == SMALL else None)

        return make_site(create=create, specs=[ModelSpec(name=name, kind="echo") for name in plan])

    return make


@dataclass
class Received:
    """Everything a page was sent about one comparison before the vote. deltas: of each side, in order of
    arrival; order: the sides whose words arrived, piece by piece."""

    left: str
    right: str
    answers: list[str] = field(default_factory=list)
    deltas: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def of(self, side: str, text: str) -> str:
        """A text with the ids of the sides as they look from one of them, and without times."""
        other = self.right if side == self.left else self.left
        text = text.replace(side, "MINE").replace(other, "OTHER")
        text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", text)
        text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d\.\d+Z)?", "TIME", text)
        return re.sub(r'"(since_ms|eta_seconds)": ?[\d.]+', r'"\1": 0', text)

    def messages(self, side: str) -> list[str]:
        """The records of one side in all answers and events."""
        found: list[str] = []

        def walk(value: Any) -> None:
            if isinstance(value, dict):
                if value.get("id") == side:
                    shown = {**value, "siblings": len(value["siblings"])}
                    found.append(self.of(side, json.dumps(shown, ensure_ascii=False)))
                else:
                    for inner in value.values():
                        walk(inner)
            elif isinstance(value, list):
                for inner in value:
                    walk(inner)

        for answer in self.answers:
            walk(json.loads(answer))
        return found


async def _ask(site: Site, client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    return await site.send(
        client, "What do herons do?", **{"against": {"model": SMALL}, "model": TALL, **fields}
    )


async def _received(site: Site, owner: Owner, client: httpx.AsyncClient, begun: dict[str, Any]) -> Received:
    """Follow a comparison to its end, and ask in between, and at the end, for whatever may tell something."""
    left, right = begun["reply"]["id"], begun["beside"]["id"]
    got = Received(left, right, [json.dumps(begun)], {left: [], right: []})
    paths = (
        f"/api/conversations/{begun['conversation']['id']}",
        f"/api/comparisons/{begun['reply']['compared']}",
        f"/api/messages/{left}", f"/api/messages/{right}",
        f"/api/conversations/{begun['conversation']['id']}/export",
    )  # fmt: skip
    follower = site.turns.watch(owner.id, {left: 0, right: 0})
    done: set[str] = set()
    try:
        chunks = many_replies(follower, [left, right], owner, wait=True)
        async with aclosing(chunks):
            async for chunk in chunks:
                for name, data in re.findall(r"event: (\w+)\n(?:id: \d+\n)?data: (.*)\n", chunk.decode()):
                    event = json.loads(data)
                    got.told.append(f"{name} {data}")
                    if name == "delta":
                        got.deltas[event["message_id"]].append((event["seq"], event["text"]))
                        got.order.append(event["message_id"])
                    elif name == "done":
                        done.add(event["message"]["id"])
                        got.answers.append(data)
                if not done:
                    got.answers += [(await client.get(path)).text for path in paths[:3]]
                    found = (await client.get("/api/search", params={"q": "shallow"})).json()
                    assert found["items"] == []
                if len(done) == 2:
                    break
    finally:
        follower.close()
    got.answers += [(await client.get(path)).text for path in paths]
    for side in (left, right):
        assert (await client.get(f"/api/messages/{side}/inspect")).status_code == 409
    written = await client.get(f"/api/conversations/{begun['conversation']['id']}/export?format=markdown")
    assert TALL not in written.text
    return got


async def test_everything_received_before_the_vote_is_the_same_of_both_sides(two: Models) -> None:
    async with two() as site:
        owner = site.operating()
        client = site.client(owner)
        for _ in range(6):
            begun = await _ask(site, client)
            got = await _received(site, owner, client, begun)
            assert "".join(text for _, text in got.deltas[got.left]) == TEXT
            assert got.deltas[got.left] == got.deltas[got.right]
            assert set(got.messages(got.left)) == set(got.messages(got.right))
            told = [one for one in got.told if not one.startswith(("delta", "hello"))]
            left = [got.of(got.left, one) for one in told if got.left in one and got.right not in one]
            right = [got.of(got.right, one) for one in told if got.right in one and got.left not in one]
            assert left == right
            for side in (got.left, got.right):
                assert not any(TALL in one or f'"{SMALL}"' in one for one in got.messages(side))


async def test_sides_are_in_random_order(two: Models) -> None:
    async with two(rate=None) as site:
        owner = site.operating()
        client = site.client(owner)
        on_the_left = set()
        for _ in range(40):
            begun = await _ask(site, client)
            found = site.store.comparison(owner.id, begun["reply"]["compared"])
            on_the_left.add(found.left.model)
            assert found.left.message_id == begun["reply"]["id"] < begun["beside"]["id"]
            await site.ended(client, begun["beside"]["id"])
            if on_the_left == {TALL, SMALL}:
                break
        assert on_the_left == {TALL, SMALL}


async def test_why_a_side_failed_is_not_told_and_the_other_one_is_kept(two: Models) -> None:
    seen: dict[str, set[str]] = {}
    for fails in (TALL, SMALL):
        async with two({**PLAN, fails: FAILS[fails]}) as site:
            owner = site.operating()
            client = site.client(owner)
            begun = await _ask(site, client)
            got = await _received(site, owner, client, begun)
            found = site.store.comparison(owner.id, begun["reply"]["compared"])
            failed, whole = (
                (found.left, found.right) if found.left.model == fails else (found.right, found.left)
            )
            last = json.loads((await client.get(f"/api/messages/{failed.message_id}")).text)["message"]
            assert (last["state"], last["failure"]["code"]) == ("failed", "side_failed")
            assert (await client.get(f"/api/messages/{whole.message_id}")).json()["message"]["text"] == TEXT
            everything = "".join((*got.answers, *got.told))
            assert not any(word in everything for word in ("acme", "key of", "rate_limited", "auth_failed"))
            seen[fails] = {got.messages(failed.message_id)[-1], got.messages(whole.message_id)[-1]}
            voted = await client.post(f"/api/comparisons/{found.id}/vote", json={"preferred": "left"})
            assert voted.status_code == 200
            after = (await client.get(f"/api/messages/{failed.message_id}")).json()["message"]
            assert after["failure"]["code"] in ("rate_limited", "auth_failed")
    assert seen[TALL] == seen[SMALL]


async def test_the_vote_reveals_and_either_side_goes_on(two: Models) -> None:
    async with two(rate=None) as site:
        client = site.client(site.visitor())
        begun = await _ask(site, client)
        left, right = begun["reply"]["id"], begun["beside"]["id"]
        comparison = f"/api/comparisons/{begun['reply']['compared']}"
        await site.ended(client, right)
        refused = await client.post(
            "/api/turns",
            json={"kind": "send", "client_key": "on", "text": "And?", "parent_id": left,
                  "conversation_id": begun["conversation"]["id"]},
        )  # fmt: skip
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "comparison_open")
        body = {"preferred": "right", "left_good": False, "right_good": True, "comment": " Clearer. "}
        voted = (await client.post(f"{comparison}/vote", json=body)).json()
        assert (voted["state"], voted["preferred"], voted["comment"]) == ("voted", "right", "Clearer.")
        assert {voted[side]["message"]["model"] for side in ("left", "right")} == {TALL, SMALL}
        assert (voted["left"]["good"], voted["right"]["good"]) == (False, True)
        other = (await client.post(f"{comparison}/vote", json={"preferred": "left"})).json()
        assert other == voted
        thread = (await client.get(f"/api/conversations/{begun['conversation']['id']}")).json()
        assert thread["messages"][-1]["id"] == right
        assert thread["conversation"]["settings"]["model"].endswith(voted["right"]["message"]["model"])
        back = (await client.post(f"{comparison}/continue", json={"side": "left"})).json()
        assert back["messages"][-1]["id"] == left
        assert back["conversation"]["settings"]["model"].endswith(voted["left"]["message"]["model"])
        await site.send(client, "And?", conversation_id=begun["conversation"]["id"], parent_id=left)


async def test_a_side_that_still_runs_takes_no_vote_and_stop_ends_both(two: Models) -> None:
    async with two({TALL: (TEXT,), SMALL: (TEXT * 50,)}, rate=20) as site:
        client = site.client(site.visitor())
        begun = await _ask(site, client)
        comparison = f"/api/comparisons/{begun['reply']['compared']}"
        early = await client.post(f"{comparison}/vote", json={"preferred": "left"})
        assert (early.status_code, early.json()["error"]["code"]) == (409, "comparison_running")
        assert (await client.post(f"/api/messages/{begun['beside']['id']}/stop")).status_code == 202
        for side in ("reply", "beside"):
            await site.ended(client, begun[side]["id"])
        assert (await client.post(f"{comparison}/vote", json={"preferred": "left"})).status_code == 200


async def test_a_link_pairs_its_models_and_its_blinding_holds_after_the_vote(two: Models) -> None:
    async with two(rate=None) as site:
        guest, link = site.guest(models=[TALL, SMALL], blind=True, asks=["compare"], messages=5)
        client = site.client(guest)
        begun = await site.send(client, "Which?", against={})
        for side in ("reply", "beside"):
            await site.ended(client, begun[side]["id"])
        vote = {"preferred": "tie", "left_good": False, "right_good": False}
        voted = await client.post(f"/api/comparisons/{begun['reply']['compared']}/vote", json=vote)
        assert {voted.json()[side]["message"]["model"] for side in ("left", "right")} == {
            "Model A",
            "Model B",
        }
        assert TALL not in voted.text
        (pair,) = site.store.pair_votes(link.id, [TALL, SMALL])
        assert (pair.models, pair.ties) == ((SMALL, TALL), 1)
        plain, _ = site.guest("plain", models=[TALL, SMALL])
        body = {"kind": "send", "client_key": "key", "text": "Hi", "against": {}}
        answer = await site.client(plain).post("/api/turns", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "compare_not_offered")
        alone, _ = site.guest("alone", models=[TALL], asks=["compare"])
        answer = await site.client(alone).post("/api/turns", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "nothing_to_compare")


async def test_a_link_without_room_for_two_replies_asks_for_no_comparison(two: Models) -> None:
    async with two(rate=None) as site:
        guest, link = site.guest(models=[TALL, SMALL], asks=["thumbs", "compare"])
        # As earlier versions let links be made.
        site.store.change_link(link.id, terms=lambda terms: replace(terms, replies_at_once=1))
        client = site.client(guest)
        assert (await client.get("/api/link")).json()["asks"] == ["thumbs"]
        body = {"kind": "send", "client_key": "key", "text": "Hi", "against": {}}
        answer = await client.post("/api/turns", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "compare_not_offered")


async def test_a_side_is_judged_after_the_vote(two: Models) -> None:
    async with two(rate=None) as site:
        client = site.client(site.visitor())
        begun = await site.send(client, "Which?", against={"model": SMALL})
        for path, body in (("judgement", {"rating": 1}), ("rating", {"value": 1})):
            answer = await client.put(f"/api/messages/{begun['reply']['id']}/{path}", json=body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (409, "comparison_open")
        for side in ("reply", "beside"):
            await site.ended(client, begun[side]["id"])


async def test_the_same_key_again_is_the_same_comparison(two: Models) -> None:
    async with two(rate=None) as site:
        client = site.client(site.visitor())
        body = {
            "kind": "send",
            "client_key": "once",
            "text": "Hi",
            "model": TALL,
            "against": {"model": SMALL},
        }
        answers = await asyncio.gather(*(client.post("/api/turns", json=body) for _ in range(5)))
        assert len({(one.json()["reply"]["id"], one.json()["beside"]["id"]) for one in answers}) == 1
        assert sorted(one.status_code for one in answers) == [200, 200, 200, 200, 201]


async def test_sides_may_differ_in_their_settings(two: Models) -> None:
    async with two(rate=None) as site:
        owner = site.visitor()
        client = site.client(owner)
        begun = await _ask(
            site, client, model=TALL, settings={"system_prompt": "Be long."},
            against={"model": TALL, "settings": {"system_prompt": "Be brief.", "sampling": {"seed": 7}}},
        )  # fmt: skip
        ids = [begun[side]["id"] for side in ("reply", "beside")]
        for id in ids:
            await site.ended(client, id)
        prompts = {site.store.provenance(owner.id, id).prompt[0]["content"] for id in ids}
        assert prompts == {"Be long.", "Be brief."}
        assert {site.store.provenance(owner.id, id).seed for id in ids} >= {7}


def _features(got: Received) -> list[float]:
    """What a guesser could look at, left less right: who was told first and last, in how many pieces of what
    size, and which id is the smaller."""
    first = [got.order.index(side) for side in (got.left, got.right)]
    last = [len(got.order) - got.order[::-1].index(side) for side in (got.left, got.right)]
    sizes = [[len(text) for _, text in got.deltas[side]] for side in (got.left, got.right)]
    answered = [len("".join(set(got.messages(side)))) for side in (got.left, got.right)]
    ids = [int(side.replace("-", "")[-12:], 16) for side in (got.left, got.right)]
    pairs = (first, last, [len(one) for one in sizes], [max(one) for one in sizes], answered, ids)
    return [float(one - other) for one, other in pairs]


def _guesser(known: Sequence[tuple[list[float], bool]]) -> Callable[[list[float]], bool]:
    """The rule "this feature is above this value" that does best on what is known."""
    rules = [
        (at, edge, above)
        for at in range(len(known[0][0]))
        for edge in {features[at] for features, _ in known}
        for above in (True, False)
    ]

    def says(rule: tuple[int, float, bool], features: list[float]) -> bool:
        at, edge, above = rule
        return (features[at] > edge) == above

    best = max(rules, key=lambda rule: sum(says(rule, features) == label for features, label in known))
    return partial(says, best)


@pytest.mark.slow
async def test_nobody_guesses_the_sides_better_than_by_chance(two: Models) -> None:
    """200 comparisons, in a third of which one of the models fails: learned on half of them, tried on the
    rest. By chance alone 70 of 100 or more would be right once in 25,000 times."""
    known: list[tuple[list[float], bool]] = []
    for plan in (PLAN, {**PLAN, TALL: FAILS[TALL]}, {**PLAN, SMALL: FAILS[SMALL]}):
        async with two(plan) as site:
            owner = site.operating()
            client = site.client(owner)
            for _ in range(132 if plan is PLAN else 34):
                begun = await _ask(site, client)
                got = await _received(site, owner, client, begun)
                found = site.store.comparison(owner.id, begun["reply"]["compared"])
                known.append((_features(got), found.left.model == TALL))
    guess = _guesser(known[::2])
    right = sum(guess(features) == label for features, label in known[1::2])
    assert right < 70
