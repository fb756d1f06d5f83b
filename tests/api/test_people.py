"""People who sign in with a password: what a session opens, and that nothing else does."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from backends.echo import EchoBackend
from tests.api.conftest import SECRET, MakeSite, Site, serving
from tests.store.talk import Talk
from webchat.auth import Cookies
from webchat.auth.passwords.checking import hash_password
from webchat.auth.settings import Ways
from webchat.store.errors import StoreUnavailable
from webchat.store.records import Owner

WAYS = Ways(link=True, password=True)
ADA = {"name": "Ada", "password": "a long enough one"}


@pytest.fixture(scope="module")
def hashed() -> str:
    return hash_password(ADA["password"])


async def person(site: Site, hashed: str, name: str = "ada", *, operates: bool = False) -> str:
    found = await site.store.call(
        site.store.add_person, "password", name, name.title(), operates=operates, password_hash=hashed
    )
    return str(found.owner_id)


async def signed_in(site: Site, **options: object) -> httpx.AsyncClient:
    client = site.client(None, **options)
    answer = await client.post("/sign-in/password", json=ADA)
    assert answer.status_code == 204, answer.text
    return client


async def test_a_name_and_a_password_open_the_chat_as_that_person(make_site: MakeSite, hashed: str) -> None:
    async with make_site(ways=WAYS) as site:
        owner = await person(site, hashed)
        stranger = site.client(None)
        refused = await stranger.get("/api/me")
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "no_owner")
        client = await signed_in(site)
        me = (await client.get("/api/me")).json()
        assert me["owner"] == {"id": owner, "kind": "member", "name": "Ada"}
        assert me["person"] == {
            "name": "Ada", "email": None, "password": True, "proxy": False, "trains": False
        }  # fmt: skip
        assert not me["operates"]
        again = await signed_in(site)
        assert (await again.get("/api/me")).json()["owner"]["id"] == owner


@pytest.mark.parametrize("other", [{"password": "another one"}, {"name": "bob"}, {"name": ""}])
async def test_a_wrong_name_and_a_wrong_password_are_told_alike(
    other: dict[str, str], make_site: MakeSite, hashed: str
) -> None:
    async with make_site(ways=WAYS) as site:
        await person(site, hashed)
        client = site.client(None)
        answer = await client.post("/sign-in/password", json={**ADA, **other})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "password_wrong")
        assert "set-cookie" not in answer.headers
        assert (await client.get("/api/me")).status_code == 401


async def test_signing_out_ends_the_session_and_a_copy_of_its_cookie(
    make_site: MakeSite, hashed: str
) -> None:
    async with make_site(ways=WAYS) as site:
        await person(site, hashed)
        client = await signed_in(site)
        copy = httpx.Cookies(client.cookies)
        assert (await client.post("/api/sign-out")).status_code == 204
        assert (await client.get("/api/me")).status_code == 401
        thief = site.client(None, cookies=copy)
        refused = await thief.get("/api/me")
        assert refused.json()["error"]["code"] == "signed_out"


async def test_every_sign_in_has_a_token_of_its_own(make_site: MakeSite, hashed: str) -> None:
    """Nobody can have somebody sign in to a session that they know."""
    async with make_site(ways=WAYS) as site:
        owner = await person(site, hashed)
        client = await signed_in(site)
        before = httpx.Cookies(client.cookies)
        assert (await client.post("/sign-in/password", json=ADA)).status_code == 204
        assert dict(client.cookies) != dict(before)
        assert (await site.client(None, cookies=before).get("/api/me")).json()["error"][
            "code"
        ] == "signed_out"
        assert len(await site.store.call(site.store.sessions, owner)) == 1


@pytest.mark.parametrize("operates", [False, True])
async def test_the_id_of_a_person_in_a_cookie_admits_nobody(
    operates: bool, make_site: MakeSite, hashed: str
) -> None:
    async with make_site(ways=WAYS) as site:
        owner = await site.store.call(site.store.owner, await person(site, hashed, operates=operates))
        assert (await site.client(owner).get("/api/me")).status_code == 401


async def test_a_device_is_listed_and_signed_out_from_another(make_site: MakeSite, hashed: str) -> None:
    async with make_site(ways=WAYS) as site:
        await person(site, hashed)
        agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile Safari/604.1"
        phone = await signed_in(site, headers={"user-agent": agent})
        desk = await signed_in(site)
        listed = (await desk.get("/api/me/sessions")).json()["sessions"]
        assert {one["device"]: one["current"] for one in listed} == {"Safari, iPhone": False, "": True}
        other = next(one["id"] for one in listed if not one["current"])
        assert (await desk.delete(f"/api/me/sessions/{other}")).status_code == 204
        assert (await phone.get("/api/me")).json()["error"]["code"] == "signed_out"
        assert (await desk.get("/api/me")).status_code == 200


async def test_nobody_ends_the_sessions_of_another(make_site: MakeSite, hashed: str) -> None:
    async with make_site(ways=WAYS) as site:
        await person(site, hashed)
        bob = await person(site, hashed, "bob", operates=True)
        ada = await signed_in(site)
        theirs = await site.store.call(site.store.start_session, bob, "0" * 64, "")
        for missing in (theirs.id, "nothing"):
            assert (await ada.delete(f"/api/me/sessions/{missing}")).status_code == 404
        assert len(await site.store.call(site.store.sessions, bob)) == 1


async def test_a_new_password_ends_the_other_sessions(make_site: MakeSite, hashed: str) -> None:
    async with make_site(ways=WAYS) as site:
        await person(site, hashed)
        phone, desk = await signed_in(site), await signed_in(site)
        wrong = await desk.put("/api/me/password", json={"current": "not it", "new": "quite another one"})
        assert wrong.status_code == 403
        new = {"current": ADA["password"], "new": "quite another one"}
        assert (await desk.put("/api/me/password", json=new)).status_code == 204
        assert (await phone.get("/api/me")).json()["error"]["code"] == "signed_out"
        assert (await desk.get("/api/me")).status_code == 200
        old = await site.client(None).post("/sign-in/password", json=ADA)
        assert old.status_code == 403


async def test_somebody_switched_off_is_out(make_site: MakeSite, hashed: str) -> None:
    async with make_site(ways=WAYS) as site:
        owner = await person(site, hashed)
        client = await signed_in(site)
        await site.store.call(site.store.set_disabled, owner, True)
        async with asyncio.timeout(60):
            while (await client.get("/api/me")).status_code == 200:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert (await client.get("/api/me")).json()["error"]["code"] in ("person_disabled", "signed_out")


async def test_signing_out_ends_open_streams(make_site: MakeSite, hashed: str) -> None:
    async with make_site(EchoBackend(), ways=WAYS) as site, serving(site.door) as base:
        await person(site, hashed)
        async with httpx.AsyncClient(base_url=base, timeout=60) as client:
            assert (await client.post("/sign-in/password", json=ADA)).status_code == 204
            async with client.stream("GET", "/api/events?from=") as stream:
                if stream.status_code != 200:
                    pytest.fail((await stream.aread()).decode())
                assert (await client.post("/api/sign-out")).status_code == 204
                async with asyncio.timeout(60):
                    async for _ in stream.aiter_raw():
                        pass


async def test_somebody_elsewhere_who_ends_the_session_ends_the_stream(
    make_site: MakeSite, hashed: str
) -> None:
    """As another server does, or the command line."""
    async with make_site(EchoBackend(), ways=WAYS) as site, serving(site.door) as base:
        owner = await person(site, hashed)
        async with httpx.AsyncClient(base_url=base, timeout=60) as client:
            assert (await client.post("/sign-in/password", json=ADA)).status_code == 204
            async with client.stream("GET", "/api/events?from=") as stream:
                assert stream.status_code == 200
                await site.store.call(site.store.end_sessions, owner)
                async with asyncio.timeout(60):
                    async for _ in stream.aiter_raw():
                        pass


async def test_a_link_opened_before_is_remembered_and_the_chat_is_the_persons(
    make_site: MakeSite, hashed: str
) -> None:
    async with make_site(ways=WAYS) as site:
        owner = await person(site, hashed)
        guest, _ = site.guest()
        name, _, value = site.cookie(guest).partition("=")
        client = site.client(None)
        client.cookies.set(name, value, domain="chat.test", path="/")
        assert (await client.post("/sign-in/password", json=ADA)).status_code == 204
        me = (await client.get("/api/me")).json()
        assert me["owner"]["id"] == owner
        assert [one["id"] for one in me["earlier"]] == [guest.id]
        assert (await client.post("/api/sign-out")).status_code == 204
        assert (await client.get("/api/me")).json()["owner"]["id"] == guest.id


async def test_a_password_that_is_reset_during_a_sign_in_opens_nothing(
    make_site: MakeSite, hashed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with make_site(ways=WAYS) as site:
        owner = await person(site, hashed)
        begin = site.services.sessions.begin

        async def after_a_reset(*args: Any) -> list[str]:
            await site.store.call(site.store.set_password, owner, hash_password("the new password"))
            return await begin(*args)

        monkeypatch.setattr(site.services.sessions, "begin", after_a_reset)
        answer = await site.client(None).post("/sign-in/password", json=ADA)
        assert answer.json()["error"]["code"] == "password_wrong"
        assert await site.store.call(site.store.sessions, owner) == []


async def test_signing_out_of_a_session_that_has_just_ended_signs_out(
    make_site: MakeSite, hashed: str
) -> None:
    async with make_site(ways=WAYS) as site:
        owner = await person(site, hashed)
        client = await signed_in(site)
        assert (await client.get("/api/me")).status_code == 200
        await site.store.call(site.store.end_sessions, owner)
        assert (await client.post("/api/sign-out")).status_code in (204, 401)
        assert (await client.post("/sign-in/password", json=ADA)).status_code == 204
        assert (await client.get("/api/me")).status_code == 200


async def test_whoever_only_reads_does_not_wait_for_the_writer(
    make_site: MakeSite, hashed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with make_site(ways=WAYS) as site:
        await person(site, hashed)
        client = await signed_in(site)
        monkeypatch.setattr("webchat.auth.owners.TOUCH_AFTER", timedelta(0))

        def full(session_id: str) -> None:
            raise StoreUnavailable("the disk is full")

        monkeypatch.setattr(site.store, "touch_session", full)
        assert (await client.get("/api/me")).status_code == 200


async def test_on_an_open_server_a_session_that_ended_is_told(make_site: MakeSite, hashed: str) -> None:
    async with make_site(ways=replace(WAYS, anyone=True), access="open") as site:
        owner = await person(site, hashed)
        client = await signed_in(site)
        await site.store.call(site.store.set_disabled, owner, True)
        page = await client.get("/", headers={"accept": "text/html"})
        assert page.status_code == 401
        assert 'data-reason="disabled"' in page.text
        assert (await client.post("/t/switch", json={"id": ""})).status_code == 204
        assert "webchat" not in " ".join(client.cookies)


@pytest.mark.parametrize("name", ["   ", "\u202e\u202d", "\n"])
async def test_a_name_that_cannot_be_seen_is_refused(name: str, make_site: MakeSite, hashed: str) -> None:
    async with make_site(ways=WAYS) as site:
        await person(site, hashed)
        client = await signed_in(site)
        assert (await client.patch("/api/me", json={"name": name})).status_code == 422
        assert (await client.patch("/api/me", json={"name": " Ada \n L. "})).json()["name"] == "Ada L."


def holding(site: Site, *owners: Owner, scheme: str = "http") -> httpx.AsyncClient:
    """A browser that was these people before, the last one now."""
    client = site.client(None, base_url=f"{scheme}://chat.test")
    ids = [owner.id for owner in reversed(owners)]
    name, _, value = (
        Cookies(SECRET).header(ids[0], ids[1:], secure=scheme == "https").partition(";")[0].partition("=")
    )
    client.cookies.set(name, value, domain="chat.test", path="/")
    return client


async def test_chats_made_before_signing_in_are_offered_and_moved_once(
    make_site: MakeSite, hashed: str
) -> None:
    async with make_site(ways=WAYS) as site:
        ada = await person(site, hashed)
        guest, _ = site.guest("testers")
        client = holding(site, guest)
        begun = await site.send(client)
        await site.ended(client, begun["reply"]["id"])
        assert (await client.get("/api/me")).json()["movable_chats"] == []
        assert (await client.post("/sign-in/password", json=ADA)).status_code == 204
        (offered,) = (await client.get("/api/me")).json()["movable_chats"]
        assert (offered["giver"], offered["kind"], offered["name"], offered["chats"]) == (
            guest.id,
            "guest",
            "testers",
            1,
        )
        assert (await client.get("/api/conversations")).json()["items"] == [], "not without being asked"
        take = {"giver": guest.id}
        answers = await asyncio.gather(
            *(client.post("/api/conversations/take-over", json=take) for _ in range(3))
        )
        assert sum(answer.json()["moved"] for answer in answers) == 1
        (moved,) = (await client.get("/api/conversations")).json()["items"]
        assert moved["id"] == begun["conversation"]["id"]
        assert (await client.get("/api/me")).json()["movable_chats"] == []
        assert site.store.conversation_ids(guest.id) == []
        assert site.store.conversation_ids(ada) == [moved["id"]]


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_templates_come_along_only_by_a_cookie_that_no_other_page_sets(
    make_site: MakeSite, hashed: str, scheme: str
) -> None:
    async with make_site(ways=WAYS) as site:
        ada, visitor = await person(site, hashed), site.visitor()
        Talk(site.store, visitor.id).say("hello", "yes")
        template = site.store.create_template(visitor.id, {"name": "letter", "user": "Dear"}).id
        client = holding(site, visitor, scheme=scheme)
        assert (await client.post("/sign-in/password", json=ADA)).status_code == 204
        taken = await client.post("/api/conversations/take-over", json={"giver": visitor.id})
        assert taken.json() == {"moved": 1}
        assert site.store.template(ada if scheme == "https" else visitor.id, template)


async def test_nobody_takes_chats_that_their_own_browser_did_not_make(
    make_site: MakeSite, hashed: str
) -> None:
    async with make_site(ways=WAYS) as site:
        await person(site, hashed)
        guest, visitor = site.guest()[0], site.visitor()
        for owner in (guest, visitor):
            begun = await site.send(site.client(owner))
            await site.ended(site.client(owner), begun["reply"]["id"])
        ended, link = site.guest("ended")
        await site.send(site.client(ended))
        client = holding(site, ended)
        assert (await client.post("/sign-in/password", json=ADA)).status_code == 204
        await site.store.call(site.store.revoke_link, link.id)
        assert (await client.get("/api/me")).json()["movable_chats"] == []
        for giver in (guest, visitor, ended, site.store.local_owner()):
            answer = await client.post("/api/conversations/take-over", json={"giver": giver.id})
            assert answer.status_code == 404
        assert len(site.store.conversation_ids(guest.id)) == 1


async def test_chats_of_a_planted_cookie_are_not_offered(make_site: MakeSite, hashed: str) -> None:
    """Over HTTPS a page of another subdomain can set a cookie beside ours, but not the one of this host."""
    async with make_site(ways=WAYS) as site:
        await person(site, hashed)
        mallory = site.visitor("Mallory")
        begun = await site.send(site.client(mallory))
        await site.ended(site.client(mallory), begun["reply"]["id"])
        planted = site.cookie(mallory)
        client = site.client(None, base_url="https://chat.test", headers={"cookie": planted})
        answer = await client.post("/sign-in/password", json=ADA)
        assert answer.status_code == 204
        own = answer.headers["set-cookie"].partition(";")[0]
        assert own.startswith("__Host-")
        client.headers["cookie"] = f"{planted}; {own}"
        me = (await client.get("/api/me")).json()
        assert (me["movable_chats"], me["earlier"]) == ([], [])
        answer = await client.post("/api/conversations/take-over", json={"giver": mallory.id})
        assert answer.status_code == 404
        assert len(site.store.conversation_ids(mallory.id)) == 1


async def test_an_operator_who_signs_in_is_offered_the_chats_of_this_machine(
    make_site: MakeSite, hashed: str
) -> None:
    async with make_site(ways=WAYS) as site:
        await person(site, hashed, operates=True)
        local = site.store.local_owner()
        Talk(site.store, local.id).say("made on loopback", "yes")
        client = await signed_in(site)
        (offered,) = (await client.get("/api/me")).json()["movable_chats"]
        assert (offered["giver"], offered["kind"]) == (local.id, "local")
        answer = await client.post("/api/conversations/take-over", json={"giver": local.id})
        assert answer.json() == {"moved": 1}
