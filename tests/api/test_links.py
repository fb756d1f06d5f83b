"""Coming in by a link, and being put out again."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from backends.echo import EchoBackend
from tests.api.conftest import MakeSite, Site, serving
from webchat.sharing import Redeemer, TooManyTries, make_token, new_link
from webchat.sharing.redeem import Failures, LinkInvalid
from webchat.store import Store


async def _redeem(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/t/redeem", json={"token": token})


async def test_a_tester_link_makes_a_guest_who_stays(site: Site) -> None:
    made = new_link(site.store, "testers", "7d", datetime.now(UTC))
    client = site.client(None)
    answer = await _redeem(client, made.token)
    assert answer.status_code == 204
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert made.token not in answer.headers["set-cookie"]
    me = (await client.get("/api/me")).json()["owner"]
    assert me["kind"] == "guest"
    assert me["name"] == "testers"
    await _redeem(client, made.token)
    assert (await client.get("/api/me")).json()["owner"] == me
    other = site.client(None)
    await _redeem(other, made.token)
    assert (await other.get("/api/me")).json()["owner"]["id"] != me["id"]
    assert site.store.link(made.link.id).uses == 2


async def test_the_start_link_makes_visitors(site: Site) -> None:
    first, second = site.client(None), site.client(None)
    for client in (first, second):
        assert (await _redeem(client, site.start.token)).status_code == 204
    owners = [(await client.get("/api/me")).json()["owner"] for client in (first, second)]
    assert [owner["kind"] for owner in owners] == ["visitor", "visitor"]
    assert owners[0]["id"] != owners[1]["id"]


async def test_the_operators_link_makes_operators_who_keep_what_is_theirs(site: Site) -> None:
    client = site.client(None)
    await _redeem(client, site.start.token)
    visitor = (await client.get("/api/me")).json()
    assert not visitor["operates"]
    assert (await _redeem(client, site.operator.token)).status_code == 204
    store = site.store
    assert store.owner(visitor["owner"]["id"]).operates
    stranger = site.client(None)
    await _redeem(stranger, site.operator.token)
    assert (await stranger.get("/api/me")).json()["operates"]
    guest, _ = site.guest()
    await _redeem(site.client(guest), site.operator.token)
    assert not store.owner(guest.id).operates


async def test_visitors_stay_known_after_a_restart(make_site: MakeSite) -> None:
    async with make_site() as before:
        client = before.client(None)
        await _redeem(client, before.start.token)
        owner = (await client.get("/api/me")).json()["owner"]
        cookie, old_token = before.cookie(before.store.owner(owner["id"])), before.start.token
    async with make_site() as after:
        again = after.client(None)
        assert (await again.get("/api/me", headers={"cookie": cookie})).json()["owner"] == owner
        assert (await _redeem(again, old_token)).status_code == 404


async def test_wrong_tokens_all_get_the_same_answer(site: Site) -> None:
    made = new_link(site.store, "testers", "7d", datetime.now(UTC))
    tries = ["", "x", make_token(), made.token[:-1], made.token + "x", made.link.id, "wts_" + "A" * 43]
    answers = [await _redeem(site.client(None), token) for token in tries]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1


async def test_the_bearer_of_an_ended_link_is_told_so(site: Site) -> None:
    revoked = new_link(site.store, "gone", "7d", datetime.now(UTC))
    site.store.revoke_link("gone")
    expired = new_link(site.store, "old", "1d", datetime.now(UTC) - timedelta(days=2))
    for made, code in ((revoked, "link_revoked"), (expired, "link_expired")):
        answer = await _redeem(site.client(None), made.token)
        assert (answer.status_code, answer.json()["error"]["code"]) == (410, code)


async def test_guessing_is_slowed_down_by_address(site: Site) -> None:
    guesser = site.client(None, transport=httpx.ASGITransport(site.door, client=("10.9.9.9", 1)))
    for _ in range(10):
        assert (await _redeem(guesser, make_token())).status_code == 404
    assert (await _redeem(guesser, site.start.token)).status_code == 429
    elsewhere = site.client(None, transport=httpx.ASGITransport(site.door, client=("10.9.9.8", 1)))
    assert (await _redeem(elsewhere, site.start.token)).status_code == 204


async def test_a_minute_later_a_guesser_may_try_again(tmp_path: Path) -> None:
    now = 0.0
    store = Store.open(f"sqlite:///{tmp_path / 'chat.db'}")
    redeemer = Redeemer(store, failures=Failures(lambda: now))
    for _ in range(10):
        with pytest.raises(LinkInvalid):
            await redeemer.redeem("wrong", address="a", current=None)
    with pytest.raises(TooManyTries):
        await redeemer.redeem("wrong", address="a", current=None)
    now = 61.0
    with pytest.raises(LinkInvalid):
        await redeemer.redeem("wrong", address="a", current=None)
    store.close()


@pytest.mark.parametrize("ends", ["revoked", "expired"])
async def test_a_guest_is_out_within_a_second(make_site: MakeSite, ends: str) -> None:
    """The running stream is cut, the cookie opens nothing, the visitor beside them is not touched."""
    async with make_site(EchoBackend(script=["word "] * 400, rate=40)) as site, serving(site.door) as base:
        guest, link = site.guest()
        if ends == "expired":
            short = site.store.create_link("short", "h" * 64, datetime.now(UTC) + timedelta(seconds=1.5))
            guest = site.store.create_owner("guest", "short", short.id)
        clients = [
            site.client(who, base_url=base, transport=None, timeout=20) for who in (guest, site.visitor())
        ]
        replies = [(await site.send(client))["reply"]["id"] for client in clients]
        ended: list[float] = [0.0, 0.0]
        got: list[bytes] = [b"", b""]

        async def follow(n: int) -> None:
            async with clients[n].stream("GET", f"/api/messages/{replies[n]}/events") as answer:
                async for chunk in answer.aiter_bytes():
                    got[n] += chunk
            ended[n] = time.monotonic()

        tasks = [asyncio.create_task(follow(n)) for n in (0, 1)]
        await asyncio.sleep(0.5)
        assert not tasks[0].done()
        assert b"event: delta" in got[0]
        if ends == "revoked":
            site.store.revoke_link(link.id)
        else:
            await asyncio.sleep(max(0.0, (short.expires_at or datetime.now(UTC)).timestamp() - time.time()))
        at = time.monotonic()
        async with asyncio.timeout(5):
            await tasks[0]
        assert b"event: done" not in got[0]
        assert (await clients[0].get("/api/me")).status_code == 401
        assert ended[0] - at < 1.0
        # The model works on for nobody: the guest's reply is stopped, with the text it had.
        stopped = await site.store.call(site.store.message, guest.id, replies[0])
        async with asyncio.timeout(5):
            while stopped.running:
                await asyncio.sleep(0.02)
                stopped = await site.store.call(site.store.message, guest.id, replies[0])
        assert stopped.state == "stopped"
        assert stopped.text
        assert not tasks[1].done()
        assert (await clients[1].get("/api/me")).status_code == 200
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_revoked_guest_is_told_in_words(site: Site) -> None:
    guest, link = site.guest()
    client = site.client(guest)
    assert (await client.get("/api/me")).status_code == 200
    site.store.revoke_link(link.id)
    await asyncio.sleep(1)
    assert (await client.get("/api/me")).json()["error"]["code"] == "no_owner"
    page = await client.get("/", headers={"accept": "text/html"})
    assert page.status_code == 401
    assert "text/html" in page.headers["content-type"]


async def test_on_a_loopback_server_nobody_needs_a_link(make_site: MakeSite) -> None:
    async with make_site(access="local") as site:
        client = site.client(None, base_url="http://localhost:7860")
        answer = await client.get("/t")
        assert answer.status_code == 303
        assert answer.headers["location"] == "./"
