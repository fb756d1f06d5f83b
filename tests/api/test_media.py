"""Pictures and sounds that a model sends, from its endpoint to the address they are had from."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from backends.openai_compat import OpenAICompatBackend
from backends.options import EndpointOptions
from tests.api.conftest import MakeSite, Site
from tests.backends.hostile_server import DONE, HostileServer, says, sse
from webchat.moderation import Moderation
from webchat.moderation.rules import read_rules

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 3
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
GONE = "![picture](data:image/png;size=900;id=aaaaaaaaaaaaaaaa,)"
WAV = b"RIFF\x20\0\0\0WAVEfmt " + bytes(range(100))


def image(media_type: str, data: bytes) -> dict[str, Any]:
    return says(images=[{"image_url": {"url": f"data:{media_type};base64,{b64encode(data).decode()}"}}])


@asynccontextmanager
async def drawn(make_site: MakeSite, *stream: dict[str, Any], **options: Any) -> AsyncIterator[Any]:
    """A site, a client and the reply it had from an endpoint that sends this."""
    async with HostileServer(sse(*stream, says(finish="stop"), DONE)) as server:
        backend = OpenAICompatBackend(EndpointOptions(server.url, "m"))
        async with make_site(backend, **options) as site:
            client = site.client(site.visitor())
            begun = await site.send(client, "Draw")
            yield site, client, await site.ended(client, begun["reply"]["id"]), server


def names(reply: dict[str, Any]) -> list[str]:
    return re.findall(";id=([a-p]{16}),", reply["text"])


def address(reply: dict[str, Any], name: str) -> str:
    return f"/api/messages/{reply['id']}/media/{name}"


async def test_a_picture_comes_as_it_was_sent_and_may_be_kept_by_the_browser(make_site: MakeSite) -> None:
    async with drawn(make_site, says("Here: "), image("image/png", PNG)) as (site, client, reply, _):
        (name,) = names(reply)
        answer = await client.get(address(reply, name))
        assert answer.content == PNG
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
        assert answer.headers["content-disposition"].startswith(
            f'inline; filename="webchat-image-{name}.png"'
        )
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "sandbox" in policy
        assert "base64" not in str(reply)
        await nobody_else_has_it(site, client, reply, name)


async def nobody_else_has_it(site: Site, client: Any, reply: dict[str, Any], name: str) -> None:
    where = address(reply, name)
    assert (await site.client(site.visitor("Eve")).get(where)).status_code == 404
    assert (await site.client(None).get(where)).status_code == 401
    for wrong in ("a" * 16, "1", "A" * 16, name + "a", "%2e%2e"):
        assert (await client.get(address(reply, wrong))).status_code == 404
    assert (await client.delete(f"/api/conversations/{reply['conversation_id']}")).status_code == 204
    assert (await client.get(where)).status_code == 404


async def test_what_may_run_something_is_a_download_and_of_no_type(make_site: MakeSite) -> None:
    said_to_be = image("image/png", b"<!doctype html><script>alert(1)</script>")
    async with drawn(make_site, image("image/svg+xml", SVG), said_to_be) as (_, client, reply, _):
        for name, suffix in zip(names(reply), (".svg", ".bin"), strict=True):
            answer = await client.get(address(reply, name))
            assert answer.headers["content-type"] == "application/octet-stream"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["content-disposition"].startswith("attachment; ")
            assert f'{suffix}"' in answer.headers["content-disposition"]
            assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("asked", "status", "part", "told"),
    [
        ("bytes=0-1", 206, WAV[:2], f"bytes 0-1/{len(WAV)}"),
        ("bytes=100-", 206, WAV[100:], f"bytes 100-{len(WAV) - 1}/{len(WAV)}"),
        ("bytes=5-99999", 206, WAV[5:], f"bytes 5-{len(WAV) - 1}/{len(WAV)}"),
        ("bytes=999-", 416, b"", f"bytes */{len(WAV)}"),
        ("bytes=9-1,a", 200, WAV, None),
        ("bytes=5-1", 416, b"", f"bytes */{len(WAV)}"),
    ],
)
async def test_a_part_of_a_sound_can_be_asked_for(
    make_site: MakeSite, asked: str, status: int, part: bytes, told: str | None
) -> None:
    sound = says(audio={"data": b64encode(WAV).decode(), "transcript": "Good morning"})
    async with drawn(make_site, sound) as (_, client, reply, _):
        assert reply["text"].startswith("Good morning")
        answer = await client.get(address(reply, *names(reply)), headers={"range": asked})
        assert (answer.status_code, answer.content) == (status, part)
        assert answer.headers.get("content-range") == told


async def test_a_blocked_reply_keeps_none(make_site: MakeSite) -> None:
    rules = read_rules('[[moderators]]\nkind = "phrases"\naction = "block"\nphrases = ["bomb"]\n')
    gates = Moderation(rules, lambda decision: None)
    stream = (image("image/png", PNG), says(" this is how to make a bomb and more"))
    async with drawn(make_site, *stream, gates=gates) as (site, client, reply, _):
        assert reply["state"] == "blocked"
        for name in [*names(reply), "a" * 16]:
            assert (await client.get(address(reply, name))).status_code == 404
        assert site.store.export_conversation(reply_owner(site, reply), reply["conversation_id"]).media == ()


def reply_owner(site: Site, reply: dict[str, Any]) -> str:
    with site.store.transaction(write=False) as connection:
        query = "SELECT owner_id FROM conversations WHERE id = ?"
        found = connection.exec_driver_sql(query, (reply["conversation_id"],)).scalar_one()
        return str(found)


async def test_later_turns_are_sent_its_name_alone(make_site: MakeSite) -> None:
    async with drawn(make_site, says("Here: "), image("image/png", PNG)) as (site, client, reply, server):
        fields = {"conversation_id": reply["conversation_id"], "parent_id": reply["id"]}
        again = await site.send(client, "Brighter", **fields)
        await site.ended(client, again["reply"]["id"])
        sent = server.requests[-1].body["messages"][1]["content"]
        assert f"![picture](data:image/png;size={len(PNG)};id={names(reply)[0]},)" in sent
        assert b64encode(PNG).decode()[:40] not in str(server.requests[-1].body)


async def test_exports_name_it(make_site: MakeSite) -> None:
    async with drawn(make_site, says("Here: "), image("image/png", PNG)) as (_, client, reply, _):
        where = f"/api/conversations/{reply['conversation_id']}/export"
        (conversation,) = (await client.get(where)).json()["conversations"]
        (name,) = names(reply)
        assert conversation["media"] == [
            {
                "message_id": reply["id"],
                "name": name,
                "media_type": "image/png",
                "size": len(PNG),
                "address": address(reply, name),
            }
        ]
        told = (await client.get(where, params={"format": "markdown"})).text
        assert "*[Picture: png, 1 kB]*" in told
        assert "data:" not in told
        told = (await client.get(where, params={"format": "markdown", "language": "zh-CN"})).text
        assert "*[图片：png，1 kB]*" in told
        for form in ("openai", "sharegpt"):
            assert "*[Picture: png, 1 kB]*" in (await client.get(where, params={"format": form})).text


async def test_a_page_has_it_inside_or_names_it(make_site: MakeSite) -> None:
    sound = says(audio={"data": b64encode(WAV).decode(), "transcript": "Good morning"})
    async with drawn(make_site, image("image/png", PNG), sound) as (_, client, reply, _):
        where = f"/api/conversations/{reply['conversation_id']}/export"
        page = (await client.get(where, params={"format": "html"})).text
        for media_type, data in (("image/png", PNG), ("audio/wav", WAV)):
            assert f'src="data:{media_type};base64,{b64encode(data).decode()}"' in page
        assert not re.search(r'(src|href)="(?!data:)', page)
        again = await client.post(f"/api/messages/{reply['id']}/edit", json={"text": GONE})
        assert again.status_code == 200
        page = (await client.get(where, params={"format": "html"})).text
        assert '(png, 1 kB)"' in page
        assert "src=" not in page
