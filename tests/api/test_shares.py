"""Read-only shares: what is copied, who reads it, and when it is over."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, update

from backends.echo import EchoBackend
from backends.types import Media, ToolCall
from tests.api.conftest import MakeSite, Site
from tests.asgi import Ask, whole
from tests.store.talk import called
from webchat.auth.delays import FREE_FAILURES
from webchat.privacy import Finder
from webchat.recent import Recent
from webchat.sharing.share_errors import ShareDelayed, ShareLocked
from webchat.sharing.shares import MOST_WRONG_THEN, WRONG_SECONDS, Shares, _masked
from webchat.slots import Crowded
from webchat.store.database.tables.conversations import MediaRow
from webchat.store.database.tables.sharing import ShareRow
from webchat.store.share_records import NewShare, SharedMessage

PICTURE = Media("a" * 16, "image/png", b"\x89PNG" + bytes(100))
SCRIPTLESS = {"accept": "text/html"}


async def talked(site: Site, client: httpx.AsyncClient, text: str = "Hello **there**") -> dict[str, Any]:
    begun = await site.send(client, text)
    await site.ended(client, begun["reply"]["id"])
    return begun


async def shared(client: httpx.AsyncClient, begun: dict[str, Any], **wish: Any) -> dict[str, Any]:
    answer = await client.post("/api/shares", json={"conversation_id": begun["conversation"]["id"], **wish})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def reader(site: Site, **headers: str) -> httpx.AsyncClient:
    """Somebody with the address and nothing else."""
    return site.client(None, headers={**SCRIPTLESS, **headers})


async def test_anyone_with_the_address_reads_and_stays_nobody(site: Site) -> None:
    owner = site.client(site.visitor())
    made = await shared(owner, await talked(site, owner))
    answer = await reader(site).get("/" + made["path"])
    assert answer.status_code == 200
    assert "Hello **there**" in answer.text, "what a person wrote is no Markdown"
    assert "<strong>there</strong>" in answer.text
    assert "set-cookie" not in answer.headers
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "noindex" in answer.headers["x-robots-tag"]
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'nonce-" in policy
    assert "<script" not in answer.text.replace('<script type="module" nonce=', "")


async def test_reading_lets_nobody_in_elsewhere_and_makes_no_owner(make_site: MakeSite) -> None:
    async with make_site(access="open") as site:
        owner = site.client(site.visitor())
        made = await shared(owner, await talked(site, owner))
        client = reader(site)
        assert (await client.get("/" + made["path"])).status_code == 200
        assert not client.cookies
        assert (await client.get("/api/me")).status_code == 401
        with site.store.transaction(write=False) as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM owners").scalar() == 1


async def test_what_happens_later_does_not_reach_it(site: Site) -> None:
    owner = site.client(site.visitor())
    begun = await talked(site, owner, "The first words")
    made = await shared(owner, begun)
    reply = begun["reply"]["id"]
    await owner.post(f"/api/messages/{reply}/edit", json={"text": "Edited away"})
    await owner.delete(f"/api/messages/{begun['user']['id']}")
    await owner.delete("/api/trash")
    site.store.purge(datetime.now(UTC) + timedelta(days=1))
    text = (await reader(site).get("/" + made["path"])).text
    assert "The first words" in text
    assert "Edited away" not in text


async def test_chosen_messages_alone(site: Site) -> None:
    owner = site.client(site.visitor())
    begun = await talked(site, owner, "Only the answer")
    made = await shared(owner, begun, messages=[begun["reply"]["id"]])
    text = (await reader(site).get("/" + made["path"])).text
    assert made["messages"] == 1
    assert 'class="wc-share-user"' not in text
    foreign = await owner.post(
        "/api/shares", json={"conversation_id": begun["conversation"]["id"], "messages": ["nothing"]}
    )
    assert foreign.json()["error"]["code"] == "share_empty"


@pytest.mark.parametrize("chosen", [True, False], ids=["chosen", "not-chosen"])
async def test_reasoning_models_and_previews_only_if_chosen(make_site: MakeSite, chosen: bool) -> None:
    backend = EchoBackend(script=["<think>", "secret thoughts", "</think>", "Said."])
    async with make_site(backend) as site:
        owner = site.client(site.visitor())
        begun = await talked(site, owner, "A question")
        message = (await owner.get(f"/api/messages/{begun['reply']['id']}")).json()["message"]
        made = await shared(owner, begun, reasoning=chosen, models=chosen, preview=chosen)
        text = (await reader(site).get("/" + made["path"])).text
        if message["reasoning"]:
            assert ("secret thoughts" in text) == chosen
        assert ('<span dir="auto">echo</span>' in text) == chosen
        assert ('property="og:title"' in text) == chosen


@pytest.mark.parametrize("way", ["ended", "trash", "expired", "disabled", "off", "masked"])
async def test_when_it_is_over(site: Site, way: str) -> None:
    owner = site.client(site.visitor())
    begun = await talked(site, owner)
    made = await shared(owner, begun)
    page, media = "/" + made["path"], f"/{made['path']}/media/{PICTURE.name}"
    assert (await reader(site).get(page)).status_code == 200
    shares: Shares = site.services.shares
    if way == "ended":
        assert (await owner.delete(f"/api/shares/{made['id']}")).status_code == 204
    elif way == "trash":
        await owner.delete(f"/api/conversations/{begun['conversation']['id']}")
    elif way == "expired":
        with site.store.transaction(write=True) as connection:
            connection.execute(update(ShareRow).values(expires_at=datetime.now(UTC)))
    elif way == "disabled":
        me = made_by(site)
        with site.store.transaction(write=True) as connection:
            connection.exec_driver_sql(
                "INSERT INTO people (owner_id, issuer, subject, disabled_at)"
                " VALUES (?, 'p', 'a', '2026-01-01')",
                (me,),
            )
    else:
        shares.mode = "off" if way == "off" else "masked"
    status = 410 if way in ("ended", "expired") else 404
    for path in (page, media):
        answer = await reader(site).get(path)
        assert answer.status_code == status
        assert "there" not in answer.text.replace("There is nothing", "").replace("otherwise", "")
    if status == 404:
        unknown = await reader(site).get("/s/" + "x" * 32)
        assert unknown.text == (await reader(site).get(page)).text
    if way == "trash":
        await owner.post(f"/api/conversations/{begun['conversation']['id']}/restore", json={})
        assert (await reader(site).get(page)).status_code == 200


def made_of(site: Site, conversation_id: str) -> str:
    """The owner of a conversation."""
    with site.store.transaction(write=False) as connection:
        query = "SELECT owner_id FROM conversations WHERE id = ?"
        return str(connection.exec_driver_sql(query, (conversation_id,)).scalar())


def made_by(site: Site) -> str:
    with site.store.transaction(write=False) as connection:
        return str(connection.exec_driver_sql("SELECT owner_id FROM shares").scalar())


async def test_it_goes_with_its_chat_for_good(site: Site) -> None:
    owner = site.client(site.visitor())
    begun = await talked(site, owner)
    made = await shared(owner, begun)
    await owner.delete(f"/api/conversations/{begun['conversation']['id']}")
    await owner.delete("/api/trash")
    site.store.purge(datetime.now(UTC) + timedelta(days=1))
    assert (await reader(site).get("/" + made["path"])).status_code == 404
    with site.store.transaction(write=False) as connection:
        for table in ("shares", "share_messages", "share_media"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 0


async def test_a_password(site: Site) -> None:
    owner = site.client(site.visitor())
    made = await shared(owner, await talked(site, owner, "Hidden words"), password="open sesame")
    assert made["password"] is True
    client, page = reader(site), "/" + made["path"]
    asked = await client.get(page)
    assert asked.status_code == 200
    assert "Hidden words" not in asked.text
    assert '<form method="post">' in asked.text
    for wrong in ("", "wrong", "x" * 300):
        refused = await client.post(page, data={"password": wrong})
        assert refused.status_code == 403
        assert "set-cookie" not in refused.headers
    opened = await client.post(page, data={"password": "open sesame"})
    assert opened.status_code == 303
    cookie = opened.headers["set-cookie"]
    assert f"Path=/s/{made['id']}" in cookie
    assert "HttpOnly" in cookie
    assert "Hidden words" in (await client.get(page)).text
    # It opens no other share, and not this one once the password is another.
    other = await shared(owner, await talked(site, owner, "Other words"), password="open sesame")
    kept = {"cookie": cookie.partition(";")[0]}
    assert "Other words" not in (await reader(site, **kept).get("/" + other["path"])).text
    await owner.patch(f"/api/shares/{made['id']}", json={"password": "another one"})
    assert "Hidden words" not in (await client.get(page)).text
    await owner.patch(f"/api/shares/{made['id']}", json={"password": None})
    assert "Hidden words" in (await reader(site).get(page)).text


async def test_guessing_a_password_is_slowed_down(site: Site) -> None:
    owner = site.client(site.visitor())
    made = await shared(owner, await talked(site, owner), password="open sesame")
    client = reader(site)
    statuses = [
        (await client.post("/" + made["path"], data={"password": f"guess {n}"})).status_code for n in range(8)
    ]
    assert statuses[:5] == [403] * 5
    assert 429 in statuses[5:]


async def test_a_form_that_is_not_ours_is_a_wrong_password(site: Site) -> None:
    owner = site.client(site.visitor())
    made = await shared(owner, await talked(site, owner), password="open sesame")
    fields = {f"field{n}": "x" for n in range(8)}
    for form in ({**fields, "password": "open sesame"}, fields, {"other": "x"}):
        assert (await reader(site).post("/" + made["path"], data=form)).status_code == 403


async def test_behind_an_unnamed_proxy_wrong_passwords_of_others_delay_nobody(site: Site) -> None:
    owner = site.client(site.visitor())
    made = await shared(owner, await talked(site, owner), password="open sesame", allow_copy=True)

    def through(said: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(site.door, client=("172.17.0.1", 4000))
        return site.client(None, transport=transport, headers={**SCRIPTLESS, "x-forwarded-for": said})

    stranger = through("198.51.100.9")
    for n in range(2 * FREE_FAILURES):
        answer = await stranger.post("/" + made["path"], data={"password": f"guess {n}"})
        assert answer.status_code == 403
    right = {"password": "open sesame"}
    assert (await through("203.0.113.7").post("/" + made["path"], data=right)).status_code == 303


@pytest.mark.parametrize("network", ["203.0.113.7", None], ids=["another-network", "no-network"])
async def test_wrong_passwords_of_one_share_are_limited_over_all_networks(
    site: Site, network: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = site.client(site.visitor())
    made = await shared(owner, await talked(site, owner), password="open sesame")
    shares, clock = site.services.shares, 0.0
    shares._wrong = Recent(10, WRONG_SECONDS, lambda: clock)
    shares._few = Recent(MOST_WRONG_THEN, WRONG_SECONDS, lambda: clock)
    share = await shares.opened(made["id"])

    async def tried(password: str, network: str | None) -> str:
        try:
            await shares.unlock(share, password, network)
        except (ShareLocked, ShareDelayed) as error:
            return error.code
        return "open"

    for n in range(10):
        assert await tried("guess", f"198.51.100.{n}") == "share_locked"
    if network is None:
        assert await tried("open sesame", None) == "share_delayed"
        clock += WRONG_SECONDS
        assert await tried("open sesame", None) == "open"
        return
    for _ in range(MOST_WRONG_THEN):
        assert await tried("guess", network) == "share_locked"
    assert await tried("guess", network) == "share_delayed"
    assert await tried("open sesame", "192.0.2.1") == "open", "a network that sent none is heard"


async def test_passwords_wait_for_each_other(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one owner or network only so many, and no more than two are looked at together."""
    owner = site.client(person := site.visitor())
    made = await shared(owner, await talked(site, owner), password="open sesame")
    shares, at_work, most = site.services.shares, 0, 0

    async def slowly(*_: str) -> Any:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        for _turn in range(5):
            await asyncio.sleep(0)
        at_work -= 1
        return ""

    monkeypatch.setattr(shares._checks, "right", slowly)
    monkeypatch.setattr(shares._checks, "hash", slowly)
    share = await shares.opened(made["id"])
    tries = [shares.unlock(share, "guess", f"192.0.2.{n}") for n in range(20)]
    tries += [shares.unlock(share, "guess", None) for n in range(150)]
    hashes = [shares.hashed(person, "four") for n in range(150)]
    found = await asyncio.gather(*tries, *hashes, return_exceptions=True)
    assert most == 2
    assert sum(isinstance(one, Crowded) for one in found) == 100


async def test_views_are_counted_once_read_by_somebody(site: Site) -> None:
    owner = site.client(site.visitor())
    made = await shared(owner, await talked(site, owner))
    page = "/" + made["path"]
    for _ in range(3):
        await reader(site).get(page)
    await reader(site).head(page)
    await reader(site, **{"sec-purpose": "prefetch;prerender"}).get(page)
    await reader(site, **{"user-agent": "Mozilla/5.0 (compatible; Slackbot-LinkExpanding 1.0)"}).get(page)
    await site.services.shares.aclose()
    listed = (await owner.get("/api/shares")).json()["items"]
    assert [item["views"] for item in listed] == [3]


@pytest.mark.parametrize("forced", [True, False], ids=["forced", "chosen"])
async def test_personal_data_is_replaced_everywhere(make_site: MakeSite, forced: bool) -> None:
    async with make_site(shares="masked" if forced else "on") as site:
        owner = site.client(site.visitor())
        begun = await talked(site, owner, "Write to ada@example.org please")
        await owner.patch(
            f"/api/conversations/{begun['conversation']['id']}", json={"title": "To ada@example.org"}
        )
        made = await shared(owner, begun, preview=True, **({} if forced else {"masked": True}))
        assert made["masked"] is True
        text = (await reader(site).get("/" + made["path"])).text
        assert "ada@example.org" not in text
        assert text.count("[EMAIL_1]") >= 3
        assert "ada@example.org" not in str(site.store.shared_messages(made["id"], 0, 10))


async def test_tool_calls_are_shared_masked_and_continued(make_site: MakeSite) -> None:
    async with make_site(shares="masked") as site:
        person = site.visitor()
        owner = site.client(person)
        begun = called(site.store, person.id, argument="of ada@example.org", result="mail ada@example.org")
        made = await shared(owner, {"conversation": {"id": begun.conversation.id}}, allow_copy=True)
        page = (await reader(site).get("/" + made["path"])).text
        assert '<summary dir="auto">Called tide</summary>' in page
        assert "{&quot;at&quot;: &quot;of [EMAIL_1]&quot;}" in page
        assert '<pre dir="auto">mail [EMAIL_1]</pre>' in page
        copied = (await owner.post(f"/api/shares/{made['id']}/copy", json={})).json()
        _, calling, result, _ = (await owner.get(f"/api/conversations/{copied['id']}")).json()["messages"]
        assert (calling["tool_calls"][0]["name"], result["tool_call_id"]) == ("tide", "a")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (r'{"q": "call\n+49 30 901820"}', '{"q": "call\\n[PHONE_1]"}'),
        (r'{"q": "ada@example\u002eorg"}', '{"q": "[EMAIL_1]"}'),
        ('{"q":"[1]"}', '{"q":"[1]"}'),
        ("ada@example.org, not JSON", "[EMAIL_1], not JSON"),
    ],
)
def test_escapes_hide_nothing_from_the_mask_of_a_share(said: str, shown: str) -> None:
    message = SharedMessage(
        "assistant", "", "complete", datetime(2026, 1, 1, tzinfo=UTC), tool_calls=(ToolCall("a", "f", said),)
    )
    new = NewShare("s", "c", "T", messages=(message,))
    assert [call.arguments for one in _masked(new, Finder()).messages for call in one.tool_calls] == [shown]


async def test_masked_shares_show_no_pictures(make_site: MakeSite) -> None:
    async with make_site(shares="masked") as site:
        owner = site.client(site.visitor())
        begun = await with_picture(site, owner)
        made = await shared(owner, begun, allow_copy=True)
        page = (await reader(site).get("/" + made["path"])).text
        assert "<img" not in page
        assert "PNG" in page.upper(), "that there was one is said"
        assert (await reader(site).get(f"/{made['path']}/media/{PICTURE.name}")).status_code == 404
        copied = (await owner.post(f"/api/shares/{made['id']}/copy", json={})).json()
        thread = (await owner.get(f"/api/conversations/{copied['id']}")).json()
        assert PICTURE.name not in str(thread)


@pytest.mark.parametrize("way", ["later-ones", "first-too", "named"])
async def test_a_title_tells_of_no_message_that_was_not_chosen(site: Site, way: str) -> None:
    owner = site.client(site.visitor())
    begun = await talked(site, owner, "My diagnosis")
    id, question, reply = begun["conversation"]["id"], begun["user"]["id"], begun["reply"]["id"]
    await owner.post(f"/api/messages/{reply}/edit", json={"text": "The answer\nand more"})
    if way == "named":
        await owner.patch(f"/api/conversations/{id}", json={"title": "Chosen name"})
    branch = site.store.branch(made_of(site, id), id)[1]
    ids = [message.id for message in branch if message.id != question or way == "first-too"]
    made = await shared(owner, begun, messages=ids, preview=True)
    text = (await reader(site).get("/" + made["path"])).text
    titles = {"later-ones": "The answer and more", "first-too": "My diagnosis", "named": "Chosen name"}
    assert made["title"] == titles[way]
    assert f">{titles[way]}</h1>" in text
    assert ("My diagnosis" in text) == (way == "first-too")


async def test_testers_share_where_their_link_says_so_until_it_does_not(make_site: MakeSite) -> None:
    async with make_site() as site:
        person, link = site.guest(shares=True)
        guest = site.client(person)
        assert (await guest.get("/api/me")).json()["shares"] == "on"
        made = await shared(guest, await talked(site, guest), title="  What I\n asked ", masked=True)
        assert made["title"] == "What I asked"
        assert made["masked"]
        path = "/" + made["path"]

        async def status() -> int:
            return (await reader(site).get(path)).status_code

        assert await status() == 200
        site.store.change_link(link.id, paused=True)
        assert await status() == 404
        site.store.change_link(link.id, paused=False)
        assert await status() == 200
        site.store.change_link(link.id, terms=lambda old: replace(old, shares=False))
        assert await status() == 404
        site.store.change_link(link.id, terms=lambda old: replace(old, shares=True))
        site.store.revoke_link(link.id)
        assert await status() == 404


async def test_testers_share_nothing_and_off_is_off(make_site: MakeSite) -> None:
    async with make_site() as site:
        guest = site.client(site.guest()[0])
        begun = await talked(site, guest)
        body = {"conversation_id": begun["conversation"]["id"]}
        assert (await guest.post("/api/shares", json=body)).json()["error"]["code"] == "share_not_allowed"
        assert (await guest.get("/api/me")).json()["shares"] == "off"
        site.services.shares.mode = "off"
        owner = site.client(site.visitor())
        body = {"conversation_id": (await talked(site, owner))["conversation"]["id"]}
        assert (await owner.post("/api/shares", json=body)).status_code == 403


async def test_visitors_of_an_open_server_share_if_the_operator_says_so(site: Site) -> None:
    site.services.shares.visitors = False
    visitor, operator = site.client(site.visitor()), site.client(site.operating())
    body = {"conversation_id": (await talked(site, visitor))["conversation"]["id"]}
    assert (await visitor.post("/api/shares", json=body)).json()["error"]["code"] == "share_not_allowed"
    assert (await visitor.get("/api/me")).json()["shares"] == "off"
    await shared(operator, await talked(site, operator))


@pytest.mark.parametrize("said", [True, False], ids=["said", "unsaid"])
async def test_a_server_is_told_by_its_settings_whether_visitors_share(tmp_path: Path, said: bool) -> None:
    async with whole(tmp_path, access="open", visitor_shares=said) as server:
        come = await server.send(Ask("GET", b"/", ((b"accept", b"text/html"),)))
        cookie = (b"cookie", come.header(b"set-cookie").partition(b";")[0])
        me = await server.send(Ask("GET", b"/api/me", (cookie,)))
        assert json.loads(me.body)["shares"] == ("on" if said else "off")


async def test_so_many_copies_a_day(site: Site) -> None:
    owner, other = site.client(site.visitor()), site.client(site.visitor("Bob"))
    made = await shared(owner, await talked(site, owner), allow_copy=True)
    site.services.shares._copied = Recent(2, 86_400)
    path = f"/api/shares/{made['id']}/copy"
    assert [(await other.post(path, json={})).status_code for _ in range(3)] == [201, 201, 429]
    assert (await owner.post(path, json={})).status_code == 201, "everybody for themselves"


async def test_continuing_it_as_a_copy(site: Site) -> None:
    owner, other = site.client(site.visitor()), site.client(site.visitor("Bob"))
    begun = await talked(site, owner, "Copy me")
    made = await shared(owner, begun, password="open sesame")
    path = f"/api/shares/{made['id']}/copy"
    assert (await other.post(path, json={})).json()["error"]["code"] == "share_locked"
    right = {"password": "open sesame"}
    assert (await other.post(path, json=right)).json()["error"]["code"] == "share_not_allowed"
    await owner.patch(f"/api/shares/{made['id']}", json={"allow_copy": True})
    copied = await other.post(path, json=right)
    assert copied.status_code == 201
    thread = (await other.get(f"/api/conversations/{copied.json()['id']}")).json()
    assert [message["role"] for message in thread["messages"]] == ["user", "assistant"]
    assert thread["messages"][0]["text"] == "Copy me"
    found = (await other.get("/api/search", params={"q": "Copy"})).json()["items"]
    assert found
    more = await site.send(
        other,
        "And on",
        conversation_id=copied.json()["id"],
        parent_id=thread["messages"][1]["id"],
    )
    assert (await site.ended(other, more["reply"]["id"]))["state"] == "complete"


async def with_picture(site: Site, owner: httpx.AsyncClient) -> dict[str, Any]:
    begun = await talked(site, owner)
    reply = begun["reply"]["id"]
    with site.store.transaction(write=True) as connection:
        row = {"message_id": reply, "name": PICTURE.name, "part": 0, "media_type": "image/png"}
        connection.execute(insert(MediaRow).values(**row, data=PICTURE.data))
    text = f"![picture](data:image/png;size=104;id={PICTURE.name},)"
    await owner.post(f"/api/messages/{reply}/edit", json={"text": text})
    return begun


async def test_pictures_are_copied_and_served_from_the_share(site: Site) -> None:
    owner = site.client(site.visitor())
    begun = await with_picture(site, owner)
    made = await shared(owner, begun, allow_copy=True)
    page = (await reader(site).get("/" + made["path"])).text
    assert f'<img src="{made["id"]}/media/{PICTURE.name}"' in page
    media = await reader(site).get(f"/{made['path']}/media/{PICTURE.name}")
    assert media.content == PICTURE.data
    assert media.headers["cache-control"] == "private, no-store"
    assert (await reader(site).get(f"/{made['path']}/media/{'b' * 16}")).status_code == 404
    copied = (await owner.post(f"/api/shares/{made['id']}/copy", json={})).json()
    thread = (await owner.get(f"/api/conversations/{copied['id']}")).json()
    media = await owner.get(f"/api/messages/{thread['messages'][1]['id']}/media/{PICTURE.name}")
    assert media.content == PICTURE.data


async def test_the_title_of_a_share_is_changed_by_its_owner_and_masked_like_the_rest(site: Site) -> None:
    owner = site.client(site.visitor())
    begun = await talked(site, owner)
    plain, masked = await shared(owner, begun), await shared(owner, begun, masked=True)
    body = {"title": "  Ask\n ada@example.org "}
    for made, title in ((plain, "Ask ada@example.org"), (masked, "Ask [EMAIL_1]")):
        await reader(site).get("/" + made["path"])
        answer = await owner.patch(f"/api/shares/{made['id']}", json=body)
        assert (answer.status_code, answer.json()["title"]) == (200, title)
        assert title in (await reader(site).get("/" + made["path"])).text
    refused = await site.client(site.visitor("Eve")).patch(f"/api/shares/{plain['id']}", json=body)
    assert refused.status_code == 404


async def test_listing_goes_on_where_a_page_ended(site: Site) -> None:
    owner = site.client(site.visitor())
    begun = await talked(site, owner)
    made = [(await shared(owner, begun))["id"] for _ in range(5)]
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await owner.get("/api/shares", params={"limit": 2, "cursor": cursor})).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == made[::-1]
    of_one = {"conversation": begun["conversation"]["id"]}
    assert len((await owner.get("/api/shares", params=of_one)).json()["items"]) == 5
    assert (await owner.get("/api/shares", params={"conversation": "other"})).json()["items"] == []


@pytest.mark.parametrize("language", ["en", "zh-CN"])
async def test_the_page_speaks_the_readers_language(site: Site, language: str) -> None:
    owner = site.client(site.visitor())
    made = await shared(owner, await talked(site, owner))
    text = (await reader(site, **{"accept-language": f"{language},fr;q=0.5"}).get("/" + made["path"])).text
    assert f'<html lang="{language}"' in text
    assert ("助手" in text) == (language == "zh-CN")
