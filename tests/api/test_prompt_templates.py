"""Prompt templates over HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.conftest import Site

CONTENT: dict[str, Any] = {
    "name": "Greeter",
    "description": "Greets",
    "system": "You greet {{ who }}.",
    "user": "Say hello{% if loud %} loudly{% endif %} to {{ who }}.",
    "variables": [{"name": "who", "required": True}, {"name": "loud", "type": "yes_no"}],
    "sampling": {"temperature": 0.2},
}


@pytest.fixture
async def ada(site: Site) -> httpx.AsyncClient:
    return site.client(site.visitor())


async def make(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await client.post("/api/templates", json={"content": {**CONTENT, **fields}})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_template_is_kept_with_all_its_versions(ada: httpx.AsyncClient) -> None:
    made = await make(ada)
    url = f"/api/templates/{made['id']}"
    assert (made["version"], made["scope"], made["mine"]) == (1, "personal", True)
    assert (made["has_system"], made["has_user"]) == (True, True)
    assert (await ada.get(url)).json() == made
    changed = {**made["content"], "user": "Say goodbye to {{ who }}."}
    put = await ada.put(url, json={"content": changed, "based_on": 1, "note": "bye"})
    assert put.json()["version"] == 2
    same = await ada.put(url, json={"content": changed, "based_on": 2})
    assert same.json()["version"] == 2
    late = await ada.put(url, json={"content": made["content"], "based_on": 1})
    assert (late.status_code, late.json()["error"]["code"]) == (409, "template_changed")
    back = await ada.put(url, json={"content": made["content"], "based_on": 2})
    assert back.json()["content"] == made["content"]
    versions = (await ada.get(url + "/versions")).json()["items"]
    assert [(v["number"], v["note"]) for v in versions] == [(3, ""), (2, "bye"), (1, "")]
    assert (await ada.get(url + "/versions/2")).json() == {**versions[1], "content": changed}
    assert (await ada.get(url + "/versions/4")).status_code == 404
    assert versions[0]["author"] == "Ada"


async def test_a_deleted_template_comes_back(ada: httpx.AsyncClient) -> None:
    made = await make(ada)
    url = f"/api/templates/{made['id']}"
    assert (await ada.delete(url)).status_code == 204
    assert (await ada.get(url)).status_code == 404
    assert (await ada.post(url + "/restore", json={})).json() == made


async def test_rendering_fills_in_and_names_what_is_wrong(ada: httpx.AsyncClient) -> None:
    render = "/api/templates/render"
    values = {"who": "{{ loud }}", "loud": True}
    answer = await ada.post(render, json={"content": CONTENT, "values": values})
    assert answer.json() == {
        "system": "You greet {{ loud }}.",
        "user": "Say hello loudly to {{ loud }}.",
        "problems": [],
    }
    made = await make(ada)
    by_id = await ada.post(render, json={"id": made["id"], "version": 1, "values": values})
    assert by_id.json() == answer.json()
    missing = await ada.post(render, json={"content": CONTENT, "values": {}})
    assert missing.status_code == 422
    assert (missing.json()["error"]["code"], missing.json()["error"]["params"]["field"]) == (
        "template_values",
        "who",
    )
    broken = {**CONTENT, "user": "one\n{{ whom }}"}
    for answer in (
        await ada.post(render, json={"content": broken, "values": values}),
        await ada.post("/api/templates", json={"content": broken}),
        await ada.put(f"/api/templates/{made['id']}", json={"content": broken, "based_on": 1}),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "template_broken")
        assert answer.json()["error"]["params"] == {
            "line": 2,
            "where": "user",
            "reason": "unknown_variable",
            "name": "whom",
        }


async def test_only_operators_share_and_change_what_is_shared(site: Site, ada: httpx.AsyncClient) -> None:
    refused = await ada.post("/api/templates", json={"content": CONTENT, "scope": "shared"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_operator")
    mine = await make(ada)
    up = {"content": mine["content"], "based_on": 1, "scope": "shared"}
    assert (await ada.put(f"/api/templates/{mine['id']}", json=up)).status_code == 403
    operator = site.client(site.store.create_owner("operator", "Olga"))
    shared = (await operator.post("/api/templates", json={"content": CONTENT, "scope": "shared"})).json()
    url = f"/api/templates/{shared['id']}"
    seen = (await ada.get(url)).json()
    assert (seen["mine"], seen["may_change"]) == (False, False)
    change = {"content": {**shared["content"], "name": "Mine"}, "based_on": 1}
    for answer in (await ada.put(url, json=change), await ada.delete(url)):
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_operator")
    copy = (await ada.post(url + "/duplicate", json={"name": "Own"})).json()
    assert (copy["mine"], copy["scope"], copy["content"]["name"]) == (True, "personal", "Own")
    other = site.client(site.store.create_owner("operator", "Oleg"))
    assert (await other.put(url, json=change)).json()["version"] == 2
    names = [item["content"]["name"] for item in (await ada.get("/api/templates?q=own")).json()["items"]]
    assert names == ["Own"]


@pytest.mark.parametrize("form", ["yaml", "json"])
async def test_a_file_brings_the_same_template_back(ada: httpx.AsyncClient, form: str) -> None:
    made = await make(ada)
    file = await ada.get(f"/api/templates/{made['id']}/export?format={form}")
    assert file.headers["content-disposition"].startswith("attachment")
    assert "webchat_template" in file.text.splitlines()[form == "json"]
    again = await ada.post("/api/templates/import", json={"text": file.text})
    assert (again.status_code, again.json()["content"]) == (201, made["content"])
    assert again.json()["id"] != made["id"]


async def test_starters_are_there_in_ones_language_and_stay_as_they_are(ada: httpx.AsyncClient) -> None:
    items = (await ada.get("/api/templates?language=zh-CN")).json()["items"]
    assert items
    assert all(item["id"].startswith("starter-zh-CN-") for item in items)
    english = (await ada.get("/api/templates", headers={"accept-language": "en-GB"})).json()["items"]
    starter = next(item for item in english if item["id"] == "starter-en-translate")
    assert (starter["scope"], starter["mine"], starter["version"]) == ("shared", False, 1)
    url = "/api/templates/starter-en-translate"
    whole = (await ada.get(url)).json()
    content = whole["content"]
    brief = {name: content[name] for name in ("name", "description")}
    assert starter == {**whole, "content": brief}
    change = {"content": content, "based_on": 1}
    for answer in (await ada.put(url, json=change), await ada.delete(url)):
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "template_read_only")
    (only,) = (await ada.get(url + "/versions")).json()["items"]
    assert (await ada.get(url + "/versions/1")).json() == {**only, "content": content}
    copy = (await ada.post(url + "/duplicate", json={})).json()
    assert copy["content"] == {**content, "name": "Translate (copy)"}
    assert (await ada.get("/api/templates/starter-en-nothing")).status_code == 404
