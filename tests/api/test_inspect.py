"""Inspect shows what a model was sent, as it was stored then."""

from __future__ import annotations

import asyncio
import json
import subprocess
import uuid
from typing import Any

import pytest

from backends.echo import EchoBackend
from backends.openai_compat import OpenAICompatBackend
from backends.options import EndpointOptions
from tests.api.conftest import CANARY, MakeSite, Site
from tests.backends.hostile_server import HostileServer
from tests.backends.refusing import Refuses, Server, has, openai, says_so
from tests.scripted_endpoint import ScriptedEndpoint
from webchat.api.parts import parts_of
from webchat.store.records import FinishedTurn, NewTurn, Provenance, TurnState

HOSTILE = [
    "It's $(touch /tmp/x) `id` $HOME \"quoted\" \\ ! % 'single'",
    "first line\nsecond\r\n\ttabbed\\n",
    "你好 🎉 \u2028 \x07 é",
    "--data @/etc/passwd; rm -rf /",
]


async def inspected(site: Site, client: Any, text: str, **fields: Any) -> dict[str, Any]:
    begun = await site.send(client, text, **fields)
    await site.ended(client, begun["reply"]["id"])
    answer = await client.get(f"/api/messages/{begun['reply']['id']}/inspect")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return {**found, "user": begun["user"]["id"], "conversation": begun["conversation"]["id"]}


async def test_the_prompt_of_a_model_in_this_process_is_shown_with_its_tokens(site: Site) -> None:
    client = site.client(site.operating())
    first = await inspected(site, client, "Hello 你好 there")
    assert first["kind"] == "local"
    assert first["messages"] == [{"role": "user", "content": "Hello 你好 there", "message_id": first["user"]}]
    assert first["rendered"] == "Hello 你好 there"
    assert "".join(first["tokens"]["pieces"]) == first["rendered"]
    assert len(first["tokens"]["ids"]) == len(first["tokens"]["pieces"])
    assert first["parts"] == [{"role": "user", "message": 0, "start": 0, "end": 4}]
    assert first["body"] is first["url"] is first["cut"] is None
    assert first["masked"] == []
    assert first["masked_count"] == 0


async def test_the_body_an_endpoint_was_posted_is_shown_and_no_key(make_site: MakeSite) -> None:
    async with ScriptedEndpoint() as endpoint:
        backend = OpenAICompatBackend(EndpointOptions(endpoint.url, "scripted", api_key=CANARY))
        async with make_site(backend) as site:
            client = site.client(site.operating())
            found = await inspected(site, client, "words=3", settings={"sampling": {"temperature": 0.5}})
            assert found["kind"] == "endpoint"
            assert found["body"] == endpoint.calls[0].body
            assert found["url"] == f"{endpoint.url}/chat/completions"
            assert found["tokens"] is found["parts"] is found["rendered"] is None
            assert CANARY not in json.dumps(found)


async def test_a_reply_tells_what_its_model_did_not_take_however_long_that_is_known(
    make_site: MakeSite,
) -> None:
    refuses = [
        Refuses(has(field), says_so(400, openai(f"Unsupported parameter: {field}")))
        for field in ("top_k", "seed")
    ]
    async with HostileServer(Server("", refuses, frozenset())) as endpoint:
        backend = OpenAICompatBackend(EndpointOptions(endpoint.url, "m"))
        async with make_site(backend) as site:
            client = site.client(site.operating())
            for requests in (3, 1):
                before = len(endpoint.requests)
                settings = {"sampling": {"top_k": 40, "seed": 7, "temperature": 0.5}}
                begun = await site.send(client, "Hello", settings=settings)
                await site.ended(client, begun["reply"]["id"])
                assert len(endpoint.requests) - before == requests
                found = (await client.get(f"/api/messages/{begun['reply']['id']}")).json()
                assert found["message"]["text"] == "OK then."
                assert found["provenance"]["details"]["without"] == ["top_k", "seed"]
                sent = (await client.get(f"/api/messages/{begun['reply']['id']}/inspect")).json()
                assert sent["body"] == endpoint.requests[-1].body
                assert "top_k" not in sent["body"]
            (model,) = (await client.get("/api/models")).json()["models"]
            assert not {"top_k", "seed"} & {*model["takes"]}
            assert "temperature" in model["takes"]


@pytest.mark.parametrize("text", HOSTILE)
async def test_the_curl_command_posts_the_same_body(make_site: MakeSite, text: str) -> None:
    async with ScriptedEndpoint() as endpoint:
        backend = OpenAICompatBackend(EndpointOptions(endpoint.url, "it's a $MODEL", api_key=CANARY))
        async with make_site(backend) as site:
            found = await inspected(site, site.client(site.operating()), text)
    async with ScriptedEndpoint(endpoint.port) as again:
        command = found["curl"].replace("curl ", "curl -s ", 1)
        environment = {"PATH": "/usr/bin:/bin", "OPENAI_API_KEY": "none"}
        await asyncio.to_thread(
            subprocess.run, ["/bin/sh", "-c", command], check=True, env=environment, capture_output=True
        )
        assert [call.body for call in again.calls] == [found["body"]]


@pytest.mark.parametrize("text", HOSTILE)
async def test_the_python_script_passes_the_same_body(make_site: MakeSite, text: str) -> None:
    async with ScriptedEndpoint() as endpoint:
        backend = OpenAICompatBackend(EndpointOptions(endpoint.url, "scripted", api_key=CANARY))
        async with make_site(backend) as site:
            sampling = {"top_k": 5, "stop": ["\n", "'"], "seed": 3}
            found = await inspected(
                site, site.client(site.operating()), text, settings={"sampling": sampling}
            )
    passed: dict[str, Any] = {}

    class Client:
        def __init__(self, base_url: str, api_key: str) -> None:
            assert base_url == endpoint.url
            self.chat = self.completions = self

        def create(self, extra_body: dict[str, Any] | None = None, **body: Any) -> list[Any]:
            passed.update({**body, **(extra_body or {})})
            return []

    exec(found["python"].replace("from openai import OpenAI", ""), {"OpenAI": Client})
    assert passed == found["body"]


async def test_what_is_no_reply_or_was_not_kept_has_no_kind(site: Site, make_site: MakeSite) -> None:
    client = site.client(site.operating())
    found = await inspected(site, client, "Hello")
    user = (await client.get(f"/api/messages/{found['user']}/inspect")).json()
    assert (user["kind"], user["why"]) == (None, "person")
    assert user["messages"] == []
    assert user["tokens"] is user["parts"] is user["curl"] is user["python"] is None


async def test_a_failed_reply_shows_what_was_sent(make_site: MakeSite) -> None:
    from backends.errors import Unavailable

    async with make_site(EchoBackend(script=["Hal", Unavailable("gone")])) as site:
        found = await inspected(site, site.client(site.operating()), "Hello")
        assert (found["rendered"], found["why"]) == ("Hello", None)


async def test_a_refused_reply_shows_what_was_refused(make_site: MakeSite) -> None:
    async with ScriptedEndpoint() as endpoint:
        backend = OpenAICompatBackend(EndpointOptions(endpoint.url, "scripted", api_key=CANARY))
        async with make_site(backend) as site:
            for owner in (site.operating(), site.guest()[0]):
                found = await inspected(site, site.client(owner), "status=401")
                assert found["body"]["messages"] == [{"role": "user", "content": "status=401"}]
                assert found["why"] is None
                assert (found["url"] is None) == (not owner.operates)
                assert CANARY not in json.dumps(found)


async def test_what_ended_before_its_model_was_asked_says_so(make_site: MakeSite) -> None:
    from backends.errors import Unavailable

    async with make_site(EchoBackend(start_errors=[Unavailable("gone")])) as site:
        found = await inspected(site, site.client(site.visitor()), "Hello")
        assert (found["kind"], found["why"]) == (None, "unsent")


async def test_each_reason_is_true(site: Site) -> None:
    owner = site.visitor()
    client = site.client(owner)

    async def why(reply: str) -> str:
        return str((await client.get(f"/api/messages/{reply}/inspect")).json()["why"])

    async def begun(state: TurnState | None, provenance: Provenance | None = None) -> str:
        new = NewTurn(None, None, "Hello", uuid.uuid4().hex, "echo")
        reply = (await site.store.call(site.store.begin_turn, owner.id, new)).reply.id
        if state is not None:
            ended = FinishedTurn(reply, state, provenance=provenance or Provenance())
            await site.store.call(site.store.write_batch, (), (ended,))
        return reply

    off = Provenance(total_seconds=1.0, queued_seconds=0.1, details={"inspect": "off"})
    asked = Provenance(total_seconds=1.0, queued_seconds=0.1)
    assert await why(await begun(None)) == "running"
    assert await why(await begun("complete", off)) == "off"
    assert await why(await begun("failed", Provenance(total_seconds=1.0))) == "unsent"
    assert await why(await begun("interrupted")) == "restart"
    assert await why(await begun("complete", asked)) == "unrecorded"


async def test_a_reply_that_waits_for_its_first_word_shows_what_was_sent(make_site: MakeSite) -> None:
    async with (
        ScriptedEndpoint() as endpoint,
        make_site(OpenAICompatBackend(EndpointOptions(endpoint.url, "scripted"))) as site,
    ):
        client = site.client(site.visitor())
        reply = (await site.send(client, "words=1 delay=600"))["reply"]["id"]
        while (found := (await client.get(f"/api/messages/{reply}/inspect")).json())["why"] is not None:
            assert found["why"] == "running"
            await asyncio.sleep(0.01)
        assert found["body"]["messages"] == [{"role": "user", "content": "words=1 delay=600"}]
        assert (await client.post(f"/api/messages/{reply}/stop")).status_code == 202


def test_a_token_belongs_where_it_begins() -> None:
    messages = [{"role": "system", "content": " Be brief. "}, {"role": "user", "content": "你好"}]
    pieces = ["<s>", "Be", " brief", ".\n", "", "你", "好<", "/s>"]
    assert [part.model_dump() for part in parts_of("".join(pieces), pieces, messages)] == [
        {"role": "template", "message": None, "start": 0, "end": 1},
        {"role": "system", "message": 0, "start": 1, "end": 4},
        {"role": "user", "message": 1, "start": 4, "end": 7},
        {"role": "template", "message": None, "start": 7, "end": 8},
    ]
