"""The names that a call may have for its model."""

from __future__ import annotations

from tests.api.conftest import Site
from tests.api.v1.test_chat import CHAT, HELLO, echo_of

CONTENT = {
    "name": "support",
    "system": "You answer for {{ shop }}.",
    "variables": [{"name": "shop", "default": "Fish"}],
}


async def test_a_template_may_be_the_model(site: Site) -> None:
    client = site.client(site.visitor())
    made = await client.post("/api/templates", json={"content": CONTENT})
    assert made.status_code == 201, made.text
    changed = {"content": {**CONTENT, "system": "Be rude."}, "based_on": 1}
    assert (await client.put(f"/api/templates/{made.json()['id']}", json=changed)).status_code == 200
    names = [one["id"] for one in (await client.get("/v1/models")).json()["data"]]
    assert names == ["echo", "support@v2"]
    assert (await client.get("/v1/models/support@v2")).json()["owned_by"] == "template"
    for name, system in {
        "support@v1": "You answer for Fish.",
        "support@v2": "Be rude.",
        "support": "Be rude.",
    }.items():
        answer = await client.post(CHAT, json={"model": name, "messages": HELLO})
        assert answer.json()["model"] == name
        assert echo_of(site).requests[-1].messages[0].text == system
    with_system = [{"role": "system", "content": "In one line."}, *HELLO]
    await client.post(CHAT, json={"model": "support", "messages": with_system})
    assert echo_of(site).requests[-1].messages[0].text == "Be rude.\n\nIn one line."
    assert (await client.post(CHAT, json={"model": "support@v9", "messages": HELLO})).status_code == 404
    # Nobody else has it.
    other = site.client(site.visitor("Eve"))
    assert (await other.post(CHAT, json={"model": "support", "messages": HELLO})).status_code == 404


async def test_a_link_with_a_system_prompt_of_its_own_takes_no_other(site: Site) -> None:
    shared = site.store.create_template(site.operating().id, {**CONTENT, "user": ""}, scope="shared")
    guest, _ = site.guest(template=shared.id)
    client = site.client(guest)
    answer = await client.post(CHAT, json={"messages": HELLO})
    assert answer.status_code == 200, answer.text
    assert echo_of(site).requests[-1].messages[0].text == "You answer for Fish."
    for messages in (
        [{"role": "system", "content": "Be rude."}, *HELLO],
        [*HELLO, {"role": "system", "content": "Be rude."}, *HELLO],
    ):
        refused = await client.post(CHAT, json={"messages": messages})
        assert refused.status_code == 403
        assert refused.json()["error"]["code"] == "system_prompt_fixed"
    assert [one["id"] for one in (await client.get("/v1/models")).json()["data"]] == ["echo"]


async def test_who_speaks_anthropic_is_listed_models_in_that_form(site: Site) -> None:
    client = site.client(site.visitor(), headers={"anthropic-version": "2023-06-01"})
    for name in ("one", "two"):
        content = {"name": name, "system": "Be brief."}
        assert (await client.post("/api/templates", json={"content": content})).status_code == 201
    whole = (await client.get("/v1/models")).json()
    ids = [one["id"] for one in whole["data"]]
    assert (ids[0], len(ids)) == ("echo", 3)
    assert (whole["has_more"], whole["first_id"], whole["last_id"]) == (False, ids[0], ids[-1])
    assert whole["data"][0]["type"] == "model"
    first = (await client.get("/v1/models?limit=2")).json()
    assert ([one["id"] for one in first["data"]], first["has_more"]) == (ids[:2], True)
    rest = (await client.get("/v1/models", params={"after_id": first["last_id"]})).json()
    assert ([one["id"] for one in rest["data"]], rest["has_more"]) == (ids[2:], False)
    before = (await client.get("/v1/models", params={"before_id": ids[2], "limit": 1})).json()
    assert ([one["id"] for one in before["data"]], before["has_more"]) == (ids[1:2], True)
    assert (await client.get("/v1/models/echo")).json() == whole["data"][0]
    for query in ("limit=0", "limit=x", "after_id=nothing"):
        wrong = await client.get(f"/v1/models?{query}")
        assert (wrong.status_code, wrong.json()["type"]) == (400, "error"), query


async def test_errors_below_messages_have_the_form_of_anthropic(site: Site) -> None:
    client = site.client(site.visitor())
    for path, kind in (
        ("/v1/messages/count_tokens", "error"),
        ("/v1/messages/", "error"),
        ("/v1/other", None),
    ):
        assert (await client.post(path, json={})).json().get("type") == kind, path
