from __future__ import annotations

from typing import Any

import httpx

from tests.api.conftest import Site


async def _thread(client: httpx.AsyncClient, conversation: str, **query: Any) -> dict[str, Any]:
    answer = await client.get(f"/api/conversations/{conversation}", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_list_is_read_page_by_page_without_a_gap(site: Site) -> None:
    client = site.client(site.visitor())
    made = [(await site.send(client, f"Number {n}"))["conversation"]["id"] for n in range(7)]
    await client.patch(f"/api/conversations/{made[2]}", json={"pinned": True})
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await client.get("/api/conversations", params={"limit": 3, "cursor": cursor})).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
    assert seen[0] == made[2]
    assert sorted(seen) == sorted(made)


async def test_what_is_changed_stays_changed(site: Site) -> None:
    client = site.client(site.visitor())
    begun = await site.send(client)
    await site.ended(client, begun["reply"]["id"])
    id = begun["conversation"]["id"]
    settings = {
        "model": "echo",
        "system_prompt": "Be brief.",
        "sampling": {"temperature": 0.5, "max_tokens": 50, "stop": ["END"]},
    }
    body = {"title": "  A \n title  ", "pinned": True, "archived": True, "settings": settings}
    changed = (await client.patch(f"/api/conversations/{id}", json=body)).json()
    assert changed["title"] == "A title"
    assert changed["title_by"] == "user"
    key = site.models.key("echo")
    assert changed["settings"] == {**settings, "model": key, "persona": None}
    assert (await _thread(client, id))["conversation"] == changed
    assert (await client.get("/api/conversations")).json()["items"] == []
    archived = (await client.get("/api/conversations", params={"archived": "1"})).json()
    assert [item["id"] for item in archived["items"]] == [id]


async def test_deleting_can_be_taken_back(site: Site) -> None:
    client = site.client(site.visitor())
    begun = await site.send(client)
    id, reply = begun["conversation"]["id"], begun["reply"]["id"]
    await site.ended(client, reply)
    assert (await client.delete(f"/api/conversations/{id}")).status_code == 204
    assert (await client.get(f"/api/conversations/{id}")).status_code == 404
    assert (await client.post(f"/api/conversations/{id}/restore")).json()["id"] == id
    rest = (await client.delete(f"/api/messages/{reply}")).json()
    assert [message["role"] for message in rest["messages"]] == ["user"]
    whole = (await client.post(f"/api/messages/{reply}/restore")).json()
    assert [message["id"] for message in whole["messages"]] == [begun["user"]["id"], reply]


async def test_versions_are_made_chosen_and_rated(site: Site) -> None:
    client = site.client(site.visitor())
    begun = await site.send(client)
    first = begun["reply"]["id"]
    await site.ended(client, first)
    corrected = (await client.post(f"/api/messages/{first}/edit", json={"text": "Better"})).json()
    mine = corrected["messages"][-1]
    assert mine["text"] == "Better"
    assert mine["author_id"] is not None
    assert mine["siblings"] == [first, mine["id"]]
    back = (await client.post(f"/api/messages/{first}/activate")).json()
    assert back["messages"][-1]["id"] == first
    rated = (await client.put(f"/api/messages/{first}/rating", json={"value": -1})).json()
    assert rated["rating"] == -1
    for text, code in (("  ", "empty_message"), ("x" * 2001, "message_too_long")):
        answer = await client.post(f"/api/messages/{first}/edit", json={"text": text})
        assert answer.json()["error"]["code"] == code


async def test_a_long_conversation_is_read_from_its_end(site: Site) -> None:
    client = site.client(site.visitor())
    begun = await site.send(client, "Number 0")
    id = begun["conversation"]["id"]
    for n in range(1, 6):
        await site.ended(client, begun["reply"]["id"])
        begun = await site.send(client, f"Number {n}", conversation_id=id, parent_id=begun["reply"]["id"])
    await site.ended(client, begun["reply"]["id"])
    seen: list[str] = []
    before: dict[str, Any] = {}
    while True:
        page = await _thread(client, id, limit=4, **before)
        seen = [message["text"] for message in page["messages"]] + seen
        if page["older"] is None:
            break
        before = {"before": page["older"]}
    assert seen == [text for n in range(6) for text in (f"Number {n}", f"Number {n}")]


async def test_search_finds_words_and_two_chinese_characters(site: Site) -> None:
    client = site.client(site.visitor())
    id = (await site.send(client, "今天天气很好 and the weather is fine"))["conversation"]["id"]
    for query in ("天气", "weather", "weath"):
        found = (await client.get("/api/search", params={"q": query})).json()["items"]
        assert {hit["conversation_id"] for hit in found} == {id}
        for hit in found:
            for start, end in hit["ranges"]:
                assert query in hit["snippet"][start:end] or hit["snippet"][start:end] in query + "er"
    assert (await client.get("/api/search", params={"q": " "})).json()["items"] == []


async def test_me_and_models_say_what_the_page_needs(site: Site) -> None:
    client = site.client(site.visitor())
    me = (await client.get("/api/me")).json()
    assert me["boot"] == "boot-1"
    assert me["default_model"] == "echo"
    assert me["limits"] == {"message_chars": 2000}
    assert me["share"] == {"access": "link"}
    await site.ended(client, (await site.send(client))["reply"]["id"])
    (model,) = (await client.get("/api/models")).json()["models"]
    assert model["status"] == "ready"
    assert model["takes"] == ["max_tokens", "seed", "stop"]
