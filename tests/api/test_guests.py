"""What a link lets its people see and do, by every door; and what they tell."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from backends.base import LoadProgress
from backends.echo import EchoBackend
from backends.types import Sampling, opened_with
from tests.api.conftest import MakeSite, Site
from webchat.api.events import encode
from webchat.models import ModelSpec
from webchat.prompts.content import TemplateContent
from webchat.sharing import TermsContent, change_link, new_link
from webchat.sharing.handover import ALPHABET, CODE_CHARS, MOST_WRONG, make_code, read_code, spaced
from webchat.store.link_records import LinkTerms
from webchat.store.records import LONGEST_REPLY
from webchat.turns import events

SECRET = ("zebra-9000", "heron-7b", "yak-1")
PROMPT = "You are the house's own parrot."


def specs() -> list[ModelSpec]:
    return [ModelSpec(name=name, kind="echo", source=name) for name in SECRET]


@pytest.fixture
async def zoo(make_site: MakeSite) -> Any:
    async with make_site(specs=specs(), create=lambda spec: EchoBackend(model=spec.name)) as site:
        yield site


async def everything(site: Site, client: httpx.AsyncClient, begun: dict[str, Any]) -> str:
    """All that a guest can read of a chat, from every route and event."""
    reply, conversation = begun["reply"]["id"], begun["conversation"]["id"]
    await site.ended(client, reply)
    found = [json.dumps(begun)]
    for path in (
        "/api/me",
        "/api/link",
        "/api/models",
        f"/api/models?wanted={SECRET[0]}",
        "/api/conversations",
        f"/api/conversations/{conversation}",
        f"/api/conversations/{conversation}/export",
        f"/api/conversations/{conversation}/export?format=markdown",
        f"/api/conversations/{conversation}/export?format=html",
        f"/api/conversations/{conversation}/export?format=openai",
        "/api/export",
        f"/api/messages/{reply}",
        f"/api/messages/{reply}/inspect",
        f"/api/messages/{reply}/events",
        f"/api/events?wait=0&reply={reply}:0",
        "/api/templates",
        "/api/search?q=Hello",
        "/api/trash",
    ):
        found.append((await client.get(path)).text)
    for body in (
        {"kind": "regenerate", "message_id": reply, "client_key": "r", "model": SECRET[2]},
        {"kind": "send", "text": "x", "client_key": "s", "settings": {"model": SECRET[2]}},
    ):
        answer = await client.post("/api/turns", json=body)
        # An answer may repeat what was asked for, and nothing else.
        found.append(answer.text.replace(SECRET[2], ""))
    return "\n".join(found)


async def test_a_guest_sees_and_uses_only_the_models_of_their_link(zoo: Site) -> None:
    guest, link = zoo.guest(models=[SECRET[1]])
    client = zoo.client(guest)
    listed = (await client.get("/api/models")).json()
    assert [model["name"] for model in listed["models"]] == [SECRET[1]]
    assert listed["default"] == (await client.get("/api/me")).json()["default_model"] == SECRET[1]
    assert (await client.get(f"/api/models?wanted={SECRET[0]}")).json()["wanted"] is None
    assert (await client.post("/api/models/retry", json={"name": SECRET[0]})).status_code == 400
    begun = await zoo.send(client)
    assert begun["reply"]["model"] == SECRET[1]
    for body in (
        {"kind": "send", "text": "x", "model": SECRET[0]},
        {"kind": "regenerate", "message_id": begun["reply"]["id"], "model": SECRET[0]},
        {"kind": "edit", "message_id": begun["user"]["id"], "text": "y", "model": SECRET[0]},
        {"kind": "continue", "message_id": begun["reply"]["id"], "model": SECRET[0]},
    ):
        await zoo.ended(client, begun["reply"]["id"])
        refused = await client.post(
            "/api/turns", json={"client_key": f"k {body['kind']}"[:1] + body["kind"], **body}
        )
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "unknown_model"), body
    # A key of another model counts no more than its name, and setting it changes nothing.
    key = next(info.key for info in zoo.models.infos() if info.name == SECRET[0])
    url = f"/api/conversations/{begun['conversation']['id']}"
    changed = (await client.patch(url, json={"settings": {"model": key}})).json()
    assert changed["settings"]["model"] == begun["conversation"]["settings"]["model"]
    # The link is changed while in use: from the next request on it is another model.
    zoo.store.change_link(link.id, terms=lambda _: LinkTerms(models=(SECRET[2],)))
    assert [one["name"] for one in (await client.get("/api/models")).json()["models"]] == [SECRET[2]]
    again = await zoo.send(
        client, conversation_id=begun["conversation"]["id"], parent_id=begun["reply"]["id"]
    )
    assert again["reply"]["model"] == SECRET[2]


async def test_a_blind_link_names_no_model_anywhere(zoo: Site) -> None:
    guest, link = zoo.guest(models=list(SECRET[:2]), blind=True)
    client = zoo.client(guest)
    listed = (await client.get("/api/models")).json()
    assert [(model["name"], model["key"]) for model in listed["models"]] == [
        ("Model A", "Model A"),
        ("Model B", "Model B"),
    ]
    begun = await zoo.send(client, model="Model B")
    assert begun["reply"]["model"] == "Model B"
    assert begun["conversation"]["settings"]["model"] == "Model B"
    read = await everything(zoo, client, begun)
    assert not [name for name in SECRET if name in read]
    provenance = zoo.store.provenance(guest.id, begun["reply"]["id"])
    assert provenance.model == SECRET[1]
    assert (await client.get(f"/api/messages/{begun['reply']['id']}/inspect")).status_code == 404
    # A chat that is older than the blinding.
    zoo.store.change_link(link.id, terms=lambda _: LinkTerms(models=SECRET[:2]))
    open_ = await zoo.send(client, model=SECRET[0])
    await zoo.ended(client, open_["reply"]["id"])
    zoo.store.change_link(link.id, terms=lambda _: LinkTerms(models=SECRET[:2], blind=True))
    thread = (await client.get(f"/api/conversations/{open_['conversation']['id']}")).text
    assert not [name for name in SECRET if name in thread]
    on = await zoo.send(client, conversation_id=open_["conversation"]["id"], parent_id=open_["reply"]["id"])
    assert on["reply"]["model"] == "Model A"


async def test_nothing_else_tells_the_models_of_a_blind_link_apart(make_site: MakeSite) -> None:
    def create(spec: ModelSpec) -> EchoBackend:
        return EchoBackend(model=spec.name, context_length=len(spec.name) * 1000)

    given = [replace(spec, sampling=Sampling(seed=at)) for at, spec in enumerate(specs())]
    async with make_site(specs=given, create=create) as site:
        for spec in given:
            await site.models.ready(spec.name)
        guest, _ = site.guest(models=list(SECRET), blind=True)
        listed = (await site.client(guest).get("/api/models")).json()["models"]
        assert {model.pop("name") for model in listed} == {"Model A", "Model B", "Model C"}
        assert all(model.pop("key").startswith("Model ") for model in listed)
        assert listed[0] == listed[1] == listed[2]
        shown = events.Status("queued", loading=LoadProgress("loading", 5, 9), eta_seconds=7.0)
        told = [encode("id", shown, reader) for reader in (guest, site.operating())]
        assert [b"total" in one for one in told] == [False, True]


@pytest.mark.parametrize(
    ("terms", "shown"),
    [({"blind": True}, ""), ({"blind": True, "title": "Study"}, "Study"), ({"title": "Study"}, "Study")],
    ids=["blind", "blind with a title", "titled"],
)
async def test_the_name_of_a_link_is_the_operators(zoo: Site, terms: dict[str, Any], shown: str) -> None:
    asked = TermsContent(models=list(SECRET[:2]), **terms)
    made = new_link(zoo.store, f"{SECRET[0]} against all", "7d", datetime.now(UTC), asked)
    client = zoo.client(None)
    assert (await client.post("/t/redeem", json={"token": made.token})).status_code == 204
    me = (await client.get("/api/me")).json()
    assert (me["owner"]["name"], me["link"]["name"]) == (shown, shown)
    content = {"name": "Mine", "user": "Hi"}
    template = (await client.post("/api/templates", json={"content": content})).json()["id"]
    begun = await zoo.send(client)
    read = await everything(zoo, client, begun)
    read += (await client.get(f"/api/templates/{template}/versions")).text
    other = (await client.post("/t/redeem", json={"token": zoo.start.token})).json()["error"]
    assert other["params"]["name"] == shown
    assert "against all" not in read + json.dumps(other)


async def test_the_template_of_a_link_is_the_only_one_and_its_words_stay_hidden(zoo: Site) -> None:
    operator = zoo.operating()
    content = {"name": "Parrot", "system": PROMPT, "user": "Say {{ what }}", "variables": [{"name": "what"}]}
    mine, other = (
        zoo.store.create_template(
            operator.id, TemplateContent.model_validate(one).json_value(), scope="shared"
        )
        for one in (content, {"name": "Other", "user": "x"})
    )
    guest, _ = zoo.guest(template=mine.id, system_prompt=False)
    client = zoo.client(guest)
    listed = (await client.get("/api/templates")).json()["items"]
    assert [one["content"]["name"] for one in listed] == ["Parrot"]
    assert not listed[0]["has_system"]
    assert (await client.get(f"/api/templates/{mine.id}")).json()["content"]["system"] == ""
    rendered = await client.post("/api/templates/render", json={"id": mine.id, "values": {"what": "hi"}})
    assert rendered.json()["system"] == ""
    assert rendered.json()["user"] == "Say hi"
    for method, path, body in (
        ("GET", f"/api/templates/{other.id}", None),
        ("GET", f"/api/templates/{mine.id}/versions", None),
        ("GET", f"/api/templates/{mine.id}/versions/1", None),
        ("GET", f"/api/templates/{mine.id}/export", None),
        ("POST", f"/api/templates/{mine.id}/duplicate", {}),
        ("POST", "/api/templates/render", {"id": other.id, "values": {}}),
        ("POST", "/api/templates/render", {"content": content, "values": {}}),
        ("POST", "/api/templates", {"content": content}),
        ("POST", "/api/templates/import", {"text": "webchat_template: 1\nname: New\nuser: Hi\n"}),
        ("DELETE", f"/api/templates/{mine.id}", None),
    ):
        assert (await client.request(method, path, json=body)).status_code == 404, (method, path)
    begun = await zoo.send(client, settings={"system_prompt": "You are mine.", "model": None})
    assert begun["conversation"]["settings"]["system_prompt"] is None
    read = await everything(zoo, client, begun)
    assert "parrot" not in read.lower().replace('"name":"parrot"', "")
    stored = zoo.store.provenance(guest.id, begun["reply"]["id"])
    assert [item["content"] for item in stored.prompt if item.get("role") == "system"] == [PROMPT]
    url = f"/api/conversations/{begun['conversation']['id']}"
    assert (await client.patch(url, json={"settings": {"system_prompt": "Mine."}})).status_code == 200
    kept = zoo.store.conversation(guest.id, begun["conversation"]["id"]).settings
    assert kept.system_prompt == PROMPT


@pytest.mark.parametrize("gone", ["deleted", "too_much"])
async def test_without_the_prompt_of_its_link_nothing_is_sent(zoo: Site, gone: str) -> None:
    operator = zoo.operating()
    content = TemplateContent.model_validate({"name": "Parrot", "system": PROMPT}).json_value()
    made = zoo.store.create_template(operator.id, content, scope="shared")
    guest, link = zoo.guest(template=made.id, messages=5)
    client = zoo.client(guest)
    first = await zoo.send(client)
    await zoo.ended(client, first["reply"]["id"])
    if gone == "deleted":
        zoo.store.delete_template(operator.id, made.id, operates=True)
        zoo.store.purge(datetime.now(UTC) + timedelta(days=1))
    else:
        broken = {
            **content,
            "system": "{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}",
        }
        zoo.store.change_template(operator.id, made.id, broken, based_on=1, operates=True)
    on = {"conversation_id": first["conversation"]["id"], "parent_id": first["reply"]["id"]}
    for place in ({}, on):
        body = {"kind": "send", "client_key": f"k{len(place)}", "text": "Hi", **place}
        refused = await client.post("/api/turns", json=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "link_prompt")
    assert zoo.store.link(link.id).messages == 1


@pytest.mark.parametrize("shown", [True, False], ids=["shown", "hidden"])
async def test_sampling_is_theirs_only_where_system_prompts_are(zoo: Site, shown: bool) -> None:
    guest, link = zoo.guest(system_prompt=True)
    client = zoo.client(guest)
    chosen = {"sampling": {"seed": 7, "max_tokens": 5}}
    older = await zoo.send(client, settings=chosen)
    await zoo.ended(client, older["reply"]["id"])
    zoo.store.change_link(link.id, terms=lambda _: LinkTerms(system_prompt=shown))
    on = {"conversation_id": older["conversation"]["id"], "parent_id": older["reply"]["id"]}
    for begun in (await zoo.send(client, settings=chosen), await zoo.send(client, **on)):
        id = begun["conversation"]["id"]
        await zoo.ended(client, begun["reply"]["id"])
        used = zoo.store.provenance(guest.id, begun["reply"]["id"]).sampling
        assert (used.seed == 7, used.max_tokens == 5) == (shown, shown)
        assert (await client.patch(f"/api/conversations/{id}", json={"settings": chosen})).status_code == 200
        kept = zoo.store.conversation(guest.id, id).settings.sampling
        assert (kept.seed == 7, kept.max_tokens == 5) == (shown, shown)


async def test_nobody_reserves_more_than_a_reply_takes(make_site: MakeSite) -> None:
    backend = EchoBackend(rate=0.001)
    async with make_site(backend) as site:
        guest, link = site.guest(tokens=100_000)
        client = site.client(guest)
        await site.send(client, settings={"sampling": {"max_tokens": 10_000_000}})
        assert site.store.listed_link(link.id).reserved == LONGEST_REPLY


async def test_inspecting_and_provenance_are_shown_only_where_the_link_says_so(zoo: Site) -> None:
    for shown in (True, False):
        guest, _ = zoo.guest(inspect=shown)
        client = zoo.client(guest)
        begun = await zoo.send(client)
        reply = begun["reply"]["id"]
        await zoo.ended(client, reply)
        assert ((await client.get(f"/api/messages/{reply}")).json()["provenance"] is not None) == shown
        assert ((await client.get(f"/api/messages/{reply}/inspect")).status_code == 200) == shown
        exported = (await client.get("/api/export")).json()["conversations"][0]
        assert bool(exported["provenance"]) == shown


@pytest.mark.parametrize("first", [True, False])
async def test_the_model_is_sent_the_opening_and_inspect_shows_it(make_site: MakeSite, first: bool) -> None:
    backend = EchoBackend()
    backend.capabilities = replace(backend.capabilities, speaks_first=first)
    async with make_site(backend, system_prompt="Be kind.") as site:
        guest, link = site.guest(opening="Ask me **anything**.")
        client = site.client(guest)
        begun = await site.send(client)
        reply = begun["reply"]["id"]
        await site.ended(client, reply)
        sent = [(message.role, message.text) for message in backend.requests[-1].messages]
        told = [("assistant", "Ask me **anything**.")]
        if first:
            assert sent == [("system", "Be kind."), *told, ("user", "Hello there")]
        else:
            assert sent == [("system", f"Be kind.\n\n{opened_with(told[0][1])}"), ("user", "Hello there")]
        shown = (await client.get(f"/api/messages/{reply}/inspect")).json()["messages"]
        # The server's own system prompt is not theirs to read; the opening is.
        hidden = [(role, text.replace("Be kind.", "[…]")) for role, text in sent]
        assert [(message["role"], message["content"]) for message in shown] == hidden
        stored = site.store.provenance(guest.id, reply)
        assert {"role": "assistant", "content": told[0][1]} in stored.prompt
        assert stored.details.get("opening_as") == (None if first else "system")
        # Another opening is sent from the next request on, as the page shows it.
        change_link(site.store, link.id, datetime.now(UTC), terms=TermsContent(opening=""))
        chat = {"conversation_id": begun["conversation"]["id"], "parent_id": reply}
        await site.ended(client, (await site.send(client, "More", **chat))["reply"]["id"])
        assert not any("anything" in message.text for message in backend.requests[-1].messages)


async def test_messages_are_counted_down_and_refused_with_a_reason(zoo: Site) -> None:
    guest, link = zoo.guest(messages=20)
    client = zoo.client(guest)
    assert (await client.get("/api/me")).json()["link"]["left"]["messages"] == 20
    bodies = [{"kind": "send", "client_key": f"k{number}", "text": "Hi"} for number in range(50)]
    answers = await asyncio.gather(*(client.post("/api/turns", json=body) for body in bodies))
    begun = [answer for answer in answers if answer.status_code == 201]
    refused = [answer for answer in answers if answer.status_code == 403]
    assert (len(begun), len(refused)) == (20, 30)
    assert min(answer.json()["left"]["messages"] for answer in begun) == 0
    error = refused[0].json()["error"]
    assert (error["code"], error["params"]) == ("link_messages", {"limit": 20})
    # The same again is the same turn, counted once.
    key = json.loads(begun[0].request.content)["client_key"]
    known = await client.post("/api/turns", json={"kind": "send", "client_key": key, "text": "Hi"})
    assert known.status_code == 200
    assert zoo.store.link(link.id).messages == 20


async def test_what_is_left_is_the_less_of_ones_own_and_the_links(zoo: Site) -> None:
    first, link = zoo.guest(messages=4, messages_each=3)
    second = zoo.store.create_owner("guest", "Tess", link.id)
    one, other = zoo.client(first), zoo.client(second)
    left = [(await zoo.send(one))["left"]["messages"] for _ in range(2)]
    assert left == [2, 1]
    told = (await other.get("/api/link")).json()
    assert (told["left"]["messages"], told["limits"]["messages"]) == (2, 4)
    assert (await zoo.send(one))["left"]["messages"] == 0
    refused = await one.post("/api/turns", json={"kind": "send", "client_key": "z", "text": "Hi"})
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["params"]) == (403, "link_messages_each", {"limit": 3})
    assert (await zoo.send(other))["left"]["messages"] == 0


async def test_a_reply_is_no_longer_than_the_tokens_left(make_site: MakeSite) -> None:
    backend = EchoBackend()
    async with make_site(backend) as site:
        guest, link = site.guest(tokens=5)
        client = site.client(guest)
        begun = await site.send(client, "one two three four five six seven eight")
        ended = await site.ended(client, begun["reply"]["id"])
        assert ended["finish_reason"] == "length"
        assert backend.requests[-1].sampling.max_tokens == 5
        assert site.store.link(link.id).tokens == 5
        refused = await client.post("/api/turns", json={"kind": "send", "client_key": "z", "text": "Hi"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "link_tokens")


async def test_consent_is_asked_for_before_anything_is_sent(site: Site) -> None:
    guest, _ = site.guest(consent="I agree.", questions=[{"text": "Why?"}])
    client = site.client(guest)
    told = {"answers": {"q1": "so"}}
    refused = await client.post("/api/answers", json=told)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "consent_needed")
    assert not site.store.answers(guest.id)
    body = {"kind": "send", "client_key": "a", "text": "Hi"}
    refused = await client.post("/api/turns", json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "consent_needed")
    assert (await client.get("/api/link")).json()["consent"] == {
        "text": "I agree.",
        "version": 1,
        "accepted": 0,
    }
    assert (await client.post("/api/consent", json={"version": 2})).status_code == 409
    assert (await client.post("/api/consent", json={"version": 1})).status_code == 204
    assert (await client.post("/api/turns", json=body)).status_code == 201
    assert (await client.post("/api/answers", json=told)).status_code == 204


async def test_questions_are_answered_and_answered_anew(site: Site) -> None:
    questions = [
        {"id": "how", "text": "How?", "kind": "scale", "choices": ["bad", "good"]},
        {"text": "Which?", "kind": "choice", "choices": ["a", "b"]},
        {"text": "Why?"},
    ]
    guest, link = site.guest(questions=questions)
    client = site.client(guest)
    asked = (await client.get("/api/link")).json()
    assert [one["id"] for one in asked["questions"]] == ["how", "q2", "q3"]
    for wrong in ({"how": 6}, {"how": "x"}, {"q2": "c"}, {"q3": 1}, {"q9": "x"}):
        assert (await client.post("/api/answers", json={"answers": wrong})).status_code == 422, wrong
    for right in ({"how": 4, "q2": "a", "q3": "so"}, {"how": 5, "q3": None}):
        assert (await client.post("/api/answers", json={"answers": right})).status_code == 204
    assert (await client.get("/api/link")).json()["answers"] == {"how": 5, "q2": "a"}
    told = await site.client(site.operating()).get(f"/api/links/{link.id}/answers")
    assert [(one["question"]["text"], one["value"]) for one in told.json()["items"]] == [
        ("How?", 5),
        ("Which?", "a"),
    ]


async def test_a_guest_continues_on_another_device(site: Site) -> None:
    guest, link = site.guest()
    first = site.client(guest)
    await site.send(first, "Hello from the first")
    code = (await first.post("/api/handover")).json()["code"]
    second = site.client(None)
    answer = await second.post("/api/handover/redeem", json={"code": f" {code.lower().replace('-', ' ')} "})
    assert answer.status_code == 204
    assert (await second.get("/api/me")).json()["owner"]["id"] == guest.id
    assert len((await second.get("/api/conversations")).json()["items"]) == 1
    used = await site.client(None).post("/api/handover/redeem", json={"code": code})
    assert (used.status_code, used.json()["error"]["code"]) == (404, "code_invalid")
    # Whoever is somebody else here is asked first, and the code is not used up by that.
    ada = site.client(site.visitor())
    await site.send(ada)
    code = (await first.post("/api/handover")).json()["code"]
    assert (await ada.post("/api/handover/redeem", json={"code": code})).status_code == 409
    assert (await ada.post("/api/handover/redeem", json={"code": code, "confirmed": True})).status_code == 204
    # The end of the link is the end of its codes.
    code = (await first.post("/api/handover")).json()["code"]
    site.store.change_link(link.id, paused=True)
    paused = await site.client(None).post("/api/handover/redeem", json={"code": code})
    assert (paused.status_code, paused.json()["error"]["code"]) == (403, "link_paused")
    site.store.change_link(link.id, paused=False)
    assert (await site.client(None).post("/api/handover/redeem", json={"code": code})).status_code == 204


async def test_codes_are_not_guessed_and_nobody_is_locked_out_by_guesses(site: Site) -> None:
    guest, _ = site.guest()

    def at(address: str) -> httpx.AsyncClient:
        return site.client(None, transport=httpx.ASGITransport(site.door, client=(address, 1)))

    guesser = at("203.0.113.7")
    answers = [
        (await guesser.post("/api/handover/redeem", json={"code": make_code()})).status_code
        for _ in range(MOST_WRONG + 2)
    ]
    assert answers == [404] * MOST_WRONG + [429, 429]
    code = (await site.client(guest).post("/api/handover")).json()["code"]
    assert (await at("198.51.100.9").post("/api/handover/redeem", json={"code": code})).status_code == 204


def test_codes_are_read_as_people_type_them() -> None:
    code = make_code()
    assert len(code) == CODE_CHARS
    assert set(code) <= set(ALPHABET)
    for typed in (spaced(code), code.lower(), f"  {code[:3]} {code[3:]}\n"):
        assert read_code(typed) == code
    for wrong in ("", code[:-1], code + "A", "0" * CODE_CHARS, "ß" * CODE_CHARS):
        assert read_code(wrong) is None


async def test_a_paused_link_says_so_and_comes_back(site: Site) -> None:
    guest, link = site.guest()
    client, operator = site.client(guest), site.client(site.operating())
    assert (await client.get("/api/me")).status_code == 200
    assert (await operator.patch(f"/api/links/{link.id}", json={"paused": True})).json()["state"] == "paused"
    refused = await client.get("/api/me")
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "link_paused")
    assert (await operator.patch(f"/api/links/{link.id}", json={"paused": False})).json()["state"] == "active"
    assert (await client.get("/api/me")).status_code == 200


async def test_operators_make_change_duplicate_and_revoke_links(site: Site) -> None:
    operator = site.client(site.operating())
    made = await operator.post(
        "/api/links", json={"name": " a\nlink ", "terms": {"people": 1, "consent": "Yes."}}
    )
    assert made.status_code == 201
    link, url = made.json()["link"], made.json()["url"]
    assert (link["name"], link["state"], link["terms"]["consent_version"]) == ("a link", "active", 1)
    assert url.startswith("http://chat.test/t#wt1_")
    token = url.partition("#")[2]
    for expected in (204, 403):
        came = await site.client(None).post("/t/redeem", json={"token": token})
        assert came.status_code == expected
    assert came.json()["error"]["code"] == "link_full"
    changed = await operator.patch(f"/api/links/{link['id']}", json={"name": "b", "terms": {"people": 2}})
    assert (changed.json()["terms"]["people"], changed.json()["terms"]["consent"]) == (2, "Yes.")
    assert changed.json()["people"] == 1
    again = (await operator.post(f"/api/links/{link['id']}/duplicate", json={})).json()
    assert (again["link"]["name"], again["link"]["people"], again["url"] != url) == ("b", 0, True)
    assert (await operator.post(f"/api/links/{link['id']}/revoke")).json()["state"] == "revoked"
    listed = (await operator.get("/api/links?limit=1")).json()
    assert [one["id"] for one in listed["items"]] == [again["link"]["id"]]
    rest = (await operator.get(f"/api/links?cursor={listed['next']}")).json()
    assert [one["id"] for one in rest["items"]] == [link["id"]]
    for body in (
        {"name": " "},
        {"name": "x", "expires": "tomorrow"},
        {"name": "x", "terms": {"blind": True}},
        {"name": "x", "terms": {"people": 0}},
        {"name": "x", "terms": {"questions": [{"text": "?", "kind": "choice", "choices": ["a"]}]}},
    ):
        assert (await operator.post("/api/links", json=body)).status_code == 422, body
