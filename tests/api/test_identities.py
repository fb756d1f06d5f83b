"""Many selves of one browser: nobody loses one by a click, and each is found again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.api.conftest import SECRET, MakeSite, Site
from webchat.api.errors import ApiError
from webchat.api.events import MOST_SHARED, OpenStreams
from webchat.auth import Cookies
from webchat.auth.cookies import OLD_NAME
from webchat.recent import Recent
from webchat.settings.networks import network
from webchat.sharing import Redeemer, TooManyPeople, new_link
from webchat.turns import Party

KEPT = 0.05


@pytest.fixture(autouse=True)
def short_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the door keeps about an owner is forgotten soon."""
    monkeypatch.setattr("webchat.auth.owners.KEPT_SECONDS", KEPT)


def link(site: Site, name: str) -> str:
    return new_link(site.store, name, "7d", datetime.now(UTC)).token


async def opens(client: httpx.AsyncClient, token: str, **body: Any) -> httpx.Response:
    return await client.post("/t/redeem", json={"token": token, **body})


async def me(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get("/api/me")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def switch(client: httpx.AsyncClient, id: str, **options: Any) -> httpx.Response:
    return await client.post("/t/switch", json={"id": id}, **options)


@pytest.fixture
async def ada(site: Site) -> httpx.AsyncClient:
    """A guest who has written something."""
    client = site.client(None)
    await opens(client, link(site, "Ada"))
    await site.send(client)
    return client


@pytest.mark.parametrize("kind", ["link", "start", "operator"])
async def test_somebody_elses_link_is_a_question_first(site: Site, ada: httpx.AsyncClient, kind: str) -> None:
    token = {"link": link(site, "Mallory"), "start": site.start.token, "operator": site.operator.token}[kind]
    before = await me(ada)
    links = len(site.store.list_links())
    answer = await opens(ada, token)
    assert answer.status_code == 409
    error = answer.json()["error"]
    assert (error["code"], error["params"]) == ("already_someone", {"kind": "guest", "name": "Ada"})
    assert "set-cookie" not in answer.headers
    assert await me(ada) == before, "who says no is who they were"
    if kind == "link":
        assert len(site.store.list_links()) == links
    assert (await opens(ada, token, confirmed=True)).status_code == 204
    now = await me(ada)
    assert now["owner"]["id"] != before["owner"]["id"]
    assert [one["id"] for one in now["earlier"]] == [before["owner"]["id"]]
    assert (await ada.get("/api/conversations")).json()["items"] == []
    assert (await switch(ada, before["owner"]["id"])).status_code == 204
    assert (await me(ada))["owner"] == before["owner"]
    assert len((await ada.get("/api/conversations")).json()["items"]) == 1


async def test_an_operator_is_asked_even_before_they_wrote(site: Site) -> None:
    client = site.client(None)
    await opens(client, site.operator.token)
    assert (await opens(client, link(site, "Mallory"))).json()["error"]["code"] == "already_someone"
    assert (await me(client))["operates"]


async def test_a_link_opened_before_leads_to_who_they_were_then(site: Site, ada: httpx.AsyncClient) -> None:
    first = (await me(ada))["owner"]
    token = link(site, "other")
    await opens(ada, token, confirmed=True)
    await site.send(ada)
    second = (await me(ada))["owner"]
    await switch(ada, first["id"])
    assert (await opens(ada, token)).status_code == 409
    assert (await opens(ada, token, confirmed=True)).status_code == 204
    assert (await me(ada))["owner"] == second
    assert (await opens(ada, token)).status_code == 204, "the same link again is no question"
    assert (await me(ada))["owner"] == second


async def test_nobody_becomes_whom_their_cookie_does_not_name(site: Site, ada: httpx.AsyncClient) -> None:
    other, operator = site.visitor("Eve"), site.operating()
    local = site.store.local_owner()
    mine = (await me(ada))["owner"]["id"]
    for id in (other.id, operator.id, local.id, "", "x", "'; --", mine[:-1]):
        answer = await switch(ada, id)
        assert "set-cookie" not in answer.headers
        assert answer.status_code == (404 if id else 204)
    assert (await switch(site.client(None), other.id)).status_code == 404
    assert (await me(ada))["owner"]["id"] == mine


@pytest.mark.parametrize("headers", [{"origin": "http://evil.test"}, {"sec-fetch-site": "same-site"}])
async def test_a_page_of_a_sibling_domain_switches_nobody(
    site: Site, ada: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    first = (await me(ada))["owner"]["id"]
    await opens(ada, link(site, "other"), confirmed=True)
    assert (await switch(ada, first, headers=headers)).status_code == 403
    assert (await ada.get("/t/switch")).status_code in (401, 404, 405)
    assert (await me(ada))["owner"]["id"] != first


async def test_a_link_that_has_ended_is_not_come_back_to(site: Site, ada: httpx.AsyncClient) -> None:
    first = (await me(ada))["owner"]["id"]
    await opens(ada, link(site, "other"), confirmed=True)
    await site.send(ada)
    second = (await me(ada))["owner"]["id"]
    site.store.revoke_link("Ada")
    await asyncio.sleep(2 * KEPT)
    assert (await me(ada))["earlier"] == []
    assert (await switch(ada, first)).status_code == 404
    # And who is put out finds at the gate whom they can still be.
    await switch(ada, second)
    third = link(site, "third")
    await opens(ada, third, confirmed=True)
    site.store.revoke_link("third")
    await asyncio.sleep(2 * KEPT)
    gate = await ada.get("/", headers={"accept": "text/html"})
    assert gate.status_code == 401
    assert second in gate.text
    assert first not in gate.text
    assert (await switch(ada, second)).status_code == 204
    assert (await me(ada))["owner"]["id"] == second


async def test_an_older_cookie_is_exchanged_once_somebody_says_it_is_theirs(site: Site) -> None:
    guest, _ = site.guest("class")
    value = site.cookie(guest).partition("=")[2]
    browser = site.client(None, base_url="https://chat.test")
    browser.cookies.set(OLD_NAME, value)
    assert (await browser.get("/api/me")).status_code == 401
    answer = await switch(browser, guest.id)
    given = answer.headers.get_list("set-cookie")
    assert given[0].startswith(f"__Host-{Cookies(SECRET).name}=")
    assert f"{OLD_NAME}=; Max-Age=0; Path=/" in given
    assert (await me(browser))["owner"]["id"] == guest.id
    other = site.client(None, base_url="https://chat.test")
    other.cookies.set(OLD_NAME, value)
    refused = await switch(other, "")
    assert f"{OLD_NAME}=; Max-Age=0; Path=/" in refused.headers.get_list("set-cookie")
    assert (await other.get("/api/me")).status_code == 401
    operator = site.client(None, base_url="https://chat.test")
    operator.cookies.set(OLD_NAME, site.cookie(site.operating()).partition("=")[2])
    me_operator = site.store.operators()[-1]
    assert (await switch(operator, me_operator.id)).status_code == 404


async def test_a_planted_cookie_takes_nobody_with_it_when_a_link_is_opened(site: Site) -> None:
    planted = site.visitor("Mallory")
    victim = site.client(None, base_url="https://chat.test")
    victim.cookies.set(*site.cookie(planted).split("="))
    assert (await opens(victim, link(site, "Ada"))).status_code == 204
    found = await me(victim)
    assert found["owner"]["name"] == "Ada"
    assert found["earlier"] == []


async def test_visitors_of_the_start_link_can_be_put_out(site: Site) -> None:
    visitor, guest = site.client(None), site.client(None)
    await opens(visitor, site.start.token)
    await opens(guest, link(site, "Ada"))
    (record,) = [one for one in site.store.list_links() if one.name == "start link"]
    assert record.uses == 1
    site.store.revoke_link("start link")
    await asyncio.sleep(2 * KEPT)
    assert (await visitor.get("/api/me")).json()["error"]["code"] == "link_revoked"
    assert (await guest.get("/api/me")).status_code == 200
    again = await opens(visitor, site.start.token)
    assert (again.status_code, again.json()["error"]["code"]) == (410, "link_revoked")


async def test_a_revoked_operator_does_not_return_by_the_same_link(site: Site) -> None:
    first, second = site.client(None), site.client(None)
    for client in (first, second):
        await opens(client, site.operator.token)
        await site.send(client)
    owner = (await me(first))["owner"]["id"]
    assert site.store.revoke_operators(owner) == 1
    await asyncio.sleep(2 * KEPT)
    assert not (await me(first))["operates"], "a visitor, who keeps what is theirs"
    assert len((await first.get("/api/conversations")).json()["items"]) == 1
    for client in (first, site.client(None)):
        answer = await opens(client, site.operator.token, confirmed=True)
        assert answer.json()["error"]["code"] == "link_revoked"
    assert (await me(second))["operates"], "others stay operators"
    assert site.store.revoke_operators() == 1


async def test_one_link_makes_no_crowd(site: Site) -> None:
    now = 0.0
    people = Recent(3, 3600, lambda: now)
    redeemer = Redeemer(site.store, start=site.start, people=people)
    busy, other = link(site, "busy"), link(site, "other")

    async def come(token: str, network: str | None) -> None:
        await redeemer.redeem(token, address="a", network=network, mine=(), confirmed=False)

    for n in range(3):
        await come(busy, f"network {n}")
    with pytest.raises(TooManyPeople):
        await come(busy, "elsewhere")
    for _ in range(3):
        await come(other, None)
    for token in (link(site, "a"), link(site, "b"), link(site, "c")):
        await come(token, "one network")
    with pytest.raises(TooManyPeople):
        await come(link(site, "d"), "one network")
    await come(link(site, "e"), None)  # a trusted network has no limit
    now = 3601.0
    await come(busy, "one network")


async def test_an_open_server_stores_no_crowd_from_one_network(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webchat.recent.NEW_PEOPLE_PER_HOUR", 3)
    async with make_site(access="open", trusted_networks=(network("10.0.0.0/8"),)) as site:

        async def come(address: str) -> int:
            client = site.client(None, transport=httpx.ASGITransport(site.door, client=(address, 1)))
            await client.get("/", headers={"accept": "text/html"})
            for n in range(2):  # who is stored is counted once
                body = {"kind": "send", "client_key": f"k{n}", "text": "Hello"}
                answer = await client.post("/api/turns", json=body)
            if answer.status_code == 429:
                assert answer.json()["error"]["code"] == "too_many_people"
            return answer.status_code

        assert [await come("203.0.113.9") for _ in range(4)] == [201, 201, 201, 429]
        assert await come("203.0.113.10") == 201
        assert {await come("10.1.2.3") for _ in range(5)} == {201}


@pytest.mark.parametrize(
    ("address", "forwarded", "counted"),
    [
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),  # a stranger's word
        ("127.0.0.1", "198.51.100.1", None),  # nor that of this machine, which no limit holds for
        ("172.18.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),  # a proxy's: its last
        ("172.18.0.1", "203.0.113.9", "203.0.113.9"),  # and another behind it is another
        ("10.1.2.3", "", None),
        ("2001:db8::1", "", "2001:db8::/64"),
    ],
)
async def test_places_count_by_link_and_network(
    make_site: MakeSite, address: str, forwarded: str, counted: str | None
) -> None:
    options: dict[str, Any] = {
        "trusted_proxies": (network("172.16.0.0/12"),),
        "trusted_networks": (network("10.0.0.0/8"), network("127.0.0.0/8")),
    }
    async with make_site(**options) as site:
        seen: list[Party] = []
        start = site.turns.start

        async def noted(party: Any, ask: Any) -> Any:
            seen.append(party)
            return await start(party, ask)

        site.turns.start = noted  # type: ignore[method-assign, assignment]
        transport = httpx.ASGITransport(site.door, client=(address, 1))
        guest, made = site.guest()
        for owner in (guest, site.visitor(), site.operating()):
            client = site.client(owner, transport=transport)
            client.headers["x-forwarded-for"] = forwarded
            await site.send(client)
        assert [(party.link, party.network) for party in seen] == [
            (made.id, counted),
            (None, counted),
            (None, None),
        ]


def test_streams_count_by_link_and_network() -> None:
    streams = OpenStreams()
    for n in range(MOST_SHARED):
        streams.open(Party(f"self {n}", "link", f"network {n}"), _nothing())
    with pytest.raises(ApiError) as refused:
        streams.check(Party("one more", "link", "elsewhere"))
    assert (refused.value.status, refused.value.code) == (429, "too_many_connected")
    streams.check(Party("one more", "another", "elsewhere"))
    streams.check(Party("an operator"))


def test_who_has_many_streams_makes_room_for_neighbours() -> None:
    streams = OpenStreams()
    mine = [streams.open(Party("many", "link"), _nothing()) for _ in range(60)]
    for n in range(60, MOST_SHARED):
        streams.open(Party(f"self {n % 20}", "link"), _nothing())
    for _ in range(2):
        streams.check(Party("one more", "link"))
        streams.open(Party("one more", "link"), _nothing())
    assert [stream.ended for stream in mine] == [True, True] + [False] * 58
    with pytest.raises(ApiError) as refused:
        streams.check(Party("many", "link"))
    assert refused.value.code == "too_many_connected"


async def _nothing() -> AsyncGenerator[bytes]:
    yield b""
