"""Recently deleted over HTTP: listed with when it ends, restored, or ended for good on its owner's word."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from backends.echo import EchoBackend
from tests.api.conftest import MakeSite, Site
from webchat.turns import News


async def _trash(client: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    answer = await client.get("/api/trash", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def _said(site: Site, client: httpx.AsyncClient, text: str) -> dict[str, Any]:
    begun = await site.send(client, text)
    await site.ended(client, begun["reply"]["id"])
    return begun


def _kept(file: Path, words: str) -> bool:
    with closing(sqlite3.connect(file)) as database:
        return bool(database.execute("SELECT 1 FROM messages WHERE text LIKE ?", (f"%{words}%",)).fetchall())


async def _gone(file: Path, words: str) -> None:
    while _kept(file, words):  # noqa: ASYNC110  a database has no event for it
        await asyncio.sleep(0.01)


async def test_the_list_says_what_it_is_and_when_it_ends(site: Site) -> None:
    client = site.client(site.visitor())
    kept, gone = await _said(site, client, "kept words"), await _said(site, client, "gone words")
    await client.delete(f"/api/messages/{kept['reply']['id']}")
    await client.delete(f"/api/conversations/{gone['conversation']['id']}")
    found = await _trash(client)
    assert (found["days"], found["next"]) == (30, None)
    whole, part = found["items"]
    assert (whole["kind"], whole["id"], whole["title"]) == (
        "conversation",
        gone["conversation"]["id"],
        "gone words",
    )
    assert (part["kind"], part["id"], part["title"]) == ("messages", kept["reply"]["id"], "kept words")
    assert (part["role"], part["count"], part["conversation_id"]) == (
        "assistant",
        1,
        kept["conversation"]["id"],
    )
    for item in found["items"]:
        ends, deleted = (datetime.fromisoformat(item[key]) for key in ("ends_at", "deleted_at"))
        assert ends - deleted == timedelta(days=30)
    assert len((await _trash(client, limit=1))["items"]) == 1
    assert (await client.get("/api/trash", params={"limit": 0})).status_code == 400


async def test_what_is_ended_is_gone_from_the_list_and_the_database(site: Site, tmp_path: Path) -> None:
    client = site.client(site.visitor())
    file = tmp_path / "chat.db"
    for words in ("first secret", "second secret", "third secret"):
        begun = await _said(site, client, words)
        await client.delete(f"/api/conversations/{begun['conversation']['id']}")
    kept = await _said(site, client, "a kept secret")
    await client.delete(f"/api/messages/{kept['user']['id']}")
    third, second, first = [item["id"] for item in (await _trash(client))["items"]][1:]
    assert (await client.delete(f"/api/trash/conversations/{first}")).status_code == 204
    assert (await client.post(f"/api/conversations/{first}/restore")).status_code == 404
    assert (await client.delete(f"/api/trash/conversations/{first}")).status_code == 404
    await _gone(file, "first secret")
    assert (await client.delete(f"/api/trash/messages/{kept['user']['id']}")).status_code == 204
    await _gone(file, "a kept secret")
    assert [item["id"] for item in (await _trash(client))["items"]] == [third, second]
    assert _kept(file, "second secret")
    assert (await client.post(f"/api/conversations/{second}/restore")).status_code == 200
    assert (await client.delete("/api/trash")).status_code == 204
    await _gone(file, "third secret")
    assert _kept(file, "second secret"), "what was restored stays"
    assert (await _trash(client))["items"] == []


async def test_a_living_chat_cannot_be_ended(site: Site) -> None:
    client = site.client(site.visitor())
    begun = await _said(site, client, "alive")
    assert (await client.delete(f"/api/trash/conversations/{begun['conversation']['id']}")).status_code == 404
    assert (await client.delete(f"/api/trash/messages/{begun['reply']['id']}")).status_code == 404
    assert (await client.get(f"/api/conversations/{begun['conversation']['id']}")).status_code == 200


async def test_a_chat_is_ended_while_its_reply_is_being_stopped(make_site: MakeSite) -> None:
    async with make_site(EchoBackend(rate=20)) as site:
        client = site.client(site.visitor())
        begun = await site.send(client, "word " * 200)
        id = begun["conversation"]["id"]
        await client.delete(f"/api/conversations/{id}")
        assert (await client.delete(f"/api/trash/conversations/{id}")).status_code == 204
        assert (await _trash(client))["items"] == []
        assert (await client.get(f"/api/messages/{begun['reply']['id']}")).status_code == 404


async def test_all_chats_are_deleted_their_replies_stopped_and_nobody_elses(make_site: MakeSite) -> None:
    async with make_site(EchoBackend(script=["word "] * 100_000, rate=50)) as site:
        client, other = site.client(site.visitor()), site.client(site.visitor("Bob"))
        begun, theirs = await site.send(client), await site.send(other)
        answer = await client.delete("/api/conversations")
        assert (answer.status_code, answer.json()) == (200, {"conversations": 1})
        assert (await client.get("/api/conversations")).json()["items"] == []
        (item,) = (await _trash(client))["items"]
        assert item["id"] == begun["conversation"]["id"]
        await client.post(f"/api/conversations/{item['id']}/restore")
        assert (await site.ended(client, begun["reply"]["id"]))["state"] == "stopped"
        running = (await other.get(f"/api/messages/{theirs['reply']['id']}")).json()["message"]
        assert running["state"] in ("queued", "streaming")


async def test_all_chats_deleted_for_good_leave_nothing_behind(site: Site, tmp_path: Path) -> None:
    client = site.client(site.visitor())
    await _said(site, client, "the lighthouse")
    dropped = await _said(site, client, "the harbour")
    await client.delete(f"/api/conversations/{dropped['conversation']['id']}")
    assert (await client.delete("/api/conversations?permanently=2")).status_code == 400
    answer = await client.delete("/api/conversations?permanently=1")
    assert answer.json() == {"conversations": 1}
    assert (await _trash(client))["items"] == []
    for words in ("lighthouse", "harbour"):
        await _gone(tmp_path / "chat.db", words)


async def test_pages_elsewhere_hear_that_all_chats_are_gone(site: Site) -> None:
    owner = site.visitor()
    client = site.client(owner)
    await _said(site, client, "the lighthouse")
    follower = site.turns.watch(owner.id, {})
    await client.delete("/api/conversations")
    assert ("", News("changed", "")) in follower.at_once()
    follower.close()
