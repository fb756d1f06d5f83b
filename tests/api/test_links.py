"""Coming in by a link, and being put out again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from backends.echo import EchoBackend
from tests.api.conftest import MakeSite, Site, serving
from tests.beats import beating
from webchat.auth.cookies import OLD_NAME
from webchat.auth.owners import WATCH_SECONDS, Admission, Owners
from webchat.recent import Recent
from webchat.settings.networks import network
from webchat.sharing import Redeemer, TooManyTries, make_token, new_link
from webchat.sharing.redeem import LinkInvalid
from webchat.store import NotFound, Store
from webchat.store.records import FinishedTurn, NewTurn


async def _redeem(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/t/redeem", json={"token": token})


async def until(wanted: Callable[[], bool]) -> None:
    while not wanted():  # noqa: ASYNC110  what is waited for is in a database
        await asyncio.sleep(0.05)


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


async def test_the_operators_link_raises_nobody_whom_a_cookie_named_before(site: Site) -> None:
    """A cookie planted before the operator opens their link stays what it was."""
    planted = site.visitor("Mallory")
    victim = site.client(None)
    name, _, value = site.cookie(planted).partition("=")
    victim.cookies.set(name, value, domain="chat.test")
    assert (await _redeem(victim, site.operator.token)).status_code == 204
    me = (await victim.get("/api/me")).json()
    assert me["operates"]
    assert me["owner"]["id"] != planted.id
    assert not (await site.client(planted).get("/api/me")).json()["operates"]
    assert not site.store.owner(planted.id).operates
    await _redeem(victim, site.operator.token)
    await _redeem(victim, site.start.token)
    assert (await victim.get("/api/me")).json()["owner"] == me["owner"], "who operates stays who they are"


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


def _from(site: Site, address: str, **headers: str) -> httpx.AsyncClient:
    client = site.client(None, transport=httpx.ASGITransport(site.door, client=(address, 1)))
    client.headers.update(headers)
    return client


async def test_guessing_is_slowed_down_by_address(site: Site) -> None:
    guesser = _from(site, "2001:db8::1")
    for _ in range(10):
        assert (await _redeem(guesser, make_token())).status_code == 404
    assert (await _redeem(guesser, make_token())).status_code == 429
    assert (await _redeem(_from(site, "2001:db8::2"), make_token())).status_code == 429  # the same /64
    assert (await _redeem(_from(site, "2001:db8:1::1"), make_token())).status_code == 404


async def test_wrong_tokens_of_others_lock_nobody_out(site: Site) -> None:
    """Behind a proxy that is not known as one, all people have its address."""
    guesser = _from(site, "172.18.0.1", **{"x-forwarded-for": "203.0.113.1"})
    for _ in range(12):
        await _redeem(guesser, make_token())
    link = new_link(site.store, "ada", "7d", datetime.now(UTC))
    for token in (site.start.token, site.operator.token, link.token):
        assert (await _redeem(_from(site, "172.18.0.1"), token)).status_code == 204
    site.store.revoke_link("ada")
    assert (await _redeem(_from(site, "172.18.0.1"), link.token)).json()["error"]["code"] == "link_revoked"


async def test_behind_a_trusted_proxy_each_client_is_counted_alone(make_site: MakeSite) -> None:
    async with make_site(trusted_proxies=(network("172.16.0.0/12"),)) as site:
        for n in range(12):  # what the guesser puts in front makes nobody else of them
            guesser = _from(site, "172.18.0.1", **{"x-forwarded-for": f"198.51.100.{n}, 203.0.113.1"})
            answer = await _redeem(guesser, make_token())
        assert answer.status_code == 429
        other = _from(site, "172.18.0.1", **{"x-forwarded-for": "203.0.113.2"})
        assert (await _redeem(other, make_token())).status_code == 404


async def test_a_new_operator_is_known_from_the_answer_on(site: Site) -> None:
    client = site.client(None)
    assert (await _redeem(client, site.start.token)).status_code == 204
    assert (await client.get("/api/me")).json()["operates"] is False
    assert (await _redeem(client, site.operator.token)).status_code == 204
    assert (await client.get("/api/me")).json()["operates"] is True
    assert (await client.get("/api/moderation/decisions")).status_code == 200


async def test_a_visitor_of_an_open_server_who_wrote_nothing_is_not_asked(make_site: MakeSite) -> None:
    async with make_site(access="open") as site:
        client = site.client(None)
        await client.get("/", headers={"accept": "text/html"})
        before = (await client.get("/api/me")).json()["owner"]["id"]
        assert (await _redeem(client, make_token())).status_code == 404
        assert (await _redeem(client, site.operator.token)).status_code == 204
        with pytest.raises(NotFound):
            site.store.owner(before)
        me = (await client.get("/api/me")).json()
        assert me["operates"]
        assert me["earlier"] == []


async def test_a_minute_later_a_guesser_may_try_again(tmp_path: Path) -> None:
    now = 0.0
    store = Store.open(f"sqlite:///{tmp_path / 'chat.db'}")
    redeemer = Redeemer(store, failures=Recent(10, 60, lambda: now))
    for _ in range(10):
        with pytest.raises(LinkInvalid):
            await redeemer.redeem("wrong", address="a", network=None, mine=(), confirmed=False)
    with pytest.raises(TooManyTries):
        await redeemer.redeem("wrong", address="a", network=None, mine=(), confirmed=False)
    now = 61.0
    with pytest.raises(LinkInvalid):
        await redeemer.redeem("wrong", address="a", network=None, mine=(), confirmed=False)
    store.close()


@pytest.mark.parametrize("ends", ["revoked", "expired"])
async def test_a_guest_is_out_within_a_second(make_site: MakeSite, ends: str) -> None:
    """The running stream is cut, the cookie opens nothing, the visitor beside them is not touched."""
    async with make_site(EchoBackend(script=["word "] * 4000, rate=40)) as site, serving(site.door) as base:
        guest, link = site.guest()
        if ends == "expired":
            short = site.store.create_link("short", "h" * 64, datetime.now(UTC) + timedelta(seconds=4))
            guest = site.store.create_owner("guest", "short", short.id)
        clients = [
            site.client(who, base_url=base, transport=None, timeout=60) for who in (guest, site.visitor())
        ]
        replies = [(await site.send(client))["reply"]["id"] for client in clients]
        got: list[bytes] = [b"", b""]

        async def follow(n: int) -> None:
            async with clients[n].stream("GET", f"/api/messages/{replies[n]}/events") as answer:
                async for chunk in answer.aiter_bytes():
                    got[n] += chunk

        tasks = [asyncio.create_task(follow(n)) for n in (0, 1)]
        async with asyncio.timeout(60):
            await until(lambda: all(b"event: delta" in one for one in got))
        assert not tasks[0].done()
        if ends == "revoked":
            site.store.revoke_link(link.id)
        else:
            assert short.expires_at
            await asyncio.sleep((short.expires_at - datetime.now(UTC)).total_seconds())
        async with beating() as time, asyncio.timeout(60):
            await tasks[0]
        assert time.seconds < 1
        assert b"event: done" not in got[0]
        assert (await clients[0].get("/api/me")).status_code == 401
        # The model works on for nobody: the guest's reply is stopped, with the text it had.
        stopped = await site.store.call(site.store.message, guest.id, replies[0])
        async with asyncio.timeout(60):
            while stopped.running:
                await asyncio.sleep(0.02)
                stopped = await site.store.call(site.store.message, guest.id, replies[0])
        assert stopped.state == "stopped"
        assert stopped.text
        assert stopped.failure is not None, "it was not the guest who stopped it"
        assert stopped.failure.code == "link_ended"
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
    assert (await client.get("/api/me")).json()["error"]["code"] == "link_revoked"
    page = await client.get("/", headers={"accept": "text/html"})
    assert page.status_code == 401
    assert "text/html" in page.headers["content-type"]
    assert 'data-reason="link_revoked"' in page.text


async def test_the_gate_says_why_somebody_is_not_let_in(site: Site) -> None:
    guest, late = site.guest()
    site.store.change_link(late.id, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    expired = site.client(guest)
    assert (await expired.get("/api/me")).json()["error"]["code"] == "link_expired"
    stranger, forger = site.client(None), site.client(None)
    forger.headers["cookie"] = f"{OLD_NAME}=made.up.entirely"
    for client, reason in ((expired, "link_expired"), (forger, "unknown"), (stranger, "")):
        page = await client.get("/", headers={"accept": "text/html"})
        assert page.status_code == 401
        assert f'data-reason="{reason}"' in page.text
        # Where a link is being opened, an older one is nobody's concern.
        assert 'data-reason=""' in (await client.get("/t", headers={"accept": "text/html"})).text


@pytest.mark.parametrize("ends", ["revoked", "expired"])
async def test_the_replies_of_a_link_that_has_ended_end_without_an_open_tab(
    make_site: MakeSite, ends: str
) -> None:
    async with make_site(EchoBackend(script=["word "] * 100_000, rate=40)) as site:
        guest, link = site.guest()
        if ends == "expired":
            soon = site.store.create_link("short", "h" * 64, datetime.now(UTC) + timedelta(seconds=2))
            guest = site.store.create_owner("guest", "short", soon.id)
        beside = site.client(site.visitor())
        replies = [(await site.send(site.client(guest)))["reply"]["id"] for _ in range(2)]
        other = (await site.send(beside))["reply"]["id"]
        if ends == "revoked":
            site.store.revoke_link(link.id)
        async with asyncio.timeout(60):
            await until(lambda: not any(site.store.message(guest.id, reply).running for reply in replies))
        for reply in replies:
            failure = site.store.message(guest.id, reply).failure
            assert failure is not None
            assert failure.code == "link_ended"
        assert (await beside.get(f"/api/messages/{other}")).json()["message"]["state"] in (
            "queued",
            "streaming",
        )


async def test_a_pause_ends_replies_that_nobody_watches_and_the_link_comes_back(
    make_site: MakeSite, tmp_path: Path
) -> None:
    backend = EchoBackend(script=["word "] * 100_000, rate=40)
    async with make_site(backend) as site:
        guest, link = site.guest()
        client = site.client(guest)
        reply = (await site.send(client))["reply"]["id"]
        # As another process does it: this one's store is told nothing.
        other = Store.open(f"sqlite:///{tmp_path / 'chat.db'}", serve=False)
        other.change_link(link.id, paused=True)
        other.close()
        async with asyncio.timeout(60):
            await until(lambda: not site.store.message(guest.id, reply).running)
        message = site.store.message(guest.id, reply)
        assert (message.state, message.failure and message.failure.code) == ("stopped", "link_paused")
        async with asyncio.timeout(60):
            await until(lambda: backend.live == 0)
        site.store.change_link(link.id, paused=False)
        assert (await client.get(f"/api/messages/{reply}")).status_code == 200


async def test_a_reply_that_begins_while_its_guest_is_put_out_ends_too(site: Site) -> None:
    """The watch goes on after the last request: what it cut may still be on its way into the store."""
    guest, link = site.guest()
    ended: list[str] = []
    owners = Owners(site.store, link_ended=lambda guest, why: ended.append(guest))
    async with owners.watching(Admission(guest)):
        pass
    site.store.revoke_link(link.id)
    await asyncio.sleep(2 * WATCH_SECONDS)
    assert ended == []
    new = NewTurn(conversation_id=None, parent_id=None, user_text="hi", client_key="k", model="echo")
    begun = site.store.begin_turn(guest.id, new)
    async with asyncio.timeout(60):
        await until(lambda: bool(ended))
    site.store.write_batch((), (FinishedTurn(begun.reply.id, "stopped"),))
    assert set(ended) == {guest.id}


async def test_on_a_loopback_server_nobody_needs_a_link(make_site: MakeSite) -> None:
    async with make_site(access="local") as site:
        client = site.client(None, base_url="http://localhost:7860")
        answer = await client.get("/t")
        assert answer.status_code == 303
        assert answer.headers["location"] == "./"
