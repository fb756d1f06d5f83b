"""Which templates a conversation and its messages are made with."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.api.archives import read_archive
from tests.api.conftest import Site
from tests.api.test_prompt_templates import CONTENT, ada, make

__all__ = ["ada"]

SYSTEM = "You greet {who}."


def persona(template: dict[str, Any], who: str = "Bo", **changes: Any) -> dict[str, Any]:
    """Settings as the page sends them when a persona is chosen."""
    use = {"id": template["id"], "version": template["version"], "name": "anything", "values": {"who": who}}
    return {"system_prompt": SYSTEM.format(who=who), "persona": use, **changes}


async def details(client: httpx.AsyncClient, reply: str) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/api/messages/{reply}")).json()["provenance"]
    return found


async def test_a_persona_is_kept_with_its_conversation_and_named_by_its_replies(
    site: Site, ada: httpx.AsyncClient
) -> None:
    made = await make(ada)
    begun = await site.send(ada, settings=persona(made))
    use = {"id": made["id"], "version": 1, "name": "Greeter"}
    assert begun["conversation"]["settings"]["persona"] == {**use, "values": {"who": "Bo"}}
    await site.ended(ada, begun["reply"]["id"])
    where = await details(ada, begun["reply"]["id"])
    assert (where["template"], where["details"]["persona"]) == ("Greeter/1", use)
    assert "user_template" not in where["details"]
    sent = (await ada.get(f"/api/messages/{begun['reply']['id']}/inspect")).json()
    assert sent["templates"]["persona"] == use
    assert sent["messages"][0]["content"] == "You greet Bo."


async def test_a_persona_that_did_not_write_the_system_prompt_is_dropped(
    site: Site, ada: httpx.AsyncClient
) -> None:
    made = await make(ada)
    conversation = (await site.send(ada))["conversation"]["id"]
    url = f"/api/conversations/{conversation}"

    async def kept(settings: dict[str, Any]) -> Any:
        answer = await ada.patch(url, json={"settings": settings})
        assert answer.status_code == 200, answer.text
        found = answer.json()["settings"]
        assert found["system_prompt"] == settings.get("system_prompt")
        return found["persona"]

    assert await kept(persona(made))
    assert await kept(persona(made, system_prompt="You greet nobody.")) is None
    assert await kept({"persona": persona(made)["persona"], "system_prompt": None}) is None
    assert await kept(persona({**made, "version": 2})) is None
    assert await kept(persona({**made, "id": "nothing"})) is None
    assert await kept({**persona(made), "persona": {**persona(made)["persona"], "values": {"x": 1}}}) is None
    stranger = site.client(site.visitor("Eve"))
    foreign = await make(stranger)
    assert await kept(persona(foreign)) is None


async def test_a_page_that_knows_no_personas_leaves_them_alone(site: Site, ada: httpx.AsyncClient) -> None:
    made = await make(ada)
    conversation = (await site.send(ada, settings=persona(made)))["conversation"]["id"]
    url = f"/api/conversations/{conversation}"
    same = {"system_prompt": "You greet Bo.", "sampling": {"temperature": 1.0}}
    assert (await ada.patch(url, json={"settings": same})).json()["settings"]["persona"]
    other = {"system_prompt": "You greet Bo!"}
    assert (await ada.patch(url, json={"settings": other})).json()["settings"]["persona"] is None


async def test_an_old_version_stays_what_it_was_also_when_its_template_is_gone(
    site: Site, ada: httpx.AsyncClient
) -> None:
    made = await make(ada)
    url = f"/api/templates/{made['id']}"
    changed = {**CONTENT, "system": "Now {{ who }} is greeted."}
    assert (await ada.put(url, json={"content": changed, "based_on": 1})).status_code == 200
    assert (await ada.delete(url)).status_code == 204
    begun = await site.send(ada, settings=persona(made))
    assert begun["conversation"]["settings"]["persona"]["version"] == 1


async def test_a_message_names_its_template_until_it_is_edited(site: Site, ada: httpx.AsyncClient) -> None:
    made = await make(ada)
    use = {"id": made["id"], "version": 1, "name": "Greeter"}
    begun = await site.send(ada, "Say hello to Bo, please.", template={**use, "values": {"who": "Bo"}})
    user, reply = begun["user"]["id"], begun["reply"]["id"]
    assert begun["user"]["template"] == use
    await site.ended(ada, reply)
    assert (await details(ada, reply))["details"]["user_template"] == use
    again = await site.send(ada, None, kind="regenerate", message_id=reply)
    await site.ended(ada, again["reply"]["id"])
    assert (await details(ada, again["reply"]["id"]))["details"]["user_template"] == use
    sent = (await ada.get(f"/api/messages/{again['reply']['id']}/inspect")).json()
    assert (sent["templates"]["persona"], sent["templates"]["user"]) == (None, use)
    edited = await site.send(ada, "Say hello to Eve.", kind="edit", message_id=user)
    assert edited["user"]["template"] is None
    await site.ended(ada, edited["reply"]["id"])
    assert "user_template" not in (await details(ada, edited["reply"]["id"]))["details"]


@pytest.mark.parametrize("whose", ["nobody", "stranger"])
async def test_a_template_that_is_not_theirs_is_not_named(
    site: Site, ada: httpx.AsyncClient, whose: str
) -> None:
    foreign = await make(site.client(site.visitor("Eve")), name="Secret")
    use = {"id": foreign["id"] if whose == "stranger" else "nothing", "version": 1, "name": "Greeter"}
    begun = await site.send(ada, template=use)
    assert begun["user"]["template"] is None
    refused = {"kind": "regenerate", "client_key": "k", "message_id": begun["reply"]["id"], "template": use}
    await site.ended(ada, begun["reply"]["id"])
    made = await make(ada)
    answer = await ada.post("/api/turns", json={**refused, "template": {**use, "id": made["id"]}})
    assert answer.status_code == 400


async def test_a_starter_can_be_the_template(site: Site, ada: httpx.AsyncClient) -> None:
    use = {"id": "starter-en-translate", "version": 1, "name": "x"}
    assert (await site.send(ada, template=use))["user"]["template"] == {**use, "name": "Translate"}


async def test_an_exported_conversation_keeps_both(site: Site, ada: httpx.AsyncClient) -> None:
    made = await make(ada)
    use = {"id": made["id"], "version": 1, "name": "Greeter"}
    begun = await site.send(ada, settings=persona(made), template=use)
    await site.ended(ada, begun["reply"]["id"])
    owner = begun["conversation"]["id"]
    exported = await ada.get(f"/api/conversations/{owner}/export")
    document = json.loads(exported.text)
    (found,) = read_archive(document, "somebody")
    assert found.conversation.settings.persona is not None
    assert found.conversation.settings.persona.values == {"who": "Bo"}
    assert found.messages[0].template is not None
    assert found.messages[0].template.named == use
    # Files from before there were templates are read as ever.
    del document["conversations"][0]["settings"]["persona"]
    for message in document["conversations"][0]["messages"]:
        del message["template"]
    (old,) = read_archive(document, "somebody")
    assert old.conversation.settings.persona is None
    assert old.messages[0].template is None
