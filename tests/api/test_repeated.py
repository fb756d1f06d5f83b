"""What `deploy/api.md` says of requests that are sent again because their answer was lost."""

from __future__ import annotations

from tests.api.conftest import Site

CONTENT = {"name": "poet", "system": "Rhyme."}


async def test_what_is_safe_to_repeat_leaves_the_same_state(site: Site) -> None:
    client = site.client(site.visitor())
    ask = {"kind": "send", "client_key": "once", "text": "Hello"}
    first, again = [await client.post("/api/turns", json=ask) for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["reply"]["id"] == again.json()["reply"]["id"]
    other = await client.post("/api/turns", json={**ask, "text": "Other"})
    assert (other.status_code, other.json()["error"]["code"]) == (409, "key_taken")
    await site.ended(client, first.json()["reply"]["id"])
    here = f"/api/conversations/{first.json()['conversation']['id']}"
    renamed = [(await client.patch(here, json={"title": "Mine"})).status_code for _ in range(2)]
    assert renamed == [200, 200]
    removed = [(await client.delete(here)).status_code for _ in range(2)]
    assert removed[0] == 204
    assert removed[1] in (204, 404)

    made, twice = [await client.post("/api/templates", json={"content": CONTENT}) for _ in range(2)]
    assert made.json()["id"] != twice.json()["id"], "a POST that answers 201 makes something new each time"
    change = {"content": {**CONTENT, "system": "Rhyme well."}, "based_on": made.json()["version"]}
    place = f"/api/templates/{made.json()['id']}"
    changed = [(await client.put(place, json=change)).status_code for _ in range(2)]
    assert changed == [200, 409]
