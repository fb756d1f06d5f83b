"""The operator reads, tries and replaces the chat template of a model in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from backends.base import Backend
from backends.chat_templates.rendering import OwnTemplate, Tried, rendered
from backends.echo import EchoBackend
from backends.llamacpp import LlamaCppBackend, Servers
from backends.options import LlamaCppOptions
from backends.types import Message
from tests.api.conftest import MakeSite, Site
from webchat.models import ModelSpec

NAME = "owner/a model"
PATH = f"/api/chat-templates/{NAME}"
OWN = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
NEW = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"


class Fake(EchoBackend):
    """Applies a chat template, or says it does."""

    async def own_template(self) -> OwnTemplate:
        return OwnTemplate(OWN, "model")

    async def try_template(self, template: str, messages: Sequence[Message]) -> Tried:
        text = await rendered(template, messages, {"bos_token": "<s>"})
        return Tried(text, len(text))


@pytest.fixture
async def site(make_site: MakeSite) -> AsyncIterator[Site]:
    async with make_site(Fake(), spec=ModelSpec(name=NAME, kind="x")) as made:
        yield made


def operator(site: Site) -> httpx.AsyncClient:
    return site.client(site.store.create_owner("operator", "Ada"))


async def test_each_save_is_a_version_and_null_goes_back(site: Site) -> None:
    client = operator(site)
    before = (await client.get(PATH)).json()
    assert before == {
        "model": NAME, "own": OWN, "text": OWN, "source": "model", "number": None, "versions": [],
    }  # fmt: skip
    saved = (await client.put(PATH, json={"text": NEW, "note": "brackets", "based_on": None})).json()
    assert (saved["text"], saved["source"], saved["number"], saved["own"]) == (NEW, "override", 1, OWN)
    assert saved["versions"][0].items() >= {"author": "Ada", "note": "brackets", "text": NEW}.items()
    assert saved == (await client.get(PATH)).json()
    late = await client.put(PATH, json={"text": NEW + "x", "based_on": None})
    assert (late.status_code, late.json()["error"]["code"]) == (409, "template_changed")
    back = (await client.put(PATH, json={"text": None, "based_on": 1})).json()
    assert (back["text"], back["source"], back["number"]) == (OWN, "model", 2)
    assert [version["number"] for version in back["versions"]] == [2, 1]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{% for m in messages %}\n{{ m.content }}", 2),
        ("a\n{{ raise_exception('never') }}", 2),
        ("{{ messages | nofilter }}", 1),
    ],
)
async def test_what_does_not_work_is_refused_and_nothing_is_stored(site: Site, text: str, line: int) -> None:
    client = operator(site)
    answer = await client.put(PATH, json={"text": text})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, "chat_template_broken")
    assert error["params"].get("line") == line
    assert error["params"]["said"]
    assert site.store.chat_template_versions(NAME) == []


async def test_a_preview_shows_what_the_model_would_read_and_stores_nothing(site: Site) -> None:
    client = operator(site)
    shown = (await client.post(PATH + "/preview", json={"text": "{{ bos_token }}" + NEW})).json()
    assert shown["text"].startswith("<s>[system] You are a helpful assistant.\n[user] Which day")
    assert shown["tokens"] == len(shown["text"])
    assert shown["problem"] is shown["system_as"] is None
    mine = {"text": NEW, "messages": [{"role": "user", "content": "{{ 7 * 7 }}"}]}
    assert (await client.post(PATH + "/preview", json=mine)).json()["text"] == "[user] {{ 7 * 7 }}\n"
    broken = (await client.post(PATH + "/preview", json={"text": "one\n{{ nothing() }}"})).json()
    assert broken["text"] == ""
    assert broken["problem"]["line"] == 2
    assert "nothing" in broken["problem"]["message"]
    assert site.store.chat_template_versions(NAME) == []


@pytest.mark.parametrize(
    "template",
    [
        "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}" + NEW,
        "{% for m in messages if m.role != 'system' %}[{{ m.role }}] {{ m.content }}\n{% endfor %}",
    ],
)
async def test_a_template_without_a_system_role_has_its_prompt_in_front_of_the_first_message(
    site: Site, template: str
) -> None:
    client = operator(site)
    shown = (await client.post(PATH + "/preview", json={"text": template})).json()
    assert shown["system_as"] == "user"
    assert shown["text"].startswith("[user] You are a helpful assistant.\n\nWhich day")
    assert (await client.put(PATH, json={"text": template})).status_code == 200


async def test_nobody_but_the_operator_finds_them(site: Site) -> None:
    client = site.client(site.visitor())
    for method, path in (("GET", PATH), ("PUT", PATH), ("POST", PATH + "/preview")):
        answer = await client.request(method, path, json={"text": NEW})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert site.store.chat_templates() == []


async def test_a_model_elsewhere_has_none_here(make_site: MakeSite) -> None:
    async with make_site() as site:
        client = operator(site)
        for method, path in (("GET", ""), ("PUT", ""), ("POST", "/preview")):
            answer = await client.request(method, f"/api/chat-templates/echo{path}", json={"text": NEW})
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "chat_template_elsewhere")
        assert (await client.get("/api/chat-templates/nobody")).status_code == 404


async def test_the_next_reply_reads_it_and_what_was_kept_of_the_last_stays(
    make_site: MakeSite, demo_gguf: Path
) -> None:
    pytest.importorskip("xllamacpp")
    servers = Servers()

    def create(spec: ModelSpec) -> Backend:
        assert isinstance(spec.options, LlamaCppOptions)
        return LlamaCppBackend(spec.options)

    options = LlamaCppOptions(demo_gguf, context_length=512, servers=servers)
    spec = ModelSpec(name=NAME, kind="llamacpp", options=options)
    async with make_site(create=create, spec=spec) as site:
        client = operator(site)
        settings = {"system_prompt": "Be brief.", "sampling": {"max_tokens": 3, "temperature": 0}}

        async def ask() -> dict[str, Any]:
            begun = await site.send(client, "Hello?", settings=settings)
            assert (await site.ended(client, begun["reply"]["id"]))["state"] == "complete"
            return (await client.get(f"/api/messages/{begun['reply']['id']}/inspect")).json()  # type: ignore[no-any-return]

        first = await ask()
        assert first["templates"]["chat"] == {"source": "model", "number": None}
        assert first["rendered"].startswith("<|im_start|>system\nBe brief.<|im_end|>")
        roles = [(part["role"], part["message"]) for part in first["parts"]]
        assert roles == [
            ("template", None),
            ("system", 0),
            ("template", None),
            ("user", 1),
            ("template", None),
        ]
        answer = await client.put(PATH, json={"text": NEW})
        assert answer.status_code == 200, answer.text
        second = await ask()
        assert second["rendered"] == "[system] Be brief.\n[user] Hello?\n"
        assert second["templates"]["chat"] == {"source": "override", "number": 1}
        assert second["curl"] is not None
        again = (await client.get(f"/api/messages/{first['message_id']}/inspect")).json()
        assert again == first
        look = (await client.get(f"/api/messages/{second['message_id']}")).json()
        assert look["provenance"]["details"]["chat_template"] == "override/1"
