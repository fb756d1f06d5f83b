"""What an API key decides about calls."""

from __future__ import annotations

from pathlib import Path

from backends.echo import EchoBackend
from tests.api.conftest import MakeSite, Site
from tests.api.test_keys import WAYS, client, held
from tests.api.v1.test_chat import CHAT, HELLO, body, chunks, nothing_left, said


async def test_a_key_decides_whether_calls_are_kept(make_site: MakeSite) -> None:
    async with make_site(ways=WAYS, titles=True) as site:
        keeps = held(site, stored=True)
        keeps_not = held(site, keeps.owner, stored=False)
        for key in (keeps, keeps_not):
            answer = await client(site, key.token).post(CHAT, json=body(stream=True))
            assert said(chunks(answer.text)) == "Hello there"
        (kept,) = (await client(site, keeps.token).get("/api/conversations")).json()["items"]
        assert (kept["title"], kept["running"]) == ("Hello there", False)
        thread = (await client(site, keeps.token).get(f"/api/conversations/{kept['id']}")).json()
        assert [one["text"] for one in thread["messages"]] == ["Hello there", "Hello there"]
        assert thread["messages"][1]["state"] == "complete"


async def test_a_keys_models_are_all_it_may_name(make_site: MakeSite) -> None:
    async with make_site(ways=WAYS) as site:
        other = client(site, held(site, models=("another",)).token)
        assert (await other.post(CHAT, json=body())).status_code == 404
        mine = client(site, held(site, models=("echo",)).token)
        assert (await mine.post(CHAT, json={"messages": HELLO})).json()["model"] == "echo"
        assert [one["id"] for one in (await mine.get("/v1/models")).json()["data"]] == ["echo"]


async def test_a_keys_tokens_of_a_day_end(make_site: MakeSite) -> None:
    async with make_site(EchoBackend(), ways=WAYS) as site:
        mine = client(site, held(site, stored=False, tokens_per_day=2).token)
        assert (await mine.post(CHAT, json=body())).status_code == 200
        refused = await mine.post(CHAT, json=body())
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "key_tokens")


async def test_a_refused_call_leaves_nothing(site: Site, tmp_path: Path) -> None:
    mine = client(site, held(site, stored=True).token)
    assert (await mine.post(CHAT, json=body(model="gpt-17"))).status_code == 404
    await nothing_left(tmp_path)


async def test_a_call_may_be_the_first_that_a_visitor_does(make_site: MakeSite) -> None:
    async with make_site(access="open") as site:
        new = site.client(None)
        page = await new.get("/", headers={"accept": "text/html"})
        new.headers["cookie"] = page.headers["set-cookie"].partition(";")[0]
        answer = await new.post(CHAT, json=body())
        assert answer.status_code == 200, answer.text
