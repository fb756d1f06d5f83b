from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.echo import EchoBackend, Step
from backends.errors import RateLimited
from tests.api.archives import read_archive
from tests.api.conftest import MakeSite, Site
from tests.store.talk import exported
from webchat.api.exporting.exports import MOST_OPEN
from webchat.api.filenames import disposition
from webchat.api.wire.messages import Archive
from webchat.slots import MOST_WAITING


async def _grown(site: Site, client: httpx.AsyncClient) -> str:
    """A conversation with branches on both sides, a correction, a rating and settings."""
    settings = {"system_prompt": "Sei knapp.", "sampling": {"temperature": 0.3, "stop": ["\n\n"], "seed": 7}}
    begun = await site.send(client, "你好 **world** <b>&\n```py\nx\n```", settings=settings)
    id: str = begun["conversation"]["id"]
    reply = begun["reply"]["id"]
    await site.ended(client, reply)
    for body in (
        {"kind": "regenerate", "message_id": reply, "text": None},
        {"kind": "edit", "message_id": begun["user"]["id"], "text": "another question"},
        {"kind": "continue", "message_id": reply, "text": None},
    ):
        made = await site.send(client, conversation_id=id, **body)
        await site.ended(client, made["reply"]["id"])
    await client.post(f"/api/messages/{reply}/edit", json={"text": "my own words"})
    await client.put(f"/api/messages/{reply}/rating", json={"value": 1})
    return id


async def test_nothing_is_lost_in_our_json(make_site: MakeSite) -> None:
    async with make_site(EchoBackend(reasoning="Let me see.")) as site:
        owner = site.visitor()
        client = site.client(owner)
        ids = [await _grown(site, client) for _ in range(2)]
        one = await client.get(f"/api/conversations/{ids[0]}/export", params={"format": "json"})
        every = await client.get("/api/export")
        assert one.headers["content-type"] == "application/json"
        assert one.json()["schema"] == "webchat/1"
        stored = exported(site.store, owner.id)
        assert len(stored[0].messages) == 7
        assert read_archive(every.json(), owner.id) == stored
        assert read_archive(one.json(), owner.id) == [stored[0]]
        described = Archive.model_validate(every.json())
        assert described.model_dump(mode="json", by_alias=True) == every.json()


async def test_a_failed_reply_survives_the_file(make_site: MakeSite) -> None:
    script: list[Step] = ["Half ", RateLimited("Too many.", cure="Wait.", retry_after=2.5)]
    async with make_site(EchoBackend(script=script)) as site:
        owner = site.operating()
        client = site.client(owner)
        await site.ended(client, (await site.send(client))["reply"]["id"])
        found = read_archive((await client.get("/api/export")).json(), owner.id)
        assert found == exported(site.store, owner.id)
        assert found[0].messages[1].failure is not None


async def test_markdown_is_the_branch_that_is_shown(site: Site) -> None:
    client = site.client(site.visitor())
    id = await _grown(site, client)
    answer = await client.get(f"/api/conversations/{id}/export", params={"format": "markdown"})
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    assert answer.text.startswith("# ")
    assert "## System prompt\n\nSei knapp." in answer.text
    assert "my own words" in answer.text
    assert "another question" not in answer.text
    chinese = await client.get(
        "/api/export", params={"format": "markdown"}, headers={"accept-language": "zh-CN,zh;q=0.9"}
    )
    assert "## 用户" in chinese.text


async def test_too_many_downloads_are_refused_before_they_begin(site: Site) -> None:
    client = site.client(site.visitor())
    for _ in range(2):
        await site.ended(client, (await site.send(client))["reply"]["id"])
    answers = await asyncio.gather(*(client.get("/api/export") for _ in range(3 * MOST_WAITING)))
    begun = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(begun) >= MOST_OPEN
    assert all(len(whole["conversations"]) == 2 for whole in begun)
    assert {answer.status_code for answer in answers} == {200, 429}
    assert (await client.get("/api/conversations/none/export")).status_code == 404
    assert (await client.get("/api/export")).status_code == 200


async def test_an_empty_export_is_still_a_file(site: Site) -> None:
    client = site.client(site.visitor())
    assert (await client.get("/api/export")).json()["conversations"] == []
    assert (await client.get("/api/export", params={"format": "markdown"})).text == ""
    assert (await client.get("/api/export", params={"format": "exe"})).status_code == 400


@pytest.mark.parametrize(
    "title",
    [
        "../../etc/passwd",
        "a\r\nSet-Cookie: x=y",
        'q"; filename="evil.exe',
        "CON",
        "你好 世界",
        "",
        "." * 99,
        "a/b\\c:d*?",
    ],
)
def test_file_names_are_safe(title: str) -> None:
    _check(disposition(title, ".md"))


@given(st.text(max_size=200))
def test_every_title_gives_a_safe_file_name(title: str) -> None:
    _check(disposition(title, ".md"))


def _check(header: str) -> None:
    found: Any = re.fullmatch(r"attachment; filename=\"(webchat[\w-]*\.md)\"; filename\*=UTF-8''(.+)", header)
    assert found, header
    assert header.isascii()
    assert "/" not in found[2]
    assert len(found[1]) <= 63
