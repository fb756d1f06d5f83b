from __future__ import annotations

import asyncio
import json
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
from tests.store.talk import called, exported
from webchat.api.exporting.exports import MOST_OPEN, MOST_SELECTED
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
        assert one.json()["schema"] == "webchat/2"
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


LINES: dict[str, tuple[str, str, str]] = {
    "openai": ("messages", "role", "content"),
    "sharegpt": ("conversations", "from", "value"),
}


@pytest.mark.parametrize("form", LINES)
async def test_a_trainer_reads_the_branch_that_is_shown_as_one_line(site: Site, form: str) -> None:
    client = site.client(site.visitor())
    ids = [await _grown(site, client) for _ in range(2)]
    answer = await client.get("/api/export", params={"format": form})
    assert answer.headers["content-type"] == "application/jsonl"
    said, role, text = LINES[form]
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert len(lines) == 2
    for id, line in zip(ids, lines, strict=True):
        shown = (await client.get(f"/api/conversations/{id}")).json()["messages"]
        assert [one[text] for one in line[said]] == ["Sei knapp.", *(one["text"] for one in shown)]
        assert line.get("id", id) == id
    assert {one[role] for one in lines[0][said]} == (
        {"system", "user", "assistant"} if form == "openai" else {"system", "human", "gpt"}
    )
    one = await client.get(f"/api/conversations/{ids[1]}/export", params={"format": form})
    assert json.loads(one.text) == lines[1]


@pytest.mark.parametrize("form", LINES)
async def test_a_chat_without_a_reply_in_words_still_has_its_question(make_site: MakeSite, form: str) -> None:
    async with make_site(EchoBackend(script=[RateLimited("Too many.", cure="Wait.")])) as site:
        client = site.client(site.visitor())
        await site.ended(client, (await site.send(client, "Anybody?"))["reply"]["id"])
        (line,) = (await client.get("/api/export", params={"format": form})).text.splitlines()
        said, _, text = LINES[form]
        assert [one[text] for one in json.loads(line)[said]] == ["Anybody?"]


async def test_tool_calls_are_in_every_form_that_has_a_place_for_them(site: Site) -> None:
    owner = site.visitor()
    client = site.client(owner)
    called(site.store, owner.id, argument="```<b>", result="````\n<i>high")

    async def form(name: str) -> str:
        return (await client.get("/api/export", params={"format": name})).text

    text = await form("markdown")
    assert '<summary>Called tide</summary>\n\n````\n{"at": "```<b>"}\n````' in text
    assert "## Tool\n\n`````\n````\n<i>high\n`````" in text
    page = await form("html")
    assert (
        '<summary dir="auto">Called tide</summary><pre dir="auto">{&quot;at&quot;: &quot;```&lt;b&gt;' in page
    )
    assert "````\n&lt;i&gt;high" in page
    line = json.loads(await form("openai"))
    function = {"name": "tide", "arguments": '{"at": "```<b>"}'}
    assert line["messages"][1:3] == [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "a", "type": "function", "function": function}],
        },
        {"role": "tool", "content": "````\n<i>high", "tool_call_id": "a"},
    ]
    assert [one["function"]["name"] for one in line["messages"][3]["tool_calls"]] == ["sail"]
    definition = {"name": "tide", "description": "Tells the tide.", "parameters": {"type": "object"}}
    assert line["tools"] == [{"type": "function", "function": definition}]
    said = [one["value"] for one in json.loads(await form("sharegpt"))["conversations"]]
    assert said == ["Shall I sail?", "I look."]


HOSTILE = """<script>alert(1)</script> <img src=x onerror=y> ![x](https://example.org/x.png)

$$\\frac{1}{2}$$

| a |
|---|
| b |
"""


async def test_a_page_runs_nothing_and_loads_nothing(make_site: MakeSite) -> None:
    async with make_site(EchoBackend(reasoning="Let *me* see.")) as site:
        client = site.client(site.visitor())
        settings = {"system_prompt": "</style><b>Brief"}
        begun = await site.send(client, HOSTILE, settings=settings)
        await site.ended(client, begun["reply"]["id"])
        answer = await client.get("/api/export", params={"format": "html"})
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["content-disposition"].startswith("attachment; ")
        page = answer.text
        for shown in (
            "<mfrac>",
            "me</em>",
            "<td",
            "&lt;img src=x onerror=y&gt;",
            "&lt;b&gt;Brief",
            "--wc-bg:",
        ):
            assert shown in page
        for never in ("<script", 'src="', "<img", '<link rel="stylesheet', "@import", "url("):
            assert never not in page
        chinese = await client.get("/api/export", params={"format": "html", "language": "zh-CN"})
        assert '<html lang="zh-CN"' in chinese.text
        assert "系统提示词" in chinese.text


@pytest.mark.parametrize("form", ["json", "markdown", "html", *LINES])
async def test_a_selection_has_the_named_chats_in_their_order(site: Site, form: str) -> None:
    client = site.client(site.visitor())
    ids = []
    for word in ("first", "second", "third"):
        begun = await site.send(client, f"the {word} one")
        await site.ended(client, begun["reply"]["id"])
        ids.append(begun["conversation"]["id"])
    chosen = {"format": form, "id": [ids[2], ids[0], ids[2]]}
    text = (await client.get("/api/export", params=chosen)).text
    assert "the second one" not in text
    assert 0 < text.index("the third one") < text.index("the first one")
    stranger = site.client(site.visitor())
    for wrong in ([ids[0]], ["none"]):
        assert (await stranger.get("/api/export", params={"format": form, "id": wrong})).status_code == 404
    await client.delete(f"/api/conversations/{ids[0]}")
    assert (await client.get("/api/export", params=chosen)).status_code == 404


async def test_a_selection_has_a_limit(site: Site) -> None:
    client = site.client(site.visitor())
    for count, status in ((MOST_SELECTED, 404), (MOST_SELECTED + 1, 400)):
        params = {"id": [f"c{at}" for at in range(count)]}
        assert (await client.get("/api/export", params=params)).status_code == status
    assert (await client.get("/api/export", params={"id": "../x"})).status_code == 400


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
    for form in ("markdown", *LINES):
        assert (await client.get("/api/export", params={"format": form})).text == ""
    assert (await client.get("/api/export", params={"format": "html"})).text.endswith("</html>\n")
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
