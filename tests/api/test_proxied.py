"""People whom a proxy names in a header: believed from the proxy alone, and asked again at every request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from backends.echo import EchoBackend
from tests.api.conftest import SECRET, MakeSite, Site, serving
from tests.auth.oidc_provider import NOW, RSA, SECOND, Clock, running, signed
from webchat.auth import Cookies, Door
from webchat.auth.admitting import Rules, rules_of
from webchat.auth.proxy import Proxied, ProxyHeaders, SignedHeader
from webchat.auth.proxy.proxied import SESSIONS_PER_HOUR
from webchat.auth.settings import Ways
from webchat.settings.networks import network
from webchat.store import Store

PROXY, ELSEWHERE = ("10.0.0.9", 4000), ("203.0.113.5", 4000)
TRUSTED = (network("10.0.0.0/8"), network("127.0.0.1"))
HEADERS = ProxyHeaders("X-Forwarded-Email", "X-Forwarded-Email", "X-Name", "X-Groups")
ADA, BOB = ({"X-Forwarded-Email": f"{name}@example.org"} for name in ("ada", "bob"))
PAGE = {"accept": "text/html", "sec-fetch-dest": "document", "sec-fetch-site": "none"}


@asynccontextmanager
async def behind(
    make_site: MakeSite,
    allowed: str = "*",
    operators: Rules | None = None,
    signed: SignedHeader | None = None,
    headers: ProxyHeaders = HEADERS,
    password: bool = False,
    **door: Any,
) -> AsyncIterator[Site]:
    def proxied(store: Store) -> Proxied:
        return Proxied(store, headers, TRUSTED, rules_of(allowed.split()), operators, signed)

    ways = Ways(link=True, proxy=True, password=password)
    door = {"ways": ways, "trusted_proxies": TRUSTED, **door}
    async with make_site(EchoBackend(), proxied=proxied, **door) as site:
        yield site


def from_peer(site: Site, peer: tuple[str, int] = PROXY, **options: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(site.door, client=peer)
    return site.client(None, transport=transport, base_url="https://chat.test", **options)


async def opened(site: Site, headers: dict[str, str], **options: Any) -> httpx.AsyncClient:
    """A browser that has opened the page."""
    browser = from_peer(site, **options)
    answer = await browser.get("/", headers={**PAGE, **headers})
    assert "set-cookie" in answer.headers, answer.text
    return browser


async def who(browser: httpx.AsyncClient, headers: dict[str, str]) -> str:
    """The name of the person who is served, or why nobody is."""
    answer = await browser.get("/api/me", headers=headers)
    said: dict[str, Any] = answer.json()
    return str(said["owner"]["name"] if answer.status_code == 200 else said["error"]["code"])


async def until(browser: httpx.AsyncClient, said: str) -> None:
    async with asyncio.timeout(60):
        while await who(browser, ADA) != said:  # noqa: ASYNC110  the store has no event for it
            await asyncio.sleep(0.05)


async def test_a_page_opened_with_the_header_is_the_persons(make_site: MakeSite) -> None:
    async with behind(make_site) as site:
        browser = await opened(site, ADA)
        me = (await browser.get("/api/me", headers=ADA)).json()
        assert (me["owner"]["kind"], me["owner"]["name"]) == ("member", "ada@example.org")
        assert me["person"] == {
            "name": "ada@example.org", "email": "ada@example.org", "password": False, "proxy": True,
            "trains": False,
        }  # fmt: skip
        again = await opened(site, ADA)
        assert (await again.get("/api/me", headers=ADA)).json()["owner"]["id"] == me["owner"]["id"]
        assert len((await again.get("/api/me/sessions", headers=ADA)).json()["sessions"]) == 2


async def test_a_program_behind_the_proxy_needs_no_cookie(make_site: MakeSite) -> None:
    async with behind(make_site) as site:
        program = from_peer(site, headers=ADA)
        for _ in range(3):
            program.cookies.clear()
            assert await who(program, {}) == "ada@example.org"
        found = await site.store.call(site.store.find_person, "proxy", "ada@example.org")
        assert len(await site.store.call(site.store.sessions, found.owner_id)) == 1, "one for all of them"
        assert await who(program, BOB) == "bob@example.org"


async def test_another_person_in_the_header_ends_the_session_and_gets_their_own(make_site: MakeSite) -> None:
    async with behind(make_site) as site:
        browser = await opened(site, ADA)
        was = httpx.Cookies(browser.cookies)
        # What the page of the one sends is not put among the chats of the other.
        sent = await browser.post(
            "/api/turns", headers=BOB, json={"kind": "send", "client_key": "k", "text": "for Ada"}
        )
        assert (sent.status_code, sent.json()["error"]["code"]) == (401, "signed_out")
        assert await who(browser, ADA) == "signed_out"
        await browser.get("/", headers={**PAGE, **BOB})
        assert await who(browser, BOB) == "bob@example.org"
        assert (await browser.get("/api/conversations", headers=BOB)).json()["items"] == []
        thief = from_peer(site, cookies=was)
        assert await who(thief, ADA) == "signed_out"


async def test_a_page_opened_by_another_person_is_theirs_at_once(make_site: MakeSite) -> None:
    async with behind(make_site) as site:
        browser = await opened(site, ADA)
        was = httpx.Cookies(browser.cookies)
        await browser.get("/", headers={**PAGE, **BOB})
        assert await who(browser, BOB) == "bob@example.org"
        assert await who(from_peer(site, cookies=was), ADA) == "signed_out"


@pytest.mark.parametrize("change", [BOB, {}], ids=["another", "nobody"])
async def test_a_running_stream_ends_when_the_header_changes(
    make_site: MakeSite, change: dict[str, str]
) -> None:
    async with (
        behind(make_site) as site,
        serving(site.door) as base,
        httpx.AsyncClient(base_url=base, timeout=60) as browser,
    ):
        await browser.get("/", headers={**PAGE, **ADA})
        async with browser.stream("GET", "/api/events?from=", headers=ADA) as stream:
            assert stream.status_code == 200
            assert await who(browser, change) == "signed_out"
            async with asyncio.timeout(60):
                async for _ in stream.aiter_raw():
                    pass


async def test_without_the_header_nobody_is_there_and_the_session_is_over(make_site: MakeSite) -> None:
    async with behind(make_site) as site:
        browser = await opened(site, ADA)
        assert (await browser.get("/assets/a.js")).status_code == 401
        assert await who(browser, ADA) == "ada@example.org", (
            "a script that the proxy let through ends nothing"
        )
        assert await who(browser, {}) == "signed_out"
        assert await who(browser, {"X-Forwarded-Email": ""}) == "signed_out"
        assert await who(browser, ADA) == "signed_out", "until the page is opened anew"
        assert await who(from_peer(site), {}) == "no_owner"
        gate = await browser.get("/", headers=PAGE)
        assert (gate.status_code, 'data-reason="signed_out"' in gate.text) == (401, True)


async def test_the_header_of_anybody_else_is_ignored(make_site: MakeSite) -> None:
    async with behind(make_site) as site:
        stranger = from_peer(site, ELSEWHERE)
        for name in ("X-Forwarded-Email", "x-forwarded-email"):
            assert await who(stranger, {name: "ada@example.org"}) == "no_owner"
        spoofed = {**ADA, "X-Forwarded-For": "10.0.0.9", "Forwarded": "for=10.0.0.9"}
        assert await who(stranger, spoofed) == "no_owner"
        # A cookie alone does not do past the proxy; and the person is not signed out by that.
        browser = await opened(site, ADA)
        direct = from_peer(site, ELSEWHERE, cookies=httpx.Cookies(browser.cookies))
        assert await who(direct, ADA) == "signed_out"
        assert await who(browser, ADA) == "ada@example.org"
        assert await who(from_peer(site), {**ADA, "X-Forwarded-For": "203.0.113.5"}) == "ada@example.org"


async def test_no_handler_sees_the_headers(make_site: MakeSite) -> None:
    seen: list[set[str]] = []

    async def behind_the_door(scope: Any, receive: Any, send: Any) -> None:
        seen.append({name.decode() for name, _ in scope["headers"]})
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async with behind(make_site) as site:
        door: Any = site.door
        while not isinstance(door, Door):
            door = door._app
        door._app = behind_the_door
        for peer in (PROXY, ELSEWHERE):
            await from_peer(site, peer).get("/healthz", headers={**ADA, "X-Name": "Ada", "x-groups": "a"})
        assert len(seen) == 2
        assert not any({"x-forwarded-email", "x-name", "x-groups"} & names for names in seen)


@pytest.mark.parametrize("second", ["bob@example.org", ""])
async def test_two_headers_name_nobody(make_site: MakeSite, second: str) -> None:
    """A proxy that adds its header to the client's own."""
    async with behind(make_site) as site:
        twice = [("X-Forwarded-Email", "ada@example.org"), ("x-forwarded-email", second)]
        assert (await from_peer(site).get("/api/me", headers=twice)).status_code == 401


@pytest.mark.parametrize("name", ["a" * 256, "ada\x7f", "ada\x1b[2J"], ids=["long", "delete", "escape"])
async def test_a_name_that_cannot_be_kept_is_nobody(make_site: MakeSite, name: str) -> None:
    async with behind(make_site) as site:
        raw = [(b"X-Forwarded-Email", name.encode())]
        answer = await from_peer(site).get("/api/me", headers=raw)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "sign_in_invalid")


async def test_names_are_read_as_proxies_write_them(make_site: MakeSite) -> None:
    async with behind(make_site) as site:
        for raw, shown in (
            ("Zoë".encode(), "Zoë"),
            ("Zoë".encode("latin-1"), "Zoë"),
            (b"=?utf-8?q?Zo=C3=AB?=", "Zoë"),
            ("小明".encode(), "小明"),
            (b"=?nonsense?q?Zo?=", "=?nonsense?q?Zo?="),
        ):
            headers = [(b"X-Forwarded-Email", b"zoe@example.org"), (b"X-Name", raw)]
            assert (await from_peer(site).get("/api/me", headers=headers)).json()["owner"]["name"] == shown


async def test_the_rules_hold_as_at_a_provider(make_site: MakeSite) -> None:
    operators = rules_of(["groups=admins"])
    async with behind(make_site, "@example.org groups=staff", operators) as site:
        program = from_peer(site)
        for headers, status, operates in (
            (ADA, 200, False),
            ({**ADA, "X-Groups": "staff, admins"}, 200, True),
            ({**ADA, "X-Groups": "staff"}, 200, False),
            ({"X-Forwarded-Email": "eve@evil.example"}, 403, None),
            ({"X-Forwarded-Email": "eve@evil.example", "X-Groups": "admins"}, 403, None),
            ({"X-Forwarded-Email": "eve@evil.example", "X-Groups": "staff"}, 200, False),
        ):
            answer = await program.get("/api/me", headers=headers)
            assert answer.status_code == status, (headers, answer.text)
            assert answer.json().get("operates") == operates
        refused = await program.get("/api/me", headers={"X-Forwarded-Email": "eve@evil.example"})
        assert refused.json()["error"]["code"] == "sign_in_not_allowed"
        gate = await program.get("/", headers={**PAGE, "X-Forwarded-Email": "eve@evil.example"})
        assert (gate.status_code, 'data-reason="not_allowed"' in gate.text) == (403, True)


async def test_somebody_disabled_stays_out(make_site: MakeSite) -> None:
    async with behind(make_site) as site:
        browser, program = await opened(site, ADA), from_peer(site)
        assert await who(program, ADA) == "ada@example.org"
        found = await site.store.call(site.store.find_person, "proxy", "ada@example.org")
        await site.store.call(site.store.set_disabled, found.owner_id, True)
        await until(browser, "person_disabled")
        await until(program, "person_disabled")
        gate = await browser.get("/", headers={**PAGE, **ADA})
        assert 'data-reason="disabled"' in gate.text
        await site.store.call(site.store.set_disabled, found.owner_id, False)
        await until(program, "ada@example.org")


async def test_a_device_signed_out_from_another_is_out_until_the_page_is_opened(make_site: MakeSite) -> None:
    async with behind(make_site) as site:
        desk, phone = await opened(site, ADA), await opened(site, ADA)
        listed = (await desk.get("/api/me/sessions", headers=ADA)).json()["sessions"]
        other = next(one["id"] for one in listed if not one["current"])
        assert (await desk.delete(f"/api/me/sessions/{other}", headers=ADA)).status_code == 204
        assert await who(phone, ADA) == "signed_out"
        await phone.get("/", headers={**PAGE, **ADA})
        assert await who(phone, ADA) == "ada@example.org"


async def test_another_sites_page_changes_nothing_with_the_proxys_header(make_site: MakeSite) -> None:
    """The browser sends the proxy's own cookie with it, so the header is there."""
    async with behind(make_site) as site:
        browser = await opened(site, ADA)
        for foreign in (
            {"origin": "https://evil.example"},
            {"origin": "null"},
            {"origin": "https://chat.test:81"},
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site", "origin": "https://other.chat.test"},
        ):
            for client in (browser, from_peer(site)):
                body = {"kind": "send", "client_key": "k", "text": "x"}
                answer = await client.post("/api/turns", headers={**ADA, **foreign}, json=body)
                assert answer.json()["error"]["code"] == "cross_origin", foreign
                assert (
                    await client.delete("/api/me/sessions", headers={**ADA, **foreign})
                ).status_code == 403
        # Nor are answers made for it that only a cookie of ours would have opened before.
        for path in ("/api/me", "/gradio_api/queue/data", "/static/x.js"):
            for dest in ("script", "iframe", "image", "empty"):
                asks = {**ADA, "sec-fetch-site": "cross-site", "sec-fetch-dest": dest}
                assert (await from_peer(site).get(path, headers=asks)).status_code == 403, (path, dest)
        found = await site.store.call(site.store.find_person, "proxy", "ada@example.org")
        assert len(await site.store.call(site.store.sessions, found.owner_id)) == 1
        followed = {**PAGE, **ADA, "sec-fetch-site": "cross-site"}
        assert (await browser.get("/", headers=followed)).status_code != 403, "a link from elsewhere"


async def test_a_link_is_for_those_whom_the_proxy_does_not_name(make_site: MakeSite) -> None:
    async with behind(make_site, "@example.org") as site:
        guest, _ = site.guest()
        name, _, value = Cookies(SECRET).header(guest.id, secure=True).partition(";")[0].partition("=")
        jar = httpx.Cookies()
        jar.set(name, value, domain="chat.test", path="/")
        tester = from_peer(site, cookies=jar)
        assert await who(tester, {}) == "testers"
        assert await who(tester, {"X-Forwarded-Email": "eve@evil.example"}) == "testers", "without an account"
        assert await who(tester, ADA) == "signed_out", "the page of a guest is not Ada's"
        await tester.get("/", headers={**PAGE, **ADA})
        me = (await tester.get("/api/me", headers=ADA)).json()
        assert (me["owner"]["name"], me["earlier"]) == ("ada@example.org", [])
        for path in ("/t/redeem", "/t/switch", "/sign-in/password"):
            answer = await tester.post(path, headers=ADA, json={})
            assert (answer.status_code, answer.json()["error"]["code"]) == (409, "proxy_signs_in")
        for path in ("/t", "/sign-in"):
            assert (await tester.get(path, headers={**PAGE, **ADA})).status_code == 303
        # Who they were by the link is remembered.
        assert await who(tester, {}) == "signed_out"
        gate = await tester.get("/", headers=PAGE)
        assert guest.id in gate.text
        assert (await tester.post("/t/switch", json={"id": guest.id})).status_code == 204
        assert await who(tester, {}) == "testers"


async def test_the_session_of_the_page_does_not_outlive_the_proxy(make_site: MakeSite) -> None:
    async with behind(make_site) as site:
        cookies = httpx.Cookies((await opened(site, ADA)).cookies)
        # A start of the same server where nobody is signed in by a proxy.
        identities: Any = site.services.identities
        identities._proxied = None
        assert await who(from_peer(site, cookies=cookies), ADA) == "signed_out"


async def test_opening_the_page_again_and_again_makes_no_end_of_sessions(make_site: MakeSite) -> None:
    async with behind(make_site) as site:
        watcher = from_peer(site)
        for _ in range(SESSIONS_PER_HOUR + 20):
            watcher.cookies.clear()
            assert (await watcher.get("/", headers={**PAGE, **ADA})).status_code == 404, "let in"
        found = await site.store.call(site.store.find_person, "proxy", "ada@example.org")
        assert len(await site.store.call(site.store.sessions, found.owner_id)) == SESSIONS_PER_HOUR + 1


async def test_many_first_requests_at_once_are_one_person(make_site: MakeSite) -> None:
    async with behind(make_site) as site:
        names = await asyncio.gather(*(who(from_peer(site), ADA) for _ in range(20)))
        assert set(names) == {"ada@example.org"}
        assert len(await site.store.call(site.store.people)) == 1


def claims(issuer: str, **other: Any) -> dict[str, Any]:
    made = {"iss": issuer, "aud": ["chat"], "sub": "7c", "iat": NOW, "exp": NOW + 600}
    return {**made, "email": "ada@example.org", **other}


def jwt(of: dict[str, Any], key: Any = RSA, kid: str = "first") -> dict[str, str]:
    return {"Cf-Access-Jwt-Assertion": signed({"alg": "RS256", "kid": kid}, of, key)}


async def test_a_newly_signed_header_writes_nothing(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, header = Clock(), ProxyHeaders("Cf-Access-Jwt-Assertion")
    with running() as issuer:
        check = SignedHeader(f"{issuer.issuer}/keys", issuer.issuer, "chat", now=clock, clock=clock)
        operators = rules_of(["groups=staff"])
        async with behind(make_site, signed=check, headers=header, operators=operators) as site:
            program, told, enter = from_peer(site), [], site.store.enter_person

            def counted(*said: Any) -> Any:
                told.append(said[3:])
                return enter(*said)

            monkeypatch.setattr(site.store, "enter_person", counted)
            for at in range(5):
                new = claims(issuer.issuer, iat=NOW - at, exp=NOW + 600 - at, jti=str(at))
                assert await who(program, jwt(new)) == "ada@example.org"
            await who(program, jwt(claims(issuer.issuer, groups=["staff"])))
            assert told == [("ada@example.org", False), ("ada@example.org", True)]


async def test_a_signed_header_names_the_person(make_site: MakeSite) -> None:
    clock, header = Clock(), ProxyHeaders("Cf-Access-Jwt-Assertion")
    with running() as issuer:
        check = SignedHeader(f"{issuer.issuer}/keys", issuer.issuer, "chat", now=clock, clock=clock)
        async with behind(make_site, "@example.org", signed=check, headers=header) as site:
            program = from_peer(site)
            right = claims(issuer.issuer)
            assert await who(program, jwt(right)) == "ada@example.org"
            for wrong in (
                claims("https://evil.example"),
                claims(issuer.issuer, aud="another"),
                claims(issuer.issuer, exp=NOW - 61),
                claims(issuer.issuer, nbf=NOW + 120),
                claims(issuer.issuer, sub=""),
            ):
                assert await who(program, jwt(wrong)) == "sign_in_invalid"
            assert await who(program, jwt(right, SECOND)) == "sign_in_invalid"
            assert await who(program, {"Cf-Access-Jwt-Assertion": "ada@example.org"}) == "sign_in_invalid"
            assert await who(program, jwt(claims(issuer.issuer, email="eve@evil.example"))) == (
                "sign_in_not_allowed"
            )
            unverified = claims(issuer.issuer, email_verified=False)
            assert await who(program, jwt(unverified)) == "sign_in_not_allowed"
            assert await who(from_peer(site, ELSEWHERE), jwt(right)) == "no_owner"
            # The issuer's keys change; a token that was valid lasts its time.
            issuer.keys = [SECOND]
            clock.now += 61
            renewed = claims(issuer.issuer, iat=clock.now, exp=clock.now + 9000)
            assert await who(program, jwt(renewed, SECOND, "second")) == "ada@example.org"
            clock.now += 700
            assert await who(program, jwt(right)) == "sign_in_invalid", "expired"
            browser = from_peer(site)
            await browser.get("/", headers={**PAGE, **jwt(renewed, SECOND, "second")})
            assert await who(browser, jwt(renewed, SECOND, "second")) == "ada@example.org"
            another = claims(
                issuer.issuer, sub="8d", email="bob@example.org", iat=clock.now, exp=clock.now + 60
            )
            assert await who(browser, jwt(another, SECOND, "second")) == "signed_out"
            # Keys out of reach: known tokens hold, others wait.
            issuer.answers["/keys"] = (503, b"", {})
            clock.now += 3000
            assert await who(program, jwt(renewed, SECOND, "second")) == "ada@example.org"
            clock.now += 3000
            later = claims(issuer.issuer, iat=clock.now, exp=clock.now + 60)
            answer = await program.get("/api/me", headers=jwt(later, SECOND, "second"))
            assert (answer.status_code, answer.json()["error"]["code"]) == (502, "sign_in_unreachable")


async def test_comparing_costs_the_store_nothing(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written for a person who is known, and read once in a while, as for everybody."""
    async with behind(make_site) as site:
        browser = await opened(site, ADA)
        called: list[str] = []
        call: Callable[..., Any] = site.store.call

        async def counted(verb: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
            called.append(verb.__name__)
            return await call(verb, *args, **kwargs)

        monkeypatch.setattr(site.store, "call", counted)
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now)
        for _ in range(20):
            assert await who(browser, ADA) == "ada@example.org"
        assert not {"enter_person", "start_session"} & set(called)
        assert called.count("session") <= 1
