"""API keys at the door: whom they admit, what they open, and how soon they end."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from backends.echo import EchoBackend
from tests.api.conftest import MakeSite, Site, serving
from tests.api.test_access import ROWS, _call, _ids, local_client
from webchat.api import key_scope
from webchat.api.routes import TABLE
from webchat.auth import Ways
from webchat.auth.api_keys import keys as keys_room
from webchat.auth.api_keys import new_key
from webchat.auth.owners import KEPT_SECONDS
from webchat.auth.passwords.checking import hash_password
from webchat.logs import TELLING
from webchat.models import ModelSpec
from webchat.store import NotFound
from webchat.store.errors import TooManyKeys
from webchat.store.key_records import SCOPES, ApiKey, KeyScope, KeyTerms
from webchat.store.people import keys as keys_verbs
from webchat.store.records import Owner

WAYS = Ways(link=True, password=True)


@dataclass
class Held:
    """A key, whose it is, and its secret."""

    key: ApiKey
    owner: Owner
    token: str


def held(site: Site, owner: Owner | None = None, lifetime: str = "never", **terms: Any) -> Held:
    if "scopes" in terms:
        terms["scopes"] = frozenset(terms["scopes"])
    if owner is None:
        person = site.store.add_person("password", f"p{site.visitor().id}", "Ada", password_hash="x")
        owner = site.store.owner(person.owner_id)
    made = new_key(site.store, owner.id, "script", lifetime, datetime.now(UTC), KeyTerms(**terms))
    return Held(made.key, owner, made.token)


def client(site: Site, token: str, header: str = "authorization", **headers: str) -> httpx.AsyncClient:
    value = f"Bearer {token}" if header == "authorization" else token
    return site.client(None, headers={header: value, **headers})


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
async def test_a_key_is_its_person_and_gets_no_cookie(site: Site, header: str) -> None:
    mine = held(site)
    asked = client(site, mine.token, header)
    answer = await asked.get("/api/me")
    assert answer.status_code == 200, answer.text
    assert answer.json()["owner"]["id"] == mine.owner.id
    assert "set-cookie" not in answer.headers
    begun = await site.send(asked)
    assert site.store.conversation(mine.owner.id, begun["conversation"]["id"])


async def test_a_key_needs_no_origin_but_a_cookie_beside_it_counts_for_nothing(site: Site) -> None:
    mine, other = held(site), site.visitor("Eve")
    elsewhere = {"origin": "https://elsewhere.example", "sec-fetch-site": "cross-site"}
    both = client(site, mine.token, cookie=site.cookie(other), **elsewhere)
    answer = await both.post("/api/templates", json={"content": {"name": "New", "user": "Hi"}})
    assert answer.status_code == 201, answer.text
    assert (await both.get("/api/me")).json()["owner"]["id"] == mine.owner.id
    wrong = client(site, f"{mine.token[:-1]}-", cookie=site.cookie(other))
    assert code(await wrong.get("/api/me")) == (401, "key_unknown")


async def test_of_two_keys_in_one_request_neither_counts(site: Site) -> None:
    first, second = held(site), held(site)
    two = client(site, first.token, **{"x-api-key": second.token})
    assert code(await two.get("/api/me")) == (401, "key_unknown")
    same = client(site, first.token, **{"x-api-key": first.token})
    assert (await same.get("/api/me")).status_code == 200


async def test_a_key_of_another_kind_is_nobody(site: Site) -> None:
    strange = client(site, "sk-something")
    answer = await strange.get("/api/me")
    assert code(answer) == (401, "key_unknown")
    assert answer.headers["www-authenticate"] == "Bearer"
    # A proxy in front may send a token of its own.
    cookie = client(site, "ey.a.token", cookie=site.cookie(site.visitor()))
    assert (await cookie.get("/api/me")).status_code == 200
    assert code(await site.client(None).get("/v1/models")) == (401, "invalid_api_key")


async def test_a_loopback_start_needs_no_key_but_checks_those_it_gets(site: Site) -> None:
    local = local_client(site)
    assert (await local.get("/api/me", headers={"authorization": "Bearer anything"})).status_code == 200
    assert code(await local.get("/api/me", headers={"x-api-key": "wk_wrong"})) == (401, "key_unknown")
    mine = held(site)
    answer = await local.get("/api/me", headers={"x-api-key": mine.token})
    assert answer.status_code != 401
    rebound = {"x-api-key": mine.token, "host": "evil.example"}
    assert code(await local.get("/api/me", headers=rebound)) == (403, "host_not_allowed")


@pytest.mark.parametrize("how", ["revoked", "expired", "disabled", "removed", "no operator"])
async def test_a_key_ends_with_its_person_and_says_why(site: Site, how: str) -> None:
    operator = site.operating() if how == "no operator" else None
    mine = held(site, operator, "7d" if how == "expired" else "never")
    asked = client(site, mine.token)
    assert (await asked.get("/api/me")).status_code == 200
    told = "key_unknown"
    match how:
        case "revoked":
            site.store.revoke_key(mine.owner.id, mine.key.id)
            told = "key_revoked"
        case "expired":
            past = (datetime.now(UTC) - timedelta(days=1)).replace(tzinfo=None)
            with site.store.transaction(write=True) as connection:
                connection.exec_driver_sql("UPDATE api_keys SET expires_at = ?", (str(past),))
            told = "key_expired"
        case "disabled":
            site.store.set_disabled(mine.owner.id, True)
            told = "person_disabled"
        case "removed":
            site.store.remove_person(mine.owner.id)
        case "no operator":
            site.store.revoke_operators(mine.owner.id)
    await asyncio.sleep(KEPT_SECONDS)
    assert code(await asked.get("/api/me")) == (401, told)


@pytest.mark.parametrize("by", ["this process", "another"])
async def test_an_open_stream_ends_with_its_key(make_site: MakeSite, by: str) -> None:
    async with make_site(EchoBackend(script=["a"] * 1000, rate=20)) as site:
        mine = held(site)
        async with serving(site.door) as url, httpx.AsyncClient(base_url=url, timeout=60) as asked:
            asked.headers["x-api-key"] = mine.token
            await site.send(asked)
            async with asked.stream("GET", "/api/events") as stream:
                chunks = stream.aiter_bytes()
                await anext(chunks)
                site.store.revoke_key(mine.owner.id, mine.key.id)
                if by == "this process":
                    site.services.identities.owners.forget_key(mine.key.id)
                async for _ in chunks:  # ends, or the time-out of the client does
                    pass
            assert code(await asked.get("/api/me")) == (401, "key_revoked")


async def test_no_key_opens_what_its_row_does_not_name(make_site: MakeSite) -> None:
    """The table of routes decides, for the key of an operator, too; whatever is outside it is closed."""
    hashed = hash_password("a long enough one")
    async with make_site(ways=WAYS) as site:
        operator = site.person("op", hashed, operates=True)
        needs = {(row.method, row.path): row.key for _, rows in TABLE for row in rows}
        tokens = {scope: held(site, operator, scopes=[scope]).token for scope in SCOPES}
        clients = {scope: client(site, token) for scope, token in tokens.items()}
        ids = {**await _ids(site, site.session(operator)[1]), "session": "x"}
        for row in ROWS:
            need = needs.get(row.key)
            if row.path in ("/healthz", "/healthz/stream", "/readyz") or row.path.startswith(
                "/v1/"
            ):  # open, and of another form
                continue
            for scope, asked in clients.items():
                answer = await _call(site, asked, row, ids)
                if need is None:
                    assert code(answer) == (403, "key_not_open"), (row.key, answer.text)
                elif need != scope:
                    assert code(answer) == (403, "key_scope"), (row.key, answer.text)
                    assert need in answer.json()["error"]["message"]
                else:
                    assert answer.status_code in (row.own, row.operates, row.member), (row.key, answer.text)
        for path in ("/", "/config", "/gradio_api/info", "/operator/", "/pages/x", "/sign-in", "/s/x", "/t"):
            assert code(await clients["read"].get(path)) == (403, "key_not_open"), path


MANAGES = (
    "/api/links", "/api/me/", "/api/moderation", "/api/judgements", "/api/replays",
    "/api/chat-templates", "/api/shares",
    "/t/", "/sign-in/", "/api/sign-out", "/api/handover", "/api/consent", "/api/conversations/take-over",
)  # fmt: skip


def test_what_manages_people_links_or_keys_is_open_to_no_key() -> None:
    for _, rows in TABLE:
        for row in rows:
            if row.path.startswith(MANAGES):
                assert row.key is None, row.path
            if row.key == "read" and row.path != "/api/templates/render":
                assert row.method == "GET", row.path
            if row.key is None:
                assert key_scope(row.method, row.path.replace("{id}", "x")) is None, row.path
    assert key_scope("GET", "/api/keys") is None
    assert key_scope("GET", "/gradio_api/queue/data") is None


async def test_nobody_finds_anothers_chats_with_a_key(site: Site) -> None:
    owner = site.client(site.visitor())
    ids = await _ids(site, owner)
    asked = client(site, held(site).token)
    assert code(await asked.get(f"/api/conversations/{ids['id']}")) == (404, "not_found")


async def test_a_key_uses_the_models_it_names_alone(make_site: MakeSite) -> None:
    specs = [ModelSpec(name=name, kind="echo", source="echo") for name in ("one", "two")]
    async with make_site(specs=specs) as site:
        asked = client(site, held(site, models=("two",)).token)
        listed = (await asked.get("/api/models")).json()["models"]
        assert [one["name"] for one in listed] == ["two"]
        begun = await site.send(asked)
        assert begun["reply"]["model"] == "two"
        body = {"kind": "send", "client_key": "k", "text": "Hi", "model": "one"}
        answer = await asked.post("/api/turns", json=body)
        assert code(answer) == (400, "unknown_model"), answer.text


async def test_limits_of_a_key_say_when_to_try_again(site: Site) -> None:
    asked = client(site, held(site, requests_per_minute=2).token)
    for _ in range(2):
        assert (await asked.get("/api/me")).status_code == 200
    answer = await asked.get("/api/me")
    assert code(answer) == (429, "key_requests")
    assert 1 <= int(answer.headers["retry-after"]) <= 61


async def test_a_key_has_so_many_requests_open_at_once(make_site: MakeSite) -> None:
    async with make_site() as site:
        mine = held(site, at_once=1)
        async with serving(site.door) as url, httpx.AsyncClient(base_url=url, timeout=60) as asked:
            asked.headers["x-api-key"] = mine.token
            async with asked.stream("GET", "/api/events") as stream:
                assert stream.status_code == 200
                assert code(await asked.get("/api/me")) == (429, "key_busy")
            while (await asked.get("/api/me")).status_code == 429:  # noqa: ASYNC110  until it was noticed
                await asyncio.sleep(0.01)


async def test_tokens_of_a_day_are_counted_and_end_with_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = held(site, tokens_per_day=1)
    asked = client(site, mine.token)
    begun = await site.send(asked)
    await site.ended(asked, begun["reply"]["id"])
    (kept,) = site.store.own_keys(mine.owner.id)
    assert kept.tokens > 0
    body = {"kind": "send", "client_key": "next", "text": "Hi"}
    answer = await asked.post("/api/turns", json=body)
    assert code(answer) == (429, "key_tokens")
    assert 0 < int(answer.headers["retry-after"]) <= 86_400
    assert (await asked.get("/api/me")).status_code == 200
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    monkeypatch.setattr(keys_verbs, "now", lambda: tomorrow)
    assert (await asked.post("/api/turns", json=body)).status_code == 201


async def test_wrong_keys_are_delayed_and_right_ones_are_not(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys_room, "FAILURES_PER_MINUTE", 60)
    mine, other = held(site), held(site)
    right = client(site, mine.token)
    assert (await right.get("/api/me")).status_code == 200
    guesses = [client(site, f"{mine.token[:16]}{n:043}") for n in range(6)]
    answers = [await one.get("/api/me") for one in guesses]
    assert [one.status_code for one in answers] == [401] * 5 + [429]
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert (await right.get("/api/me")).status_code == 200
    assert (await client(site, other.token).get("/api/me")).status_code == 200
    for n in range(60):
        await client(site, f"wk_{n:012x}_{n:043}").get("/api/me")
    assert code(await client(site, held(site).token).get("/api/me")) == (429, "key_delayed")
    assert (await right.get("/api/me")).status_code == 200


async def test_the_last_use_is_noted(site: Site) -> None:
    mine = held(site)
    await client(site, mine.token).get("/api/me")
    while site.store.own_keys(mine.owner.id)[0].last_used_at is None:  # noqa: ASYNC110  it is stored beside
        await asyncio.sleep(0.01)


def test_who_may_have_a_key_and_how_many(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for owner in (site.visitor(), site.guest()[0]):
        with pytest.raises(NotFound):
            held(site, owner)
    monkeypatch.setattr(keys_verbs, "MOST_KEYS", 2)
    operator = site.operating()
    first = held(site, operator)
    held(site, operator)
    with pytest.raises(TooManyKeys):
        held(site, operator)
    with pytest.raises(NotFound):
        site.store.revoke_key(site.operating().id, first.key.id)
    site.store.revoke_key(operator.id, first.key.id)
    assert held(site, operator).key.prefix != first.key.prefix
    assert [one.key.revoked_at is not None for one in site.store.listed_keys().items] == [False, False, True]


def test_operators_find_keys_by_name_owner_and_beginning(site: Site) -> None:
    ada = site.store.owner(site.store.add_person("password", "ada", "Ada_1", password_hash="x").owner_id)
    first, second = held(site, ada), held(site, site.operating())
    for text, found in (
        ("", [second, first]),
        ("DA_1", [first]),
        ("SCRI", [second, first]),
        ("%", []),
        (first.key.prefix, [first]),
        (first.token, [first]),
        (second.key.id, [second]),
    ):
        page = site.store.listed_keys(text=text)
        assert [one.key.id for one in page.items] == [one.key.id for one in found], text
    assert site.store.listed_key(first.key.id).owner == "Ada_1"
    with pytest.raises(NotFound):
        site.store.listed_key("nothing")


def test_keys_that_ended_long_ago_are_deleted(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    operator = site.operating()
    gone, stays = held(site, operator), held(site, operator)
    site.store.revoke_key(operator.id, gone.key.id)
    assert site.store.trim_keys() == 0
    later = datetime.now(UTC) + keys_verbs.KEPT + timedelta(days=1)
    monkeypatch.setattr(keys_verbs, "now", lambda: later)
    assert site.store.trim_keys() == 1
    assert [one.key.id for one in site.store.listed_keys().items] == [stays.key.id]


@pytest.mark.parametrize("scope", SCOPES)
def test_every_scope_opens_something(scope: KeyScope) -> None:
    assert scope == "chat" or any(row.key == scope for _, rows in TABLE for row in rows)


async def test_people_make_list_and_revoke_their_keys(make_site: MakeSite) -> None:
    async with make_site(ways=WAYS) as site:
        _, page = site.session(site.person("ada", hash_password("a long enough one")))
        terms = {"scopes": ["read"], "stored": False, "at_once": 2}
        answer = await page.post(
            "/api/me/keys", json={"name": " My\nscript ", "expires": "7d", "terms": terms}
        )
        assert answer.status_code == 201, answer.text
        made = answer.json()
        assert (made["key"]["name"], made["key"]["scopes"], made["key"]["at_once"]) == (
            "My script",
            ["read"],
            2,
        )
        asked = client(site, made["token"])
        assert (await asked.get("/api/me")).status_code == 200
        listed = (await page.get("/api/me/keys")).json()["keys"]
        assert [one["id"] for one in listed] == [made["key"]["id"]]
        assert made["token"] not in str(listed)
        _, other = site.session(site.person("eve", hash_password("a long enough one")))
        assert (await other.get("/api/me/keys")).json()["keys"] == []
        path = f"/api/me/keys/{made['key']['id']}"
        assert (await other.delete(path)).status_code == 404
        assert (await page.delete(path)).status_code == 204
        assert code(await asked.get("/api/me")) == (401, "key_revoked")
        assert (await page.get("/api/me/keys")).json()["keys"] == []


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": " \n "},
        {"name": "ci", "expires": "soon"},
        {"name": "ci", "terms": {"scopes": []}},
        {"name": "ci", "terms": {"scopes": ["people"]}},
        {"name": "ci", "terms": {"at_once": 0}},
    ],
)
async def test_a_key_that_cannot_be_is_refused(site: Site, body: dict[str, Any]) -> None:
    operator = site.operating()
    assert (await site.client(operator).post("/api/me/keys", json=body)).status_code == 422
    assert site.store.own_keys(operator.id) == []


async def test_no_log_ever_holds_a_key(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Neither one that works, nor one that does not, whatever is asked with it and however that ends."""
    caplog.set_level(logging.DEBUG)
    mine = held(site, scopes=["read", "chat"], at_once=1)
    wrong = f"{mine.token[:-4]}aaaa"
    body = {"model": mine.token, "messages": [{"role": "user", "content": "Hi"}]}
    for token in (mine.token, wrong):
        for header in ("authorization", "x-api-key"):
            asked = client(site, token, header)
            await asked.get("/api/me")
            await asked.get("/api/conversations/nothing")
            await asked.post("/api/turns", json={"kind": token})
            await asked.post("/v1/chat/completions", json=body)
            await asked.post("/v1/messages", content=token)
            await asked.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": token})
    site.store.revoke_key(mine.owner.id, mine.key.id)
    site.services.identities.owners.forget_key(mine.key.id)
    await client(site, mine.token).get("/api/me")
    secret = mine.token.removeprefix(f"{mine.key.prefix}_")[:20]
    said = [record.getMessage() for record in caplog.records if not record.name.startswith(TELLING)]
    assert said
    assert secret not in "\n".join(said)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["local", "visitor", "guest", "member", "operator"])
async def test_a_key_does_nothing_that_its_person_could_not(make_site: MakeSite, kind: str) -> None:
    """Every route, by the key and by the session of each kind of person: never more by the key."""
    hashed = hash_password("a long enough one")
    async with make_site(ways=WAYS, access="local" if kind == "local" else "link") as site:
        match kind:
            case "local":
                owner = site.store.local_owner()
            case "visitor":
                owner = site.visitor()
            case "guest":
                owner = site.guest()[0]
            case _:
                owner = site.person("ada", hashed, operates=kind == "operator")
        if kind in ("visitor", "guest"):
            with pytest.raises(NotFound):
                held(site, owner)
            return
        by_key = client(site, held(site, owner).token)
        own = site.session(owner)[1] if kind in ("member", "operator") else local_client(site)
        ids = {**await _ids(site, own), "session": "x"}
        for row in ROWS:
            if row.path in ("/api/sign-out", "/api/me/sessions", "/api/me/password"):
                continue
            asked = await _call(site, by_key, row, ids)
            allowed = await _call(site, own, row, ids)
            assert asked.status_code < 500, row.key
            if asked.status_code < 300 and row.method == "GET":
                assert allowed.status_code == asked.status_code, row.key
