"""Behind a proxy that `trusted_proxies` doesn't list everybody has one address: nobody is delayed by wrong
passwords of others, and nobody guesses without limit."""

from __future__ import annotations

import logging
from typing import Any

import httpx
import pytest

from tests.api.conftest import MakeSite, Site
from webchat.auth.delays import FREE_FAILURES
from webchat.auth.passwords.checking import hash_password
from webchat.auth.settings import Ways
from webchat.recent import Recent
from webchat.settings.networks import network

WAYS = Ways(link=True, password=True)
GATEWAY = ("172.17.0.1", 4000)
RIGHT = "a long enough one"
PEOPLE = ("ada", "bob")


@pytest.fixture(scope="module")
def hashed() -> str:
    return hash_password(RIGHT)


async def known(site: Site, hashed: str) -> None:
    for name in PEOPLE:
        await site.store.call(
            site.store.add_person, "password", name, name.title(), operates=False, password_hash=hashed
        )


def through(site: Site, peer: tuple[str, int] = GATEWAY, said: str = "203.0.113.7") -> httpx.AsyncClient:
    """A browser behind the proxy."""
    transport = httpx.ASGITransport(site.door, client=peer)
    return site.client(None, transport=transport, headers={"x-forwarded-for": said})


async def tries(client: httpx.AsyncClient, name: str, password: str = "guessed", **headers: str) -> int:
    body = {"name": name, "password": password}
    return (await client.post("/sign-in/password", json=body, headers=headers)).status_code


@pytest.mark.parametrize("peer", [GATEWAY, ("::1", 1)], ids=["gateway", "here"])
async def test_a_stranger_delays_nobody_who_has_signed_in_before(
    make_site: MakeSite, hashed: str, peer: tuple[str, int]
) -> None:
    async with make_site(ways=WAYS) as site:
        await known(site, hashed)
        ada, stranger = through(site, peer), through(site, peer, "198.51.100.9")
        assert await tries(ada, "ada", RIGHT) == 204
        for n in range(FREE_FAILURES):
            assert await tries(stranger, "ada", **{"x-forwarded-for": f"198.51.100.{n}"}) == 403
        # Whatever address they claim, or that of the person: they have to wait.
        for claimed in ("203.0.113.7", "8.8.8.8", "127.0.0.1", "nonsense"):
            assert await tries(stranger, "ada", **{"x-forwarded-for": claimed}) == 429
            assert await tries(stranger, "ada", RIGHT, forwarded=f"for={claimed}") == 429
        assert await tries(ada, "ada", RIGHT) == 204
        assert await tries(stranger, "bob", RIGHT) == 204, "another account is not delayed"


async def test_tries_over_many_accounts_delay_nobody_else(make_site: MakeSite, hashed: str) -> None:
    async with make_site(ways=WAYS) as site:
        await known(site, hashed)
        assert site.services.passwords is not None
        site.services.passwords._failures = Recent(3, 60)
        stranger = through(site)
        for n in range(5):
            assert await tries(stranger, f"nobody-{n}") == 403
        assert await tries(through(site), "ada", RIGHT) == 204


async def test_a_known_browser_guesses_no_more_than_others(make_site: MakeSite, hashed: str) -> None:
    """Its cookie counts for the accounts that it has signed in to, and for itself alone."""
    async with make_site(ways=WAYS) as site:
        await known(site, hashed)
        bob = through(site)
        assert await tries(bob, "bob", RIGHT) == 204
        for _ in range(FREE_FAILURES):
            assert await tries(bob, "bob") == 403
        assert await tries(bob, "bob", RIGHT) == 429
        assert await tries(through(site), "bob", RIGHT) == 204, "elsewhere"
        # The cookie of Bob's browser is no good for Ada's account, nor is one that he made.
        for _ in range(FREE_FAILURES):
            assert await tries(through(site), "ada") == 403
        assert await tries(bob, "ada", RIGHT) == 429
        device = next(name for name in bob.cookies if "device" in name)
        for made in ("x", "", bob.cookies[device] + "x", bob.cookies[device].replace(".", "..", 1)):
            forger = through(site)
            forger.cookies.set(device, made)
            assert await tries(forger, "ada", RIGHT) == 429


async def test_a_browser_is_known_for_several_accounts(make_site: MakeSite, hashed: str) -> None:
    async with make_site(ways=WAYS) as site:
        await known(site, hashed)
        shared, stranger = through(site), through(site)
        for name in PEOPLE:
            assert await tries(shared, name, RIGHT) == 204
        for name in PEOPLE:
            for _ in range(FREE_FAILURES):
                assert await tries(stranger, name) == 403
            assert await tries(stranger, name, RIGHT) == 429
        for name in PEOPLE:
            assert await tries(shared, name, RIGHT) == 204


async def test_a_changed_password_is_not_held_up_by_a_stranger(make_site: MakeSite, hashed: str) -> None:
    async with make_site(ways=WAYS) as site:
        await known(site, hashed)
        ada, stranger = through(site), through(site)
        assert await tries(ada, "ada", RIGHT) == 204
        for _ in range(FREE_FAILURES + 1):
            await tries(stranger, "ada")
        body = {"current": RIGHT, "new": "another long one"}
        assert (await ada.put("/api/me/password", json=body)).status_code == 204
        wrong = {"current": "guessed", "new": "another long one"}
        answers = [(await ada.put("/api/me/password", json=wrong)).status_code for _ in range(7)]
        assert answers == [403] * FREE_FAILURES + [429] * 2, "nor is a stolen session a way to guess"


async def test_new_people_are_not_counted_as_one(make_site: MakeSite) -> None:
    async with make_site(access="open") as site:
        site.services.identities._new._most = 2
        for peer, statuses in ((GATEWAY, [200] * 4), (("9.9.9.9", 1), [200, 200, 429, 429])):
            came = []
            for _ in range(4):
                visitor = through(site, peer)
                await visitor.get("/", headers={"accept": "text/html"})
                turn = {"kind": "send", "client_key": "k", "text": "Hello"}
                answer = await visitor.post("/api/turns", json=turn)
                came.append(200 if answer.is_success else answer.status_code)
            assert came == statuses


async def test_the_operator_is_told_once(make_site: MakeSite, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)

    def told() -> list[Any]:
        return [record for record in caplog.records if "trusted_proxies" in record.getMessage()]

    async with make_site(ways=WAYS, trusted_proxies=(network("10.0.0.0/8"),)) as site:
        await through(site, ("10.0.0.1", 1), "192.168.0.4").get("/healthz")
        await through(site, ("9.9.9.9", 1)).get("/healthz")
        await site.client(None).get("/healthz")
        assert not told()
        for _ in range(3):
            await through(site).get("/healthz")
        assert len(told()) == 1
        assert "172.17.0.1" in told()[0].getMessage()
