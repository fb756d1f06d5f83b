"""A function behind the door: what it is told of who asks."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from backends.function import FunctionBackend
from backends.inputs import Input
from backends.options import FunctionOptions
from backends.types import Caller
from tests.api.conftest import CANARY, MakeSite, Site
from tests.api.test_leaks import words
from webchat.api.people.parties import CALLER_HEADERS


async def test_a_function_is_told_who_asks_and_only_headers_that_let_nobody_in(make_site: MakeSite) -> None:
    seen: list[Caller] = []

    def respond(message: str, history: list[Any], request: Caller) -> str:
        seen.append(request)
        return f"Hello {request.username}"

    async with make_site(FunctionBackend(FunctionOptions(respond))) as site:
        visitor, member = site.visitor(), site.person("ada", "hash")
        secrets = ("x-api-key", "x-forwarded-access-token", "x-auth-request-user", "x-webauth", "x-vault")
        headers = {"user-agent": "a browser", "x-request-id": "7", **dict.fromkeys(secrets, CANARY)}
        for client in (site.client(visitor, headers=headers), site.session(member)[1]):
            reply = (await site.send(client))["reply"]["id"]
            assert (await site.ended(client, reply))["state"] == "complete"
    first, second = seen
    assert (first.username, second.username) == (None, "Ada")
    assert (first.headers["user-agent"], first.headers["x-request-id"]) == ("a browser", "7")
    assert {*first.headers, *second.headers} <= CALLER_HEADERS
    assert CANARY not in repr(seen)
    assert first.client is not None
    assert first.client.host == "127.0.0.1"
    assert first.session_hash != second.session_hash
    assert visitor.id not in repr(first)
    assert member.id not in repr(second)


INPUTS = (
    Input("role", "Role", "text", "You sell bikes.", max_chars=40),
    Input("heat", "Heat", "slider", 0.5, minimum=0, maximum=2),
    Input("count", "Count", "number", 3, minimum=1, integer=True),
    Input("loud", "Loud", "checkbox", False),
    Input("style", "Style", "choice", "plain", choices=(("Plain", "plain"), ("Fancy", "fancy"))),
    Input("tags", "Tags", "choices", (), choices=(("A", "a"), ("B", "b"))),
)


def told(message: str, history: list[Any], *inputs: Any) -> str:
    return json.dumps(inputs)


def function() -> FunctionBackend:
    return FunctionBackend(FunctionOptions(told, inputs=INPUTS, examples=("Hi there",)))


async def reply_of(site: Site, client: httpx.AsyncClient, **settings: Any) -> tuple[Any, dict[str, Any]]:
    begun = await site.send(client, settings=settings)
    ended = await site.ended(client, begun["reply"]["id"])
    return json.loads(ended["text"]), begun["conversation"]


async def test_inputs_are_settings_of_a_conversation_and_reach_the_function(make_site: MakeSite) -> None:
    async with make_site(function()) as site:
        client = site.client(site.visitor())
        (model,) = (await client.get("/api/models")).json()["models"]
        assert [one["name"] for one in model["inputs"]] == [one.name for one in INPUTS]
        assert model["examples"] == ["Hi there"]
        assert (await reply_of(site, client))[0] == ["You sell bikes.", 0.5, 3, False, "plain", []]
        chosen = {"role": "", "heat": 2, "loud": True, "style": "fancy", "tags": ["b"], "old": 1, "count": 3}
        heard, chat = await reply_of(site, client, inputs=chosen)
        assert heard == ["", 2, 3, True, "fancy", ["b"]]
        kept = {"role": "", "heat": 2, "loud": True, "style": "fancy", "tags": ["b"]}
        assert chat["settings"]["inputs"] == kept, "without defaults and what the model does not have"
        changed = await client.patch(
            f"/api/conversations/{chat['id']}",
            json={"settings": {**chat["settings"], "inputs": {"count": 9}}},
        )
        assert changed.json()["settings"]["inputs"] == {"count": 9}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("role", "x" * 41, "Role is not valid; allowed: a text of up to 40 characters"),
        ("heat", 2.5, "Heat is not valid; allowed: a number from 0 to 2"),
        ("heat", True, "Heat is not valid"),
        ("count", 1.5, "Count is not valid; allowed: a whole number from 1"),
        ("loud", 1, "Loud is not valid; allowed: true or false"),
        ("style", "loud", "Style is not valid; allowed: one of plain, fancy"),
        ("tags", ["c"], "Tags is not valid; allowed: one of a, b"),
    ],
)
async def test_a_value_that_an_input_does_not_take_is_refused_by_its_name(
    make_site: MakeSite, name: str, value: Any, said: str
) -> None:
    async with make_site(function()) as site:
        client = site.client(site.visitor())
        body = {"kind": "send", "client_key": "k", "text": "Hi", "settings": {"inputs": {name: value}}}
        refused = await client.post("/api/turns", json=body)
        assert refused.status_code == 400
        assert said in refused.text
        begun = await site.send(client)
        await site.ended(client, begun["reply"]["id"])
        path = f"/api/conversations/{begun['conversation']['id']}"
        assert (await client.patch(path, json={"settings": {"inputs": {name: value}}})).status_code == 400


async def test_testers_who_are_not_shown_the_prompt_use_the_inputs_defaults(make_site: MakeSite) -> None:
    async with make_site(function()) as site:
        guest, _ = site.guest(system_prompt=False)
        client = site.client(guest)
        (model,) = (await client.get("/api/models")).json()["models"]
        assert "inputs" not in model
        heard, chat = await reply_of(site, client, inputs={"role": "Be rude."})
        assert heard[0] == "You sell bikes."
        assert "inputs" not in chat["settings"]


async def test_words_in_an_input_are_moderated_like_a_message(make_site: MakeSite) -> None:
    async with make_site(function(), gates=words("block", "badword")) as site:
        client = site.client(site.visitor())
        body = {
            "kind": "send",
            "client_key": "k",
            "text": "Hi",
            "settings": {"inputs": {"role": "a badword"}},
        }
        assert (await client.post("/api/turns", json=body)).status_code == 422
